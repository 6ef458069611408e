//! The metrics in Prometheus' text format: what they count, and which clients may read them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, Scope};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use task_api::config::duration::Timeout;
use task_api::config::server_limits::ServerLimits;
use task_api::metrics::exposition::Exposition;
use task_api::router::ROUTES;

use crate::support::data_dir::Engine;
use crate::support::http_client::{Client, TEST_TIMEOUT};
use crate::support::program::{RunningServer, WorkDir};
use crate::support::{
    self, PASSWORD, TestApp, TestResponse, one_core, request_from, wait_until_blocked,
};

// ---- a strict parser of the text format -----------------------------------------------------------

/// Label name → value.
type Labels = BTreeMap<String, String>;

/// Name, labels, value.
type Sample = (String, Labels, f64);

#[derive(Debug)]
struct Family {
    kind: String,
    samples: Vec<Sample>,
}

/// The metric families of one scrape, by name.
#[derive(Debug)]
struct Scrape(BTreeMap<String, Family>);

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().all(is_part) && !text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty()
}

/// Parses `name="value",...` up to the closing brace. Only the three escapes of the format are accepted.
fn parse_labels(text: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    let mut rest = text;
    loop {
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(is_name(name) && !name.starts_with("__"), "{text}");
        let mut unescaped = String::new();
        let mut chars = value.chars();
        loop {
            match chars.next().unwrap() {
                '"' => break,
                '\\' => unescaped.push(match chars.next().unwrap() {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    c => panic!("\\{c} in {text}"),
                }),
                c => unescaped.push(c),
            }
        }
        let before = labels.insert(name.to_owned(), unescaped);
        assert_eq!(before, None, "{name} occurs twice in {text}");
        rest = chars.as_str();
        match rest.split_at(1) {
            (",", more) => rest = more,
            ("}", end) => return (labels, end),
            _ => panic!("{rest}"),
        }
    }
}

fn parse_sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap();
    let (name, rest) = line.split_at(end);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest),
        None => (Labels::new(), rest),
    };
    let value: f64 = value.strip_prefix(' ').unwrap().parse().unwrap();
    assert!(value.is_finite() && value >= 0.0, "{line}");
    (name.to_owned(), labels, value)
}

impl Scrape {
    fn parse(text: &str) -> Scrape {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut lines = text.strip_suffix('\n').unwrap().split('\n').peekable();
        while let Some(help) = lines.next() {
            let (name, help) = help
                .strip_prefix("# HELP ")
                .unwrap()
                .split_once(' ')
                .unwrap();
            assert!(
                is_name(name) && help.ends_with('.') && !help.contains('\\'),
                "{help}"
            );
            let kind = lines.next().unwrap().strip_prefix("# TYPE ").unwrap();
            let kind = kind.strip_prefix(name).unwrap().strip_prefix(' ').unwrap();
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
            let mut family = Family {
                kind: kind.to_owned(),
                samples: Vec::new(),
            };
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                family.samples.push(parse_sample(line));
            }
            family.check(name);
            let before = families.insert(name.to_owned(), family);
            assert!(before.is_none(), "{name} occurs twice");
        }
        Scrape(families)
    }

    /// The value of the sample with this name and these labels; 0 if there is none.
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let (_, family) = self
            .0
            .iter()
            .find(|(family, _)| name.starts_with(*family))
            .unwrap();
        let wanted: Labels = labels
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect();
        let mut found = family
            .samples
            .iter()
            .filter(|(n, l, _)| n == name && *l == wanted);
        found.next().map_or(0.0, |(.., value)| *value)
    }

    /// How many connections were closed because of a limit, over all limits.
    fn ended_by_limits(&self) -> f64 {
        let samples = self.0["http_connections_ended_total"].samples.iter();
        samples.map(|(.., count)| count).sum()
    }

    /// The number of requests by method, route and status, such as `"GET /tasks/{id} 200"`.
    fn requests(&self) -> BTreeMap<String, f64> {
        let samples = self.0["http_requests_total"].samples.iter();
        let line = |(_, labels, count): &Sample| {
            assert_eq!(labels.len(), 3);
            (
                format!(
                    "{} {} {}",
                    labels["method"], labels["route"], labels["status"]
                ),
                *count,
            )
        };
        samples.map(line).collect()
    }
}

impl Family {
    fn check(&self, name: &str) {
        let mut seen = BTreeSet::new();
        for (sample, labels, _) in &self.samples {
            assert!(
                seen.insert((sample, labels)),
                "{sample} {labels:?} occurs twice"
            );
        }
        match self.kind.as_str() {
            "counter" | "gauge" => assert!(self.samples.iter().all(|(sample, ..)| sample == name)),
            "histogram" => self.check_histograms(name),
            "summary" => self.check_summary(name),
            kind => panic!("{name} is a {kind}"),
        }
    }

    /// Quantiles whose values increase, then sum and count.
    fn check_summary(&self, name: &str) {
        let (quantiles, others) = self.samples.split_at(self.samples.len() - 2);
        assert!(quantiles.is_sorted_by_key(|(_, labels, _)| labels["quantile"].clone()));
        assert!(quantiles.is_sorted_by_key(|(.., value)| *value));
        assert!(quantiles.iter().all(|(sample, ..)| sample == name));
        let others: Vec<_> = others.iter().map(|(sample, ..)| sample.as_str()).collect();
        assert_eq!(others, [format!("{name}_sum"), format!("{name}_count")]);
    }

    /// For each set of labels: buckets whose bounds and counts increase, `+Inf` last, then sum and count.
    fn check_histograms(&self, name: &str) {
        let mut rest = &self.samples[..];
        while !rest.is_empty() {
            let is_bucket = |(sample, ..): &Sample| *sample == format!("{name}_bucket");
            let end = rest.iter().position(|sample| !is_bucket(sample)).unwrap();
            let (buckets, others) = rest.split_at(end);
            let mut before = (f64::NEG_INFINITY, 0.0);
            let (_, sum_labels, _) = &others[0];
            for (_, labels, count) in buckets {
                let mut labels = labels.clone();
                let bound = match labels.remove("le").unwrap().as_str() {
                    "+Inf" => f64::INFINITY,
                    bound => bound.parse().unwrap(),
                };
                assert!(
                    bound > before.0 && *count >= before.1,
                    "{name} {labels:?} {bound}"
                );
                assert_eq!(labels, *sum_labels);
                before = (bound, *count);
            }
            assert_eq!(
                (others[0].0.as_str(), before.0),
                (format!("{name}_sum").as_str(), f64::INFINITY)
            );
            assert_eq!(
                others[1],
                (format!("{name}_count"), sum_labels.clone(), before.1)
            );
            rest = &others[2..];
        }
    }
}

/// Requests `/metrics` and parses the response.
fn scrape(app: &TestApp) -> Scrape {
    let response = app.send("GET /metrics", None, "");
    assert_eq!(response.status, 200, "{response:?}");
    Scrape::parse(response.text())
}

/// Scrapes until the condition holds: a counter may change shortly after the client has its response.
fn scrape_until(app: &TestApp, what: &str, condition: impl Fn(&Scrape) -> bool) -> Scrape {
    let end = Instant::now() + TEST_TIMEOUT;
    loop {
        let scrape = scrape(app);
        if condition(&scrape) {
            return scrape;
        }
        assert!(Instant::now() < end, "{what}: {scrape:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn every_metric_is_in_the_exposition_format_and_in_docs_operations() {
    let app = TestApp::new();
    let response = app.send("GET /metrics", None, "");
    let media_type = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(response.header("Content-Type"), Some(media_type));
    assert_eq!(response.header("Cache-Control"), Some("no-store"));
    let families = Scrape::parse(response.text()).0;
    let found: Vec<_> = families
        .iter()
        .map(|(name, f)| (name.as_str(), f.kind.as_str()))
        .collect();
    let of_the_engine = match Engine::current() {
        Engine::Sqlite => &[
            ("database_bytes", "gauge"),
            ("database_free_bytes", "gauge"),
            ("database_log_bytes", "gauge"),
            ("write_group_seconds", "summary"),
            ("write_group_size", "summary"),
        ][..],
        Engine::Postgres => &[
            ("database_conflicts_total", "counter"),
            ("database_connections_idle", "gauge"),
            ("database_connections_in_use", "gauge"),
            ("database_connections_max", "gauge"),
            ("database_primary_reachable", "gauge"),
            ("database_reads_from_standby", "gauge"),
        ],
    };
    let of_both = [
        ("audit_head_info", "gauge"),
        ("audit_rows", "gauge"),
        ("audit_sealed", "gauge"),
        ("database_wait_seconds", "histogram"),
        ("http_connections_accepted_total", "counter"),
        ("http_connections_ended_total", "counter"),
        ("http_connections_open", "gauge"),
        ("http_request_duration_seconds", "histogram"),
        ("http_requests_total", "counter"),
        ("log_lines_dropped_total", "counter"),
        ("pending_accounts", "gauge"),
        ("pending_accounts_max", "gauge"),
        ("process_open_fds", "gauge"),
        ("process_resident_memory_bytes", "gauge"),
        ("process_start_time_seconds", "gauge"),
        ("queue_left_total", "counter"),
        ("queue_length", "gauge"),
        ("queue_running", "gauge"),
        ("queue_wait_seconds", "histogram"),
        ("rate_limit_refusals_total", "counter"),
        ("storage_errors_total", "counter"),
        ("storage_ready", "gauge"),
    ];
    let mut expected = [&of_both[..], of_the_engine].concat();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for (name, _) in expected {
        let is_documented =
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md"))
                .contains(&format!("`{name}"));
        assert!(is_documented, "{name} is not in docs/operations.md");
    }
}

#[test]
fn special_characters_in_a_label_value_are_escaped() {
    let mut text = Exposition::default();
    let hostile = "a\"b\\c\nd} 1\\n=é";
    text.counter("x_total", "Help.")
        .sample(&[("label", hostile), ("other", "")], 7);
    let scrape = Scrape::parse(&text.into_string());
    assert_eq!(
        scrape.value("x_total", &[("label", hostile), ("other", "")]),
        7.0
    );
}

// ---- requests -------------------------------------------------------------------------------------

#[test]
fn each_request_is_counted_once_by_method_route_and_status() {
    let app = TestApp::new();
    let (admin, employee) = (app.admin(), app.employee());
    let task = app.create_task(&admin, json!({ "title": "t" }));
    let mut expected = BTreeMap::from([("POST /tasks 201".to_owned(), 1.0)]);
    for (line, account, body, counted) in [
        ("GET /hello", Some(&admin), "", "GET /hello 200"),
        ("GET /hello", Some(&employee), "", "GET /hello 200"),
        ("GET /hello", None, "", "GET /hello 401"),
        ("HEAD /hello", Some(&admin), "", "HEAD /hello 200"),
        ("GET /tasks?limit=1", Some(&admin), "", "GET /tasks 200"),
        ("GET /tasks?limit=x", Some(&admin), "", "GET /tasks 422"),
        ("GET /tasks/TASK", Some(&admin), "", "GET /tasks/{id} 200"),
        ("GET /tasks/9999", Some(&admin), "", "GET /tasks/{id} 404"),
        ("GET /tasks/x%2Fy", Some(&admin), "", "GET /tasks/{id} 404"),
        (
            "PATCH /tasks/TASK",
            Some(&admin),
            "{",
            "PATCH /tasks/{id} 400",
        ),
        (
            "DELETE /tasks/TASK",
            Some(&employee),
            "",
            "DELETE /tasks/{id} 403",
        ),
        (
            "DELETE /tasks/TASK",
            Some(&admin),
            "",
            "DELETE /tasks/{id} 204",
        ),
        ("OPTIONS /tasks", None, "", "OPTIONS /tasks 204"),
        ("PUT /tasks", None, "", "other /tasks 405"),
        ("get /tasks", None, "", "other /tasks 405"),
        ("OPTIONS *", None, "", "OPTIONS unmatched 204"),
        ("GET /nowhere", None, "", "GET unmatched 404"),
        ("BREW /nowhere", None, "", "other unmatched 404"),
        ("GET /%ff", None, "", "GET unmatched 404"),
        ("GET /metrics?name[]=x", None, "", "GET /metrics 200"),
    ] {
        let line = line.replace("TASK", &task.to_string());
        app.send(&line, account.cloned(), body);
        *expected.entry(counted.to_owned()).or_default() += 1.0;
    }
    assert_eq!(scrape(&app).requests(), expected);
    *expected.entry("GET /metrics 200".to_owned()).or_default() += 1.0;
    assert_eq!(scrape(&app).requests(), expected);
}

#[test]
fn each_route_is_counted_in_its_own_series() {
    let app = TestApp::new();
    for route in ROUTES {
        app.send(
            &format!("{} {}", route.method, route.path.replace("{id}", "1")),
            None,
            "",
        );
    }
    let counted: BTreeSet<_> = scrape(&app).requests().into_keys().collect();
    let lines: BTreeSet<_> = counted
        .iter()
        .map(|key| key.rsplit_once(' ').unwrap().0)
        .collect();
    let table: Vec<_> = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(lines, table.iter().map(String::as_str).collect());
    assert_eq!(counted.len(), ROUTES.len());
}

#[test]
fn no_label_value_comes_from_a_client() {
    let app = TestApp::new();
    let admin = app.admin();
    let routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| route.path)
        .chain(["unmatched"])
        .collect();
    let methods = ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "other"];
    let before = app.send("GET /metrics", None, "").body.len();
    for number in 0..300 {
        for hostile in [
            format!("GET /tasks/{number}"),
            format!("GET /secret-{number}"),
            format!("M{number} /tasks/secret-{number}"),
            format!("GET /tasks/\"}} secret{{a=\"{number}\nsecret_total 1"),
            format!("GET /secret?status=2{number}"),
            format!("secret\"{number} /secret/{{id}}"),
        ] {
            app.send(&hostile, admin.clone(), "");
            let headers = [
                ("Host", format!("secret-{number}")),
                ("X-Request-Id", format!("secret-{number}")),
                ("Origin", format!("https://secret-{number}.example")),
            ];
            app.send_raw(&hostile, &headers, b"");
        }
    }
    let response = app.send("GET /metrics", None, "");
    assert!(!response.text().contains("secret"));
    assert!(response.body.len() < before + 2000, "{}", response.text());
    for (name, family) in Scrape::parse(response.text()).0 {
        for (_, labels, _) in family.samples {
            for (label, value) in labels {
                let is_predefined = match (name.as_str(), label.as_str()) {
                    ("http_requests_total", "method") => methods.contains(&value.as_str()),
                    ("http_requests_total", "status") => value.parse::<u16>().is_ok(),
                    ("audit_head_info", "rows" | "hash") => {
                        value.bytes().all(|b| b.is_ascii_hexdigit())
                    }
                    (_, "route") => routes.contains(value.as_str()),
                    (_, "le") => value == "+Inf" || value.parse::<f64>().is_ok(),
                    (_, "code" | "limit" | "pool" | "kind" | "reason" | "quantile") => true,
                    _ => false,
                };
                assert!(is_predefined, "{name} {label}={value:?}");
            }
        }
    }
}

#[test]
fn each_status_of_docs_api_is_counted_under_its_own_label() {
    let app = TestApp::new();
    for status in 200..600 {
        let requests = &app.app.metrics.requests;
        requests.count("GET", None, status, Duration::ZERO);
    }
    let counted = scrape(&app).requests();
    assert_eq!(counted.values().sum::<f64>(), 400.0);
    assert!(counted.values().all(|count| *count == 1.0), "{counted:?}");
    let table = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md"))
        .split("| status | code |")
        .nth(1)
        .unwrap();
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let statuses = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(','));
    for status in statuses.chain(["200", "201", "204"]) {
        assert_eq!(
            counted[&format!("GET unmatched {}", status.trim())],
            1.0,
            "{status}"
        );
    }
}

#[test]
fn a_duration_counts_in_each_bucket_whose_bound_it_does_not_exceed() {
    let app = TestApp::new();
    for micros in [0, 500, 501, 2_500, 99_999, 10_000_000, 10_000_001] {
        let duration = Duration::from_micros(micros);
        app.app
            .metrics
            .requests
            .count("GET", Some("/hello"), 200, duration);
    }
    let scrape = scrape(&app);
    for (bound, count) in [
        ("0.0005", 2.0),
        ("0.001", 3.0),
        ("0.0025", 4.0),
        ("0.005", 4.0),
        ("0.01", 4.0),
        ("0.025", 4.0),
        ("0.05", 4.0),
        ("0.1", 5.0),
        ("0.25", 5.0),
        ("0.5", 5.0),
        ("1", 5.0),
        ("2.5", 5.0),
        ("5", 5.0),
        ("10", 6.0),
        ("+Inf", 7.0),
    ] {
        let labels = [("route", "/hello"), ("le", bound)];
        let found = scrape.value("http_request_duration_seconds_bucket", &labels);
        assert_eq!(found, count, "{bound}");
    }
    let sum = scrape.value("http_request_duration_seconds_sum", &[("route", "/hello")]);
    assert!((sum - 20.103_501).abs() < 1e-6, "{sum}");
}

#[test]
fn the_duration_of_a_request_includes_its_wait_for_the_database() {
    let app = TestApp::new();
    let lock = app.sql();
    lock.lock_writes();
    let request = rustix::thread::gettid();
    thread::scope(|scope| {
        scope.spawn(move || {
            wait_until_blocked(request);
            thread::sleep(Duration::from_millis(60));
            lock.execute_batch("COMMIT").unwrap();
        });
        let response = app.sign_up("ada", "ada@example.com", PASSWORD);
        assert_eq!(response.status, 201);
    });
    let scrape = scrape(&app);
    let (name, route) = ("http_request_duration_seconds", ("route", "/signup"));
    assert_eq!(
        scrape.value(&format!("{name}_bucket"), &[route, ("le", "0.025")]),
        0.0
    );
    assert_eq!(scrape.value(&format!("{name}_count"), &[route]), 1.0);
    assert!(scrape.value(&format!("{name}_sum"), &[route]) > 0.025);
}

#[test]
fn requests_from_several_threads_are_all_counted() {
    let app = TestApp::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| drop(app.send("GET /healthz", None, ""))));
        }
    });
    let scrape = scrape(&app);
    assert_eq!(scrape.requests()["GET /healthz 200"], 2000.0);
    let labels = [("route", "/healthz")];
    assert_eq!(
        scrape.value("http_request_duration_seconds_count", &labels),
        2000.0
    );
}

// ---- access to /metrics ---------------------------------------------------------------------------

const TOKEN: &str = "sixteen-bytes-ok";

/// The response to `GET /metrics` from `peer` with these headers, each `"Name: value"`.
fn get_metrics(app: &TestApp, peer: &str, headers: &[&str]) -> TestResponse {
    support::respond(&app.app, &request_from(peer, "GET /metrics", headers, ""))
}

#[test]
fn without_a_metrics_token_only_this_machine_and_trusted_proxies_may_read() {
    let app =
        |trusted: &str| TestApp::with(|config| config.trusted_proxies = trusted.parse().unwrap());
    let (none, network, local) = (app(""), app("10.0.0.0/8"), app("127.0.0.1,::1,10.0.0.0/8"));
    for (app, peer, headers, status) in [
        (&none, "127.0.0.1", &[][..], 200),
        (&none, "127.9.9.9", &[], 200),
        (&none, "::1", &[], 200),
        (&none, "::ffff:127.0.0.1", &[], 200),
        (&none, "203.0.113.9", &[], 404),
        (&none, "10.0.0.1", &[], 404),
        (&none, "192.168.0.1", &[], 404),
        (&none, "0.0.0.0", &[], 404),
        (&none, "::ffff:203.0.113.9", &[], 404),
        (&network, "10.0.0.1", &[], 200),
        (&network, "127.0.0.1", &[], 200),
        (&network, "11.0.0.1", &[], 404),
        // Forwarding headers of a peer that is not trusted grant no access.
        (&none, "203.0.113.9", &["X-Forwarded-For: 127.0.0.1"], 404),
        (&network, "203.0.113.9", &["X-Forwarded-For: 10.0.0.1"], 404),
        (&none, "203.0.113.9", &["Forwarded: for=127.0.0.1"], 404),
        // Forwarding headers from this machine: an untrusted proxy, whose client is unknown.
        (&none, "127.0.0.1", &["X-Forwarded-For: 203.0.113.9"], 404),
        (&none, "127.0.0.1", &["x-forwarded-for: 127.0.0.1"], 404),
        (&none, "127.0.0.1", &["X-Forwarded-For: "], 404),
        (&none, "127.0.0.1", &["Forwarded: for=203.0.113.9"], 404),
        (&none, "::1", &["forwarded: for=127.0.0.1"], 404),
        (&none, "127.0.0.1", &["X-Real-IP: 203.0.113.9"], 404),
        (&none, "127.0.0.1", &["X-Forwarded-Proto: https"], 404),
        (&none, "127.0.0.1", &["X-Forwarded-Host: a.example"], 404),
        (&none, "127.0.0.1", &["Via: 1.1 a"], 404),
        // A browser on this machine in which a page of another origin sends the request.
        (&none, "127.0.0.1", &["Origin: https://a.example"], 404),
        (&none, "127.0.0.1", &["Origin: null"], 404),
        // Its own site, whose name leads to this machine (DNS rebinding).
        (&none, "127.0.0.1", &["Host: localhost:5000"], 200),
        (&none, "127.0.0.1", &["Host: LOCALHOST"], 200),
        (&none, "127.0.0.1", &["Host: 127.0.0.1:5000"], 200),
        (&none, "::1", &["Host: [::1]:5000"], 200),
        (&none, "::1", &["Host: [::1]"], 200),
        (&none, "127.0.0.1", &["Host: [::ffff:127.0.0.1]:5000"], 200),
        (&none, "127.0.0.1", &["Host: a.example:5000"], 404),
        (&none, "127.0.0.1", &["Host: mybox"], 404),
        (&none, "127.0.0.1", &["Host: localhost.a.example"], 404),
        (&none, "127.0.0.1", &["Host: 127.0.0.1.a.example"], 404),
        (&none, "127.0.0.1", &["Host: localhost:a.example"], 404),
        (&none, "127.0.0.1", &["Host: 192.168.0.1"], 404),
        (&none, "127.0.0.1", &["Host: "], 404),
        (
            &none,
            "127.0.0.1",
            &["Host: localhost", "Host: a.example"],
            404,
        ),
        (&none, "::1", &["Host: a.example"], 404),
        (&local, "127.0.0.1", &["Host: a.example"], 404),
        (
            &local,
            "127.0.0.1",
            &["X-Forwarded-For: ::1", "Host: a.example"],
            404,
        ),
        // Prometheus on another machine of the trusted network uses its name for this one.
        (&network, "10.0.0.1", &["Host: task-api.example:5000"], 200),
        (&network, "10.0.0.1", &["Host: 10.0.0.9:5000"], 200),
        (&network, "127.0.0.1", &["Host: task-api.example:5000"], 404),
        // A trusted proxy on this machine: the address that it forwards decides, and without a valid one the
        // response is 404.
        (&local, "127.0.0.1", &["X-Forwarded-For: 203.0.113.9"], 404),
        (
            &local,
            "127.0.0.1",
            &["X-Forwarded-For: 127.0.0.1, 203.0.113.9"],
            404,
        ),
        (
            &local,
            "127.0.0.1",
            &["X-Forwarded-For: 203.0.113.9, 10.0.0.2"],
            404,
        ),
        (
            &local,
            "127.0.0.1",
            &["X-Forwarded-For: 10.0.0.2", "X-Forwarded-For: 203.0.113.9"],
            404,
        ),
        (&local, "127.0.0.1", &["X-Forwarded-For: unknown"], 404),
        (
            &local,
            "127.0.0.1",
            &["X-Forwarded-For: unknown, 10.0.0.2"],
            404,
        ),
        (&local, "127.0.0.1", &["Forwarded: for=203.0.113.9"], 404),
        (&local, "127.0.0.1", &["X-Forwarded-Proto: https"], 404),
        (&local, "127.0.0.1", &["X-Forwarded-For: 127.0.0.1"], 200),
        (&local, "127.0.0.1", &["X-Forwarded-For: ::1"], 200),
        (
            &local,
            "127.0.0.1",
            &["X-Forwarded-For: 127.0.0.1", "Origin: https://a.example"],
            404,
        ),
        (
            &local,
            "10.0.0.1",
            &["X-Forwarded-For: 10.0.0.2", "X-Forwarded-Proto: https"],
            200,
        ),
        (&network, "10.0.0.1", &["X-Forwarded-For: 127.0.0.1"], 200),
        // Without METRICS_TOKEN no token grants access.
        (&none, "203.0.113.9", &["Authorization: Bearer "], 404),
        (
            &none,
            "203.0.113.9",
            &["Authorization: Bearer sixteen-bytes-ok"],
            404,
        ),
    ] {
        let response = get_metrics(app, peer, headers);
        assert_eq!(response.status, status, "{peer} {headers:?}");
        if status == 404 {
            assert_eq!(response.code(), "not_found");
        }
    }
}

#[test]
fn the_metrics_have_no_other_path_that_a_deny_rule_of_a_proxy_would_miss() {
    let app = TestApp::new();
    for (path, status) in [
        ("/metrics", 200),
        ("/metrics?", 200),
        ("/metrics?x=%6d", 200),
        ("/%6detrics", 404),
        ("/%6Detrics", 404),
        ("/metric%73", 404),
        ("/%6d%65%74%72%69%63%73", 404),
        ("/%256detrics", 404),
        ("/metrics%2f", 404),
        ("/metrics%3F", 404),
        ("/metrics%00", 404),
        ("%2fmetrics", 404),
        ("/%2fmetrics", 404),
        ("/Metrics", 404),
        ("/metrics/", 404),
        ("//metrics", 404),
        ("/./metrics", 404),
        ("/tasks/../metrics", 404),
        ("/tasks/%2e%2e/metrics", 404),
        ("/metrics;x", 404),
    ] {
        let response = app.send(&format!("GET {path}"), None, "");
        assert_eq!(response.status, status, "{path}");
    }
}

#[test]
fn with_a_metrics_token_each_client_that_sends_it_may_read() {
    let mut app = TestApp::with(|config| config.trusted_proxies = "10.0.0.1".parse().unwrap());
    Arc::get_mut(&mut app.app).unwrap().metrics_token = Some(support::metrics_token(TOKEN));
    let admin = format!("Authorization: Bearer {}", app.admin().token);
    let challenge = (401, Some("Bearer"));
    let refused = (401, Some(r#"Bearer error="invalid_token""#));
    for (headers, (status, www_authenticate)) in [
        (&["Authorization: Bearer sixteen-bytes-ok"][..], (200, None)),
        (&["authorization: bearer sixteen-bytes-ok"], (200, None)),
        (&[], challenge),
        (&["Authorization: "], challenge),
        (&["Authorization: sixteen-bytes-ok"], challenge),
        (
            &["Authorization: Basic c2l4dGVlbi1ieXRlcy1vaw=="],
            challenge,
        ),
        (&["Authorization: Bearer"], refused),
        (&["Authorization: Bearer sixteen-bytes-oK"], refused),
        (&["Authorization: Bearer sixteen-bytes-o"], refused),
        (&["Authorization: Bearer sixteen-bytes-ok!"], refused),
        (&["Authorization: Bearer sixteen-bytes-ok x"], refused),
        (
            &[
                "Authorization: Bearer x",
                "Authorization: Bearer sixteen-bytes-ok",
            ],
            refused,
        ),
        (&[&admin], refused),
    ] {
        for (peer, forwarded) in [
            ("127.0.0.1", None),
            ("10.0.0.1", None),
            ("203.0.113.9", None),
            ("127.0.0.1", Some("X-Forwarded-For: 203.0.113.9")),
        ] {
            let headers: Vec<_> = headers.iter().copied().chain(forwarded).collect();
            let response = get_metrics(&app, peer, &headers);
            assert_eq!(response.status, status, "{peer} {headers:?}");
            assert_eq!(
                response.header("WWW-Authenticate"),
                www_authenticate,
                "{peer} {headers:?}"
            );
            assert!(!response.text().contains("sixteen"), "{response:?}");
        }
    }
}

#[test]
fn the_program_reads_the_metrics_token_from_a_file_and_does_not_log_it() {
    let work_dir = WorkDir::new();
    std::fs::write(work_dir.path("token.txt"), format!("{TOKEN}\n")).unwrap();
    let mut command = work_dir.command(&["serve", "--metrics-token-file", "token.txt"]);
    let server = RunningServer::start(command.env("RUST_LOG", "trace"));
    let mut client = server.client();
    assert_eq!(client.send("GET /metrics", None, None).status, 401);
    assert_eq!(
        client
            .send("GET /metrics", Some("sixteen-bytes-no"), None)
            .status,
        401
    );
    let response = client.send("GET /metrics", Some(TOKEN), None);
    assert_eq!(response.status, 200);
    let scrape = Scrape::parse(response.text());
    assert_eq!(scrape.requests()["GET /metrics 401"], 2.0);
    assert_eq!(scrape.value("http_connections_open", &[]), 1.0);
    let log = server.log();
    assert!(log.iter().all(|line| !line.contains("sixteen")), "{log:?}");
}

// ---- connections ----------------------------------------------------------------------------------

#[test]
fn open_and_accepted_connections_are_counted_and_head_gets_no_body() {
    let app = TestApp::new();
    let server = app.serve();
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(server.address())).collect();
    for client in &mut clients {
        assert_eq!(client.send("GET /healthz", None, None).status, 200);
    }
    let scrape = Scrape::parse(clients[0].send("GET /metrics", None, None).text());
    assert_eq!(scrape.value("http_connections_open", &[]), 3.0);
    assert_eq!(scrape.value("http_connections_accepted_total", &[]), 3.0);
    assert_eq!(scrape.requests()["GET /healthz 200"], 3.0);
    let head = clients[0].send("HEAD /metrics", None, None);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(
        head.header("Content-Length")
            .unwrap()
            .parse::<usize>()
            .unwrap()
            > 1000
    );
    clients.truncate(1);
    let has_one = |scrape: &Scrape| scrape.value("http_connections_open", &[]) == 1.0;
    let scrape = scrape_until(&app, "one connection is open", has_one);
    assert_eq!(scrape.value("http_connections_accepted_total", &[]), 3.0);
    assert_eq!(scrape.ended_by_limits(), 0.0);
    drop(clients);
    server.stop(TEST_TIMEOUT);
    assert_eq!(self::scrape(&app).value("http_connections_open", &[]), 0.0);
}

#[test]
fn requests_that_the_server_refuses_before_routing_are_counted() {
    let long = "a".repeat(20_000);
    for (bytes, counted) in [
        ("nonsense\r\n\r\n".to_owned(), "other unmatched 400"),
        (
            "GET /healthz HTTP/1.1\r\n\r\n".to_owned(),
            "other unmatched 400",
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost".to_owned(),
            "other unmatched 408",
        ),
        (
            "GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n".to_owned(),
            "other unmatched 505",
        ),
        (
            format!("GET /{long} HTTP/1.1\r\n\r\n"),
            "other unmatched 414",
        ),
        (
            format!("GET /healthz HTTP/1.1\r\nX: {long}\r\n\r\n"),
            "other unmatched 431",
        ),
        (
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n".to_owned(),
            "POST unmatched 413",
        ),
        (
            "PATCH /me HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n".to_owned(),
            "PATCH unmatched 417",
        ),
        (
            format!("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n{long}{long}"),
            "POST unmatched 503",
        ),
    ] {
        let app = TestApp::with(|config| {
            if counted.ends_with("408") {
                config.limits.head_timeout = "2s".parse().unwrap();
            }
            // Room for a head, and not for the last body.
            config.limits.max_buffered_bytes = 32 << 10;
        });
        let server = app.serve();
        let mut client = Client::connect(server.address());
        // The server may close the connection before it has read all bytes; the write then fails.
        let _ = client.write(bytes);
        client.read_responses().unwrap();
        let expected = BTreeMap::from([(counted.to_owned(), 1.0)]);
        assert_eq!(scrape(&app).requests(), expected);
    }
}

fn short_timeout() -> Timeout {
    "50ms".parse().unwrap()
}

#[test]
fn a_connection_closed_by_a_limit_is_counted_under_that_limit_only() {
    const BODY: &str = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                        Content-Length: 900000\r\n\r\n{";
    const GET: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let body = format!("{BODY}{}", "a".repeat(800_000));
    let many_requests = GET.repeat(100_000);
    type Change = fn(&mut ServerLimits);
    let cases: [(&str, Change, &[&str]); 7] = [
        (
            "HEAD_TIMEOUT",
            |limits| limits.head_timeout = short_timeout(),
            &[""],
        ),
        (
            "HEAD_TIMEOUT",
            |limits| limits.head_timeout = short_timeout(),
            &["GET /"],
        ),
        (
            "BODY_TIMEOUT",
            |limits| limits.body_timeout = short_timeout(),
            &[BODY],
        ),
        (
            "IDLE_TIMEOUT",
            |limits| limits.idle_timeout = short_timeout(),
            &[GET],
        ),
        (
            "RESPONSE_TIMEOUT",
            |limits| limits.response_timeout = short_timeout(),
            &[&many_requests],
        ),
        (
            "MAX_CONNECTIONS",
            |limits| limits.max_connections = 1,
            &[GET, GET],
        ),
        (
            "MAX_BUFFERED_BYTES",
            // Three quarters of it are for large requests: room for one body.
            |limits| limits.max_buffered_bytes = 3 << 19,
            &[&body, &body],
        ),
    ];
    for (limit, change, sent) in cases {
        let app = TestApp::with(|config| {
            change(&mut config.limits);
            // Each event loop has its part of the connections.
            one_core(config);
        });
        let server = app.serve();
        let clients: Vec<_> = sent
            .iter()
            .map(|bytes| {
                let client = Client::connect(server.address());
                let (mut writer, bytes) = (client.writer(), bytes.to_string());
                // In a thread: this write blocks once the server stops reading, since the client reads no responses.
                thread::spawn(move || std::io::Write::write_all(&mut writer, bytes.as_bytes()));
                client
            })
            .collect();
        let by_limit =
            |scrape: &Scrape| scrape.value("http_connections_ended_total", &[("limit", limit)]);
        let scrape = scrape_until(&app, limit, |scrape| by_limit(scrape) > 0.0);
        assert_eq!(
            (by_limit(&scrape), scrape.ended_by_limits()),
            (1.0, 1.0),
            "{limit}"
        );
        drop(clients);
    }
}

#[test]
fn a_connection_closed_after_its_last_response_counts_under_no_limit() {
    let app = TestApp::new();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    client.write("nonsense\r\n\r\n").unwrap();
    assert_eq!(client.read_response(false).unwrap().status, 400);
    let is_none = |scrape: &Scrape| scrape.value("http_connections_open", &[]) == 0.0;
    let scrape = scrape_until(&app, "the server has closed the connection", is_none);
    assert_eq!(scrape.value("http_connections_accepted_total", &[]), 1.0);
    assert_eq!(scrape.ended_by_limits(), 0.0);
}

// ---- wait times -----------------------------------------------------------------------------------

/// Runs `work` in another thread, where its callback blocks until the returned sender is dropped. Returns
/// once `work` has called the callback.
fn run_until_dropped<'s>(
    scope: &'s Scope<'s, '_>,
    work: impl FnOnce(&dyn Fn()) + Send + 's,
) -> Sender<()> {
    let (begin, has_begun) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    scope.spawn(move || {
        work(&|| {
            begin.send(()).unwrap();
            let _ = ended.recv();
        });
    });
    has_begun.recv().unwrap();
    end
}

#[test]
fn a_queue_counts_the_requests_that_wait_run_and_leave() {
    let app = TestApp::with(|config| config.concurrency.write_threads = 1);
    let admin = app.admin();
    let server = app.serve();
    let queue = |scrape: &Scrape, name: &str| scrape.value(name, &[("kind", "write")]);
    let task = json!({ "title": "t" });
    let write = || {
        let mut client = Client::connect(server.address());
        let request = client.request("POST /tasks", Some(&admin.token), Some(&task));
        client.write(request).unwrap();
        client
    };
    let lock = app.sql();
    lock.lock_writes();
    let mut running = write();
    let runs = |scrape: &Scrape| queue(scrape, "queue_running") == 1.0;
    scrape_until(&app, "one request runs", runs);
    let (mut waiting, leaving) = (write(), write());
    let two_wait = |scrape: &Scrape| queue(scrape, "queue_length") == 2.0;
    scrape_until(&app, "two requests wait", two_wait);
    drop(leaving);
    let one_waits = |scrape: &Scrape| queue(scrape, "queue_length") == 1.0;
    scrape_until(&app, "the client that has gone has left", one_waits);
    thread::sleep(Duration::from_millis(30));
    lock.execute_batch("COMMIT").unwrap();
    for client in [&mut running, &mut waiting] {
        assert_eq!(client.read_response(false).unwrap().status, 201);
    }
    let none_runs = |scrape: &Scrape| queue(scrape, "queue_running") == 0.0;
    let scrape = scrape_until(&app, "none runs", none_runs);
    assert_eq!(queue(&scrape, "queue_length"), 0.0);
    assert_eq!(queue(&scrape, "queue_wait_seconds_count"), 2.0);
    assert!(queue(&scrape, "queue_wait_seconds_sum") > 0.03);
    // No request has hashed a password or searched, or left for another reason.
    for kind in ["search", "password_hash", "write"] {
        for reason in ["queue_timeout", "client_gone", "stopping", "evicted"] {
            let left = scrape.value("queue_left_total", &[("kind", kind), ("reason", reason)]);
            let expected = (kind, reason) == ("write", "client_gone");
            assert_eq!(left, f64::from(u8::from(expected)), "{kind} {reason}");
        }
        let others = scrape.value("queue_wait_seconds_count", &[("kind", kind)]);
        assert_eq!(others > 0.0, kind == "write", "{kind}");
    }
}

fn read(app: &TestApp, meanwhile: &dyn Fn()) {
    let read = app.app.store.read(|_| {
        meanwhile();
        Ok(())
    });
    read.unwrap();
}

#[test]
fn waiting_for_a_database_connection_is_measured() {
    let app = TestApp::new();
    let admin = app.admin();
    let readers = app.app.config.concurrency.connections.reads;
    let wait = |name: &str| {
        let name = format!("database_wait_seconds_{name}");
        scrape(&app).value(&name, &[("pool", "readers")])
    };
    let before = wait("count");
    thread::scope(|scope| {
        let reads: Vec<_> = (0..readers)
            .map(|_| run_until_dropped(scope, |meanwhile| read(&app, meanwhile)))
            .collect();
        let (started, thread) = mpsc::channel();
        let (app, admin) = (&app, &admin);
        let last = scope.spawn(move || {
            started.send(rustix::thread::gettid()).unwrap();
            app.get("/hello", admin).status
        });
        wait_until_blocked(thread.recv().unwrap());
        thread::sleep(Duration::from_millis(30));
        drop(reads);
        assert_eq!(last.join().unwrap(), 200);
    });
    // Two more: each scrape reads the head of the audit log and the number of accounts that await approval.
    assert_eq!(wait("count"), before + readers as f64 + 3.0);
    assert!(wait("sum") > 0.01);
}

// ---- the process ----------------------------------------------------------------------------------

#[test]
fn the_process_exposes_its_start_time_memory_and_open_descriptors() {
    // In a process of its own, which has just started; the process of the tests may be old.
    let work_dir = WorkDir::new();
    let server = work_dir.serve();
    let response = server.client().send("GET /metrics", None, None);
    let scrape = Scrape::parse(response.text());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let age = now - scrape.value("process_start_time_seconds", &[]);
    assert!((0.0..60.0).contains(&age), "{age}");
    let memory = scrape.value("process_resident_memory_bytes", &[]);
    assert!((1e6..1e10).contains(&memory), "{memory}");
    assert!(scrape.value("process_open_fds", &[]) > 3.0);
}

/// Group commit: PostgreSQL shares the syncs of commits itself.
mod sqlite_only {
    use super::*;

    #[test]
    fn writes_that_share_a_commit_are_counted_as_one_group() {
        let app = TestApp::new();
        let admin = app.admin();
        let before = scrape(&app).value("write_group_size_count", &[]);
        let store = &app.app.store;
        let delete = |id: i64| {
            store.write(|db| Ok(db.execute("DELETE FROM task WHERE id = ?1", &[id.into()])?))
        };
        let results = store.write_group(0..5, delete);
        assert!(
            results
                .iter()
                .all(|(result, committed)| result.is_ok() && committed.is_ok())
        );
        let after = scrape(&app);
        assert_eq!(after.value("write_group_size_count", &[]), before + 1.0);
        assert_eq!(after.value("write_group_size", &[("quantile", "1")]), 5.0);
        assert_eq!(after.value("write_group_seconds_count", &[]), before + 1.0);
        app.create_task(&admin, json!({ "title": "t" }));
        assert_eq!(
            scrape(&app).value("write_group_size_count", &[]),
            before + 2.0
        );
    }
}
