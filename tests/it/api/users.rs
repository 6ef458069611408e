//! The endpoints under `/users`, which managers read and admins change, and the rule that at least one
//! approved admin remains.

use serde_json::{Value, json};
use task_api::error::Error;
use task_api::model::{Actor, Role, Timestamp};
use task_api::store::users;

use crate::support::{Account, PASSWORD, TestApp, TestResponse, concurrently};

fn change(app: &TestApp, account: &Account, id: i64, body: &Value) -> TestResponse {
    let line = format!("PATCH /users/{id}");
    app.send(&line, account.clone(), &body.to_string())
}

fn delete(app: &TestApp, account: &Account, id: i64) -> TestResponse {
    app.send(&format!("DELETE /users/{id}"), account.clone(), "")
}

fn approved_admins(app: &TestApp) -> i64 {
    let sql = r#"SELECT count(*) FROM "user" WHERE role = 'admin' AND is_approved = TRUE"#;
    app.sql().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn an_account_has_exactly_the_fields_of_the_contract() {
    let app = TestApp::new();
    let manager = app.manager();
    let other = app.account("Zoë", Role::Employee, false);
    let response = app.get(&format!("/users/{}", other.id), &manager);
    assert_eq!(response.status, 200);
    let user = response.json();
    let created_at = user["created_at"].as_str().unwrap();
    assert!(
        created_at.starts_with("2026-11-23T12:00:00") && created_at.ends_with('Z'),
        "{created_at}"
    );
    assert_eq!(
        user,
        json!({
            "id": other.id,
            "username": "Zoë",
            "email": "zoë@example.com",
            "role": "employee",
            "is_approved": false,
            "created_at": created_at,
        })
    );
    assert_eq!(
        app.get("/users?q=Zo%C3%AB", &manager).json()["items"],
        json!([user])
    );
}

#[test]
fn an_unknown_account_is_404() {
    let app = TestApp::new();
    let admin = app.admin();
    for segment in ["999", "0", "-1", "01", "admin", "me", "9223372036854775808"] {
        for (method, body) in [
            ("GET", ""),
            ("PATCH", r#"{"role":"admin"}"#),
            ("PATCH", "{}"),
            ("DELETE", ""),
        ] {
            let line = format!("{method} /users/{segment}");
            let response = app.send(&line, admin.clone(), body);
            assert_eq!(
                (response.status, response.code().as_str()),
                (404, "not_found"),
                "{line}"
            );
        }
    }
}

#[test]
fn filters_select_the_matching_accounts() {
    let app = TestApp::new();
    let admin = app.account("Ada", Role::Admin, true);
    app.account("Otto", Role::Admin, false);
    app.account("Mara", Role::Manager, true);
    app.account("Émile", Role::Manager, false);
    app.account("Eve", Role::Employee, true);
    app.account("under_score", Role::Employee, false);
    let sql = r#"UPDATE "user" SET email = 'm.100%@WORK.example' WHERE username = 'Mara'"#;
    app.sql().execute(sql, []).unwrap();
    let all = ["Ada", "Otto", "Mara", "Émile", "Eve", "under_score"];
    for (query, found) in [
        ("", &all[..]),
        ("?q=", &all),
        ("?role=admin", &["Ada", "Otto"]),
        ("?role=manager", &["Mara", "Émile"]),
        ("?role=employee", &["Eve", "under_score"]),
        ("?approved=true", &["Ada", "Mara", "Eve"]),
        ("?approved=false", &["Otto", "Émile", "under_score"]),
        ("?role=admin&approved=false", &["Otto"]),
        ("?approved=true&role=employee&q=E", &["Eve"]),
        ("?q=aDA", &["Ada"]),
        ("?q=%C3%89MI", &["Émile"]),
        ("?q=%C3%A9mi", &["Émile"]),
        ("?q=work.EXAMPLE", &["Mara"]),
        ("?q=%25", &["Mara"]),
        ("?q=_", &["under_score"]),
        ("?q=r_s", &["under_score"]),
        ("?q=%5C", &[]),
        ("?q=pbkdf2", &[]),
        ("?q=example.com&role=manager", &["Émile"]),
        ("?q=nobody", &[]),
    ] {
        let response = app.get(&format!("/users{query}"), &admin);
        assert_eq!(response.status, 200, "{query}: {response:?}");
        let json = response.json();
        let names: Vec<_> = json["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| user["username"].as_str().unwrap())
            .collect();
        assert_eq!(names, found, "{query}");
    }
}

#[test]
fn an_invalid_filter_is_422_and_the_response_names_it() {
    let app = TestApp::new();
    let manager = app.manager();
    for (query, invalid) in [
        ("role=boss", "role"),
        ("role=Admin", "role"),
        ("approved=1", "approved"),
        ("approved=yes", "approved"),
        ("approved=True", "approved"),
        ("is_approved=true", "is_approved"),
        ("q=%00", "q"),
        ("q=a%0Ab", "q"),
        ("q=%FF", "q"),
        ("status=pending", "status"),
        ("sort=created_at", "sort"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("role=admin&role=manager", "role"),
    ] {
        let response = app.get(&format!("/users?{query}"), &manager);
        assert_eq!(response.invalid_fields(), [invalid], "{query}");
    }
}

#[test]
fn an_admin_changes_role_and_approval_and_no_other_field() {
    let app = TestApp::new();
    let (admin, other) = (app.admin(), app.account("other", Role::Employee, false));
    let path = format!("/users/{}", other.id);
    let mut expected = app.get(&path, &admin).json();
    for body in [
        json!({ "role": "manager" }),
        json!({ "is_approved": true }),
        json!({ "role": "admin" }),
        json!({}),
        json!({ "role": "employee", "is_approved": false }),
        json!({ "is_approved": false }),
    ] {
        for (field, value) in body.as_object().unwrap() {
            expected[field] = value.clone();
        }
        let response = change(&app, &admin, other.id, &body);
        assert_eq!(response.status, 200, "{body}: {response:?}");
        assert_eq!(response.json(), expected, "{body}");
        assert_eq!(app.get(&path, &admin).json(), expected, "{body}");
    }
    for (body, invalid) in [
        (json!({ "role": null }), vec!["role"]),
        (json!({ "role": "boss" }), vec!["role"]),
        (json!({ "role": 1 }), vec!["role"]),
        (json!({ "is_approved": null }), vec!["is_approved"]),
        (json!({ "is_approved": 1 }), vec!["is_approved"]),
        (json!({ "is_approved": "true" }), vec!["is_approved"]),
        (json!({ "username": "x" }), vec!["username"]),
        (json!({ "email": "x@example.com" }), vec!["email"]),
        (json!({ "password": "long enough" }), vec!["password"]),
        (json!({ "password_hash": "x" }), vec!["password_hash"]),
        (json!({ "id": 1 }), vec!["id"]),
        // One invalid field: the valid fields are not changed either.
        (
            json!({ "role": "admin", "is_approved": true, "email": "x" }),
            vec!["email"],
        ),
        (
            json!({ "role": "boss", "is_approved": "x" }),
            vec!["is_approved", "role"],
        ),
    ] {
        let response = change(&app, &admin, other.id, &body);
        assert_eq!(response.invalid_fields(), invalid, "{body}");
        assert_eq!(app.get(&path, &admin).json(), expected, "{body}");
    }
}

#[test]
fn a_manager_reads_accounts_and_gets_403_for_changes() {
    let app = TestApp::new();
    let (admin, manager, employee) = (app.admin(), app.manager(), app.employee());
    assert_eq!(app.get("/users", &manager).ids().len(), 3);
    for other in [&admin, &manager, &employee] {
        let path = format!("/users/{}", other.id);
        let before = app.get(&path, &manager).json();
        for body in [
            json!({ "role": "admin" }),
            json!({ "is_approved": false }),
            json!({}),
        ] {
            let response = change(&app, &manager, other.id, &body);
            assert_eq!(
                (response.status, response.code().as_str()),
                (403, "insufficient_role")
            );
        }
        assert_eq!(delete(&app, &manager, other.id).code(), "insufficient_role");
        assert_eq!(app.get(&path, &manager).json(), before);
    }
}

/// The requests that leave an account without the rights of an approved admin.
fn removals() -> Vec<(&'static str, Value)> {
    vec![
        ("PATCH", json!({ "role": "manager" })),
        ("PATCH", json!({ "role": "employee" })),
        ("PATCH", json!({ "is_approved": false })),
        ("PATCH", json!({ "role": "admin", "is_approved": false })),
        ("PATCH", json!({ "role": "manager", "is_approved": true })),
        ("PATCH", json!({ "role": "employee", "is_approved": false })),
        ("DELETE", Value::Null),
    ]
}

fn remove(
    app: &TestApp,
    account: &Account,
    id: i64,
    (method, body): &(&str, Value),
) -> TestResponse {
    match *method {
        "DELETE" => delete(app, account, id),
        _ => change(app, account, id, body),
    }
}

#[test]
fn the_last_approved_admin_cannot_be_removed_in_any_way() {
    for removal in removals() {
        let app = TestApp::new();
        let admin = app.admin();
        // None of these accounts is an approved admin.
        app.account("waiting", Role::Admin, false);
        app.manager();
        app.employee();
        let task = app.create_task(
            &admin,
            json!({ "title": "t", "assigned_user_id": admin.id }),
        );
        let path = format!("/users/{}", admin.id);
        let before = app.get(&path, &admin).json();
        let response = remove(&app, &admin, admin.id, &removal);
        assert_eq!(
            (response.status, response.code().as_str()),
            (409, "last_admin"),
            "{removal:?}"
        );
        assert_eq!(app.get(&path, &admin).json(), before, "{removal:?}");
        let task = app.get(&format!("/tasks/{task}"), &admin).json();
        assert_eq!(task["assigned_user_id"], admin.id, "{removal:?}");
    }
}

#[test]
fn an_admin_can_be_removed_while_another_approved_admin_remains() {
    for removal in removals() {
        for removes_themselves in [true, false] {
            let app = TestApp::new();
            let (first, second) = (app.admin(), app.account("second", Role::Admin, true));
            let caller = if removes_themselves { &second } else { &first };
            let response = remove(&app, caller, second.id, &removal);
            assert!([200, 204].contains(&response.status), "{removal:?}");
            assert_eq!(approved_admins(&app), 1, "{removal:?}");
            // The first admin is now the last one.
            let response = remove(&app, &first, first.id, &removal);
            assert_eq!(response.code(), "last_admin", "{removal:?}");
        }
    }
}

#[test]
fn an_account_that_is_not_an_approved_admin_can_be_removed_by_the_only_admin() {
    for (role, is_approved) in [
        (Role::Admin, false),
        (Role::Manager, true),
        (Role::Employee, true),
        (Role::Employee, false),
    ] {
        for removal in removals() {
            let app = TestApp::new();
            let admin = app.admin();
            let other = app.account("other", role, is_approved);
            let response = remove(&app, &admin, other.id, &removal);
            assert!(
                [200, 204].contains(&response.status),
                "{role} {is_approved}: {removal:?}: {response:?}"
            );
        }
    }
}

#[test]
fn the_last_admin_may_be_changed_while_they_stay_an_approved_admin() {
    let app = TestApp::new();
    let admin = app.admin();
    let path = format!("/users/{}", admin.id);
    let before = app.get(&path, &admin).json();
    for body in [
        json!({}),
        json!({ "role": "admin" }),
        json!({ "is_approved": true }),
        json!({ "role": "admin", "is_approved": true }),
    ] {
        let response = change(&app, &admin, admin.id, &body);
        assert_eq!((response.status, response.json()), (200, before.clone()));
    }
    let body = json!({ "email": "new@example.com", "current_password": PASSWORD });
    let response = app.send("PATCH /me", admin.clone(), &body.to_string());
    assert_eq!(response.status, 200, "{response:?}");
}

#[test]
fn an_admin_approves_a_second_admin_and_then_steps_down() {
    let app = TestApp::new();
    let (admin, next) = (app.admin(), app.account("next", Role::Admin, false));
    let step_down = json!({ "role": "employee" });
    assert_eq!(
        change(&app, &admin, admin.id, &step_down).code(),
        "last_admin"
    );
    assert_eq!(
        change(&app, &admin, next.id, &json!({ "is_approved": true })).status,
        200
    );
    assert_eq!(change(&app, &admin, admin.id, &step_down).status, 200);
    assert_eq!(app.get("/users", &admin).code(), "insufficient_role");
    assert_eq!(app.get("/users", &next).status, 200);
}

#[test]
fn the_tasks_of_a_deleted_account_stay_and_become_unassigned() {
    let app = TestApp::new();
    let (admin, manager) = (app.admin(), app.manager());
    let (leaver, stayer) = (app.employee(), app.account("stayer", Role::Employee, true));
    let task = |account: &Account| {
        app.create_task(
            &manager,
            json!({
                "title": "t",
                "description": "d",
                "status": "in_progress",
                "deadline": "2026-12-24T18:00:00Z",
                "assigned_user_id": account.id,
            }),
        )
    };
    let (theirs, also_theirs, others) = (task(&leaver), task(&leaver), task(&stayer));
    let mut expected = app.get(&format!("/tasks/{theirs}"), &manager).json();
    expected["assigned_user_id"] = Value::Null;

    let response = delete(&app, &admin, leaver.id);
    assert_eq!((response.status, response.text()), (204, ""));
    assert_eq!(
        app.get(&format!("/tasks/{theirs}"), &manager).json(),
        expected
    );
    assert_eq!(
        app.get("/tasks?sort=created_at", &manager).ids(),
        [theirs, also_theirs, others]
    );
    assert_eq!(app.get("/tasks", &stayer).ids(), [others]);
    let response = app.get(&format!("/tasks?assigned_user_id={}", leaver.id), &manager);
    assert_eq!(response.ids(), [0; 0]);

    // The account no longer exists: for admins and managers, for a second DELETE, and for its own token and
    // password.
    assert_eq!(
        app.get(&format!("/users/{}", leaver.id), &manager).status,
        404
    );
    assert_eq!(delete(&app, &admin, leaver.id).status, 404);
    assert_eq!(app.get("/hello", &leaver).status, 401);
    assert_eq!(app.log_in(&leaver.email, PASSWORD).status, 401);
    // A new account with the same user name, and perhaps the same id, gets none of the tasks.
    let successor = app.employee();
    assert_eq!(app.get("/tasks", &successor).ids(), [0; 0]);
    assert_eq!(app.get("/hello", &leaver).status, 401);
}

#[test]
fn one_of_two_admins_can_delete_their_own_account() {
    let app = TestApp::new();
    let (admin, second) = (app.admin(), app.account("second", Role::Admin, true));
    assert_eq!(delete(&app, &second, second.id).status, 204);
    let response = app.get("/users", &second);
    assert_eq!(response.status, 401);
    assert!(response.header("WWW-Authenticate").is_some());
    assert_eq!(app.get("/users", &admin).ids(), [admin.id]);
}

#[test]
fn admins_who_remove_each_other_concurrently_leave_at_least_one() {
    let removals = [
        ("DELETE", Value::Null),
        ("PATCH", json!({ "role": "employee" })),
        ("PATCH", json!({ "is_approved": false })),
    ];
    for round in 0..5 {
        for removal in &removals {
            // 0: each admin removes their own account. 1: each removes the next admin.
            for shift in [0, 1] {
                for count in [2, 5] {
                    let app = TestApp::new();
                    let admins: Vec<_> = (0..count)
                        .map(|n| app.account(&format!("admin{n}"), Role::Admin, true))
                        .collect();
                    let statuses = concurrently(count, |n| {
                        let target = admins[(n + shift) % count].id;
                        remove(&app, &admins[n], target, removal).status
                    });
                    let case = format!("{round} {removal:?} {shift} {statuses:?}");
                    let removed = statuses.iter().filter(|&&status| status < 300).count();
                    assert_eq!(approved_admins(&app), (count - removed) as i64, "{case}");
                    assert!(removed >= 1 && removed < count, "{case}");
                    // An admin who was removed before their own request arrived gets 401 or 403.
                    assert!(
                        statuses
                            .iter()
                            .all(|status| [200, 204, 401, 403, 409].contains(status)),
                        "{case}"
                    );
                    if shift == 0 {
                        assert_eq!(removed, count - 1, "{case}");
                        assert!(statuses.contains(&409), "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn no_response_contains_a_password_or_a_password_hash() {
    let app = TestApp::new();
    let (admin, other) = (app.admin(), app.employee());
    let signup = json!({ "username": "new", "email": "new@example.com", "password": PASSWORD });
    let login = json!({ "email": "new@example.com", "password": PASSWORD });
    let wrong = json!({ "email": "new@example.com", "password": format!("{PASSWORD}!") });
    let new_email = json!({ "email": "newer@example.com", "current_password": PASSWORD });
    let new_password = json!({ "password": "battery horse", "current_password": PASSWORD });
    let other_path = format!("/users/{}", other.id);
    let lines = [
        ("POST /signup".to_owned(), None, signup.to_string()),
        ("POST /signup".to_owned(), None, signup.to_string()),
        ("POST /login".to_owned(), None, login.to_string()),
        ("POST /login".to_owned(), None, wrong.to_string()),
        ("GET /me".to_owned(), Some(&admin), String::new()),
        ("PATCH /me".to_owned(), Some(&admin), new_email.to_string()),
        (
            "PATCH /me".to_owned(),
            Some(&other),
            new_password.to_string(),
        ),
        ("GET /users".to_owned(), Some(&admin), String::new()),
        ("GET /users?q=e".to_owned(), Some(&admin), String::new()),
        (format!("GET {other_path}"), Some(&admin), String::new()),
        (
            format!("PATCH {other_path}"),
            Some(&admin),
            r#"{"role":"manager"}"#.to_owned(),
        ),
        (
            format!("PATCH {other_path}"),
            Some(&admin),
            r#"{"password_hash":"x"}"#.to_owned(),
        ),
    ];
    for (line, account, body) in lines {
        let response = app.send(&line, account.cloned(), &body);
        assert_ne!(response.status, 500, "{line}");
        let hashes: Vec<String> = app
            .sql()
            .query(r#"SELECT password_hash FROM "user""#, [], |row| row.get(0))
            .unwrap();
        assert!(hashes.len() >= 2);
        let text = format!("{:?} {}", response.headers, response.text());
        for hash in hashes {
            for part in hash.split('$') {
                assert!(!text.contains(part), "{line}: {text}");
            }
        }
        assert!(!text.contains(PASSWORD), "{line}: {text}");
        assert!(!text.contains("battery horse"), "{line}: {text}");
    }
}

#[test]
fn a_profile_change_fails_when_the_verified_password_hash_is_no_longer_the_accounts() {
    let app = TestApp::new();
    let ada = app.account("ada", Role::Employee, true);
    let id = ada.id.to_string().parse().unwrap();
    let store = &app.app.store;
    let verified = store
        .read(|db| users::password_hash(db, id))
        .unwrap()
        .unwrap();
    // While ada's request hashed the password, her account was deleted and its id was reused.
    let actor = Actor::server(Timestamp::now());
    store.write(|db| users::delete(db, id, &actor)).unwrap();
    app.forget_given_ids();
    let eve = app.account("eve", Role::Manager, true);
    assert_eq!(eve.id, ada.id);
    let new = "new@example.com".parse().unwrap();
    let changed =
        store.write(|db| users::change_profile(db, id, &verified, Some(&new), Some("hash")));
    assert!(matches!(changed, Err(Error::WriteConflict)), "{changed:?}");
    assert_eq!(app.get("/me", &eve).json()["email"], "eve@example.com");
}

#[test]
fn a_new_account_with_a_reused_id_does_not_inherit_the_tasks_of_the_old_one() {
    let app = TestApp::new();
    let manager = app.manager();
    let task = app.create_task(&manager, json!({ "title": "left over" }));
    // As in the Flask app: the account is deleted, and the task still has its id.
    let sql = app.sql();
    sql.without_foreign_keys();
    sql.execute("UPDATE task SET assigned_user_id = ?1", [manager.id + 1])
        .unwrap();
    let employee = app.employee();
    assert_eq!(employee.id, manager.id + 1);
    assert_eq!(app.get("/tasks", &employee).ids(), [0_i64; 0]);
    assert_eq!(app.get(&format!("/tasks/{task}"), &employee).status, 404);
}
