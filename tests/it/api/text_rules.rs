//! Text from clients: Unicode normal forms, directional marks, invisible characters, byte order marks and
//! content codings.

use serde_json::{Value, json};

use crate::support::{Fixture, PASSWORD, TestApp, TestResponse};

/// The response to a request with this content coding.
fn send_encoded(fixture: &Fixture, line: &str, coding: &str, body: &[u8]) -> TestResponse {
    let headers = [
        ("Authorization", format!("Bearer {}", fixture.admin.token)),
        ("Content-Type", "application/json".to_owned()),
        ("Content-Encoding", coding.to_owned()),
    ];
    fixture.app.send_raw(line, &headers, body)
}

/// Creates a task with these fields and returns it as JSON.
fn create_and_read(fixture: &Fixture, fields: Value) -> Value {
    let id = fixture.app.create_task(&fixture.admin, fields);
    fixture
        .app
        .get(&format!("/tasks/{id}"), &fixture.admin)
        .json()
}

fn search(fixture: &Fixture, q: &str) -> Vec<i64> {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("q", q)
        .finish();
    fixture
        .app
        .get(&format!("/tasks?{query}"), &fixture.admin)
        .ids()
}

#[test]
fn titles_and_descriptions_in_nfd_are_stored_and_returned_in_nfc() {
    let fixture = Fixture::new();
    let nfd = json!({ "title": "cre\u{300}me bru\u{302}le\u{301}e", "description": "ne\u{301}e\n\u{1112}\u{1161}\u{11ab}" });
    let task = create_and_read(&fixture, nfd.clone());
    assert_eq!(task["title"], "crème brûlée");
    assert_eq!(task["description"], "née\n한");
    let patched = fixture.app.send(
        &format!("PATCH /tasks/{}", fixture.task),
        fixture.admin.clone(),
        &nfd.to_string(),
    );
    assert_eq!(patched.json()["title"], task["title"]);
    assert_eq!(patched.json()["description"], task["description"]);
    let stored: String = fixture
        .app
        .sql()
        .query_row(
            "SELECT title FROM task WHERE id = ?1",
            [fixture.task],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(stored, "crème brûlée");
}

#[test]
fn the_length_of_a_title_is_counted_after_normalization_to_nfc() {
    let fixture = Fixture::new();
    let task = create_and_read(&fixture, json!({ "title": "e\u{301}".repeat(255) }));
    assert_eq!(task["title"], "é".repeat(255));
    for title in ["e\u{301}".repeat(256), "é".repeat(256)] {
        let response = fixture.app.send(
            "POST /tasks",
            fixture.admin.clone(),
            &json!({ "title": title }).to_string(),
        );
        assert_eq!(response.invalid_fields(), ["title"]);
    }
}

#[test]
fn a_search_in_any_normal_form_finds_text_in_any_normal_form() {
    let fixture = Fixture::new();
    let nfc = create_and_read(&fixture, json!({ "title": "Crème brûlée" }));
    // The Flask app does not normalize text.
    let db = fixture.app.sql();
    db.execute(
        "INSERT INTO task (id, title, description) VALUES (50, ?1, ?2)",
        ["CRE\u{300}ME BRU\u{302}LE\u{301}E", "x"],
    )
    .unwrap();
    let mut expected = vec![nfc["id"].as_i64().unwrap(), 50];
    expected.sort_unstable();
    for q in ["crème", "cre\u{300}me", "BRU\u{302}LÉE", "e\u{301}e", "ée"] {
        let mut found = search(&fixture, q);
        found.sort_unstable();
        assert_eq!(found, expected, "{q:?}");
    }
    assert_eq!(search(&fixture, "creme"), Vec::<i64>::new());
}

#[test]
fn directional_marks_and_joiners_are_allowed_in_titles_and_descriptions() {
    let fixture = Fixture::new();
    for mark in [
        '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{61c}', '\u{202a}', '\u{202b}',
        '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
    ] {
        let text = format!("مهمة{mark} task 12");
        let task = create_and_read(&fixture, json!({ "title": text, "description": text }));
        assert_eq!(task["title"], text, "{mark:?}");
        assert_eq!(task["description"], text, "{mark:?}");
        let found = search(&fixture, &text);
        assert!(found.contains(&task["id"].as_i64().unwrap()), "{mark:?}");
        let response = fixture
            .app
            .sign_up(&format!("a{mark}b"), "new@example.com", PASSWORD);
        assert_eq!(response.invalid_fields(), ["username"], "{mark:?}");
    }
    for separator in ['\u{2028}', '\u{2029}', '\n', '\0'] {
        let body = json!({ "title": format!("one{separator}two") }).to_string();
        let response = fixture
            .app
            .send("POST /tasks", fixture.admin.clone(), &body);
        assert_eq!(response.invalid_fields(), ["title"], "{separator:?}");
    }
}

#[test]
fn a_tab_in_a_title_becomes_a_space_and_stays_in_a_description() {
    let fixture = Fixture::new();
    let task = create_and_read(
        &fixture,
        json!({ "title": "one\ttwo", "description": "one\ttwo" }),
    );
    assert_eq!(task["title"], "one two");
    assert_eq!(task["description"], "one\ttwo");
}

#[test]
fn text_without_a_visible_character_counts_as_empty() {
    let fixture = Fixture::new();
    let db = fixture.app.sql();
    for text in [
        "",
        " ",
        "\t",
        "\u{a0}",
        "\u{2003}",
        "\u{3000}",
        "\u{ad}",
        "\u{34f}",
        "\u{115f}",
        "\u{1160}",
        "\u{3164}",
        "\u{ffa0}",
        "\u{2800}",
        "\u{200c}",
        "\u{200d}",
        "\u{200e}",
        "\u{202e}",
        "\u{fe0f}",
        "\u{e0020}",
        "\u{2800} \u{3164}\u{200d}",
    ] {
        for (line, body, field) in [
            ("POST /tasks".to_owned(), json!({ "title": text }), "title"),
            (
                format!("PATCH /tasks/{}", fixture.task),
                json!({ "title": text }),
                "title",
            ),
            (
                "POST /signup".to_owned(),
                json!({ "username": text, "email": "new@example.com", "password": PASSWORD }),
                "username",
            ),
        ] {
            let response = fixture
                .app
                .send(&line, fixture.admin.clone(), &body.to_string());
            assert_eq!(response.invalid_fields(), [field], "{line} {text:?}");
        }
    }
    for text in ["\u{200d}x\u{200d}", "👩\u{200d}🚀", "\u{a8}", "ㅤ한"] {
        let task = create_and_read(&fixture, json!({ "title": text }));
        assert_eq!(task["title"], text, "{text:?}");
    }
    let count: i64 = db
        .query_row(r#"SELECT count(*) FROM "user""#, [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 2);
}

#[test]
fn a_byte_order_mark_before_json_is_skipped() {
    let fixture = Fixture::new();
    let task = create_and_read(&fixture, json!({ "title": "t" }));
    let line = format!("PATCH /tasks/{}", task["id"]);
    let body = format!("\u{feff}{}", json!({ "title": "new" }));
    let response = fixture.app.send(&line, fixture.admin.clone(), &body);
    assert_eq!(
        (response.status, &response.json()["title"]),
        (200, &json!("new"))
    );
    let response = fixture.app.send(&line, fixture.admin.clone(), "\u{feff}[]");
    assert_eq!(response.invalid_fields(), ["body"]);
}

#[test]
fn a_body_with_a_content_coding_is_415_and_the_response_names_what_is_accepted() {
    let fixture = Fixture::new();
    let before = fixture.app.rows();
    let body = json!({ "title": "t" }).to_string();
    for coding in [
        "gzip",
        "GZIP",
        "deflate",
        "br",
        "zstd",
        "identity, gzip",
        "gzip, identity",
        "x",
        "*",
    ] {
        for bytes in [body.as_bytes(), b"\x1f\x8b\x08\x00", b""] {
            let response = send_encoded(&fixture, "POST /tasks", coding, bytes);
            assert_eq!(
                (response.status, response.code().as_str()),
                (415, "unsupported_content_encoding"),
                "{coding}"
            );
            assert_eq!(response.header("Accept-Encoding"), Some("identity"));
        }
    }
    assert_eq!(fixture.app.rows(), before);
    for coding in ["identity", "Identity", "", " "] {
        let response = send_encoded(&fixture, "POST /tasks", coding, body.as_bytes());
        assert_eq!(response.status, 201, "{coding:?}");
    }
}

#[test]
fn a_blank_filter_counts_as_absent() {
    let app = TestApp::new();
    let manager = app.manager();
    for title in ["one", "two", "three"] {
        app.create_task(&manager, json!({ "title": title }));
    }
    let all = app.get("/tasks?limit=2", &manager);
    for blank in ["", "+", "%20", "%09", "%C2%A0"] {
        for name in [
            "status",
            "assigned_user_id",
            "q",
            "deadline_before",
            "deadline_after",
            "sort",
            "cursor",
        ] {
            let response = app.get(&format!("/tasks?limit=2&{name}={blank}"), &manager);
            assert_eq!(response.ids(), all.ids(), "{name}={blank}");
            // The cursor is the same as without the blank filter.
            assert_eq!(response.json()["next_cursor"], all.json()["next_cursor"]);
            assert_eq!(response.header("Link"), all.header("Link"));
        }
        let response = app.get(&format!("/tasks?limit={blank}"), &manager);
        assert_eq!(response.ids().len(), 3, "limit={blank}");
        for name in ["role", "approved", "q"] {
            let response = app.get(&format!("/users?{name}={blank}"), &manager);
            assert_eq!(response.ids(), [manager.id], "{name}={blank}");
        }
        let response = app.get(&format!("/tasks?staus={blank}"), &manager);
        assert_eq!(response.invalid_fields(), ["staus"]);
        let response = app.get(&format!("/tasks?status={blank}&status=pending"), &manager);
        assert_eq!(response.invalid_fields(), ["status"]);
    }
}

#[test]
fn every_timestamp_has_six_fractional_digits() {
    let app = TestApp::new();
    let admin = app.admin();
    app.create_task(
        &admin,
        json!({ "title": "t", "deadline": "2026-12-24T18:00:00.5Z" }),
    );
    let has_six_digits = |timestamp: &Value| {
        let text = timestamp.as_str().unwrap().as_bytes();
        text.len() == "2026-12-24T18:00:00.500000Z".len() && text[19] == b'.' && text[26] == b'Z'
    };
    for (path, names) in [
        ("/tasks", &["created_at", "deadline"][..]),
        ("/users", &["created_at"]),
        (
            "/me/sessions",
            &["created_at", "last_used_at", "expires_at"],
        ),
    ] {
        for item in app.get(path, &admin).items() {
            for name in names {
                assert!(has_six_digits(&item[name]), "{path} {name}: {item}");
            }
        }
    }
}
