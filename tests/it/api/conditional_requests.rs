//! Conditional requests (RFC 9110, 13): `If-None-Match` saves the transfer of an unchanged version, and
//! `If-Match` prevents lost updates (optimistic concurrency).

use serde_json::{Value, json};
use task_api::config::rate_limits::Switch;
use task_api::config::server::ServerKind;
use task_api::model::Role;

use crate::support::data_dir::Engine;
use crate::support::http_client::Client;
use crate::support::{Account, Fixture, PASSWORD, TestApp, TestResponse, concurrently};

/// An ETag that no resource has.
const STALE: &str = r#""stale""#;

impl Fixture {
    /// The path of each resource with an ETag.
    fn paths_with_etags(&self) -> [String; 3] {
        [
            "/me".to_owned(),
            format!("/users/{}", self.employee.id),
            format!("/tasks/{}", self.task),
        ]
    }

    /// Each request that changes a resource with an ETag: request line, body, and the path of the resource.
    fn changes(&self) -> [(String, String, String); 5] {
        let [me, user, task] = self.paths_with_etags();
        let mine = json!({ "email": "new@example.com", "current_password": PASSWORD });
        [
            (format!("PATCH {me}"), mine.to_string(), me),
            (
                format!("PATCH {user}"),
                r#"{"role":"manager"}"#.to_owned(),
                user.clone(),
            ),
            (
                format!("PATCH {task}"),
                r#"{"title":"new"}"#.to_owned(),
                task.clone(),
            ),
            (format!("DELETE {task}"), String::new(), task),
            (format!("DELETE {user}"), String::new(), user),
        ]
    }

    /// Sends a request as the admin with these headers.
    fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> TestResponse {
        send(&self.app, line, &self.admin, headers, body)
    }

    /// The current ETag of a resource.
    fn etag(&self, url: &str) -> String {
        etag(&self.send(&format!("GET {url}"), &[], ""))
    }
}

fn send(
    app: &TestApp,
    line: &str,
    account: &Account,
    headers: &[(&str, &str)],
    body: &str,
) -> TestResponse {
    app.send_with(line, account.clone(), headers, body)
}

fn etag(response: &TestResponse) -> String {
    response
        .header("ETag")
        .unwrap_or_else(|| panic!("no ETag: {response:?}"))
        .to_owned()
}

// ETags -------------------------------------------------------------------------------------------

#[test]
fn each_response_with_one_account_or_task_has_an_etag() {
    let fixture = Fixture::new();
    let [me, user, task] = fixture.paths_with_etags();
    let sign_up = json!({ "username": "new", "email": "new@example.com", "password": PASSWORD });
    let log_in = json!({ "email": "mine@example.com", "password": PASSWORD });
    let mine = json!({ "email": "mine@example.com", "current_password": PASSWORD });
    // The last column is the path at which the resource in the response can be read again.
    for (line, body, status, url) in [
        ("POST /signup", sign_up.to_string(), 201, Some("/users/3")),
        (
            "POST /tasks",
            r#"{"title":"t"}"#.to_owned(),
            201,
            Some("/tasks/2"),
        ),
        ("GET /me", String::new(), 200, Some("/users/1")),
        ("PATCH /me", mine.to_string(), 200, Some(&*me)),
        (&format!("GET {user}"), String::new(), 200, Some(&*user)),
        (
            &format!("PATCH {user}"),
            r#"{"is_approved":false}"#.to_owned(),
            200,
            Some(&*user),
        ),
        (&format!("GET {task}"), String::new(), 200, Some(&*task)),
        (
            &format!("PATCH {task}"),
            r#"{"title":"new"}"#.to_owned(),
            200,
            Some(&*task),
        ),
        ("GET /users", String::new(), 200, None),
        ("GET /hello", String::new(), 200, None),
        ("GET /healthz", String::new(), 200, None),
        ("OPTIONS /tasks", String::new(), 204, None),
        ("GET /tasks/999", String::new(), 404, None),
        (&format!("PATCH {task}"), "[]".to_owned(), 422, None),
        (&format!("DELETE {task}"), String::new(), 204, None),
        (&format!("DELETE {user}"), String::new(), 204, None),
        ("POST /login", log_in.to_string(), 200, None),
    ] {
        let response = fixture.send(line, &[], &body);
        assert_eq!(response.status, status, "{line}: {response:?}");
        assert_eq!(response.header("ETag").is_some(), url.is_some(), "{line}");
        let Some(url) = url else { continue };
        let quoted = etag(&response);
        let opaque = quoted
            .strip_prefix('"')
            .and_then(|etag| etag.strip_suffix('"'));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        assert!(
            opaque.is_some_and(|etag| etag.len() == 22 && etag.chars().all(is_plain)),
            "{line}"
        );
        let read = fixture.send(&format!("GET {url}"), &[], "");
        assert_eq!(
            (etag(&response), &response.body),
            (etag(&read), &read.body),
            "{line}"
        );
        let head = fixture.send(&format!("HEAD {url}"), &[], "");
        assert_eq!(etag(&head), etag(&read), "{line}");
    }
}

#[test]
fn the_etag_changes_with_each_field_and_returns_with_the_old_value() {
    let fixture = Fixture::new();
    let [_, user, task] = fixture.paths_with_etags();
    let (manager, pending) = (json!({ "role": "manager" }), json!({ "status": "pending" }));
    for (url, change, back) in [
        (&user, manager.clone(), json!({ "role": "employee" })),
        (
            &user,
            json!({ "is_approved": false }),
            json!({ "is_approved": true }),
        ),
        (
            &task,
            json!({ "title": "a" }),
            json!({ "title": "water the plants" }),
        ),
        (
            &task,
            json!({ "description": "a" }),
            json!({ "description": null }),
        ),
        (&task, json!({ "status": "completed" }), pending.clone()),
        (
            &task,
            json!({ "deadline": "2027-01-01T00:00:00Z" }),
            json!({ "deadline": null }),
        ),
        (
            &task,
            json!({ "assigned_user_id": null }),
            json!({ "assigned_user_id": fixture.employee.id }),
        ),
    ] {
        let patch = |body: &Value| fixture.send(&format!("PATCH {url}"), &[], &body.to_string());
        let before = fixture.etag(url);
        assert_eq!(etag(&patch(&json!({}))), before, "{url}: nothing changes");
        assert_eq!(
            etag(&patch(&back)),
            before,
            "{url}: {back} is already the value"
        );
        assert_ne!(etag(&patch(&change)), before, "{url}: {change}");
        assert_eq!(etag(&patch(&back)), before, "{url}: {back}");
    }
}

#[test]
fn the_etag_is_the_same_after_a_restart() {
    let fixture = Fixture::new();
    let before = fixture.paths_with_etags().map(|url| fixture.etag(&url));
    let Fixture {
        app,
        admin,
        employee,
        task,
    } = fixture;
    let app = TestApp::in_folder(app.folder, |_| {});
    let fixture = Fixture {
        app,
        admin,
        employee,
        task,
    };
    assert_eq!(
        fixture.paths_with_etags().map(|url| fixture.etag(&url)),
        before
    );
}

#[test]
fn a_task_with_a_reused_id_has_another_etag() {
    let fixture = Fixture::new();
    let [_, _, task] = fixture.paths_with_etags();
    let old = fixture.etag(&task);
    assert_eq!(fixture.send(&format!("DELETE {task}"), &[], "").status, 204);
    if Engine::current() == Engine::Postgres {
        // SQLite reuses the id itself. PostgreSQL does after a restore of an older sequence.
        let restart = "ALTER SEQUENCE task_id_seq RESTART WITH 1";
        fixture.app.sql().execute_batch(restart).unwrap();
    }
    let body = json!({ "title": "water the plants", "assigned_user_id": fixture.employee.id });
    let again = fixture.app.create_task(&fixture.admin, body);
    assert_eq!(again, fixture.task);
    assert_ne!(fixture.etag(&task), old);
    let response = fixture.send(&format!("DELETE {task}"), &[("If-Match", &old)], "");
    assert_eq!(response.status, 412);
}

// The headers -------------------------------------------------------------------------------------

/// Header values in which `%` stands for the current ETag and `$` for it without the closing quote, and whether they name
/// the current version. The mark of a weak tag and the suffix of a coding, which compressing proxies add, do not count.
const LISTS: &[(&[&str], bool)] = &[
    (&["%"], true),
    (&["W/%"], true),
    (&["$-gzip\""], true),
    (&["$-br\""], true),
    (&["$-zstd\""], true),
    (&["$-deflate\""], true),
    (&["W/$-gzip\""], true),
    (&["$-\""], false),
    (&["$-gzip-gzip\""], false),
    (&["$-gzi\""], false),
    (&["$-gzipp\""], false),
    (&["$-GZIP\""], false),
    (&["$gzip\""], false),
    (&["$-identity\""], false),
    (&["\"-gzip\""], false),
    (&["*"], true),
    (&[" * "], true),
    (&[STALE], false),
    (&[r#"W/"stale""#], false),
    (&[r#""stale-gzip""#], false),
    (&[r#""""#], false),
    (&[r#""*""#], false),
    (&[r#""stale", %"#], true),
    (&[r#""stale",%,"staler""#], true),
    (&[r#"W/%, "stale""#], true),
    (&[r#"W/%, %"#], true),
    (&[" \t,, % , ,"], true),
    (&["\"stale\"\t,\t%"], true),
    // An ETag may contain commas and non-ASCII characters.
    (&[r#""a,b", %"#], true),
    (&[r#""!#~é\", %"#], true),
    // Several header lines are one list.
    (&[STALE, "%"], true),
    (&["%", STALE], true),
    (&[STALE, r#""staler""#], false),
    (&["W/%", STALE], true),
    (&["", "%"], true),
];

/// Header values that are not lists of ETags. `%` stands for the current ETag.
const MALFORMED: &[&[&str]] = &[
    &[""],
    &["  "],
    &[","],
    &["abc"],
    &["'abc'"],
    &["\"abc"],
    &["abc\""],
    &["\""],
    &["W/"],
    &["W/abc"],
    &["w/%"],
    &["W/ %"],
    &["W%"],
    &["W/W/%"],
    &["%%"],
    &["% %"],
    &["%;"],
    &["% abc"],
    &["%, abc"],
    &["abc, %"],
    &["**"],
    &["*, %"],
    &["%, *"],
    &["*", "*"],
    &["%", "abc"],
    &["\"a b\""],
    &["\"a\tb\", %"],
    &["\"a\u{7f}b\", %"],
];

/// The header lines, with `%` and `$` replaced by the current ETag.
fn lines<'a>(name: &'a str, values: &[&str], current: &str) -> Vec<(&'a str, String)> {
    let unclosed = &current[..current.len() - 1];
    let line = |value: &&str| (name, value.replace('%', current).replace('$', unclosed));
    values.iter().map(line).collect()
}

fn borrowed<'a>(headers: &'a [(&str, String)]) -> Vec<(&'a str, &'a str)> {
    headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

#[test]
fn a_get_with_if_none_match_of_the_current_version_is_304() {
    let fixture = Fixture::new();
    for url in fixture.paths_with_etags() {
        let current = fixture.etag(&url);
        for (values, matches) in LISTS {
            let headers = lines("If-None-Match", values, &current);
            for method in ["GET", "HEAD"] {
                let response = fixture.send(&format!("{method} {url}"), &borrowed(&headers), "");
                let expected = if *matches { 304 } else { 200 };
                assert_eq!(response.status, expected, "{method} {url} {values:?}");
                assert_eq!(
                    response.body.is_empty(),
                    *matches,
                    "{method} {url} {values:?}"
                );
                assert_eq!(etag(&response), current, "{method} {url} {values:?}");
            }
        }
    }
}

#[test]
fn a_304_has_the_headers_of_the_200_except_content_type() {
    let app = TestApp::with(|config| {
        config.cors.cors_origins = "https://app.example".parse().unwrap();
    });
    let fixture = Fixture::with_app(app);
    let headers_without = |left_out: &[&str], response: &TestResponse| {
        let mut headers = response.headers.clone();
        headers.retain(|(name, _)| !left_out.contains(&name.as_str()));
        headers.sort();
        headers
    };
    for url in fixture.paths_with_etags() {
        let current = fixture.etag(&url);
        let origin = ("Origin", "https://app.example");
        let get = |headers: &[(&str, &str)]| fixture.send(&format!("GET {url}"), headers, "");
        let (full, not_modified) = (get(&[origin]), get(&[origin, ("If-None-Match", &current)]));
        assert_eq!((full.status, not_modified.status), (200, 304), "{url}");
        assert_eq!(
            headers_without(&["X-Request-Id"], &not_modified),
            headers_without(&["X-Request-Id", "Content-Type"], &full),
            "{url}"
        );
        assert_eq!(not_modified.header("Cache-Control"), Some("no-store"));
        assert_eq!(not_modified.header("Vary"), Some("Origin"));
    }
}

#[test]
fn a_patch_is_200_when_its_precondition_holds_and_412_otherwise() {
    let fixture = Fixture::new();
    for url in fixture.paths_with_etags() {
        let current = fixture.etag(&url);
        // The body changes nothing, so that the version stays the same for the next values.
        let body = match url.as_str() {
            "/me" => json!({ "current_password": PASSWORD }).to_string(),
            _ => "{}".to_owned(),
        };
        for (values, matches) in LISTS {
            for (name, holds) in [("If-Match", *matches), ("If-None-Match", !matches)] {
                let headers = lines(name, values, &current);
                let response = fixture.send(&format!("PATCH {url}"), &borrowed(&headers), &body);
                let expected = if holds { 200 } else { 412 };
                assert_eq!(response.status, expected, "{url} {name} {values:?}");
                if !holds {
                    assert_eq!(response.code(), "precondition_failed");
                    assert_eq!(response.header("ETag"), None);
                }
            }
        }
    }
}

#[test]
fn each_route_that_changes_a_row_checks_if_match_and_changes_nothing_on_412() {
    for n in 0..5 {
        for (value, status) in [(STALE, 412), ("W/%", 200), ("%", 200), ("*", 200)] {
            let fixture = Fixture::new();
            let (line, body, url) = &fixture.changes()[n];
            let before = fixture.app.rows();
            let headers = lines("If-Match", &[value], &fixture.etag(url));
            let response = fixture.send(line, &borrowed(&headers), body);
            let is_done = response.status < 300;
            assert_eq!(is_done, status == 200, "{line} {value}: {response:?}");
            assert_eq!(fixture.app.rows() != before, is_done, "{line} {value}");
            if !is_done {
                assert_eq!(
                    (response.status, &*response.code()),
                    (412, "precondition_failed")
                );
            }
        }
    }
}

#[test]
fn a_get_with_if_match_of_another_version_is_412() {
    let fixture = Fixture::new();
    for url in fixture.paths_with_etags() {
        let current = fixture.etag(&url);
        for (values, matches) in LISTS {
            let headers = lines("If-Match", values, &current);
            let response = fixture.send(&format!("GET {url}"), &borrowed(&headers), "");
            let expected = if *matches { 200 } else { 412 };
            assert_eq!(response.status, expected, "{url} {values:?}");
        }
        // If-Match is evaluated first (RFC 9110, 13.2.2).
        let both = [("If-None-Match", current.as_str()), ("If-Match", STALE)];
        assert_eq!(
            fixture.send(&format!("GET {url}"), &both, "").status,
            412,
            "{url}"
        );
    }
}

#[test]
fn a_malformed_list_of_etags_is_400_names_the_header_and_changes_nothing() {
    let fixture = Fixture::new();
    let reads = fixture
        .paths_with_etags()
        .map(|url| (format!("GET {url}"), String::new(), url));
    let before = fixture.app.rows();
    for (line, body, url) in fixture.changes().into_iter().chain(reads) {
        for values in MALFORMED {
            for name in ["If-Match", "If-None-Match"] {
                let headers = lines(name, values, &fixture.etag(&url));
                let response = fixture.send(&line, &borrowed(&headers), &body);
                let case = format!("{line} {name} {values:?}");
                assert_eq!(
                    (response.status, &*response.code()),
                    (400, "bad_request"),
                    "{case}"
                );
                assert!(
                    response.msg().contains(&format!("its {name} must be")),
                    "{case}: {response:?}"
                );
            }
        }
    }
    assert_eq!(fixture.app.rows(), before);
}

#[test]
fn routes_without_an_etag_ignore_preconditions() {
    let fixture = Fixture::new();
    let log_in = json!({ "email": "admin@example.com", "password": PASSWORD }).to_string();
    for (line, body, status) in [
        ("GET /users", "", 200),
        ("GET /hello", "", 200),
        ("GET /healthz", "", 200),
        ("POST /login", &*log_in, 200),
        ("POST /tasks", r#"{"title":"t"}"#, 201),
        ("OPTIONS /tasks/1", "", 204),
    ] {
        for value in ["*", STALE, "nonsense"] {
            let headers = [("If-Match", value), ("If-None-Match", value)];
            assert_eq!(
                fixture.send(line, &headers, body).status,
                status,
                "{line} {value}"
            );
        }
    }
}

// Order of errors ---------------------------------------------------------------------------------

#[test]
fn errors_of_access_and_syntax_come_before_the_precondition_and_all_other_errors_after_it() {
    let fixture = Fixture::new();
    let app = &fixture.app;
    let waiting = app.account("waiting", Role::Admin, false);
    let other = app.account("other", Role::Employee, true);
    let without_session = Account {
        token: "none".to_owned(),
        ..fixture.admin.clone()
    };
    let [me, user, task] = fixture.paths_with_etags();
    let (admin, employee) = (&fixture.admin, &fixture.employee);
    let mine = |email: &str, password: &str| {
        json!({ "email": email, "current_password": password }).to_string()
    };
    let admins = format!("/users/{}", admin.id);
    let before = app.rows();
    for (account, line, body, status, code) in [
        (
            &without_session,
            format!("GET {task}"),
            "",
            401,
            "invalid_token",
        ),
        (
            &without_session,
            format!("PATCH {task}"),
            "{}",
            401,
            "invalid_token",
        ),
        (
            &without_session,
            format!("PATCH {me}"),
            "{}",
            401,
            "invalid_token",
        ),
        (
            &waiting,
            format!("PATCH {task}"),
            "{}",
            403,
            "awaiting_approval",
        ),
        (
            &waiting,
            format!("DELETE {user}"),
            "",
            403,
            "awaiting_approval",
        ),
        (
            employee,
            format!("PATCH {user}"),
            "{}",
            403,
            "insufficient_role",
        ),
        (
            employee,
            format!("DELETE {task}"),
            "",
            403,
            "insufficient_role",
        ),
        (
            employee,
            format!("PATCH {task}"),
            r#"{"title":"mine"}"#,
            403,
            "status_only",
        ),
        (&other, format!("GET {task}"), "", 404, "not_found"),
        (
            &other,
            format!("PATCH {task}"),
            r#"{"status":"completed"}"#,
            404,
            "not_found",
        ),
        (admin, "GET /tasks/999".to_owned(), "", 404, "not_found"),
        (admin, "PATCH /tasks/999".to_owned(), "{}", 404, "not_found"),
        (admin, "DELETE /tasks/999".to_owned(), "", 404, "not_found"),
        (admin, "GET /users/999".to_owned(), "", 404, "not_found"),
        (admin, "PATCH /users/999".to_owned(), "{}", 404, "not_found"),
        (admin, "DELETE /users/999".to_owned(), "", 404, "not_found"),
        (admin, "PATCH /tasks/x".to_owned(), "{}", 404, "not_found"),
        (admin, format!("PATCH {task}"), "{", 400, "malformed_json"),
        (
            admin,
            format!("PATCH {task}"),
            "",
            415,
            "unsupported_media_type",
        ),
        (
            admin,
            format!("PATCH {task}"),
            r#"{"title":""}"#,
            422,
            "invalid",
        ),
        (
            admin,
            format!("PATCH {user}"),
            r#"{"role":"king"}"#,
            422,
            "invalid",
        ),
        (admin, format!("PATCH {me}"), "{}", 422, "invalid"),
        // The 412 hides every other error that these requests would get.
        (
            admin,
            format!("PATCH {task}"),
            r#"{"assigned_user_id":999}"#,
            412,
            "precondition_failed",
        ),
        (
            admin,
            format!("PATCH {me}"),
            &mine("a@example.com", "wrong"),
            412,
            "precondition_failed",
        ),
        (
            admin,
            format!("PATCH {me}"),
            &mine("other@example.com", PASSWORD),
            412,
            "precondition_failed",
        ),
        (
            admin,
            format!("PATCH {admins}"),
            r#"{"role":"employee"}"#,
            412,
            "precondition_failed",
        ),
        (
            admin,
            format!("DELETE {admins}"),
            "",
            412,
            "precondition_failed",
        ),
        // Only the precondition fails:
        (admin, format!("GET {task}"), "", 412, "precondition_failed"),
        (
            employee,
            format!("PATCH {task}"),
            r#"{"status":"completed"}"#,
            412,
            "precondition_failed",
        ),
        (
            admin,
            format!("PATCH {me}"),
            &mine("a@example.com", PASSWORD),
            412,
            "precondition_failed",
        ),
    ] {
        let response = send(app, &line, account, &[("If-Match", STALE)], body);
        assert_eq!(
            (response.status, &*response.code()),
            (status, code),
            "{line} {body}"
        );
    }
    // `*` matches any version of a resource that exists.
    for line in ["PATCH /tasks/999", "PATCH /users/999"] {
        assert_eq!(
            fixture.send(line, &[("If-Match", "*")], "{}").status,
            404,
            "{line}"
        );
    }
    // An account that may not see a task gets 404 without an ETag.
    let current = fixture.etag(&task);
    for name in ["If-Match", "If-None-Match"] {
        let response = send(app, &format!("GET {task}"), &other, &[(name, &current)], "");
        assert_eq!(
            (response.status, response.header("ETag")),
            (404, None),
            "{name}"
        );
    }
    assert_eq!(app.rows(), before);
}

// Lost updates ------------------------------------------------------------------------------------

#[test]
fn the_second_change_to_the_same_version_is_412_until_the_client_reads_again() {
    let fixture = Fixture::new();
    let [_, _, task] = fixture.paths_with_etags();
    let (path, seen) = (format!("PATCH {task}"), fixture.etag(&task));
    let status =
        |etag: &str| fixture.send(&path, &[("If-Match", etag)], r#"{"status":"completed"}"#);
    let title = |etag: &str| fixture.send(&path, &[("If-Match", etag)], r#"{"title":"new"}"#);
    let first = status(&seen);
    assert_eq!(first.status, 200);
    assert_eq!(title(&seen).status, 412);
    let second = title(&fixture.etag(&task));
    assert_eq!(second.status, 200);
    assert_eq!(second.json()["status"], "completed");
    // The ETag in the response to a change is the one for the next change.
    assert_eq!(title(&etag(&first)).status, 412);
    assert_eq!(status(&etag(&second)).status, 200);
    assert_eq!(
        fixture
            .send(&format!("DELETE {task}"), &[("If-Match", &seen)], "")
            .status,
        412
    );
    let current = fixture.etag(&task);
    assert_eq!(
        fixture
            .send(&format!("DELETE {task}"), &[("If-Match", &current)], "")
            .status,
        204
    );
}

#[test]
fn of_fifty_concurrent_changes_to_the_same_version_one_succeeds() {
    let fixture = Fixture::new();
    let [me, user, task] = fixture.paths_with_etags();
    let email = |n: usize| format!("admin{n}@example.com");
    type Body<'a> = &'a (dyn Fn(usize) -> Value + Sync);
    let cases: [(&str, Body); 4] = [
        (&task, &|n| json!({ "title": format!("by {n}") })),
        // All requests make the same change.
        (&task, &|_| json!({ "title": "by all" })),
        (&user, &|_| json!({ "role": "manager" })),
        (
            &me,
            &|n| json!({ "email": email(n), "current_password": PASSWORD }),
        ),
    ];
    for (url, body) in cases {
        let seen = fixture.etag(url);
        let responses = concurrently(50, |n| {
            let body = body(n).to_string();
            fixture.send(&format!("PATCH {url}"), &[("If-Match", &seen)], &body)
        });
        let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
        let count = |status| statuses.iter().filter(|given| **given == status).count();
        assert_eq!((count(200), count(412)), (1, 49), "{url}: {statuses:?}");
        // The stored version is the one in the response to the request that succeeded.
        let winner = responses
            .iter()
            .find(|response| response.status == 200)
            .unwrap();
        assert_eq!(
            fixture.send(&format!("GET {url}"), &[], "").json(),
            winner.json()
        );
    }
}

#[test]
fn of_a_concurrent_change_and_deletion_one_succeeds() {
    for _ in 0..10 {
        let fixture = Fixture::new();
        let [_, _, task] = fixture.paths_with_etags();
        let seen = fixture.etag(&task);
        let mut statuses: Vec<u16> = concurrently(2, |n| {
            let (method, body) = [("PATCH", r#"{"title":"new"}"#), ("DELETE", "")][n];
            fixture.send(&format!("{method} {task}"), &[("If-Match", &seen)], body)
        })
        .iter()
        .map(|response| response.status)
        .collect();
        statuses.sort_unstable();
        let changed_first = [200, 412];
        let removed_first = [204, 404];
        assert!(
            [changed_first, removed_first].contains(&[statuses[0], statuses[1]]),
            "{statuses:?}"
        );
    }
}

// On the wire -------------------------------------------------------------------------------------

#[test]
fn a_304_has_no_body_on_a_persistent_connection() {
    let kinds = [
        #[cfg(target_os = "linux")]
        ServerKind::EventLoop,
        ServerKind::Rouille,
    ];
    for kind in kinds {
        let fixture = Fixture::with_app(TestApp::with(|config| config.server = kind));
        let server = fixture.app.serve();
        let mut client = Client::connect(server.address());
        let authorization = format!("Authorization: Bearer {}\r\n", fixture.admin.token);
        for url in fixture.paths_with_etags() {
            let current = fixture.etag(&url);
            for method in ["GET", "HEAD"] {
                let mut send = |headers: &str| {
                    let headers = format!("{authorization}{headers}");
                    let head = client.head(&format!("{method} {url}"), &headers);
                    client.write(head).unwrap();
                    // A body in the 304 would be read as the start of the next response.
                    client.read_response(method == "HEAD").unwrap()
                };
                let not_modified = send(&format!("If-None-Match: \"a\", W/{current}\r\n"));
                assert_eq!(not_modified.status, 304, "{kind:?} {method} {url}");
                assert_eq!(etag(&not_modified), current);
                assert_eq!(not_modified.header("Cache-Control"), Some("no-store"));
                assert_eq!(not_modified.header("Content-Type"), None);
                assert_eq!(not_modified.header("Transfer-Encoding"), None);
                // Content-Length would have to be that of the 200 (RFC 9110, 8.6), so there is none.
                #[cfg(target_os = "linux")]
                if kind == ServerKind::EventLoop {
                    assert_eq!(not_modified.header("Content-Length"), None);
                }
                let full = send("If-None-Match: \"a\"\r\n");
                assert_eq!(
                    (full.status, etag(&full)),
                    (200, current.clone()),
                    "{kind:?} {url}"
                );
                assert_ne!(
                    full.header("Content-Length"),
                    Some("0"),
                    "{kind:?} {method} {url}"
                );
                let malformed = send("If-None-Match: a\r\n");
                assert_eq!(malformed.status, 400, "{kind:?} {method} {url}");
            }
        }
    }
}

// What a 412 reveals ------------------------------------------------------------------------------

#[test]
fn a_412_for_me_reveals_no_email_address_costs_no_password_attempt_and_is_not_in_the_audit_log() {
    let app = TestApp::with(|config| {
        config.rate_limiting.rate_limits = Switch::On;
    });
    let (me, other) = (app.employee(), app.manager());
    let entries = app.count("audit");
    for number in 0..10 {
        let mut bodies = Vec::new();
        for email in [other.email.clone(), format!("free{number}@example.com")] {
            for password in [PASSWORD, "a wrong password"] {
                let body = json!({ "email": email, "current_password": password }).to_string();
                let response = send(&app, "PATCH /me", &me, &[("If-Match", STALE)], &body);
                assert_eq!(response.status, 412, "{number} {email} {password}");
                bodies.push(response.text().to_owned());
            }
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "the same response in every case");
    }
    assert_eq!(app.count("audit"), entries);
    // None of the 40 requests counted as a password attempt: a sign-in and a valid change still succeed.
    assert_eq!(app.log_in(&me.email, PASSWORD).status, 200);
    let current = app.get("/me", &me);
    let current = current.header("ETag").unwrap();
    let body = json!({ "email": "new@example.com", "current_password": PASSWORD }).to_string();
    let response = send(&app, "PATCH /me", &me, &[("If-Match", current)], &body);
    assert_eq!(response.status, 200);
}

#[test]
fn a_change_to_me_is_412_when_the_account_changes_during_the_password_check() {
    let app = TestApp::with(|config| config.passwords.password_iterations = 20_000);
    let (me, admin) = (app.employee(), app.admin());
    let version = app.get("/me", &me);
    let version = version.header("ETag").unwrap();
    let body = json!({ "email": "new@example.com", "current_password": PASSWORD }).to_string();
    let mut statuses = Vec::new();
    std::thread::scope(|scope| {
        let change = scope.spawn(|| send(&app, "PATCH /me", &me, &[("If-Match", version)], &body));
        let role = json!({ "role": "manager" }).to_string();
        let promotion = app.send(&format!("PATCH /users/{}", me.id), admin.clone(), &role);
        assert_eq!(promotion.status, 200);
        statuses.push(change.join().unwrap().status);
    });
    // Either both changes are stored, or the change to `/me` got 412.
    let user = app.get(&format!("/users/{}", me.id), &admin).json();
    assert_eq!(user["role"], "manager");
    let expected = if user["email"] == "new@example.com" {
        200
    } else {
        412
    };
    assert_eq!(statuses, [expected]);
}
