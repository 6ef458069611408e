//! Who may call what: every route of the table, on behalf of everybody.

use serde_json::json;
use task_api::model::Role;
use task_api::router::{Access, ROUTES};

use crate::support::{CONTRACT, Person, TestApp};

/// What changes something and takes no body.
const WITHOUT_BODY: &[&str] = &[
    "POST /refresh",
    "POST /logout",
    "POST /me/sessions/revoke-all",
];

/// The callers, from the least to the most powerful, with the levels of access that each has.
const CALLERS: &[(&str, &[&str])] = &[
    ("nobody", &["anyone"]),
    ("unapproved employee", &["anyone", "signed in"]),
    ("unapproved manager", &["anyone", "signed in"]),
    ("unapproved admin", &["anyone", "signed in"]),
    ("approved employee", &["anyone", "signed in", "approved"]),
    (
        "approved manager",
        &["anyone", "signed in", "approved", "manager"],
    ),
    (
        "approved admin",
        &["anyone", "signed in", "approved", "manager", "admin"],
    ),
];

fn caller(app: &TestApp, who: &str) -> Option<Person> {
    let (approval, role) = who.split_once(' ')?;
    let role: Role = role.parse().unwrap();
    Some(app.person("caller", role, approval == "approved"))
}

/// How a refusal looks, or that it is none: what the handler itself makes of the request does not
/// matter here.
fn expected(who: &str, level: &str, levels: &[&str]) -> Option<(u16, &'static str)> {
    if levels.contains(&level) {
        return None;
    }
    match who {
        "nobody" => Some((401, "unauthorized")),
        // An access token is no refresh token, whoever has it.
        _ if level == "refresh" => Some((401, "invalid_token")),
        who if who.starts_with("unapproved") => Some((403, "awaiting_approval")),
        _ => Some((403, "insufficient_role")),
    }
}

const JSON: &str = "application/json; charset=utf-8";

#[test]
fn the_contract_lists_the_table() {
    let table: Vec<_> = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let contract: Vec<_> = CONTRACT.iter().map(|(line, _)| line.to_string()).collect();
    assert_eq!(table, contract);
}

#[test]
fn the_table_gives_each_route_the_access_of_the_contract() {
    for (route, (line, level)) in ROUTES.iter().zip(CONTRACT) {
        let listed = match route.access {
            Access::Anyone(_) | Access::SignIn(_) => "anyone",
            Access::Refresh(_) => "refresh",
            Access::SignedInOnly(_) => "signed in",
            Access::ApprovedOnly(_) => "approved",
            Access::ManagerOrAdmin(_) => "manager",
            Access::AdminOnly(_) => "admin",
        };
        assert_eq!(listed, *level, "{line}");
    }
}

#[test]
fn everybody_gets_what_their_role_permits_and_nothing_else() {
    for (who, levels) in CALLERS {
        let app = TestApp::new();
        let admin = app.admin();
        let other = app.employee();
        let task = app.task(
            &admin,
            json!({ "title": "t", "assigned_user_id": other.id }),
        );
        let mut caller = caller(&app, who);
        for (line, level) in CONTRACT {
            let id = if line.contains("/users/") {
                other.id
            } else {
                task
            };
            let line = line.replace("{id}", &id.to_string());
            // A body that is refused, so that nothing changes and the next line finds all in place.
            let body = if line.starts_with("GET")
                || line.starts_with("DELETE")
                || WITHOUT_BODY.contains(&line.as_str())
            {
                ""
            } else {
                "[]"
            };
            // Some lines end the session.
            if let Some(caller) = &mut caller {
                caller.token = app.sign_in_again(caller);
            }
            let answer = app.send(&line, caller.clone(), body);
            match expected(who, level, levels) {
                Some((status, code)) => {
                    assert_eq!(
                        (answer.status, answer.code().as_str()),
                        (status, code),
                        "{who}: {line}"
                    );
                }
                None => {
                    let refusals = [
                        "unauthorized",
                        "invalid_token",
                        "awaiting_approval",
                        "insufficient_role",
                    ];
                    let code = match answer.status {
                        204 => String::new(),
                        // Metrics and pages are no JSON.
                        200 if answer.header("Content-Type") != Some(JSON) => String::new(),
                        _ => answer.code(),
                    };
                    assert!(
                        !refusals.contains(&code.as_str()),
                        "{who}: {line}: {answer:?}"
                    );
                    // The methods that change something got as far as reading the body.
                    if body == "[]" {
                        assert_eq!(answer.status, 422, "{who}: {line}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_employee_sees_and_changes_their_own_tasks_alone() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let own = app.task(
        &manager,
        json!({ "title": "own", "assigned_user_id": employee.id }),
    );
    let others = app.task(
        &manager,
        json!({ "title": "others", "assigned_user_id": manager.id }),
    );
    let nobodys = app.task(&manager, json!({ "title": "nobody's" }));

    assert_eq!(app.get("/tasks", &employee).ids(), [own]);
    assert_eq!(app.get("/tasks", &manager).ids().len(), 3);
    for (id, status) in [(own, 200), (others, 404), (nobodys, 404), (999, 404)] {
        let path = format!("/tasks/{id}");
        assert_eq!(app.get(&path, &employee).status, status, "{path}");
        let patch = format!("PATCH {path}");
        let answer = app.send(&patch, employee.clone(), r#"{"status":"completed"}"#);
        assert_eq!(answer.status, status, "{patch}");
        // For a task that is not theirs the other fields are no 403: it does not exist for them.
        let expected = if status == 200 { 403 } else { 404 };
        let answer = app.send(&patch, employee.clone(), r#"{"title":"mine now"}"#);
        assert_eq!(answer.status, expected, "{patch}");
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
fn each_field_but_status_is_refused_to_the_assigned_employee() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let task = app.task(
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
        let answer = app.send(
            &format!("PATCH /tasks/{task}"),
            employee.clone(),
            &field.to_string(),
        );
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "status_only"),
            "{field}"
        );
    }
    let unchanged = app.get(&format!("/tasks/{task}"), &employee).json();
    assert_eq!(unchanged["status"], "pending");
    assert_eq!(unchanged["title"], "own");
}

#[test]
fn a_role_or_approval_change_counts_from_the_next_request_on() {
    let app = TestApp::new();
    let (admin, employee) = (app.admin(), app.employee());
    let patch = |body: &str| {
        let answer = app.send(
            &format!("PATCH /users/{}", employee.id),
            admin.clone(),
            body,
        );
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    assert_eq!(app.get("/users", &employee).status, 403);
    patch(r#"{"role":"manager"}"#);
    assert_eq!(app.get("/users", &employee).status, 200);
    patch(r#"{"is_approved":false}"#);
    assert_eq!(app.get("/users", &employee).code(), "awaiting_approval");
    assert_eq!(app.get("/hello", &employee).status, 200);
    patch(r#"{"is_approved":true,"role":"employee"}"#);
    assert_eq!(app.get("/users", &employee).code(), "insufficient_role");
}
