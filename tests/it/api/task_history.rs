//! The history of a task: who did what and when, who may see which part of it, and how long it is kept.

use serde_json::{Value, json};
use task_api::app::maintenance;
use task_api::model::Role;

use crate::support::{Account, TestApp};

const DAY: i64 = 86_400;

fn history(app: &TestApp, id: i64, account: &Account) -> Vec<Value> {
    app.get(&format!("/tasks/{id}/history"), account).items()
}

fn patch(app: &TestApp, account: &Account, id: i64, body: &Value) {
    let line = format!("PATCH /tasks/{id}");
    let response = app.send(&line, account.clone(), &body.to_string());
    assert_eq!(response.status, 200, "{response:?}");
}

fn name(account: &Account) -> Value {
    json!({ "id": account.id, "username": account.username })
}

#[test]
fn each_change_of_a_task_adds_an_entry_that_says_who_did_what() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let id = app.create_task(
        &manager,
        json!({ "title": "Water", "deadline": "2026-12-24T18:00Z" }),
    );
    patch(
        &app,
        &manager,
        id,
        &json!({ "assigned_user_id": employee.id, "title": "Water it" }),
    );
    app.advance(60);
    patch(&app, &employee, id, &json!({ "status": "in_progress" }));
    patch(
        &app,
        &manager,
        id,
        &json!({ "deadline": null, "description": "All of it" }),
    );
    let entries = history(&app, id, &manager);
    let seen: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let mut entry = entry.clone();
            let entry = entry.as_object_mut().unwrap();
            assert!(entry.remove("id").unwrap().is_i64());
            let at = entry.remove("at").unwrap();
            assert!(at.as_str().unwrap().starts_with("2026-11-23T12:0"), "{at}");
            json!(entry)
        })
        .collect();
    let entry = |actor: &Account, role: &str, rest: Value| {
        let mut entry = json!({
            "action": "changed", "changed": [], "status": null, "assignee": null,
            "actor": name(actor), "actor_role": role,
        });
        let fields = entry.as_object_mut().unwrap();
        fields.extend(rest.as_object().unwrap().clone());
        entry
    };
    assert_eq!(
        seen,
        [
            entry(
                &manager,
                "manager",
                json!({ "changed": ["description", "deadline"] })
            ),
            entry(
                &employee,
                "employee",
                json!({ "changed": ["status"], "status": "in_progress" })
            ),
            entry(
                &manager,
                "manager",
                json!({ "changed": ["title", "assigned_user_id"], "assignee": name(&employee) })
            ),
            entry(
                &manager,
                "manager",
                json!({ "action": "created", "status": "pending" })
            ),
        ]
    );
}

#[test]
fn a_request_that_changes_nothing_adds_no_entry() {
    let app = TestApp::new();
    let manager = app.manager();
    let id = app.create_task(&manager, json!({ "title": "Water" }));
    patch(
        &app,
        &manager,
        id,
        &json!({ "title": "Water", "status": "pending" }),
    );
    patch(&app, &manager, id, &json!({}));
    // Refused: nothing is written.
    let line = format!("PATCH /tasks/{id}");
    for body in [r#"{"title":""}"#, r#"{"assigned_user_id":999}"#] {
        assert_eq!(app.send(&line, manager.clone(), body).status, 422);
    }
    assert_eq!(history(&app, id, &manager).len(), 1);
    assert_eq!(app.count("task_history"), 1);
}

#[test]
fn an_employee_sees_the_history_of_own_tasks_without_other_employees() {
    let app = TestApp::new();
    let (manager, ada) = (app.manager(), app.employee());
    let bob = app.account("bob", Role::Employee, true);
    let id = app.create_task(
        &manager,
        json!({ "title": "Water", "assigned_user_id": bob.id }),
    );
    patch(&app, &bob, id, &json!({ "status": "in_progress" }));
    let path = format!("/tasks/{id}/history");
    assert_eq!(app.get(&path, &ada).status, 404);
    patch(&app, &manager, id, &json!({ "assigned_user_id": ada.id }));
    patch(&app, &ada, id, &json!({ "status": "completed" }));
    // bob has lost it.
    assert_eq!(app.get(&path, &bob).status, 404);
    let entries = history(&app, id, &ada);
    let shown: Vec<_> = entries
        .iter()
        .map(|entry| (&entry["actor"], &entry["actor_role"], &entry["assignee"]))
        .collect();
    let null = &Value::Null;
    assert_eq!(
        shown,
        [
            (&name(&ada), &json!("employee"), null),
            (&name(&manager), &json!("manager"), &name(&ada)),
            (null, &json!("employee"), null),
            (&name(&manager), &json!("manager"), null),
        ]
    );
    let page = app.get(&path, &ada);
    assert!(!page.text().contains("bob"), "{page:?}");
    // The manager sees all of them.
    assert_eq!(history(&app, id, &manager)[2]["actor"], name(&bob));
    // An account that awaits approval sees nothing.
    let eve = app.account("eve", Role::Admin, false);
    assert_eq!(app.get(&path, &eve).status, 403);
    assert_eq!(app.get("/tasks/999/history", &manager).status, 404);
}

#[test]
fn the_history_is_paged_and_the_newest_entry_comes_first() {
    let app = TestApp::new();
    let manager = app.manager();
    let id = app.create_task(&manager, json!({ "title": "0" }));
    for number in 1..=24 {
        patch(&app, &manager, id, &json!({ "title": number.to_string() }));
    }
    let mut path = format!("/tasks/{id}/history?limit=10");
    let mut ids = Vec::new();
    loop {
        let page = app.get(&path, &manager);
        ids.extend(
            page.items()
                .iter()
                .map(|entry| entry["id"].as_i64().unwrap()),
        );
        let Some(cursor) = page.json()["next_cursor"].as_str().map(str::to_owned) else {
            break;
        };
        path = format!("/tasks/{id}/history?limit=10&cursor={cursor}");
    }
    assert_eq!(ids.len(), 25);
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    let other = app.create_task(&manager, json!({ "title": "other" }));
    let stolen = path.replace(&format!("/{id}/"), &format!("/{other}/"));
    assert_eq!(
        app.get(&stolen, &manager).status,
        422,
        "a cursor of another task"
    );
}

#[test]
fn a_task_that_gets_the_id_of_a_deleted_one_does_not_get_its_history() {
    let app = TestApp::new();
    let manager = app.manager();
    let id = app.create_task(&manager, json!({ "title": "Secret" }));
    patch(&app, &manager, id, &json!({ "title": "Secret 2" }));
    let delete = format!("DELETE /tasks/{id}");
    assert_eq!(app.send(&delete, manager.clone(), "").status, 204);
    assert_eq!(
        app.get(&format!("/tasks/{id}/history"), &manager).status,
        404
    );
    // One row says that there was a task.
    assert_eq!(app.count("task_history"), 1);
    app.advance(1);
    // As the Flask app deletes a task: its rows stay.
    let other = app.create_task(&manager, json!({ "title": "Other" }));
    patch(&app, &manager, other, &json!({ "title": "Other 2" }));
    app.sql()
        .execute("DELETE FROM task WHERE id = ?1", [other])
        .unwrap();
    let sql = "INSERT INTO task (id, title, status, created_at) VALUES (?1, 'New', 'pending', '2026-11-24 00:00:00')";
    app.sql().execute(sql, [other]).unwrap();
    assert_eq!(history(&app, other, &manager), Vec::<Value>::new());
}

#[test]
fn the_deletion_of_an_account_is_in_the_history_of_its_tasks() {
    let app = TestApp::new();
    let (admin, ada) = (app.admin(), app.employee());
    let id = app.create_task(
        &admin,
        json!({ "title": "Water", "assigned_user_id": ada.id }),
    );
    let delete = format!("DELETE /users/{}", ada.id);
    assert_eq!(app.send(&delete, admin.clone(), "").status, 204);
    let entries = history(&app, id, &admin);
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["changed"], json!(["assigned_user_id"]));
    assert_eq!(entries[0]["assignee"], Value::Null);
    assert_eq!(entries[0]["actor"], name(&admin));
    // The name stays, as in the audit log.
    assert_eq!(entries[1]["assignee"], name(&ada));
}

#[test]
fn entries_older_than_history_keep_are_removed() {
    let app = TestApp::with(|config| {
        config.history_keep = "10d".parse().unwrap();
        config.jwt_access_token_expires = "1year".parse().unwrap();
        config.jwt_refresh_token_expires = "1year".parse().unwrap();
        config.accounts.session_max_age = "1year".parse().unwrap();
    });
    let manager = app.manager();
    let id = app.create_task(&manager, json!({ "title": "0" }));
    for number in 1..=20 {
        app.advance(DAY);
        patch(&app, &manager, id, &json!({ "title": number.to_string() }));
    }
    maintenance::run(&app.app).unwrap();
    assert_eq!(history(&app, id, &manager).len(), 10);
    // The newest row stays, so that the version of all tasks never goes back.
    app.advance(100 * DAY);
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("task_history"), 1);
}

#[test]
fn an_account_with_the_id_of_a_deleted_one_does_not_see_its_name() {
    let app = TestApp::new();
    let manager = app.manager();
    let bob = app.account("bob", Role::Employee, true);
    let id = app.create_task(
        &manager,
        json!({ "title": "Water", "assigned_user_id": bob.id }),
    );
    patch(&app, &bob, id, &json!({ "status": "in_progress" }));
    // As the Flask app deletes an account: the task stays assigned to the id, which the next account gets.
    let rename = r#"UPDATE "user" SET username = 'eve', email = 'eve@example.com' WHERE id = ?1"#;
    app.sql().execute(rename, [bob.id]).unwrap();
    let stored = app.stored_user(&Account {
        username: "eve".to_owned(),
        ..bob.clone()
    });
    let eve = Account {
        username: "eve".to_owned(),
        token: app.create_session(&stored),
        ..bob
    };
    let page = app.get(&format!("/tasks/{id}/history"), &eve);
    assert_eq!(page.items().len(), 2);
    assert!(!page.text().contains("bob"), "{page:?}");
}

#[test]
fn a_stored_value_that_changes_is_recorded_although_it_is_read_as_the_same() {
    let app = TestApp::new();
    let manager = app.manager();
    let id = app.create_task(&manager, json!({ "title": "Water" }));
    let list = app.get("/tasks?sort=deadline", &manager);
    let unreadable = "UPDATE task SET deadline = 'soon' WHERE id = ?1";
    if app.sql().execute(unreadable, [id]).is_err() {
        // PostgreSQL stores no such time.
        return;
    }
    patch(&app, &manager, id, &json!({ "deadline": null }));
    assert_eq!(
        history(&app, id, &manager)[0]["changed"],
        json!(["deadline"])
    );
    let tag = list.header("ETag").unwrap().to_owned();
    let again = app.send_with(
        "GET /tasks?sort=deadline",
        manager.clone(),
        &[("If-None-Match", &*tag)],
        "",
    );
    assert_eq!(again.status, 200);
}
