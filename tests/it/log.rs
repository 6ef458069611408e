//! The log of the program: a reader of standard error that stands still, the filter, and the two forms of a line.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use crate::support::data_dir::Engine;
use crate::support::http_client::Client;
use crate::support::program::{RunningServer, WorkDir, run_command};

/// The line of a request whose path is cut in the log: a few thousand of them fill the pipe and the queue.
fn long_request() -> String {
    format!("GET /{}", "a".repeat(2000))
}

/// What the engine says when tasks are read after [`TestSql::break_tasks`](crate::support::sql::TestSql::break_tasks).
fn cause_of_broken_tasks() -> &'static str {
    match Engine::current() {
        Engine::Sqlite => "no such table: task",
        Engine::Postgres => "division by zero",
    }
}

/// The value of the metric `log_lines_dropped_total`.
fn dropped_lines(client: &mut Client) -> u64 {
    let metrics = client.send("GET /metrics", None, None);
    let mut lines = metrics.text().lines();
    let value = lines.find_map(|line| line.strip_prefix("log_lines_dropped_total "));
    value.unwrap().parse().unwrap()
}

/// The line of the access log for a path.
fn access_line<'a>(log: &'a [String], path: &str) -> &'a str {
    let is_of_path = |line: &&String| line.contains("access") && line.contains(path);
    let mut lines = log.iter().filter(is_of_path);
    let line = lines.next().unwrap_or_else(|| panic!("{log:?}"));
    assert!(lines.next().is_none(), "{log:?}");
    line
}

// ---- a reader that stands still -----------------------------------------------------------------

#[test]
fn a_log_that_is_not_read_stops_neither_requests_nor_the_shutdown() {
    let work_dir = WorkDir::new();
    let mut server = work_dir.serve();
    let reader = server.log_reader.clone();
    let _not_reading = reader.lock().unwrap();
    let mut client = server.client();
    for _ in 0..5_000 {
        assert_eq!(client.send(&long_request(), None, None).status, 404);
    }
    assert!(dropped_lines(&mut client) > 0);
    assert_eq!(server.exit_status("TERM").code(), Some(0));
}

#[test]
fn each_line_is_written_whole_or_counted_as_dropped() {
    const CLIENTS: usize = 4;
    const REQUESTS: usize = 1_500;
    let work_dir = WorkDir::new();
    let mut server = work_dir.serve();
    // The last line of the start: only lines of requests are dropped.
    server.wait_for_line("there is no admin yet");
    let reader = server.log_reader.clone();
    let not_reading = reader.lock().unwrap();
    let request = &long_request();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut client = server.client();
            scope.spawn(move || {
                for _ in 0..REQUESTS {
                    assert_eq!(client.send(request, None, None).status, 404);
                }
            });
        }
    });
    drop(not_reading);
    let notice = server.wait_for_line("ERROR failure] ");
    let (_, dropped) = notice.rsplit_once("dropped=").unwrap();
    let dropped: u64 = dropped.parse().unwrap();
    assert_eq!(dropped_lines(&mut server.client()), dropped);

    let log = server.log();
    let access: Vec<_> = log
        .iter()
        .filter(|line| line.contains("path=\"/a"))
        .collect();
    for line in &access {
        assert!(
            line.starts_with("[2") && line.ends_with(" client=127.0.0.1"),
            "{line}"
        );
        assert_eq!(line.matches("request_id=").count(), 1, "{line}");
    }
    assert_eq!(access.len() as u64 + dropped, (CLIENTS * REQUESTS) as u64);
}

#[test]
fn the_last_lines_are_written_before_the_process_ends() {
    let work_dir = WorkDir::new();
    let log = work_dir.serve().log();
    let last = match Engine::current() {
        Engine::Sqlite => "stopped; the write-ahead log is empty",
        Engine::Postgres => "] stopped",
    };
    assert!(log.last().unwrap().ends_with(last), "{log:?}");
}

// ---- what is logged -----------------------------------------------------------------------------

#[test]
fn the_cause_of_a_500_is_logged_whatever_the_filter() {
    // The line with the port is needed to reach the server.
    for filter in [
        "off,task_api::cli=info",
        "failure=off,task_api::cli=info",
        "info/listening on",
    ] {
        let work_dir = WorkDir::new();
        work_dir.create_account("ada", &["--approved"]);
        let server = RunningServer::start(work_dir.command(&[]).env("RUST_LOG", filter));
        let mut client = server.client();
        let token = client.sign_in_for_token("ada");
        work_dir.sql().break_tasks();
        let failed = client.send("GET /tasks", Some(&token), None);
        assert_eq!(failed.status, 500, "{failed:?}");
        let log = server.log();
        assert!(!log.iter().any(|line| line.contains("access")), "{log:?}");
        let causes: Vec<_> = log
            .iter()
            .filter(|line| line.contains("failure]"))
            .collect();
        let id = failed.header("X-Request-Id").unwrap();
        let start = format!(" ERROR failure] request_id={id} error=\"");
        assert!(causes.len() == 1 && causes[0].contains(&start), "{log:?}");
        assert!(causes[0].contains(cause_of_broken_tasks()), "{log:?}");
    }
}

#[test]
fn an_unknown_level_stops_the_start_with_a_line_that_lists_the_levels() {
    let work_dir = WorkDir::new();
    let refused = run_command(work_dir.command(&[]).env("RUST_LOG", "warn,inof"));
    assert_eq!(refused.code, Some(2));
    let line = refused.error_line();
    for part in [
        "RUST_LOG",
        "inof is not a level",
        "off, error, warn, info, debug or trace",
    ] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn text_from_a_client_is_cut_after_512_bytes() {
    let work_dir = WorkDir::new();
    let server = work_dir.serve();
    let mut client = server.client();
    client.send(&format!("GET /{}", "a".repeat(511)), None, None);
    client.send(&format!("GET /{}", "b".repeat(512)), None, None);
    let log = server.log();
    let whole = format!(" path=/{} status=404", "a".repeat(511));
    assert!(access_line(&log, "/aa").contains(&whole), "{log:?}");
    let cut = format!(" path=\"/{}…\" status=404", "b".repeat(511));
    assert!(access_line(&log, "/bb").contains(&cut), "{log:?}");
}

// ---- refusals by a rate limit -------------------------------------------------------------------

#[test]
fn thirty_lock_outs_are_thirty_lines_that_name_the_accounts_and_not_what_was_typed() {
    let work_dir = WorkDir::new();
    let mut command = work_dir.command(&[]);
    let server = RunningServer::start(command.envs([
        ("LOG_FORMAT", "json"),
        ("RATE_LIMITS", "on"),
        ("REQUESTS_PER_MINUTE", "5"),
    ]));
    let mut owner = server.client();
    let (mut expected, mut seen) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let email = format!("person{n}@example.com");
        let signed_up = owner.sign_up(&format!("person{n}"));
        let address = format!("127.0.0.{}", 10 + n);
        let mut client = server.client_from(&address);
        let typed = json!({ "email": email, "password": "a wrong one" });
        let mut responses = (0..20).map(|_| client.send("POST /login", None, Some(&typed)));
        let first = responses.find(|response| response.status == 429).unwrap();
        assert!(responses.all(|response| response.status == 429));
        let id = first.header("X-Request-Id").unwrap();
        let account = &signed_up.json()["id"];
        expected.push(json!([id, "login to an account", account, address]));
    }
    // An e-mail of no account, and a session of one.
    let mut client = server.client_from("127.0.0.99");
    let typed = json!({ "email": "secret@typed.example", "password": "a wrong one" });
    let mut responses = (0..20).map(|_| client.send("POST /login", None, Some(&typed)));
    let first = responses.find(|response| response.status == 429).unwrap();
    let id = first.header("X-Request-Id").unwrap();
    expected.push(json!([id, "login to an account", null, "127.0.0.99"]));
    let signed_in = owner.sign_in("person7").json();
    let token = signed_in["token"].as_str();
    let mut responses = (0..20).map(|_| owner.send("GET /hello", token, None));
    let first = responses.find(|response| response.status == 429).unwrap();
    let id = first.header("X-Request-Id").unwrap();
    let account = &signed_in["user"]["id"];
    expected.push(json!([id, "requests", account, "127.0.0.1"]));
    drop(responses);

    let log = server.log();
    assert!(!log.iter().any(|line| line.contains("typed.example")));
    for line in parse_lines(&log) {
        if line["message"] == "too many requests" {
            assert_eq!(line["level"], "WARN");
            let field = |name: &str| &line[name];
            let fields = ["request_id", "limit", "account", "address"].map(field);
            seen.push(json!(fields));
        }
    }
    assert_eq!(seen, expected);
}

// ---- JSON ---------------------------------------------------------------------------------------

/// A server that logs JSON, with an account.
fn json_server(work_dir: &WorkDir) -> RunningServer {
    work_dir.create_account("ada", &["--approved"]);
    RunningServer::start(work_dir.command(&[]).env("LOG_FORMAT", "json"))
}

/// The lines as JSON objects; each has a timestamp, a level and a target.
fn parse_lines(log: &[String]) -> Vec<Value> {
    let parse = |line: &String| {
        let object: Value =
            serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        let timestamp = object["timestamp"].as_str().unwrap();
        assert!(timestamp.ends_with('Z') && timestamp.len() == 24, "{line}");
        assert!(
            object["level"].is_string() && object["target"].is_string(),
            "{line}"
        );
        object
    };
    log.iter().map(parse).collect()
}

#[test]
fn a_json_line_of_a_request_has_each_field_as_a_member_of_its_type() {
    let work_dir = WorkDir::new();
    let server = json_server(&work_dir);
    let mut client = server.client();
    let token = client.sign_in_for_token("ada");
    client.send("GET /hello", Some(&token), None);
    client.send("GET /nowhere", None, None);
    let lines = parse_lines(&server.log());
    let requests: Vec<_> = lines
        .iter()
        .filter(|line| line["target"] == "access")
        .collect();
    assert_eq!(requests.len(), 3);
    let names: BTreeSet<_> = requests[1].as_object().unwrap().keys().collect();
    let expected = [
        "timestamp",
        "level",
        "target",
        "request_id",
        "method",
        "path",
        "status",
        "duration_ms",
        "bytes",
        "user",
        "client",
    ];
    assert!(
        names
            .into_iter()
            .eq(&BTreeSet::from(expected.map(str::to_owned)))
    );
    assert!(requests[1]["duration_ms"].is_f64(), "{}", requests[1]);
    assert!(requests[1]["bytes"].is_u64(), "{}", requests[1]);
    for (name, value) in [
        ("level", json!("INFO")),
        ("method", json!("GET")),
        ("path", json!("/hello")),
        ("status", json!(200)),
        ("user", json!("ada")),
        ("client", json!("127.0.0.1")),
    ] {
        assert_eq!(requests[1][name], value);
    }
    assert_eq!(requests[2]["user"], Value::Null);
    let message = lines.last().unwrap()["message"].as_str().unwrap();
    assert!(message.starts_with("stopped"), "{message}");
}

#[test]
fn the_cause_of_a_500_and_a_name_with_a_line_break_are_json_too() {
    let work_dir = WorkDir::new();
    let server = json_server(&work_dir);
    let mut client = server.client();
    let name = "a\"b\n{\"level\":\"forged\"}";
    let sql = work_dir.sql();
    let renamed = sql.execute(r#"UPDATE "user" SET username = ?1"#, [name]);
    assert_eq!(renamed, Ok(1));
    let token = client.sign_in_for_token("ada");
    sql.break_tasks();
    let failed = client.send("GET /tasks", Some(&token), None);
    assert_eq!(failed.status, 500);
    let lines = parse_lines(&server.log());
    let with = |name: &str, value: &str| lines.iter().filter(|line| line[name] == value).count();
    assert_eq!(with("user", name), 2);
    assert_eq!(
        with("request_id", failed.header("X-Request-Id").unwrap()),
        2
    );
    let cause = lines
        .iter()
        .find(|line| line["target"] == "failure")
        .unwrap();
    assert!(
        cause["error"]
            .as_str()
            .unwrap()
            .contains(cause_of_broken_tasks()),
        "{cause}"
    );
}

mod sqlite_only {
    use super::*;

    /// On PostgreSQL a username has 80 characters at most, as in the Flask app's table.
    #[test]
    fn a_text_is_cut_between_two_characters() {
        let work_dir = WorkDir::new();
        work_dir.create_account("ada", &[]);
        // 511 bytes of the two-byte character and the `x` come before the limit.
        let name = format!("x{}", "ä".repeat(300));
        let renamed = work_dir
            .sql()
            .execute(r#"UPDATE "user" SET username = ?1"#, [&name]);
        assert_eq!(renamed, Ok(1));
        let server = work_dir.serve();
        server.client().sign_in("ada");
        let log = server.log();
        let cut = format!(" user=\"x{}…\" ", "ä".repeat(255));
        assert!(access_line(&log, "/login").contains(&cut), "{log:?}");
    }

    #[test]
    fn a_failed_start_is_one_line_in_the_form_of_the_log() {
        let work_dir = WorkDir::new();
        std::fs::write(work_dir.path("project.db"), "this is no database").unwrap();
        let mut command = work_dir.command(&[]);
        let refused = run_command(command.env("LOG_FORMAT", "json").env("RUST_LOG", "off"));
        let lines = parse_lines(&[refused.error_line().to_owned()]);
        assert_eq!(refused.code, Some(1));
        assert_eq!(lines[0]["target"], "failure");
        let message = lines[0]["message"].as_str().unwrap();
        assert!(
            message.starts_with("task-api: ") && message.contains("project.db"),
            "{message}"
        );
    }
}
