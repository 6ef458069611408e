//! Versions: what has changed is fetched, what has not is not, and nobody overwrites what they have not
//! seen.

use serde_json::{Value, json};
use task_api::config::limits::Switch;
use task_api::config::server::ServerKind;
use task_api::model::Role;

use crate::support::http_client::Client;
use crate::support::{Account, Fixture, PASSWORD, TestApp, TestResponse, concurrently};

/// The tag of nothing at all.
const STALE: &str = r#""stale""#;

impl Fixture {
    /// The URL of each account and task that has one.
    fn urls(&self) -> [String; 3] {
        [
            "/me".to_owned(),
            format!("/users/{}", self.employee.id),
            format!("/tasks/{}", self.task),
        ]
    }

    /// Each change that demands a version can go with: the request, its body, and the URL of what it
    /// changes.
    fn changes(&self) -> [(String, String, String); 5] {
        let [me, user, task] = self.urls();
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

    /// Sends on behalf of the admin, with these headers.
    fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> TestResponse {
        send(&self.app, line, &self.admin, headers, body)
    }

    /// The tag of what is at a URL.
    fn tag(&self, url: &str) -> String {
        tag(&self.send(&format!("GET {url}"), &[], ""))
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

fn tag(answer: &TestResponse) -> String {
    answer
        .header("ETag")
        .unwrap_or_else(|| panic!("no ETag: {answer:?}"))
        .to_owned()
}

// Tags --------------------------------------------------------------------------------------------

#[test]
fn each_answer_with_one_account_or_task_has_its_tag_and_no_other_answer_has_one() {
    let fixture = Fixture::new();
    let [me, user, task] = fixture.urls();
    let sign_up = json!({ "username": "new", "email": "new@example.com", "password": PASSWORD });
    let log_in = json!({ "email": "mine@example.com", "password": PASSWORD });
    let mine = json!({ "email": "mine@example.com", "current_password": PASSWORD });
    // Where what is shown can be read again.
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
        ("GET /tasks", String::new(), 200, None),
        ("GET /hello", String::new(), 200, None),
        ("GET /healthz", String::new(), 200, None),
        ("OPTIONS /tasks", String::new(), 204, None),
        ("GET /tasks/999", String::new(), 404, None),
        (&format!("PATCH {task}"), "[]".to_owned(), 422, None),
        (&format!("DELETE {task}"), String::new(), 204, None),
        (&format!("DELETE {user}"), String::new(), 204, None),
        ("POST /login", log_in.to_string(), 200, None),
    ] {
        let answer = fixture.send(line, &[], &body);
        assert_eq!(answer.status, status, "{line}: {answer:?}");
        assert_eq!(answer.header("ETag").is_some(), url.is_some(), "{line}");
        let Some(url) = url else { continue };
        let inside = tag(&answer);
        let inside = inside
            .strip_prefix('"')
            .and_then(|tag| tag.strip_suffix('"'));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        assert!(
            inside.is_some_and(|tag| tag.len() == 22 && tag.chars().all(is_plain)),
            "{line}"
        );
        let shown = fixture.send(&format!("GET {url}"), &[], "");
        assert_eq!(
            (tag(&answer), &answer.body),
            (tag(&shown), &shown.body),
            "{line}"
        );
        let head = fixture.send(&format!("HEAD {url}"), &[], "");
        assert_eq!(tag(&head), tag(&shown), "{line}");
    }
}

#[test]
fn a_tag_changes_when_a_field_does_and_comes_back_with_it() {
    let fixture = Fixture::new();
    let [_, user, task] = fixture.urls();
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
        let before = fixture.tag(url);
        assert_eq!(tag(&patch(&json!({}))), before, "{url}: nothing changes");
        assert_eq!(tag(&patch(&back)), before, "{url}: {back} is so already");
        assert_ne!(tag(&patch(&change)), before, "{url}: {change}");
        assert_eq!(tag(&patch(&back)), before, "{url}: {back}");
    }
}

#[test]
fn a_tag_outlives_the_program() {
    let fixture = Fixture::new();
    let before = fixture.urls().map(|url| fixture.tag(&url));
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
    assert_eq!(fixture.urls().map(|url| fixture.tag(&url)), before);
}

#[test]
fn what_has_the_id_of_something_deleted_has_another_tag() {
    let fixture = Fixture::new();
    let [_, _, task] = fixture.urls();
    let old = fixture.tag(&task);
    assert_eq!(fixture.send(&format!("DELETE {task}"), &[], "").status, 204);
    let body = json!({ "title": "water the plants", "assigned_user_id": fixture.employee.id });
    let again = fixture.app.create_task(&fixture.admin, body);
    assert_eq!(again, fixture.task, "SQLite gives out the id again");
    assert_ne!(fixture.tag(&task), old);
    let answer = fixture.send(&format!("DELETE {task}"), &[("If-Match", &old)], "");
    assert_eq!(answer.status, 412);
}

// What a header says ------------------------------------------------------------------------------

/// Lists in which `%` is the current tag, and whether one of their tags is it: in the strong comparison
/// and in the weak one (RFC 9110, 8.8.3.2).
const LISTS: &[(&[&str], bool, bool)] = &[
    (&["%"], true, true),
    (&["W/%"], false, true),
    (&["*"], true, true),
    (&[" * "], true, true),
    (&[STALE], false, false),
    (&[r#"W/"stale""#], false, false),
    (&[r#""""#], false, false),
    (&[r#""*""#], false, false),
    (&[r#""stale", %"#], true, true),
    (&[r#""stale",%,"staler""#], true, true),
    (&[r#"W/%, "stale""#], false, true),
    (&[r#"W/%, %"#], true, true),
    (&[" \t,, % , ,"], true, true),
    (&["\"stale\"\t,\t%"], true, true),
    // A tag may hold a comma, and any letter.
    (&[r#""a,b", %"#], true, true),
    (&[r#""!#~é\", %"#], true, true),
    // Several lines are one list.
    (&[STALE, "%"], true, true),
    (&["%", STALE], true, true),
    (&[STALE, r#""staler""#], false, false),
    (&["W/%", STALE], false, true),
    (&["", "%"], true, true),
];

/// What is no list of tags, `%` being the current one.
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

/// The header's lines, with the current tag in the place of `%`.
fn lines<'a>(name: &'a str, values: &[&str], current: &str) -> Vec<(&'a str, String)> {
    let line = |value: &&str| (name, value.replace('%', current));
    values.iter().map(line).collect()
}

fn borrowed<'a>(headers: &'a [(&str, String)]) -> Vec<(&'a str, &'a str)> {
    headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

#[test]
fn who_names_the_current_version_is_spared_it() {
    let fixture = Fixture::new();
    for url in fixture.urls() {
        let current = fixture.tag(&url);
        for (values, _, is_named) in LISTS {
            let headers = lines("If-None-Match", values, &current);
            for method in ["GET", "HEAD"] {
                let answer = fixture.send(&format!("{method} {url}"), &borrowed(&headers), "");
                let expected = if *is_named { 304 } else { 200 };
                assert_eq!(answer.status, expected, "{method} {url} {values:?}");
                assert_eq!(
                    answer.body.is_empty(),
                    *is_named,
                    "{method} {url} {values:?}"
                );
                assert_eq!(tag(&answer), current, "{method} {url} {values:?}");
            }
        }
    }
}

#[test]
fn a_304_has_the_headers_of_the_200_but_those_about_its_body() {
    let app = TestApp::with(|config| {
        config.cors.cors_origins = "https://app.example".parse().unwrap();
    });
    let fixture = Fixture::with_app(app);
    let but = |left_out: &[&str], answer: &TestResponse| {
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| !left_out.contains(&name.as_str()));
        headers.sort();
        headers
    };
    for url in fixture.urls() {
        let current = fixture.tag(&url);
        let origin = ("Origin", "https://app.example");
        let get = |headers: &[(&str, &str)]| fixture.send(&format!("GET {url}"), headers, "");
        let (full, spared) = (get(&[origin]), get(&[origin, ("If-None-Match", &current)]));
        assert_eq!((full.status, spared.status), (200, 304), "{url}");
        assert_eq!(
            but(&["X-Request-Id"], &spared),
            but(&["X-Request-Id", "Content-Type"], &full),
            "{url}"
        );
        assert_eq!(spared.header("Cache-Control"), Some("no-store"));
        assert_eq!(spared.header("Vary"), Some("Origin"));
    }
}

#[test]
fn a_change_is_made_to_the_version_that_it_names() {
    let fixture = Fixture::new();
    for url in fixture.urls() {
        let current = fixture.tag(&url);
        // Nothing changes, so that the next line finds the same version.
        let body = match url.as_str() {
            "/me" => json!({ "current_password": PASSWORD }).to_string(),
            _ => "{}".to_owned(),
        };
        for (values, is_the_same, is_alike) in LISTS {
            for (name, permitted) in [("If-Match", *is_the_same), ("If-None-Match", !is_alike)] {
                let headers = lines(name, values, &current);
                let answer = fixture.send(&format!("PATCH {url}"), &borrowed(&headers), &body);
                let expected = if permitted { 200 } else { 412 };
                assert_eq!(answer.status, expected, "{url} {name} {values:?}");
                if !permitted {
                    assert_eq!(answer.code(), "precondition_failed");
                    assert_eq!(answer.header("ETag"), None);
                }
            }
        }
    }
}

#[test]
fn each_change_asks_for_the_version_and_is_made_whole_or_not_at_all() {
    for n in 0..5 {
        for (value, status) in [(STALE, 412), ("W/%", 412), ("%", 200), ("*", 200)] {
            let fixture = Fixture::new();
            let (line, body, url) = &fixture.changes()[n];
            let before = fixture.app.rows();
            let headers = lines("If-Match", &[value], &fixture.tag(url));
            let answer = fixture.send(line, &borrowed(&headers), body);
            let is_done = answer.status < 300;
            assert_eq!(is_done, status == 200, "{line} {value}: {answer:?}");
            assert_eq!(fixture.app.rows() != before, is_done, "{line} {value}");
            if !is_done {
                assert_eq!(
                    (answer.status, &*answer.code()),
                    (412, "precondition_failed")
                );
            }
        }
    }
}

#[test]
fn who_reads_can_demand_a_version_too() {
    let fixture = Fixture::new();
    for url in fixture.urls() {
        let current = fixture.tag(&url);
        for (values, is_the_same, _) in LISTS {
            let headers = lines("If-Match", values, &current);
            let answer = fixture.send(&format!("GET {url}"), &borrowed(&headers), "");
            let expected = if *is_the_same { 200 } else { 412 };
            assert_eq!(answer.status, expected, "{url} {values:?}");
        }
        // If-Match goes first (RFC 9110, 13.2.2).
        let both = [("If-None-Match", current.as_str()), ("If-Match", STALE)];
        assert_eq!(
            fixture.send(&format!("GET {url}"), &both, "").status,
            412,
            "{url}"
        );
    }
}

#[test]
fn what_is_no_list_of_tags_is_refused_by_name_and_changes_nothing() {
    let fixture = Fixture::new();
    let reads = fixture
        .urls()
        .map(|url| (format!("GET {url}"), String::new(), url));
    let before = fixture.app.rows();
    for (line, body, url) in fixture.changes().into_iter().chain(reads) {
        for values in MALFORMED {
            for name in ["If-Match", "If-None-Match"] {
                let headers = lines(name, values, &fixture.tag(&url));
                let answer = fixture.send(&line, &borrowed(&headers), &body);
                let case = format!("{line} {name} {values:?}");
                assert_eq!(
                    (answer.status, &*answer.code()),
                    (400, "bad_request"),
                    "{case}"
                );
                assert!(
                    answer.msg().contains(&format!("its {name} must be")),
                    "{case}: {answer:?}"
                );
            }
        }
    }
    assert_eq!(fixture.app.rows(), before);
}

#[test]
fn where_there_are_no_versions_nobody_looks_at_what_is_demanded() {
    let fixture = Fixture::new();
    let log_in = json!({ "email": "admin@example.com", "password": PASSWORD }).to_string();
    for (line, body, status) in [
        ("GET /tasks", "", 200),
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

// What goes first ---------------------------------------------------------------------------------

#[test]
fn errors_of_form_and_access_come_before_the_precondition_and_every_other_error_after_it() {
    let fixture = Fixture::new();
    let app = &fixture.app;
    let waiting = app.account("waiting", Role::Admin, false);
    let other = app.account("other", Role::Employee, true);
    let nobody = Account {
        token: "none".to_owned(),
        ..fixture.admin.clone()
    };
    let [me, user, task] = fixture.urls();
    let (admin, employee) = (&fixture.admin, &fixture.employee);
    let mine = |email: &str, password: &str| {
        json!({ "email": email, "current_password": password }).to_string()
    };
    let admins = format!("/users/{}", admin.id);
    let before = app.rows();
    for (account, line, body, status, code) in [
        (&nobody, format!("GET {task}"), "", 401, "invalid_token"),
        (&nobody, format!("PATCH {task}"), "{}", 401, "invalid_token"),
        (&nobody, format!("PATCH {me}"), "{}", 401, "invalid_token"),
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
        // These are refused for the version alone, and tell nothing else.
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
        // And where nothing is wrong:
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
        let answer = send(app, &line, account, &[("If-Match", STALE)], body);
        assert_eq!(
            (answer.status, &*answer.code()),
            (status, code),
            "{line} {body}"
        );
    }
    // `*` is any version, but there has to be one.
    for line in ["PATCH /tasks/999", "PATCH /users/999"] {
        assert_eq!(
            fixture.send(line, &[("If-Match", "*")], "{}").status,
            404,
            "{line}"
        );
    }
    // For whom a task does not exist it has no version either.
    let current = fixture.tag(&task);
    for name in ["If-Match", "If-None-Match"] {
        let answer = send(app, &format!("GET {task}"), &other, &[(name, &current)], "");
        assert_eq!(
            (answer.status, answer.header("ETag")),
            (404, None),
            "{name}"
        );
    }
    assert_eq!(app.rows(), before);
}

// Two at a time -----------------------------------------------------------------------------------

#[test]
fn the_second_of_two_who_have_read_the_same_version_has_to_read_again() {
    let fixture = Fixture::new();
    let [_, _, task] = fixture.urls();
    let (path, seen) = (format!("PATCH {task}"), fixture.tag(&task));
    let status = |tag: &str| fixture.send(&path, &[("If-Match", tag)], r#"{"status":"completed"}"#);
    let title = |tag: &str| fixture.send(&path, &[("If-Match", tag)], r#"{"title":"new"}"#);
    let first = status(&seen);
    assert_eq!(first.status, 200);
    assert_eq!(title(&seen).status, 412);
    let second = title(&fixture.tag(&task));
    assert_eq!(second.status, 200);
    assert_eq!(second.json()["status"], "completed");
    // The tag of an answer is good for the next change.
    assert_eq!(title(&tag(&first)).status, 412);
    assert_eq!(status(&tag(&second)).status, 200);
    assert_eq!(
        fixture
            .send(&format!("DELETE {task}"), &[("If-Match", &seen)], "")
            .status,
        412
    );
    let current = fixture.tag(&task);
    assert_eq!(
        fixture
            .send(&format!("DELETE {task}"), &[("If-Match", &current)], "")
            .status,
        204
    );
}

#[test]
fn of_fifty_who_change_the_same_version_at_once_one_succeeds() {
    // Room for all of them: this is not about the queue for hashes.
    let fixture = Fixture::with_app(TestApp::with(|config| {
        config.concurrency.hashes.max_queued = 50
    }));
    let [me, user, task] = fixture.urls();
    let email = |n: usize| format!("admin{n}@example.com");
    type Body<'a> = &'a (dyn Fn(usize) -> Value + Sync);
    let cases: [(&str, Body); 4] = [
        (&task, &|n| json!({ "title": format!("by {n}") })),
        // All of them want the same.
        (&task, &|_| json!({ "title": "by all" })),
        (&user, &|_| json!({ "role": "manager" })),
        (
            &me,
            &|n| json!({ "email": email(n), "current_password": PASSWORD }),
        ),
    ];
    for (url, body) in cases {
        let seen = fixture.tag(url);
        let answers = concurrently(50, |n| {
            let body = body(n).to_string();
            fixture.send(&format!("PATCH {url}"), &[("If-Match", &seen)], &body)
        });
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let count = |status| statuses.iter().filter(|given| **given == status).count();
        assert_eq!((count(200), count(412)), (1, 49), "{url}: {statuses:?}");
        // What is there now is what the one was told.
        let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
        assert_eq!(
            fixture.send(&format!("GET {url}"), &[], "").json(),
            winner.json()
        );
    }
}

#[test]
fn of_a_change_and_a_removal_at_once_one_succeeds() {
    for _ in 0..10 {
        let fixture = Fixture::new();
        let [_, _, task] = fixture.urls();
        let seen = fixture.tag(&task);
        let mut statuses: Vec<u16> = concurrently(2, |n| {
            let (method, body) = [("PATCH", r#"{"title":"new"}"#), ("DELETE", "")][n];
            fixture.send(&format!("{method} {task}"), &[("If-Match", &seen)], body)
        })
        .iter()
        .map(|answer| answer.status)
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

// On the line -------------------------------------------------------------------------------------

#[test]
fn a_304_has_no_body_on_a_kept_connection() {
    let kinds = [
        #[cfg(target_os = "linux")]
        ServerKind::Epoll,
        ServerKind::Rouille,
    ];
    for kind in kinds {
        let fixture = Fixture::with_app(TestApp::with(|config| config.server = kind));
        let server = fixture.app.serve();
        let mut client = Client::connect(server.address());
        let authorization = format!("Authorization: Bearer {}\r\n", fixture.admin.token);
        for url in fixture.urls() {
            let current = fixture.tag(&url);
            for method in ["GET", "HEAD"] {
                let mut send = |headers: &str| {
                    let headers = format!("{authorization}{headers}");
                    let head = client.head(&format!("{method} {url}"), &headers);
                    client.write(head).unwrap();
                    // A body would be read as the beginning of the next answer.
                    client.read_response(method == "HEAD").unwrap()
                };
                let spared = send(&format!("If-None-Match: \"a\", W/{current}\r\n"));
                assert_eq!(spared.status, 304, "{kind:?} {method} {url}");
                assert_eq!(tag(&spared), current);
                assert_eq!(spared.header("Cache-Control"), Some("no-store"));
                assert_eq!(spared.header("Content-Type"), None);
                assert_eq!(spared.header("Transfer-Encoding"), None);
                // It would have to be the length that the 200 has (RFC 9110, 8.6).
                #[cfg(target_os = "linux")]
                if kind == ServerKind::Epoll {
                    assert_eq!(spared.header("Content-Length"), None);
                }
                let full = send("If-None-Match: \"a\"\r\n");
                assert_eq!(
                    (full.status, tag(&full)),
                    (200, current.clone()),
                    "{kind:?} {url}"
                );
                assert_ne!(
                    full.header("Content-Length"),
                    Some("0"),
                    "{kind:?} {method} {url}"
                );
                let refused = send("If-None-Match: a\r\n");
                assert_eq!(refused.status, 400, "{kind:?} {method} {url}");
            }
        }
    }
}

// What a version check gives away -----------------------------------------------------------------

#[test]
fn a_stale_version_of_me_tells_nothing_about_e_mails_costs_no_attempt_and_is_not_recorded() {
    let app = TestApp::with(|config| {
        config.rate_limiting.rate_limits = Switch::On;
    });
    let (me, other) = (app.employee(), app.manager());
    let entries = app.count("audit");
    for number in 0..30 {
        let mut bodies = Vec::new();
        for email in [other.email.clone(), format!("free{number}@example.com")] {
            for password in [PASSWORD, "a wrong password"] {
                let body = json!({ "email": email, "current_password": password }).to_string();
                let answer = send(&app, "PATCH /me", &me, &[("If-Match", STALE)], &body);
                assert_eq!(answer.status, 412, "{number} {email} {password}");
                bodies.push(answer.text().to_owned());
            }
        }
        bodies.dedup();
        assert_eq!(bodies.len(), 1, "the same response in every case");
    }
    assert_eq!(app.count("audit"), entries);
    // None of the 120 requests has used up an attempt: a sign-in and a right change still pass.
    assert_eq!(app.log_in(&me.email, PASSWORD).status, 200);
    let current = app.get("/me", &me);
    let current = current.header("ETag").unwrap();
    let body = json!({ "email": "new@example.com", "current_password": PASSWORD }).to_string();
    let answer = send(&app, "PATCH /me", &me, &[("If-Match", current)], &body);
    assert_eq!(answer.status, 200);
}

#[test]
fn an_account_that_changes_while_its_password_is_checked_is_412_and_stays_as_it_is() {
    let app = TestApp::with(|config| config.passwords.password_iterations = 20_000);
    let (me, admin) = (app.employee(), app.admin());
    let version = app.get("/me", &me);
    let version = version.header("ETag").unwrap();
    let body = json!({ "email": "new@example.com", "current_password": PASSWORD }).to_string();
    let mut outcomes = Vec::new();
    std::thread::scope(|scope| {
        let change = scope.spawn(|| send(&app, "PATCH /me", &me, &[("If-Match", version)], &body));
        let role = json!({ "role": "manager" }).to_string();
        let promotion = app.send(&format!("PATCH /users/{}", me.id), admin.clone(), &role);
        assert_eq!(promotion.status, 200);
        outcomes.push(change.join().unwrap().status);
    });
    // Whichever was first: both changes are there, or the second was refused.
    let user = app.get(&format!("/users/{}", me.id), &admin).json();
    assert_eq!(user["role"], "manager");
    let expected = if user["email"] == "new@example.com" {
        200
    } else {
        412
    };
    assert_eq!(outcomes, [expected]);
}
