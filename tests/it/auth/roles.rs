//! Permissions: every kind of caller sends a request to every route of the route table.

use serde_json::json;
use task_api::model::Role;
use task_api::router::{Access, ROUTES};

use crate::support::{Account, CONTRACT, TestApp};

/// Routes that change something and take no request body.
const WITHOUT_BODY: &[&str] = &[
    "POST /refresh",
    "POST /logout",
    "POST /me/sessions/revoke-all",
    "POST /users/{id}/password-reset",
];

/// The kinds of callers, in order of increasing permissions, with the access levels that each of them has.
const CALLERS: &[(&str, &[&str])] = &[
    ("unauthenticated", &["anyone"]),
    (
        "unapproved employee",
        &["anyone", "signed in", "in session", "sign out"],
    ),
    (
        "unapproved manager",
        &["anyone", "signed in", "in session", "sign out"],
    ),
    (
        "unapproved admin",
        &["anyone", "signed in", "in session", "sign out"],
    ),
    (
        "approved employee",
        &["anyone", "signed in", "in session", "sign out", "approved"],
    ),
    (
        "approved manager",
        &[
            "anyone",
            "signed in",
            "in session",
            "sign out",
            "approved",
            "manager",
        ],
    ),
    (
        "approved admin",
        &[
            "anyone",
            "signed in",
            "in session",
            "sign out",
            "approved",
            "manager",
            "admin",
            "admin in session",
        ],
    ),
];

fn caller(app: &TestApp, kind: &str) -> Option<Account> {
    let (approval, role) = kind.split_once(' ')?;
    let role: Role = role.parse().unwrap();
    Some(app.account("caller", role, approval == "approved"))
}

/// The status and code of the expected rejection. `None` when the caller is permitted; the response of the
/// handler does not matter then.
fn expected_rejection(kind: &str, level: &str, levels: &[&str]) -> Option<(u16, &'static str)> {
    if levels.contains(&level) {
        return None;
    }
    match kind {
        "unauthenticated" => Some((401, "unauthorized")),
        // The token that is sent is an access token, which no caller can refresh with.
        _ if level == "refresh" => Some((401, "invalid_token")),
        kind if kind.starts_with("unapproved") => Some((403, "awaiting_approval")),
        _ => Some((403, "insufficient_role")),
    }
}

const JSON: &str = "application/json; charset=utf-8";

#[test]
fn the_route_table_has_exactly_the_routes_of_the_contract() {
    let table: Vec<_> = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let contract: Vec<_> = CONTRACT.iter().map(|(line, _)| line.to_string()).collect();
    assert_eq!(table, contract);
}

#[test]
fn each_route_requires_the_access_level_of_the_contract() {
    for (route, (line, level)) in ROUTES.iter().zip(CONTRACT) {
        let listed = match route.access {
            Access::Anyone(_) | Access::SignIn(_) => "anyone",
            Access::Refresh(_) => "refresh",
            Access::SignedInOnly(_) => "signed in",
            Access::InSessionOnly(_) => "in session",
            Access::SignOut(_) => "sign out",
            Access::ApprovedOnly(_) => "approved",
            Access::ManagerOrAdmin(_) => "manager",
            Access::AdminOnly(_) => "admin",
            Access::AdminInSessionOnly(_) => "admin in session",
        };
        assert_eq!(listed, *level, "{line}");
    }
}

#[test]
fn each_role_reaches_exactly_the_routes_of_the_contract() {
    for (kind, levels) in CALLERS {
        let app = TestApp::new();
        let admin = app.admin();
        let other = app.employee();
        let task = app.create_task(
            &admin,
            json!({ "title": "t", "assigned_user_id": other.id }),
        );
        let mut caller = caller(&app, kind);
        for (line, level) in CONTRACT {
            let id = if line.contains("/users/") {
                other.id
            } else {
                task
            };
            // An invalid body, so that the request changes nothing that a later one needs.
            let body = if line.starts_with("GET")
                || line.starts_with("DELETE")
                || WITHOUT_BODY.contains(line)
            {
                ""
            } else {
                "[]"
            };
            let line = line.replace("{id}", &id.to_string());
            // Some requests end the session, so each one gets a new session.
            if let Some(caller) = &mut caller {
                caller.token = app.token_of_new_session(caller);
            }
            let response = app.send(&line, caller.clone(), body);
            match expected_rejection(kind, level, levels) {
                Some((status, code)) => {
                    assert_eq!(
                        (response.status, response.code().as_str()),
                        (status, code),
                        "{kind}: {line}"
                    );
                }
                None => {
                    let rejection_codes = [
                        "unauthorized",
                        "invalid_token",
                        "awaiting_approval",
                        "insufficient_role",
                    ];
                    let code = match response.status {
                        204 => String::new(),
                        // Metrics and pages are not JSON.
                        200 if response.header("Content-Type") != Some(JSON) => String::new(),
                        _ => response.code(),
                    };
                    assert!(
                        !rejection_codes.contains(&code.as_str()),
                        "{kind}: {line}: {response:?}"
                    );
                    // A 422 for the body shows that the request has passed the permission check.
                    if body == "[]" {
                        assert_eq!(response.status, 422, "{kind}: {line}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_employee_reads_and_changes_their_own_tasks_and_gets_404_for_all_others() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let own = app.create_task(
        &manager,
        json!({ "title": "own", "assigned_user_id": employee.id }),
    );
    let others = app.create_task(
        &manager,
        json!({ "title": "others", "assigned_user_id": manager.id }),
    );
    let unassigned = app.create_task(&manager, json!({ "title": "nobody's" }));

    assert_eq!(app.get("/tasks", &employee).ids(), [own]);
    assert_eq!(app.get("/tasks", &manager).ids().len(), 3);
    for (id, status) in [(own, 200), (others, 404), (unassigned, 404), (999, 404)] {
        let path = format!("/tasks/{id}");
        assert_eq!(app.get(&path, &employee).status, status, "{path}");
        let patch = format!("PATCH {path}");
        let response = app.send(&patch, employee.clone(), r#"{"status":"completed"}"#);
        assert_eq!(response.status, status, "{patch}");
        // 404, not 403, for a task that is not the employee's: a 403 would reveal that the task exists.
        let expected = if status == 200 { 403 } else { 404 };
        let response = app.send(&patch, employee.clone(), r#"{"title":"mine now"}"#);
        assert_eq!(response.status, expected, "{patch}");
    }
    assert_eq!(
        app.get(&format!("/tasks/{others}"), &manager).json()["status"],
        "pending"
    );
    assert_eq!(
        app.get(&format!("/tasks/{own}"), &manager).json()["title"],
        "own"
    );
}

#[test]
fn an_employee_who_changes_another_field_than_the_status_of_their_task_gets_403() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let task = app.create_task(
        &manager,
        json!({ "title": "own", "assigned_user_id": employee.id }),
    );
    for field in [
        json!({ "title": "x" }),
        json!({ "description": "x" }),
        json!({ "description": null }),
        json!({ "deadline": "2027-01-01T00:00:00Z" }),
        json!({ "deadline": null }),
        json!({ "assigned_user_id": manager.id }),
        json!({ "assigned_user_id": null }),
        json!({ "status": "completed", "title": "x" }),
    ] {
        let response = app.send(
            &format!("PATCH /tasks/{task}"),
            employee.clone(),
            &field.to_string(),
        );
        assert_eq!(
            (response.status, response.code().as_str()),
            (403, "status_only"),
            "{field}"
        );
    }
    let unchanged = app.get(&format!("/tasks/{task}"), &employee).json();
    assert_eq!(unchanged["status"], "pending");
    assert_eq!(unchanged["title"], "own");
}

#[test]
fn a_changed_role_or_approval_applies_from_the_next_request_on() {
    let app = TestApp::new();
    let (admin, mut employee) = (app.admin(), app.employee());
    let line = format!("PATCH /users/{}", employee.id);
    let patch = |body: &str| {
        let response = app.send(&line, admin.clone(), body);
        assert_eq!(response.status, 200, "{response:?}");
    };
    assert_eq!(app.get("/users", &employee).status, 403);
    patch(r#"{"role":"manager"}"#);
    assert_eq!(app.get("/users", &employee).status, 200);
    patch(r#"{"is_approved":false}"#);
    assert_eq!(app.get("/users", &employee).code(), "invalid_token");
    employee.token = app.token_of_new_session(&employee);
    assert_eq!(app.get("/users", &employee).code(), "awaiting_approval");
    assert_eq!(app.get("/hello", &employee).status, 200);
    patch(r#"{"is_approved":true,"role":"employee"}"#);
    assert_eq!(app.get("/users", &employee).code(), "insufficient_role");
}
