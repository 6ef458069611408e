//! What a board needs of lists: tags with which it asks again at little cost, the numbers of its columns, the names of
//! assignees, and the tasks whose status another program has written.

use serde_json::{Value, json};
use task_api::model::Role;

use crate::support::{Account, Fixture, TestApp, TestResponse};

fn revalidate(app: &TestApp, path: &str, account: &Account, tag: &str) -> TestResponse {
    let headers = [("If-None-Match", tag)];
    app.send_with(&format!("GET {path}"), account.clone(), &headers, "")
}

fn tag(response: &TestResponse) -> String {
    response.header("ETag").unwrap().to_owned()
}

fn patch(app: &TestApp, account: &Account, id: i64, body: &str) {
    let line = format!("PATCH /tasks/{id}");
    assert_eq!(app.send(&line, account.clone(), body).status, 200);
}

const PATHS: [&str; 4] = [
    "/tasks",
    "/tasks?status=pending&limit=5&sort=deadline",
    "/tasks?q=water&expand=assignee",
    "/tasks/summary",
];

#[test]
fn a_list_is_304_until_a_task_changes() {
    let Fixture {
        app,
        admin,
        employee,
        task,
        ..
    } = Fixture::new();
    for path in PATHS {
        let changes: [&dyn Fn(); 4] = [
            &|| {
                patch(
                    &app,
                    &admin,
                    task,
                    &json!({ "title": tag(&app.get(path, &admin)) }).to_string(),
                )
            },
            &|| {
                app.create_task(&admin, json!({ "title": "water" }));
            },
            &|| {
                let id = app.create_task(&admin, json!({ "title": "gone" }));
                let before = tag(&app.get(path, &admin));
                app.send(&format!("DELETE /tasks/{id}"), admin.clone(), "");
                // The deletion of the newest task is a change too.
                assert_eq!(
                    revalidate(&app, path, &admin, &before).status,
                    200,
                    "{path}"
                );
            },
            &|| {
                let bob = app.account(&format!("bob{}", app.count("task")), Role::Employee, true);
                patch(
                    &app,
                    &admin,
                    task,
                    &json!({ "assigned_user_id": bob.id }).to_string(),
                );
                let before = tag(&app.get(path, &admin));
                let deleted = app.send(&format!("DELETE /users/{}", bob.id), admin.clone(), "");
                assert_eq!(deleted.status, 204);
                assert_eq!(
                    revalidate(&app, path, &admin, &before).status,
                    200,
                    "{path}"
                );
            },
        ];
        for change in changes {
            let first = app.get(path, &admin);
            assert!(tag(&first).starts_with("W/\""), "{first:?}");
            for sent in [
                tag(&first),
                format!("\"x\", {}", tag(&first)),
                "*".to_owned(),
            ] {
                let again = revalidate(&app, path, &admin, &sent);
                assert_eq!((again.status, again.text()), (304, ""), "{path} {sent}");
                assert_eq!(tag(&again), tag(&first));
            }
            change();
            let after = revalidate(&app, path, &admin, &tag(&first));
            assert_eq!(after.status, 200, "{path}");
            assert_ne!(tag(&after), tag(&first), "{path}");
        }
        // Another account, another role or another query is another list.
        let mine = tag(&app.get(path, &admin));
        assert_eq!(
            revalidate(&app, path, &employee, &mine).status,
            200,
            "{path}"
        );
        let more = if path.contains('?') {
            format!("{path}&limit=7")
        } else {
            format!("{path}?limit=7")
        };
        if !path.contains("limit") && !path.contains("summary") {
            assert_eq!(revalidate(&app, &more, &admin, &mine).status, 200, "{path}");
        }
    }
}

#[test]
fn a_tag_of_a_list_ends_with_the_callers_rights() {
    let app = TestApp::new();
    let (admin, ada) = (app.admin(), app.account("ada", Role::Manager, true));
    let before = tag(&app.get("/tasks", &ada));
    let demote = format!("PATCH /users/{}", ada.id);
    assert_eq!(
        app.send(&demote, admin.clone(), r#"{"role":"employee"}"#)
            .status,
        200
    );
    assert_eq!(revalidate(&app, "/tasks", &ada, &before).status, 200);
    let withdraw = r#"{"is_approved":false}"#;
    let before = tag(&app.get("/tasks", &ada));
    assert_eq!(app.send(&demote, admin.clone(), withdraw).status, 200);
    // The withdrawal ends the session.
    assert_eq!(revalidate(&app, "/tasks", &ada, &before).status, 401);
}

#[test]
fn a_tag_of_a_list_expires_so_that_changes_of_another_program_show() {
    let app = TestApp::new();
    let manager = app.manager();
    let id = app.create_task(&manager, json!({ "title": "old" }));
    let before = tag(&app.get("/tasks", &manager));
    // The Flask app writes no history.
    app.sql()
        .execute("UPDATE task SET title = 'new' WHERE id = ?1", [id])
        .unwrap();
    app.advance(30);
    assert_eq!(revalidate(&app, "/tasks", &manager, &before).status, 304);
    app.advance(30);
    let after = revalidate(&app, "/tasks", &manager, &before);
    assert_eq!(after.status, 200);
    assert_eq!(after.items()[0]["title"], "new");
}

#[test]
fn a_false_precondition_of_a_list_is_told() {
    let app = TestApp::new();
    let manager = app.manager();
    let send =
        |name, value: &str| app.send_with("GET /tasks", manager.clone(), &[(name, value)], "");
    assert_eq!(send("If-Match", "\"x\"").status, 412);
    assert_eq!(send("If-None-Match", "x").status, 400);
    // Errors of the query come first.
    for query in ["status=bogus", "cursor=x", "limit=0", "limit=1&limit=1"] {
        for header in ["If-Match", "If-None-Match"] {
            let headers = [(header, "*")];
            let line = format!("GET /tasks?{query}");
            let response = app.send_with(&line, manager.clone(), &headers, "");
            assert_eq!(response.status, 422, "{query} {header}");
        }
    }
}

#[test]
fn the_summary_counts_what_the_caller_may_see() {
    let app = TestApp::new();
    let (manager, ada) = (app.manager(), app.employee());
    let create = |body: Value| app.create_task(&manager, body);
    let past = "2026-11-01T00:00:00Z";
    let late = create(json!({ "title": "a", "deadline": past, "assigned_user_id": ada.id }));
    create(json!({ "title": "b", "deadline": "2027-01-01T00:00:00Z", "assigned_user_id": ada.id }));
    create(
        json!({ "title": "c", "deadline": past, "status": "completed", "assigned_user_id": manager.id }),
    );
    create(json!({ "title": "d", "deadline": past, "status": "in_progress" }));
    let sql = app.sql();
    for status in ["NULL", "'on hold'"] {
        let insert = format!(
            "INSERT INTO task (title, status, deadline) VALUES ('e', {status}, '2026-01-01 00:00:00')"
        );
        sql.execute(&insert, []).unwrap();
    }
    assert_eq!(
        app.get("/tasks/summary", &manager).json(),
        json!({
            "by_status": { "pending": 2, "in_progress": 1, "completed": 1, "unknown": 2 },
            "overdue": 4, "mine": 1, "limit": 10_000,
        })
    );
    assert_eq!(
        app.get("/tasks/summary", &ada).json(),
        json!({
            "by_status": { "pending": 2, "in_progress": 0, "completed": 0, "unknown": 0 },
            "overdue": 1, "mine": 2, "limit": 10_000,
        })
    );
    patch(&app, &ada, late, r#"{"status":"completed"}"#);
    assert_eq!(app.get("/tasks/summary", &ada).json()["overdue"], 0);
    let eve = app.account("eve", Role::Employee, false);
    assert_eq!(app.get("/tasks/summary", &eve).status, 403);
}

#[test]
fn counting_stops_at_the_limit() {
    let app = TestApp::new();
    let (manager, ada) = (app.manager(), app.employee());
    let sql = format!(
        "INSERT INTO task (title, status, deadline, assigned_user_id)
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10001)
         SELECT 'x', 'pending', '2026-01-01 00:00:00', {} FROM number",
        ada.id
    );
    app.sql().execute(&sql, []).unwrap();
    let done = format!(
        "INSERT INTO task (title, status, assigned_user_id)
         WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 7)
         SELECT 'x', 'completed', {} FROM number",
        ada.id
    );
    app.sql().execute(&done, []).unwrap();
    for account in [&manager, &ada] {
        assert_eq!(
            app.get("/tasks/summary", account).json()["by_status"]["completed"],
            7
        );
        let summary = app.get("/tasks/summary", account).json();
        assert_eq!(summary["by_status"]["pending"], 10_000);
        assert_eq!(summary["overdue"], 10_000);
    }
}

#[test]
fn tasks_come_with_the_names_of_their_assignees_on_request() {
    let Fixture {
        app,
        admin,
        employee,
        task,
        ..
    } = Fixture::new();
    let bob = app.account("bob", Role::Employee, true);
    app.create_task(
        &admin,
        json!({ "title": "of bob", "assigned_user_id": bob.id }),
    );
    app.create_task(&admin, json!({ "title": "of none" }));
    patch(
        &app,
        &admin,
        task,
        &json!({ "assigned_user_id": employee.id }).to_string(),
    );
    let items = app.get("/tasks?expand=assignee", &admin).items();
    assert_eq!(items.len(), 3);
    for item in &items {
        let id = &item["assigned_user_id"];
        match id.as_i64() {
            None => assert_eq!(item.get("assignee"), None),
            Some(id) if id == bob.id => {
                assert_eq!(item["assignee"], json!({ "id": id, "username": "bob" }))
            }
            Some(id) => assert_eq!(
                item["assignee"],
                json!({ "id": id, "username": employee.username })
            ),
        }
    }
    let path = format!("/tasks/{task}");
    let (plain, expanded) = (
        app.get(&path, &admin),
        app.get(&format!("{path}?expand=assignee"), &admin),
    );
    assert_eq!(plain.json().get("assignee"), None);
    assert_eq!(
        expanded.json()["assignee"]["username"],
        json!(employee.username)
    );
    // The version is that of the task.
    assert_eq!(tag(&plain), tag(&expanded));
    // The name is not part of the version.
    let again = revalidate(
        &app,
        &format!("{path}?expand=assignee"),
        &admin,
        &tag(&plain),
    );
    assert_eq!(again.status, 200);
    let expanded = format!("GET {path}?expand=assignee");
    for (name, value, status) in [
        ("If-None-Match", "", 400),
        ("If-Match", "\"x\"", 412),
        ("If-Match", &tag(&plain), 200),
    ] {
        let response = app.send_with(&expanded, admin.clone(), &[(name, value)], "");
        assert_eq!(response.status, status, "{name}: {value}");
    }
    // Other parameters are ignored.
    assert_eq!(app.get(&format!("{path}?x=1&x=2&%ff"), &admin).status, 200);
    // An employee gets the own name.
    let own = app.get("/tasks?expand=assignee", &employee).items();
    assert_eq!(own[0]["assignee"]["username"], json!(employee.username));
    for path in ["/tasks?expand=owner", &format!("{path}?expand=owner")] {
        assert_eq!(app.get(path, &admin).status, 422, "{path}");
    }
}

#[test]
fn tasks_with_an_unknown_status_are_listed_and_can_be_moved() {
    let Fixture {
        app,
        admin,
        employee,
        ..
    } = Fixture::new();
    let insert = |status: &str, assignee: &str| {
        let sql = format!(
            "INSERT INTO task (title, status, assigned_user_id, created_at)
             VALUES ('flask', {status}, {assignee}, '2026-11-01 00:00:00')"
        );
        app.sql().execute(&sql, []).unwrap();
    };
    insert("NULL", &employee.id.to_string());
    insert("'on hold'", "NULL");
    insert("'PENDING'", "NULL");
    insert("''", "NULL");
    for sort in ["created_at", "-created_at", "deadline", "title", "-title"] {
        let path = format!("/tasks?status=unknown&sort={sort}&limit=3");
        let page = app.get(&path, &admin);
        assert_eq!(page.items().len(), 3, "{sort}");
        let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
        let rest = app.get(&format!("{path}&cursor={cursor}"), &admin);
        assert_eq!(rest.items().len(), 1, "{sort}");
    }
    let own = app.get("/tasks?status=unknown", &employee).items();
    assert_eq!(own.len(), 1);
    assert_eq!(own[0]["status"], Value::Null);
    let id = own[0]["id"].as_i64().unwrap();
    patch(&app, &employee, id, r#"{"status":"in_progress"}"#);
    assert_eq!(app.get("/tasks?status=unknown", &admin).items().len(), 3);
}
