//! What browsers are told about calls from other websites.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rouille::Request;
use serde_json::json;
use task_api::config::cors::CorsOrigins;
use task_api::router::ROUTES;

use crate::support::{self, PASSWORD, TestApp, TestResponse, comma_separated, timestamp};

const LISTED: &str = "https://app.example";
const ALSO_LISTED: &str = "http://localhost:5173";
const FOREIGN: &str = "https://evil.example";

/// An application that two websites may call.
fn listing() -> TestApp {
    TestApp::with(|config| {
        config.cors.cors_origins = "https://app.example, http://localhost:5173"
            .parse()
            .unwrap();
    })
}

fn from(app: &TestApp, origin: &str, line: &str) -> TestResponse {
    app.send_with(line, None, &[("Origin", origin)], "")
}

fn preflight(app: &TestApp, origin: &str, path: &str, method: &str) -> TestResponse {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", method),
        (
            "Access-Control-Request-Headers",
            "authorization,content-type",
        ),
    ];
    app.send_with(&format!("OPTIONS {path}"), None, &headers, "")
}

fn cors_headers(answer: &TestResponse) -> Vec<&str> {
    answer
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| name.starts_with("Access-Control-"))
        .collect()
}

fn assert_exposes(answer: &TestResponse, case: impl std::fmt::Debug) {
    let exposed = comma_separated(
        answer
            .header("Access-Control-Expose-Headers")
            .unwrap_or_default(),
    );
    for name in [
        "ETag",
        "Idempotency-Replayed",
        "Location",
        "Link",
        "Retry-After",
        "X-Request-Id",
    ] {
        assert!(exposed.contains(name), "{case:?}: {name} of {exposed:?}");
    }
}

// Every website -----------------------------------------------------------------------------------

#[test]
fn by_default_every_website_may_call_without_credentials() {
    let app = TestApp::new();
    let anna = app.employee();
    for origin in [
        None,
        Some(LISTED),
        Some(FOREIGN),
        Some("null"),
        Some("http://localhost:8080"),
    ] {
        let mut headers = vec![("Authorization", format!("Bearer {}", anna.token))];
        headers.extend(origin.map(|origin| ("Origin", origin.to_owned())));
        let answer = app.send_raw("GET /hello", &headers, b"");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
        assert_exposes(&answer, origin);
    }
}

#[test]
fn a_browser_on_another_origin_can_log_in() {
    let app = TestApp::new();
    app.employee();
    let asked = preflight(&app, "http://localhost:8080", "/login", "POST");
    assert_eq!(asked.status, 204);
    let body = json!({ "email": "employee@example.com", "password": PASSWORD });
    let headers = [
        ("Origin", "http://localhost:8080".to_owned()),
        ("Content-Type", "application/json".to_owned()),
    ];
    let answer = app.send_raw("POST /login", &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
}

// Listed websites ---------------------------------------------------------------------------------

#[test]
fn a_listed_origin_is_echoed() {
    let app = listing();
    for origin in [LISTED, ALSO_LISTED] {
        let answer = from(&app, origin, "GET /healthz");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(origin));
        assert_eq!(answer.header("Access-Control-Allow-Credentials"), None);
        assert_eq!(answer.header("Vary"), Some("Origin"));
        assert_exposes(&answer, origin);
    }
}

#[test]
fn whatever_is_not_exactly_a_listed_origin_gets_no_cors_headers() {
    let app = listing();
    for origin in [
        FOREIGN,
        "null",
        "",
        "*",
        "https://app.example.evil.example",
        "https://evil-app.example",
        "https://app.example2",
        "https://app.exampl",
        "https://sub.app.example",
        "https://appxexample",
        "http://app.example",
        "https://app.example:443",
        "https://app.example:8443",
        "https://app.example/",
        "https://app.example/path",
        "https://app.example?x",
        "https://app.example.",
        " https://app.example",
        "https://app.example ",
        "https://App.example",
        "HTTPS://APP.EXAMPLE",
        "https://user@app.example",
        "https://app.example, https://evil.example",
        "https://evil.example, https://app.example",
        "https://app.example,http://localhost:5173",
        "app.example",
        "http://localhost",
        "http://localhost:51730",
        "http://localhost:517",
        "http://127.0.0.1:5173",
    ] {
        for answer in [
            from(&app, origin, "GET /healthz"),
            from(&app, origin, "GET /hello"),
            preflight(&app, origin, "/login", "POST"),
            preflight(&app, origin, "/nowhere", "POST"),
        ] {
            assert_eq!(cors_headers(&answer), [""; 0], "{origin:?}");
            assert_eq!(answer.header("Vary"), Some("Origin"), "{origin:?}");
        }
        // The request itself is answered as any other.
        assert_eq!(from(&app, origin, "GET /healthz").status, 200);
    }
}

#[test]
fn a_list_makes_every_answer_vary_by_origin() {
    let app = listing();
    for line in [
        "GET /healthz",
        "GET /hello",
        "GET /nowhere",
        "PUT /login",
        "POST /login",
        "OPTIONS /login",
        "OPTIONS /nowhere",
    ] {
        for headers in [
            vec![],
            vec![("Origin", LISTED.to_owned())],
            vec![("Origin", FOREIGN.to_owned())],
        ] {
            let answer = app.send_raw(line, &headers, b"");
            assert_eq!(answer.header("Vary"), Some("Origin"), "{line} {headers:?}");
        }
        let without = app.send_raw(line, &[], b"");
        assert_eq!(cors_headers(&without), [""; 0], "{line}");
    }
}

#[test]
fn credentials_are_allowed_to_listed_origins_alone() {
    let app = TestApp::with(|config| {
        config.cors.cors_origins = LISTED.parse().unwrap();
        config.cors.cors_supports_credentials = true;
    });
    for (origin, allowed) in [
        (LISTED, Some("true")),
        (FOREIGN, None),
        ("null", None),
        ("https://app.example.evil.example", None),
    ] {
        for answer in [
            from(&app, origin, "GET /healthz"),
            from(&app, origin, "GET /hello"),
            preflight(&app, origin, "/me", "PATCH"),
        ] {
            assert_eq!(
                answer.header("Access-Control-Allow-Credentials"),
                allowed,
                "{origin}"
            );
            assert_ne!(answer.header("Access-Control-Allow-Origin"), Some("*"));
            assert_eq!(answer.header("Vary"), Some("Origin"), "{origin}");
        }
    }
}

// Preflight ---------------------------------------------------------------------------------------

#[test]
fn a_preflight_tells_the_methods_of_that_path() {
    let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
    for (app, origin, echoed) in [(TestApp::new(), FOREIGN, "*"), (listing(), LISTED, LISTED)] {
        for path in &paths {
            let mut methods = BTreeSet::from(["OPTIONS".to_owned()]);
            for route in ROUTES.iter().filter(|route| route.path == *path) {
                methods.insert(route.method.to_owned());
                if route.method == "GET" {
                    methods.insert("HEAD".to_owned());
                }
            }
            // A row that is not there and a method that is not there: the path answers all the same.
            let path = path.replace("{id}", "999");
            for asked in methods.iter().map(String::as_str).chain(["PUT"]) {
                let answer = preflight(&app, origin, &path, asked);
                assert_eq!(answer.status, 204, "{path} {asked}");
                assert!(answer.body.is_empty());
                assert_eq!(
                    answer.header("Access-Control-Allow-Origin"),
                    Some(echoed),
                    "{path}"
                );
                let listed = answer.header("Access-Control-Allow-Methods").unwrap();
                assert_eq!(comma_separated(listed), methods, "{path} {asked}");
                let headers =
                    comma_separated(answer.header("Access-Control-Allow-Headers").unwrap());
                // By name: `*` does not stand for Authorization.
                let known = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, \
                    X-Request-Id";
                assert_eq!(headers, comma_separated(known), "{path}");
                let seconds = answer.header("Access-Control-Max-Age").unwrap();
                assert!(seconds.parse::<u32>().is_ok(), "{path}: {seconds}");
            }
        }
    }
}

#[test]
fn a_preflight_needs_no_token_and_looks_at_none() {
    let app = TestApp::new();
    for token in ["", "Bearer nonsense", "Basic dXNlcjpwYXNz"] {
        let headers = [
            ("Origin", LISTED.to_owned()),
            ("Access-Control-Request-Method", "PATCH".to_owned()),
            ("Authorization", token.to_owned()),
        ];
        assert_eq!(app.send_raw("OPTIONS /me", &headers, b"").status, 204);
    }
}

#[test]
fn a_preflight_of_an_unknown_url_is_404_with_cors_headers() {
    for (app, origin, echoed) in [(TestApp::new(), FOREIGN, "*"), (listing(), LISTED, LISTED)] {
        for path in ["/nowhere", "/tasks/", "/tasks/1/more", "//", "/Login"] {
            let answer = preflight(&app, origin, path, "POST");
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(answer.code(), "not_found", "{path}");
            assert_eq!(
                answer.header("Access-Control-Allow-Origin"),
                Some(echoed),
                "{path}"
            );
        }
    }
}

#[test]
fn options_without_a_preflights_headers_answers_allow() {
    let app = TestApp::new();
    for headers in [vec![], vec![("Origin", LISTED.to_owned())]] {
        let answer = app.send_raw("OPTIONS /tasks", &headers, b"");
        assert_eq!(answer.status, 204);
        let allow = comma_separated(answer.header("Allow").unwrap());
        assert_eq!(allow, comma_separated("GET, HEAD, POST, OPTIONS"));
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
    }
}

// Errors ------------------------------------------------------------------------------------------

#[test]
fn errors_carry_cors_headers_too() {
    let json_type = ("Content-Type", "application/json".to_owned());
    for (app, origin, echoed) in [(TestApp::new(), FOREIGN, "*"), (listing(), LISTED, LISTED)] {
        let employee = app.employee();
        let bearer = ("Authorization", format!("Bearer {}", employee.token));
        let taken =
            json!({ "username": "employee", "email": "a@example.com", "password": PASSWORD });
        let taken = taken.to_string();
        type Case<'a> = (u16, &'a str, Vec<(&'a str, String)>, &'a str);
        let cases: [Case; 11] = [
            (400, "POST /login", vec![json_type.clone()], "{"),
            (401, "GET /hello", vec![], ""),
            (
                401,
                "GET /hello",
                vec![("Authorization", "Bearer x".into())],
                "",
            ),
            (403, "GET /users", vec![bearer.clone()], ""),
            (404, "GET /nowhere", vec![], ""),
            (404, "GET /tasks/999", vec![bearer], ""),
            (405, "PUT /login", vec![], ""),
            (409, "POST /signup", vec![json_type.clone()], &taken),
            (
                413,
                "POST /login",
                vec![json_type.clone(), ("Content-Length", "99999999".into())],
                "{}",
            ),
            (415, "POST /login", vec![], "{}"),
            (422, "POST /login", vec![json_type.clone()], "{}"),
        ];
        for (status, line, mut headers, body) in cases {
            headers.push(("Origin", origin.to_owned()));
            let answer = app.send_raw(line, &headers, body.as_bytes());
            assert_eq!(answer.status, status, "{line}");
            assert_eq!(
                answer.header("Access-Control-Allow-Origin"),
                Some(echoed),
                "{status} {line}"
            );
            assert_exposes(&answer, (status, line));
        }
    }
}

#[test]
fn a_panic_is_a_500_that_a_page_can_read_and_the_next_request_works() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let clock = move || {
        assert!(!switch.load(Ordering::SeqCst), "what only the log may know");
        timestamp(support::CLOCK_START * 1_000_000)
    };
    let mut config = support::config(&folder);
    config.cors.cors_origins = LISTED.parse().unwrap();
    let app = support::open_app(
        config,
        &support::keys(support::SIGNING_KEY, &[]),
        Box::new(clock),
    );
    let send = |line: &str, token: &str, body: &str| {
        let (method, path) = line.split_once(' ').unwrap();
        let headers = [
            ("Origin", LISTED),
            ("Content-Type", "application/json"),
            ("X-Request-Id", "the-request"),
            ("Authorization", token),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = Request::fake_http(method, path, headers.to_vec(), body.into());
        support::respond(&app, &request)
    };
    let account = |name: &str| {
        let email = format!("{name}@example.com");
        json!({ "username": name, "email": email, "password": PASSWORD }).to_string()
    };
    let login = json!({ "email": "anna@example.com", "password": PASSWORD }).to_string();
    assert_eq!(send("POST /signup", "", &account("anna")).status, 201);
    let answer = send("POST /login", "", &login).json();
    let token = format!("Bearer {}", answer["token"].as_str().unwrap());

    broken.store(true, Ordering::SeqCst);
    for (line, body) in [
        ("POST /login", login.clone()),
        ("POST /signup", account("ben")),
        ("GET /hello", String::new()),
        ("GET /me", String::new()),
        ("HEAD /hello", String::new()),
    ] {
        // Often enough for anything that such a request held on to to run out.
        for _ in 0..40 {
            let answer = send(line, &token, &body);
            assert_eq!(answer.status, 500, "{line}");
            assert_eq!(
                answer.json(),
                json!({ "msg": "Internal Server Error", "code": "internal_error" })
            );
            let content_type = answer.header("Content-Type").unwrap();
            assert!(content_type.starts_with("application/json"));
            assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(LISTED));
            assert_eq!(answer.header("Vary"), Some("Origin"));
            assert_exposes(&answer, line);
            assert_eq!(answer.header("X-Request-Id"), Some("the-request"));
            let shown = format!("{answer:?} {}", answer.text());
            assert!(!shown.contains("only the log"), "{shown}");
        }
    }
    assert_eq!(send("GET /healthz", "", "").status, 200);

    broken.store(false, Ordering::SeqCst);
    assert_eq!(send("GET /hello", &token, "").status, 200);
    assert_eq!(send("POST /login", "", &login).status, 200);
    assert_eq!(send("POST /signup", "", &account("ben")).status, 201);
}

// Settings ----------------------------------------------------------------------------------------

#[test]
fn an_origin_that_no_browser_sends_is_refused_at_the_start() {
    for text in [
        "",
        " ",
        ",",
        "https://app.example/",
        "https://app.example/path",
        "https://app.example?x",
        "https://app.example#x",
        "https://App.example",
        "HTTPS://app.example",
        "https://bücher.example",
        "https://user@app.example",
        "https://app example",
        "https://app.example\nhttps://b.example",
        "https://*.app.example",
        "https://*",
        "*.app.example",
        "**",
        "*,https://app.example",
        "https://app.example,*",
        "*,*",
        "https://app.example:443",
        "http://app.example:80",
        "app.example",
        "localhost:5173",
        "//app.example",
        "://app.example",
        "https://",
        "https:app.example",
        "null",
        "https://app.example,",
        ",https://app.example",
        "https://app.example,,https://b.example",
        "https://app.example https://b.example",
        "https://app.example;https://b.example",
        "https://good.example,https://app.example/",
    ] {
        let parsed = text.parse::<CorsOrigins>();
        assert!(parsed.is_err(), "{text:?}: {parsed:?}");
    }
}

#[test]
fn origins_as_browsers_send_them_are_taken() {
    for text in ["*", " * "] {
        assert_eq!(
            text.parse::<CorsOrigins>(),
            Ok(CorsOrigins::Any),
            "{text:?}"
        );
    }
    for (text, origins) in [
        ("https://app.example", vec!["https://app.example"]),
        ("http://localhost:5173", vec!["http://localhost:5173"]),
        ("http://127.0.0.1:8080", vec!["http://127.0.0.1:8080"]),
        ("http://[::1]:8080", vec!["http://[::1]:8080"]),
        ("http://app.example:443", vec!["http://app.example:443"]),
        (
            "https://xn--bcher-kva.example",
            vec!["https://xn--bcher-kva.example"],
        ),
        (
            " https://a.example ,https://b.example",
            vec!["https://a.example", "https://b.example"],
        ),
    ] {
        let origins = origins.into_iter().map(str::to_owned).collect();
        assert_eq!(
            text.parse::<CorsOrigins>(),
            Ok(CorsOrigins::List(origins)),
            "{text:?}"
        );
    }
}

#[test]
fn credentials_for_every_website_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = support::config(&folder);
    config.cors.cors_supports_credentials = true;
    let why = config.check().unwrap_err();
    assert!(
        why.contains("CORS_SUPPORTS_CREDENTIALS") && why.contains("CORS_ORIGINS"),
        "{why}"
    );
    assert_eq!(why.lines().count(), 1);

    config.cors.cors_origins = LISTED.parse().unwrap();
    assert_eq!(config.check(), Ok(()));
}

#[test]
fn every_answer_tells_browsers_to_do_nothing_else_with_it() {
    let app = TestApp::new();
    for line in [
        "GET /healthz",
        "GET /nowhere",
        "POST /login",
        "GET /hello",
        "OPTIONS /login",
    ] {
        let answer = app.send(line, None, "");
        for (name, value) in [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            (
                "Content-Security-Policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("Referrer-Policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{line}");
        }
    }
}
