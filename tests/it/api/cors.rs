//! Cross-origin resource sharing (CORS): which origins may read responses, preflights, and the settings.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rouille::Request;
use serde_json::json;
use task_api::config::cors::{AllowedHeaders, CorsOrigins};
use task_api::router::ROUTES;

use crate::support::data_dir::DataDir;
use crate::support::{self, PASSWORD, TestApp, TestResponse, comma_separated, timestamp};

const LISTED: &str = "https://app.example";
const ALSO_LISTED: &str = "http://localhost:5173";
const FOREIGN: &str = "https://evil.example";

/// An application whose settings list two origins.
fn app_with_listed_origins() -> TestApp {
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

fn cors_headers(response: &TestResponse) -> Vec<&str> {
    response
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| name.starts_with("Access-Control-"))
        .collect()
}

fn assert_exposes(response: &TestResponse, case: impl std::fmt::Debug) {
    let exposed = comma_separated(
        response
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

// Every origin ------------------------------------------------------------------------------------

#[test]
fn by_default_every_origin_may_send_requests_without_credentials() {
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
        let response = app.send_raw("GET /hello", &headers, b"");
        assert_eq!(response.status, 200);
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(response.header("Access-Control-Allow-Credentials"), None);
        assert_exposes(&response, origin);
    }
}

#[test]
fn a_browser_on_another_origin_can_log_in() {
    let app = TestApp::new();
    app.employee();
    let preflight = preflight(&app, "http://localhost:8080", "/login", "POST");
    assert_eq!(preflight.status, 204);
    let body = json!({ "email": "employee@example.com", "password": PASSWORD });
    let headers = [
        ("Origin", "http://localhost:8080".to_owned()),
        ("Content-Type", "application/json".to_owned()),
    ];
    let response = app.send_raw("POST /login", &headers, body.to_string().as_bytes());
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
}

// Listed origins ----------------------------------------------------------------------------------

#[test]
fn a_listed_origin_is_echoed() {
    let app = app_with_listed_origins();
    for origin in [LISTED, ALSO_LISTED] {
        let response = from(&app, origin, "GET /healthz");
        assert_eq!(response.status, 200);
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some(origin));
        assert_eq!(response.header("Access-Control-Allow-Credentials"), None);
        assert_eq!(response.header("Vary"), Some("Origin"));
        assert_exposes(&response, origin);
    }
}

#[test]
fn an_origin_that_is_not_listed_exactly_gets_no_cors_headers() {
    let app = app_with_listed_origins();
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
        for response in [
            from(&app, origin, "GET /healthz"),
            from(&app, origin, "GET /hello"),
            preflight(&app, origin, "/login", "POST"),
            preflight(&app, origin, "/nowhere", "POST"),
        ] {
            assert_eq!(cors_headers(&response), [""; 0], "{origin:?}");
            assert_eq!(response.header("Vary"), Some("Origin"), "{origin:?}");
        }
        // CORS does not block the request itself: the browser keeps the response from the page.
        assert_eq!(from(&app, origin, "GET /healthz").status, 200);
    }
}

#[test]
fn with_a_list_of_origins_every_response_has_vary_origin() {
    let app = app_with_listed_origins();
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
            let response = app.send_raw(line, &headers, b"");
            assert_eq!(
                response.header("Vary"),
                Some("Origin"),
                "{line} {headers:?}"
            );
        }
        let without = app.send_raw(line, &[], b"");
        assert_eq!(cors_headers(&without), [""; 0], "{line}");
    }
}

#[test]
fn only_listed_origins_may_send_credentials() {
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
        for response in [
            from(&app, origin, "GET /healthz"),
            from(&app, origin, "GET /hello"),
            preflight(&app, origin, "/me", "PATCH"),
        ] {
            assert_eq!(
                response.header("Access-Control-Allow-Credentials"),
                allowed,
                "{origin}"
            );
            assert_ne!(response.header("Access-Control-Allow-Origin"), Some("*"));
            assert_eq!(response.header("Vary"), Some("Origin"), "{origin}");
        }
    }
}

// Preflights --------------------------------------------------------------------------------------

/// What a preflight response permits, whatever it is about.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Listed by name, because `*` does not include `Authorization` (Fetch standard).
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, \
    baggage, sentry-trace, traceparent, tracestate, Cache-Control, Pragma, X-Requested-With";

/// A preflight response that permits a page to send any request of the API.
fn assert_permits(response: &TestResponse, origin: &str, case: &str) {
    assert_eq!(response.status, 204, "{case}");
    assert!(response.body.is_empty(), "{case}");
    let header = |name| response.header(name).unwrap_or_default();
    assert_eq!(header("Access-Control-Allow-Origin"), origin, "{case}");
    let methods = comma_separated(header("Access-Control-Allow-Methods"));
    assert_eq!(methods, comma_separated(METHODS), "{case}");
    let headers = comma_separated(header("Access-Control-Allow-Headers"));
    assert_eq!(headers, comma_separated(REQUEST_HEADERS), "{case}");
    assert_eq!(header("Access-Control-Max-Age"), "600", "{case}");
}

#[test]
fn a_preflight_for_any_path_permits_the_methods_and_headers_of_the_api() {
    let unknown = [
        "/nowhere",
        "/tasks/",
        "/tasks/1/more",
        "/",
        "//",
        "/Login",
        "/%ff",
        "/tasks/%ff",
    ];
    let known = ROUTES.iter().map(|route| route.path.replace("{id}", "999"));
    let paths: BTreeSet<String> = known.chain(unknown.map(str::to_owned)).collect();
    for (app, origin, echoed) in [
        (TestApp::new(), FOREIGN, "*"),
        (app_with_listed_origins(), LISTED, LISTED),
    ] {
        for path in &paths {
            // Neither the row nor the method has to exist: the page reads the 404 or the 405 itself.
            for method in comma_separated(METHODS) {
                let response = preflight(&app, origin, path, &method);
                assert_permits(&response, echoed, &format!("{path} {method}"));
            }
        }
    }
}

#[test]
fn a_page_reads_the_404_and_the_405_of_the_request_after_its_preflight() {
    let app = app_with_listed_origins();
    for (line, status) in [
        ("GET /nowhere", 404),
        ("PUT /nowhere", 404),
        ("PUT /tasks", 405),
        ("DELETE /login", 405),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        assert_permits(&preflight(&app, LISTED, path, method), LISTED, line);
        let response = from(&app, LISTED, line);
        assert_eq!(response.status, status, "{line}");
        assert_eq!(
            response.header("Access-Control-Allow-Origin"),
            Some(LISTED),
            "{line}"
        );
    }
}

#[test]
fn the_setting_adds_names_to_the_headers_of_a_preflight() {
    for (setting, added) in [
        ("", ""),
        ("X-Trace-Id", "X-Trace-Id"),
        (" X-Trace-Id ,x_b!", "X-Trace-Id, x_b!"),
        ("*", "*"),
    ] {
        let app = TestApp::with(|config| config.cors.cors_allow_headers = setting.parse().unwrap());
        let response = preflight(&app, FOREIGN, "/tasks", "GET");
        let listed = comma_separated(response.header("Access-Control-Allow-Headers").unwrap());
        let mut expected = comma_separated(REQUEST_HEADERS);
        expected.extend(
            comma_separated(added)
                .into_iter()
                .filter(|name| !name.is_empty()),
        );
        assert_eq!(listed, expected, "{setting:?}");
    }
}

#[test]
fn a_preflight_needs_no_token_and_ignores_one() {
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
fn options_that_is_no_preflight_gets_the_methods_of_the_path_and_404_on_an_unknown_one() {
    let app = TestApp::new();
    let origin = ("Origin", LISTED.to_owned());
    let method = ("Access-Control-Request-Method", "GET".to_owned());
    for headers in [vec![], vec![origin], vec![method]] {
        let response = app.send_raw("OPTIONS /tasks", &headers, b"");
        assert_eq!(response.status, 204, "{headers:?}");
        let allow = comma_separated(response.header("Allow").unwrap());
        assert_eq!(allow, comma_separated("GET, HEAD, POST, OPTIONS"));
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(response.header("Access-Control-Allow-Methods"), None);

        let response = app.send_raw("OPTIONS /nowhere", &headers, b"");
        assert_eq!(response.status, 404, "{headers:?}");
        assert_eq!(response.code(), "not_found");
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
    }
}

// Errors ------------------------------------------------------------------------------------------

#[test]
fn error_responses_have_cors_headers() {
    let json_type = ("Content-Type", "application/json".to_owned());
    for (app, origin, echoed) in [
        (TestApp::new(), FOREIGN, "*"),
        (app_with_listed_origins(), LISTED, LISTED),
    ] {
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
            let response = app.send_raw(line, &headers, body.as_bytes());
            assert_eq!(response.status, status, "{line}");
            assert_eq!(
                response.header("Access-Control-Allow-Origin"),
                Some(echoed),
                "{status} {line}"
            );
            assert_exposes(&response, (status, line));
        }
    }
}

#[test]
fn a_panic_is_a_500_with_cors_headers_and_later_requests_succeed() {
    let folder = DataDir::new();
    let is_broken = Arc::new(AtomicBool::new(false));
    let clock_is_broken = Arc::clone(&is_broken);
    let clock = move || {
        assert!(
            !clock_is_broken.load(Ordering::SeqCst),
            "a text that only the log may contain"
        );
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
    let sign_up = |name: &str| {
        let email = format!("{name}@example.com");
        json!({ "username": name, "email": email, "password": PASSWORD }).to_string()
    };
    let login = json!({ "email": "anna@example.com", "password": PASSWORD }).to_string();
    assert_eq!(send("POST /signup", "", &sign_up("anna")).status, 201);
    let response = send("POST /login", "", &login).json();
    let token = format!("Bearer {}", response["token"].as_str().unwrap());

    is_broken.store(true, Ordering::SeqCst);
    for (line, body) in [
        ("POST /login", login.clone()),
        ("POST /signup", sign_up("ben")),
        ("GET /hello", String::new()),
        ("GET /me", String::new()),
        ("HEAD /hello", String::new()),
    ] {
        // Enough requests to exhaust permits or connections, if a panic did not release them.
        for _ in 0..40 {
            let response = send(line, &token, &body);
            assert_eq!(response.status, 500, "{line}");
            assert_eq!(
                response.json(),
                json!({ "msg": "Internal Server Error", "code": "internal_error" })
            );
            let content_type = response.header("Content-Type").unwrap();
            assert!(content_type.starts_with("application/json"));
            assert_eq!(response.header("Access-Control-Allow-Origin"), Some(LISTED));
            assert_eq!(response.header("Vary"), Some("Origin"));
            assert_exposes(&response, line);
            assert_eq!(response.header("X-Request-Id"), Some("the-request"));
            let shown = format!("{response:?} {}", response.text());
            assert!(!shown.contains("only the log"), "{shown}");
        }
    }
    assert_eq!(send("GET /healthz", "", "").status, 200);

    is_broken.store(false, Ordering::SeqCst);
    assert_eq!(send("GET /hello", &token, "").status, 200);
    assert_eq!(send("POST /login", "", &login).status, 200);
    assert_eq!(send("POST /signup", "", &sign_up("ben")).status, 201);
}

// Settings ----------------------------------------------------------------------------------------

#[test]
fn an_origin_that_no_browser_sends_is_an_invalid_setting() {
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
fn a_name_that_no_header_can_have_is_an_invalid_setting() {
    for text in [
        ",", "X-A,", ",X-A", "X-A,,X-B", "X-A X-B", "X-A;X-B", "X-A: 1", "*,X-A", "X-*",
        "X-A\nX-B", "X-Ä", "\"X-A\"", "(X)",
    ] {
        let parsed = text.parse::<AllowedHeaders>();
        assert!(parsed.is_err(), "{text:?}: {parsed:?}");
    }
}

#[test]
fn origins_as_browsers_send_them_are_valid_settings() {
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
fn the_server_does_not_start_when_every_origin_may_send_credentials() {
    let folder = DataDir::new();
    let mut config = support::config(&folder);
    config.cors.cors_supports_credentials = true;
    let message = config.check().unwrap_err();
    assert!(
        message.contains("CORS_SUPPORTS_CREDENTIALS") && message.contains("CORS_ORIGINS"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1);

    config.cors.cors_origins = LISTED.parse().unwrap();
    assert_eq!(config.check(), Ok(()));

    // Browsers take `*` as the name of a header then.
    config.cors.cors_allow_headers = "*".parse().unwrap();
    let message = config.check().unwrap_err();
    assert!(message.contains("CORS_ALLOW_HEADERS"), "{message}");
}

#[test]
fn every_response_has_the_security_headers() {
    let app = TestApp::new();
    for line in [
        "GET /healthz",
        "GET /nowhere",
        "POST /login",
        "GET /hello",
        "OPTIONS /login",
    ] {
        let response = app.send(line, None, "");
        for (name, value) in [
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            (
                "Content-Security-Policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("Referrer-Policy", "no-referrer"),
        ] {
            assert_eq!(response.header(name), Some(value), "{line}");
        }
    }
}

#[test]
fn a_page_of_the_server_itself_needs_no_list_of_exposed_headers() {
    let app = TestApp::new();
    for (origin, is_own) in [("http://127.0.0.1:5000", true), (FOREIGN, false)] {
        let headers = [
            ("Host", "127.0.0.1:5000".to_owned()),
            ("Origin", origin.to_owned()),
        ];
        let response = app.send_raw("GET /healthz", &headers, b"");
        let exposed = response.header("Access-Control-Expose-Headers");
        assert_eq!(exposed.is_none(), is_own, "{origin}");
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
    }
}
