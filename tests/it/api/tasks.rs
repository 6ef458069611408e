//! Single tasks: creating, reading, changing and deleting them, and the form in which the database stores
//! them.

use rusqlite::types::Value as SqlValue;
use serde_json::{Map, Value, json};

use crate::support::{Account, TestApp, TestResponse};

fn create(app: &TestApp, account: &Account, body: &Value) -> TestResponse {
    app.send("POST /tasks", account.clone(), &body.to_string())
}

fn change(app: &TestApp, account: &Account, id: i64, body: &Value) -> TestResponse {
    let line = format!("PATCH /tasks/{id}");
    app.send(&line, account.clone(), &body.to_string())
}

fn show(app: &TestApp, account: &Account, id: i64) -> Value {
    let response = app.get(&format!("/tasks/{id}"), account);
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

/// A task with every field filled.
fn filled(assignee: &Account) -> Value {
    json!({
        "title": "Write the report",
        "description": "First\nthen",
        "status": "in_progress",
        "deadline": "2026-12-24T18:00:00.000000Z",
        "assigned_user_id": assignee.id,
    })
}

/// The stored value of a column of a task.
fn stored(app: &TestApp, id: i64, column: &str) -> SqlValue {
    let sql = format!("SELECT {column} FROM task WHERE id = ?1");
    app.sql().query_row(&sql, [id], |row| row.get(0)).unwrap()
}

#[test]
fn a_task_with_only_a_title_is_pending_and_unassigned() {
    let app = TestApp::new();
    let manager = app.manager();
    let response = create(&app, &manager, &json!({ "title": "Buy milk" }));
    assert_eq!(response.status, 201);
    let task = response.json();
    let id = task["id"].as_i64().unwrap();
    assert_eq!(response.header("Location"), Some(&*format!("/tasks/{id}")));
    let created_at = task["created_at"].as_str().unwrap();
    assert!(
        created_at.starts_with("2026-11-23T12:00:00") && created_at.ends_with('Z'),
        "{created_at}"
    );
    assert_eq!(
        task,
        json!({
            "id": id,
            "title": "Buy milk",
            "description": null,
            "status": "pending",
            "deadline": null,
            "created_at": created_at,
            "assigned_user_id": null,
        })
    );
    // `Location` leads to the same task.
    let location = response.header("Location").unwrap();
    assert_eq!(app.get(location, &manager).json(), task);
}

#[test]
fn a_task_is_returned_with_every_field_as_it_was_sent() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let sent = filled(&employee);
    let response = create(&app, &manager, &sent);
    assert_eq!(response.status, 201, "{response:?}");
    let task = response.json();
    for (field, value) in sent.as_object().unwrap() {
        assert_eq!(&task[field], value, "{field}");
    }
    let id = task["id"].as_i64().unwrap();
    for account in [&manager, &employee] {
        assert_eq!(show(&app, account, id), task);
    }
}

#[test]
fn null_in_a_new_task_counts_as_absent() {
    let app = TestApp::new();
    let manager = app.manager();
    let body =
        json!({ "title": "t", "description": null, "deadline": null, "assigned_user_id": null });
    let response = create(&app, &manager, &body);
    assert_eq!(response.status, 201, "{response:?}");
    for field in ["description", "deadline", "assigned_user_id"] {
        assert_eq!(response.json()[field], Value::Null, "{field}");
    }
}

#[test]
fn titles_and_descriptions_are_stored_unchanged() {
    let app = TestApp::new();
    let manager = app.manager();
    let longest_title = "é".repeat(255);
    let longest_description = "😀".repeat(10_000);
    for (field, text) in [
        ("title", "Robert'); DROP TABLE task;--"),
        ("title", r#"quo"tes, \backslashes\, %percent_ and $dollars"#),
        ("title", "Überprüfung 日本語 العربية 👩‍👩‍👧"),
        ("title", "NULL"),
        ("title", "2026"),
        ("title", "1e3"),
        ("title", longest_title.as_str()),
        ("description", "one\n\n  two\r\n\tthree\n"),
        ("description", "\n"),
        ("description", ""),
        ("description", "007"),
        ("description", "<script>alert(1)</script>"),
        ("description", longest_description.as_str()),
    ] {
        let mut body = json!({ "title": "t" });
        body[field] = json!(text);
        let response = create(&app, &manager, &body);
        assert_eq!(response.status, 201, "{text:?}");
        let task = response.json();
        let id = task["id"].as_i64().unwrap();
        assert_eq!(show(&app, &manager, id)[field], text, "{text:?}");
        assert_eq!(stored(&app, id, field), SqlValue::Text(text.to_owned()));

        let response = change(&app, &manager, id, &json!({ "description": "d" }));
        assert_eq!(response.status, 200);
        let response = change(&app, &manager, id, &json!({ field: text }));
        assert_eq!(response.json()[field], text, "{text:?}");
    }
}

#[test]
fn a_deadline_in_any_time_zone_is_stored_and_returned_in_utc() {
    let app = TestApp::new();
    let manager = app.manager();
    for (sent, returned, in_database) in [
        (
            "2026-12-24T18:00:00Z",
            "2026-12-24T18:00:00.000000Z",
            "2026-12-24 18:00:00.000000",
        ),
        (
            "2026-12-24T18:00:00+01:00",
            "2026-12-24T17:00:00.000000Z",
            "2026-12-24 17:00:00.000000",
        ),
        (
            "2026-12-24T18:00:00-00:00",
            "2026-12-24T18:00:00.000000Z",
            "2026-12-24 18:00:00.000000",
        ),
        // Beyond RFC 3339: an offset without a colon, and a time without seconds. Both are unambiguous.
        (
            "2026-12-24T18:00:00+0000",
            "2026-12-24T18:00:00.000000Z",
            "2026-12-24 18:00:00.000000",
        ),
        (
            "2026-12-24T18:00:00.25-0130",
            "2026-12-24T19:30:00.250000Z",
            "2026-12-24 19:30:00.250000",
        ),
        (
            "2026-12-24T18:00Z",
            "2026-12-24T18:00:00.000000Z",
            "2026-12-24 18:00:00.000000",
        ),
        (
            "2026-12-24T18:00+02:00",
            "2026-12-24T16:00:00.000000Z",
            "2026-12-24 16:00:00.000000",
        ),
        (
            "2026-12-24T18:00-0000",
            "2026-12-24T18:00:00.000000Z",
            "2026-12-24 18:00:00.000000",
        ),
        // Conversion to UTC crosses the end of a year, in both directions.
        (
            "2026-12-31T20:30:00-05:30",
            "2027-01-01T02:00:00.000000Z",
            "2027-01-01 02:00:00.000000",
        ),
        (
            "2027-01-01T00:15:00+05:45",
            "2026-12-31T18:30:00.000000Z",
            "2026-12-31 18:30:00.000000",
        ),
        // Leap days, and conversions to UTC that cross the end of February.
        (
            "2028-02-29T12:00:00Z",
            "2028-02-29T12:00:00.000000Z",
            "2028-02-29 12:00:00.000000",
        ),
        (
            "2000-02-29T12:00:00Z",
            "2000-02-29T12:00:00.000000Z",
            "2000-02-29 12:00:00.000000",
        ),
        (
            "2028-02-28T23:30:00-01:00",
            "2028-02-29T00:30:00.000000Z",
            "2028-02-29 00:30:00.000000",
        ),
        (
            "2027-02-28T23:30:00-01:00",
            "2027-03-01T00:30:00.000000Z",
            "2027-03-01 00:30:00.000000",
        ),
        // RFC 3339 has leap seconds and Python's datetime has not: the last microsecond before it is stored.
        (
            "2016-12-31T23:59:60Z",
            "2016-12-31T23:59:59.999999Z",
            "2016-12-31 23:59:59.999999",
        ),
        (
            "2017-01-01T00:59:60+01:00",
            "2016-12-31T23:59:59.999999Z",
            "2016-12-31 23:59:59.999999",
        ),
        // Fractions of a second: further digits than microseconds are cut off.
        (
            "2026-12-24T18:00:00.123456Z",
            "2026-12-24T18:00:00.123456Z",
            "2026-12-24 18:00:00.123456",
        ),
        (
            "2026-12-24T18:00:00.000001Z",
            "2026-12-24T18:00:00.000001Z",
            "2026-12-24 18:00:00.000001",
        ),
        (
            "2026-12-24T18:00:00.5Z",
            "2026-12-24T18:00:00.500000Z",
            "2026-12-24 18:00:00.500000",
        ),
        (
            "2026-12-24T18:00:00.999999999Z",
            "2026-12-24T18:00:00.999999Z",
            "2026-12-24 18:00:00.999999",
        ),
        // The first and the last time that Python's datetime can represent.
        (
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00.000000Z",
            "0001-01-01 00:00:00.000000",
        ),
        (
            "9999-12-31T23:59:59.999999Z",
            "9999-12-31T23:59:59.999999Z",
            "9999-12-31 23:59:59.999999",
        ),
    ] {
        let response = create(
            &app,
            &manager,
            &json!({ "title": "made", "deadline": sent }),
        );
        assert_eq!(response.status, 201, "{sent}: {response:?}");
        let created = response.json()["id"].as_i64().unwrap();
        let changed = app.create_task(&manager, json!({ "title": "changed" }));
        let response = change(&app, &manager, changed, &json!({ "deadline": sent }));
        assert_eq!(response.status, 200, "{sent}: {response:?}");
        for id in [created, changed] {
            assert_eq!(show(&app, &manager, id)["deadline"], returned, "{sent}");
            assert_eq!(
                stored(&app, id, "deadline"),
                SqlValue::Text(in_database.to_owned()),
                "{sent}"
            );
        }
    }
}

#[test]
fn an_invalid_deadline_is_422() {
    let app = TestApp::new();
    let manager = app.manager();
    let task = app.create_task(
        &manager,
        json!({ "title": "t", "deadline": "2026-12-24T18:00:00Z" }),
    );
    for invalid in [
        json!(""),
        json!("tomorrow"),
        json!("2026-12-24"),
        json!("2026-12-24T18:00:00"),
        json!("2026-12-24 18:00:00.000000"),
        json!("2026-12-24T18Z"),
        json!("2026-12-24318:00:00Z"),
        json!("2026-12-24-18:00Z"),
        json!("2026-12-24_18:00:00+0000"),
        json!("2026-12-24Z18:00:00Z"),
        json!("2026-12-24T18:00"),
        json!("2026-12-24T18:00.5Z"),
        json!("2026-12-24T18:00:00+00"),
        json!("2026-12-24T18:00:00+1"),
        json!("2026-12-24T18:00:00+000"),
        json!("2026-12-24T18:00:00+00000"),
        json!("2026-12-24T18:0000Z"),
        json!("2026-12-24T1800Z"),
        json!("2026-12-24T24:00:00Z"),
        json!("2026-12-24T18:60:00Z"),
        json!("2026-12-24T18:00:60Z"),
        json!("2026-12-24T18:00:61Z"),
        json!("2026-12-24T18:00:00+25:00"),
        json!("2026-12-24T18:00:00 Z"),
        json!(" 2026-12-24T18:00:00Z"),
        json!("2026-12-24T18:00:00Z\n"),
        json!("2026-12-24T18:00:00.Z"),
        json!("2026-13-01T00:00:00Z"),
        json!("2026-00-01T00:00:00Z"),
        json!("2026-04-31T00:00:00Z"),
        json!("2027-02-29T00:00:00Z"),
        json!("1900-02-29T00:00:00Z"),
        json!("0000-01-01T00:00:00Z"),
        json!("0001-01-01T00:00:00+01:00"),
        json!("9999-12-31T23:59:59-01:00"),
        json!("10000-01-01T00:00:00Z"),
        json!("-2026-12-24T18:00:00Z"),
        json!(1_795_435_200),
        json!(true),
        json!(["2026-12-24T18:00:00Z"]),
    ] {
        let response = create(
            &app,
            &manager,
            &json!({ "title": "t", "deadline": invalid }),
        );
        assert_eq!(response.invalid_fields(), ["deadline"], "{invalid}");
        let response = change(&app, &manager, task, &json!({ "deadline": invalid }));
        assert_eq!(response.invalid_fields(), ["deadline"], "{invalid}");
    }
    assert_eq!(
        show(&app, &manager, task)["deadline"],
        "2026-12-24T18:00:00.000000Z"
    );
}

#[test]
fn an_invalid_task_is_422_and_the_response_names_every_invalid_field() {
    let app = TestApp::new();
    let manager = app.manager();
    let before = app.create_task(&manager, json!({ "title": "the only one" }));
    for (body, invalid) in [
        (json!({}), vec!["title"]),
        (json!({ "title": null }), vec!["title"]),
        (json!({ "title": "" }), vec!["title"]),
        (json!({ "title": " \t " }), vec!["title"]),
        (json!({ "title": 7 }), vec!["title"]),
        (json!({ "title": "two\nlines" }), vec!["title"]),
        (json!({ "title": "nul\u{0}" }), vec!["title"]),
        (json!({ "title": "é".repeat(256) }), vec!["title"]),
        (
            json!({ "title": "t", "description": 7 }),
            vec!["description"],
        ),
        (
            json!({ "title": "t", "description": "nul\u{0}" }),
            vec!["description"],
        ),
        (
            json!({ "title": "t", "description": "x".repeat(10_001) }),
            vec!["description"],
        ),
        (json!({ "title": "t", "status": "done" }), vec!["status"]),
        (json!({ "title": "t", "status": "Pending" }), vec!["status"]),
        (json!({ "title": "t", "status": "" }), vec!["status"]),
        (
            json!({ "title": "t", "assigned_user_id": 0 }),
            vec!["assigned_user_id"],
        ),
        (
            json!({ "title": "t", "assigned_user_id": -1 }),
            vec!["assigned_user_id"],
        ),
        (
            json!({ "title": "t", "assigned_user_id": 1.5 }),
            vec!["assigned_user_id"],
        ),
        (
            json!({ "title": "t", "assigned_user_id": "1" }),
            vec!["assigned_user_id"],
        ),
        (
            json!({ "title": "t", "assigned_user_id": 999 }),
            vec!["assigned_user_id"],
        ),
        (
            json!({ "title": "t", "assigned_user_id": i64::MAX }),
            vec!["assigned_user_id"],
        ),
        (
            json!({ "title": "t", "assigned_user_id": u64::MAX }),
            vec!["assigned_user_id"],
        ),
        (json!({ "title": "t", "id": 7 }), vec!["id"]),
        (
            json!({ "title": "t", "created_at": "2026-11-23T12:00:00Z" }),
            vec!["created_at"],
        ),
        (json!({ "title": "t", "Title": "t" }), vec!["Title"]),
        (
            json!({ "description": 1, "status": 2, "deadline": 3, "assigned_user_id": "x", "else": 4 }),
            vec![
                "assigned_user_id",
                "deadline",
                "description",
                "else",
                "status",
                "title",
            ],
        ),
    ] {
        assert_eq!(
            create(&app, &manager, &body).invalid_fields(),
            invalid,
            "{body}"
        );
    }
    assert_eq!(app.get("/tasks", &manager).ids(), [before]);
}

#[test]
fn a_patch_changes_exactly_the_fields_it_contains() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    for patch in [
        json!({ "title": "New" }),
        json!({ "description": "New\nlines" }),
        json!({ "description": "" }),
        json!({ "status": "completed" }),
        json!({ "deadline": "2027-01-01T00:00:00.250000Z" }),
        json!({ "assigned_user_id": manager.id }),
        json!({ "description": null }),
        json!({ "deadline": null }),
        json!({ "assigned_user_id": null }),
        json!({ "title": "New", "deadline": null }),
        json!({ "status": "pending", "assigned_user_id": null, "description": "x" }),
        json!({
            "title": "All new",
            "description": "all",
            "status": "pending",
            "deadline": "2030-01-01T00:00:00.000000Z",
            "assigned_user_id": manager.id,
        }),
        // Values that are already stored, and no field at all.
        filled(&employee),
        json!({}),
    ] {
        let id = app.create_task(&manager, filled(&employee));
        let mut expected: Map<_, _> = show(&app, &manager, id).as_object().unwrap().clone();
        for (field, value) in patch.as_object().unwrap() {
            expected.insert(field.clone(), value.clone());
        }
        let response = change(&app, &manager, id, &patch);
        assert_eq!(response.status, 200, "{patch}: {response:?}");
        assert_eq!(response.json(), Value::Object(expected), "{patch}");
        assert_eq!(show(&app, &manager, id), response.json(), "{patch}");
    }
}

#[test]
fn a_field_set_to_null_is_null_in_the_database() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let id = app.create_task(&manager, filled(&employee));
    for field in ["description", "deadline", "assigned_user_id"] {
        assert_ne!(stored(&app, id, field), SqlValue::Null, "{field}");
        assert_eq!(
            change(&app, &manager, id, &json!({ field: null })).status,
            200
        );
        assert_eq!(stored(&app, id, field), SqlValue::Null, "{field}");
    }
}

#[test]
fn a_patch_with_one_invalid_field_changes_nothing() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let id = app.create_task(&manager, filled(&employee));
    let before = show(&app, &manager, id);
    let valid = json!({
        "title": "New",
        "description": null,
        "status": "completed",
        "deadline": null,
        "assigned_user_id": null,
    });
    for (field, invalid) in [
        ("assigned_user_id", json!(999)),
        ("assigned_user_id", json!(0)),
        ("title", json!(null)),
        ("title", json!("")),
        ("status", json!(null)),
        ("status", json!("done")),
        ("description", json!(["a", "list"])),
        ("deadline", json!("soon")),
        ("created_at", json!("2027-01-01T00:00:00Z")),
        ("id", json!(5)),
    ] {
        // The invalid field alone, and together with valid fields.
        let alone = json!({ field: invalid });
        let mut with_valid_fields = valid.clone();
        with_valid_fields[field] = invalid;
        for body in [alone, with_valid_fields] {
            let response = change(&app, &manager, id, &body);
            assert_eq!(response.invalid_fields(), [field], "{body}");
            assert_eq!(show(&app, &manager, id), before, "{body}");
        }
    }
}

#[test]
fn a_deleted_task_is_404_and_other_tasks_stay() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let other = app.create_task(&manager, filled(&employee));
    let id = app.create_task(&manager, filled(&employee));
    let response = app.send(&format!("DELETE /tasks/{id}"), manager.clone(), "");
    assert_eq!((response.status, response.text()), (204, ""));
    for (method, body) in [
        ("GET", ""),
        ("HEAD", ""),
        ("PATCH", r#"{"status":"completed"}"#),
        ("PATCH", "{}"),
        ("DELETE", ""),
    ] {
        let response = app.send(&format!("{method} /tasks/{id}"), manager.clone(), body);
        assert_eq!(response.status, 404, "{method}");
        assert_eq!(response.code(), "not_found", "{method}");
    }
    assert_eq!(app.get("/tasks", &manager).ids(), [other]);
    assert_eq!(app.get("/tasks", &employee).ids(), [other]);
}

#[test]
fn an_invalid_or_unknown_task_id_is_404() {
    let app = TestApp::new();
    let manager = app.manager();
    let id = app.create_task(&manager, json!({ "title": "t" }));
    assert_eq!(id, 1);
    for segment in [
        "0",
        "-1",
        "+1",
        "01",
        "1.0",
        "1e0",
        "0x1",
        "%201",
        "1%20",
        "1%00",
        "1'",
        "one",
        "null",
        "2",
        "%D9%A1",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551617",
    ] {
        for (method, body) in [("GET", ""), ("PATCH", r#"{"title":"x"}"#), ("DELETE", "")] {
            let line = format!("{method} /tasks/{segment}");
            assert_eq!(app.send(&line, manager.clone(), body).status, 404, "{line}");
        }
    }
    assert_eq!(show(&app, &manager, id)["title"], "t");
}

#[test]
fn head_gets_the_status_and_headers_of_get() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let id = app.create_task(&manager, filled(&employee));
    app.create_task(&manager, filled(&employee));
    let unassigned = app.create_task(&manager, json!({ "title": "not the employee's" }));
    for (path, account) in [
        (format!("/tasks/{id}"), &employee),
        (format!("/tasks/{unassigned}"), &employee),
        ("/tasks/999".to_owned(), &manager),
        ("/tasks".to_owned(), &manager),
        ("/tasks?limit=1".to_owned(), &manager),
        ("/tasks?limit=0".to_owned(), &manager),
        ("/users".to_owned(), &manager),
        ("/users".to_owned(), &employee),
    ] {
        let get = app.get(&path, account);
        let head = app.send(&format!("HEAD {path}"), account.clone(), "");
        assert_eq!(head.status, get.status, "{path}");
        let without_request_id = |response: &TestResponse| {
            let mut headers = response.headers.clone();
            headers.retain(|(name, _)| name != "X-Request-Id");
            headers
        };
        assert_eq!(
            without_request_id(&head),
            without_request_id(&get),
            "{path}"
        );
    }
    let head = app.send(&format!("HEAD /tasks/{id}"), None, "");
    assert_eq!(head.status, 401);
}

#[test]
fn timestamps_are_stored_in_the_format_of_sqlalchemy() {
    let app = TestApp::new();
    let manager = app.manager();
    let id = app.create_task(
        &manager,
        json!({ "title": "t", "deadline": "2026-12-24T18:00:00+02:00" }),
    );
    let stored_at = stored(&app, id, "created_at");
    let SqlValue::Text(created_at) = &stored_at else {
        panic!("{stored_at:?}")
    };
    let returned = show(&app, &manager, id)["created_at"].clone();
    let (day_and_time, micros) = created_at.split_once('.').unwrap();
    assert_eq!(day_and_time, "2026-11-23 12:00:00");
    assert_eq!(micros.len(), 6, "{created_at}");
    // The same time in both formats, without the zeros at the end of the fraction.
    let expected: Value = json!(format!(
        "{}Z",
        created_at
            .replace(' ', "T")
            .trim_end_matches('0')
            .trim_end_matches('.')
    ));
    assert_eq!(returned, expected);
    assert_eq!(
        stored(&app, id, "deadline"),
        SqlValue::Text("2026-12-24 16:00:00.000000".to_owned())
    );
    let pending = SqlValue::Text("pending".to_owned());
    assert_eq!(stored(&app, id, "status"), pending);
    // A change keeps `created_at`.
    app.advance(3600);
    assert_eq!(
        change(&app, &manager, id, &json!({ "title": "later" })).status,
        200
    );
    assert_eq!(stored(&app, id, "created_at"), stored_at);
}

#[test]
fn an_employee_changes_the_status_only_while_the_task_is_assigned_to_them() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let id = app.create_task(
        &manager,
        json!({ "title": "t", "assigned_user_id": employee.id }),
    );
    for status in [
        "in_progress",
        "completed",
        "completed",
        "pending",
        "in_progress",
    ] {
        let response = change(&app, &employee, id, &json!({ "status": status }));
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.json()["status"], status);
        assert_eq!(show(&app, &manager, id)["status"], status);
    }
    let response = change(&app, &employee, id, &json!({ "status": "done" }));
    assert_eq!(response.invalid_fields(), ["status"]);
    assert_eq!(change(&app, &employee, id, &json!({})).status, 200);
    // After the task is assigned to another account, the employee gets 404.
    change(
        &app,
        &manager,
        id,
        &json!({ "assigned_user_id": manager.id }),
    );
    let response = change(&app, &employee, id, &json!({ "status": "completed" }));
    assert_eq!(response.status, 404);
}
