//! Tokens for scripts: what each kind of token opens in the whole route table, and how tokens are created, listed,
//! limited and revoked.

use serde_json::{Value, json};
use task_api::app::maintenance;
use task_api::config::rate_limits::Switch;
use task_api::model::Role;
use task_api::router::{Access, ROUTES, Route};

use crate::support::{Account, PASSWORD, TestApp, TestResponse, concurrently};

/// Every route that an admin's token with the scope `full` opens. A new route fails a test until it is here, or has an
/// access level that excludes tokens.
const OPENED_BY_A_FULL_TOKEN: &[&str] = &[
    "GET /hello",
    "GET /me",
    "GET /users",
    "GET /users/{id}",
    "PATCH /users/{id}",
    "DELETE /users/{id}",
    "DELETE /users/{id}/sessions",
    "GET /tasks",
    "GET /tasks/summary",
    "POST /tasks",
    "GET /tasks/{id}",
    "GET /tasks/{id}/history",
    "PATCH /tasks/{id}",
    "DELETE /tasks/{id}",
    "GET /audit",
];

/// The routes that no token opens: paths that begin so, and single routes.
const NEVER_OPENED: &[&str] = &[
    "GET /me/tokens",
    "POST /me/tokens",
    "DELETE /me/tokens",
    "GET /me/sessions",
    "POST /me/sessions",
    "DELETE /me/sessions",
    "PATCH /me",
    "POST /logout",
    "POST /refresh",
    "GET /invitations",
    "POST /invitations",
    "DELETE /invitations",
    "POST /users/{id}/password-reset",
];

fn create(app: &TestApp, account: &Account, body: &Value) -> TestResponse {
    app.send("POST /me/tokens", account.clone(), &body.to_string())
}

fn body(scope: &str) -> Value {
    json!({ "name": "a script", "scope": scope, "current_password": PASSWORD })
}

/// The account with a new token for scripts in place of its access token.
fn script(app: &TestApp, account: &Account, scope: &str) -> Account {
    let response = create(app, account, &body(scope));
    assert_eq!(response.status, 201, "{response:?}");
    with_token(account, &response)
}

fn with_token(account: &Account, created: &TestResponse) -> Account {
    let token = created.json()["token"].as_str().unwrap().to_owned();
    Account {
        token,
        ..account.clone()
    }
}

fn tokens(app: &TestApp, account: &Account) -> Vec<Value> {
    app.get("/me/tokens", account).items()
}

/// Whether this token authenticates a request.
fn is_accepted(app: &TestApp, script: &Account) -> bool {
    let response = app.get("/hello", script);
    assert!(matches!(response.status, 200 | 401), "{response:?}");
    response.status == 200
}

// ---- the route table ------------------------------------------------------------------------------

/// The callers of the tests of the route table.
const CALLERS: &[&str] = &[
    "no token",
    "read employee",
    "read manager",
    "read admin",
    "full employee",
    "full manager",
    "full admin",
    "read unapproved",
    "full unapproved",
];

fn caller(app: &TestApp, kind: &str) -> Option<Account> {
    let (scope, role) = kind.split_once(' ').filter(|(scope, _)| *scope != "no")?;
    let (role, is_approved) = match role {
        "unapproved" => (Role::Admin, false),
        role => (role.parse().unwrap(), true),
    };
    Some(script(app, &app.account("owner", role, is_approved), scope))
}

/// The status and the code with which the router refuses this caller; `None` if it calls the handler.
fn expected_refusal(kind: &str, route: &Route) -> Option<(u16, &'static str)> {
    let minimum = match route.access {
        Access::Anyone(_) | Access::SignIn(_) => return None,
        _ if kind == "no token" => return Some((401, "unauthorized")),
        Access::Refresh(_) => return Some((401, "invalid_token")),
        Access::InSessionOnly(_) | Access::SignOut(_) | Access::AdminInSessionOnly(_) => {
            return Some((403, "insufficient_scope"));
        }
        _ if kind.starts_with("read") && route.method != "GET" => {
            return Some((403, "insufficient_scope"));
        }
        Access::SignedInOnly(_) => return None,
        _ if kind.ends_with("unapproved") => return Some((403, "awaiting_approval")),
        Access::ApprovedOnly(_) => Role::Employee,
        Access::ManagerOrAdmin(_) => Role::Manager,
        Access::AdminOnly(_) => Role::Admin,
    };
    let role: Role = kind.rsplit(' ').next().unwrap().parse().unwrap();
    (role < minimum).then_some((403, "insufficient_role"))
}

/// Sends a request that changes nothing: its body is invalid, or its row does not exist.
fn send(app: &TestApp, route: &Route, caller: Option<Account>) -> TestResponse {
    let path = route.path.replace("{id}", "999");
    let body = match route.method {
        "POST" | "PATCH" => "[]",
        _ => "",
    };
    app.send(&format!("{} {path}", route.method), caller, body)
}

fn is_refused(response: &TestResponse) -> bool {
    let refusals = [
        "unauthorized",
        "invalid_token",
        "insufficient_scope",
        "awaiting_approval",
        "insufficient_role",
    ];
    matches!(response.status, 401 | 403) && refusals.contains(&response.code().as_str())
}

#[test]
fn a_token_opens_what_its_owner_and_its_scope_permit_in_the_whole_route_table() {
    for kind in CALLERS {
        let app = TestApp::new();
        app.account("another", Role::Admin, true);
        let caller = caller(&app, kind);
        let before = app.rows();
        for route in ROUTES {
            let response = send(&app, route, caller.clone());
            let case = format!("{kind}: {} {}: {response:?}", route.method, route.path);
            match expected_refusal(kind, route) {
                Some((status, code)) => {
                    assert_eq!(response.status, status, "{case}");
                    assert_eq!(response.code(), code, "{case}");
                }
                None => assert!(!is_refused(&response), "{case}"),
            }
        }
        assert_eq!(app.rows(), before, "{kind}");
    }
}

#[test]
fn every_route_that_needs_a_caller_is_known_to_be_open_to_tokens_or_not() {
    let app = TestApp::new();
    let admin = app.admin();
    let (read, full) = (script(&app, &admin, "read"), script(&app, &admin, "full"));
    for route in ROUTES {
        if matches!(route.access, Access::Anyone(_) | Access::SignIn(_)) {
            continue;
        }
        let line = format!("{} {}", route.method, route.path);
        let is_never_opened = NEVER_OPENED
            .iter()
            .any(|start| line == *start || line.starts_with(&format!("{start}/")));
        let is_opened = OPENED_BY_A_FULL_TOKEN.contains(&line.as_str());
        assert!(is_opened != is_never_opened, "{line}: decide which");
        let by_full = send(&app, route, Some(full.clone()));
        assert_eq!(is_refused(&by_full), is_never_opened, "{line}: {by_full:?}");
        let by_read = send(&app, route, Some(read.clone()));
        let may_read = is_opened && route.method == "GET";
        assert_eq!(is_refused(&by_read), !may_read, "{line}: {by_read:?}");
    }
}

#[test]
fn a_read_token_reads_with_head_too_and_its_403_says_why() {
    let app = TestApp::new();
    let read = script(&app, &app.manager(), "read");
    assert_eq!(app.send("HEAD /tasks", read.clone(), "").status, 200);
    let refused = app.send("POST /tasks", read, r#"{"title":"t"}"#);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "insufficient_scope")
    );
    assert_eq!(
        refused.header("WWW-Authenticate"),
        Some(r#"Bearer error="insufficient_scope""#)
    );
    assert_eq!(app.count("task"), 0);
}

#[test]
fn a_full_token_acts_as_its_owner_with_the_rights_of_that_moment() {
    let app = TestApp::new();
    let (admin, manager) = (app.admin(), app.manager());
    let full = script(&app, &manager, "full");
    let task = app.create_task(&full, json!({ "title": "by a script" }));
    assert_eq!(app.get("/me", &full).json()["id"], manager.id);
    let demote = format!("PATCH /users/{}", manager.id);
    let response = app.send(&demote, admin, r#"{"role":"employee"}"#);
    assert_eq!(response.status, 200);
    let refused = app.send("POST /tasks", full.clone(), r#"{"title":"t"}"#);
    assert_eq!(refused.code(), "insufficient_role");
    assert_eq!(app.get(&format!("/tasks/{task}"), &full).status, 404);
}

// ---- creating -------------------------------------------------------------------------------------

#[test]
fn a_token_is_shown_once_and_listed_without_its_secret() {
    let app = TestApp::new();
    let anna = app.employee();
    let mut new = body("read");
    new["expires_in"] = 3600.into();
    let created = create(&app, &anna, &new);
    let json = created.json();
    let token = json["token"].as_str().unwrap();
    let secret = token.strip_prefix("tapi_").unwrap();
    let is_base64url = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    assert!(
        secret.len() == 43 && secret.chars().all(is_base64url),
        "{token}"
    );
    assert_eq!(json["name"], "a script");
    assert_eq!(json["scope"], "read");
    let starts_with = |name: &str, start| json[name].as_str().unwrap().starts_with(start);
    assert!(starts_with("created_at", "2026-11-23T12:00:00"), "{json}");
    assert!(starts_with("expires_at", "2026-11-23T13:00:00"), "{json}");
    assert_eq!(json["last_used_at"], Value::Null);

    let mut listed = json.clone();
    listed.as_object_mut().unwrap().remove("token");
    assert_eq!(tokens(&app, &anna), [listed]);
    let stored = app.stored_bytes();
    let found = stored.windows(43).any(|bytes| bytes == secret.as_bytes());
    assert!(!found);
}

#[test]
fn every_token_is_different_and_its_id_is_never_reused() {
    let app = TestApp::new();
    let anna = app.employee();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let json = create(&app, &anna, &body("full")).json();
        let id = json["id"].as_i64().unwrap();
        let response = app.send(&format!("DELETE /me/tokens/{id}"), anna.clone(), "");
        assert_eq!(response.status, 204);
        seen.push((id, json["token"].as_str().unwrap().to_owned()));
    }
    assert_eq!(
        seen.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert!(seen[0].1 != seen[1].1 && seen[1].1 != seen[2].1);
}

#[test]
fn an_invalid_body_is_422_with_each_field_and_creates_nothing() {
    let app = TestApp::new();
    let anna = app.employee();
    for (field, value) in [
        ("name", Value::Null),
        ("name", 7.into()),
        ("name", "".into()),
        ("name", " \u{2800}".into()),
        ("name", "two\nlines".into()),
        ("name", "a".repeat(81).into()),
        ("scope", Value::Null),
        ("scope", "write".into()),
        ("scope", "READ".into()),
        ("scope", json!(["read"])),
        ("expires_in", 0.into()),
        ("expires_in", (-1).into()),
        ("expires_in", 59.into()),
        ("expires_in", (10 * 366 * 86_400 + 1).into()),
        ("expires_in", json!(3600.5)),
        ("expires_in", "3600".into()),
        ("expires_in", true.into()),
        ("expires_in", json!(1e300)),
        ("current_password", Value::Null),
        ("current_password", 7.into()),
        ("role", "admin".into()),
        ("expires_at", "2027-01-01T00:00:00Z".into()),
    ] {
        let mut invalid = body("read");
        invalid[field] = value.clone();
        let response = create(&app, &anna, &invalid);
        assert_eq!(response.invalid_fields(), [field], "{value}");
    }
    let nothing = create(&app, &anna, &json!({}));
    let fields = ["current_password", "name", "scope"];
    assert_eq!(nothing.invalid_fields(), fields);
    let repeated = r#"{"name":"a","name":"b","scope":"read","current_password":"x"}"#;
    let response = app.send("POST /me/tokens", anna.clone(), repeated);
    assert_eq!(response.status, 400, "{response:?}");
    assert_eq!(app.count("api_token"), 0);
}

#[test]
fn the_longest_name_and_both_bounds_of_the_lifetime_are_accepted() {
    let app = TestApp::new();
    let anna = app.employee();
    for (field, value) in [
        ("name", Value::from("a".repeat(80))),
        ("expires_in", 60.into()),
        ("expires_in", (10 * 366 * 86_400).into()),
        ("expires_in", Value::Null),
        ("expires_in", json!(3600.0)),
    ] {
        let mut new = body("read");
        new[field] = value.clone();
        assert_eq!(create(&app, &anna, &new).status, 201, "{value}");
    }
}

#[test]
fn a_wrong_current_password_is_403_and_is_counted_like_a_sign_in() {
    let app = TestApp::with(|config| config.rate_limiting.rate_limits = Switch::On);
    let anna = app.employee();
    let mut wrong = body("full");
    wrong["current_password"] = "a wrong one".into();
    let statuses: Vec<_> = (0..12)
        .map(|_| create(&app, &anna, &wrong).status)
        .collect();
    assert_eq!(statuses[..10], [403; 10]);
    assert_eq!(statuses[10..], [429; 2]);
    assert_eq!(app.count("api_token"), 0);
    let sql = "SELECT count(*) FROM audit WHERE action = 'sign_in_refused' AND actor = 'employee'";
    let refused: i64 = app.sql().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(refused, 10);
}

#[test]
fn an_account_has_at_most_20_tokens_and_expired_ones_do_not_count() {
    let app = TestApp::new();
    let (anna, other) = (app.employee(), app.manager());
    let mut short = body("read");
    short["expires_in"] = 60.into();
    let statuses = concurrently(24, |_| create(&app, &anna, &short).status);
    let created = statuses.iter().filter(|status| **status == 201).count();
    assert_eq!((created, app.count("api_token")), (20, 20));
    let refused = create(&app, &anna, &body("read"));
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "too_many_tokens")
    );
    assert_eq!(create(&app, &other, &body("read")).status, 201);
    app.advance(61);
    assert_eq!(tokens(&app, &anna).len(), 0);
    assert_eq!(create(&app, &anna, &body("read")).status, 201);
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("api_token"), 2);
}

// ---- authentication -------------------------------------------------------------------------------

#[test]
fn a_token_that_is_cut_upper_cased_changed_or_unknown_is_401() {
    let app = TestApp::new();
    let token = script(&app, &app.employee(), "full").token;
    let incomplete = "Token is incomplete, or has been revoked";
    let unknown = format!("tapi_{}", "A".repeat(43));
    for (sent, msg) in [
        (&token[..47], incomplete),
        (&token[..5], incomplete),
        (&format!("{token}A"), incomplete),
        (&format!("tapi_{}", token[5..].to_uppercase()), incomplete),
        (unknown.as_str(), incomplete),
        (&token.to_uppercase(), "Not enough segments"),
        (&token[5..], "Not enough segments"),
    ] {
        let response = app.send_token("GET /hello", sent);
        response.assert_token_refused(msg, sent);
        assert!(!response.text().contains(&token[5..20]), "{response:?}");
    }
    assert_eq!(app.send_token("GET /hello", &token).status, 200);
}

#[test]
fn a_token_expires_at_its_time() {
    let app = TestApp::new();
    let anna = app.employee();
    let mut new = body("read");
    new["expires_in"] = 60.into();
    let script = with_token(&anna, &create(&app, &anna, &new));
    app.advance(59);
    assert!(is_accepted(&app, &script));
    app.advance(1);
    let refused = app.get("/hello", &script);
    refused.assert_token_refused("Token has expired", "after a minute");
}

#[test]
fn a_token_of_a_deleted_account_is_401_also_if_the_flask_app_deleted_it_and_its_id_is_reused() {
    let app = TestApp::new();
    let (admin, anna) = (app.admin(), app.employee());
    let full = script(&app, &anna, "full");
    let response = app.send(&format!("DELETE /users/{}", anna.id), admin, "");
    assert_eq!(response.status, 204);
    assert!(!is_accepted(&app, &full));
    assert_eq!(app.count("api_token"), 0);

    let ben = app.account("ben", Role::Manager, true);
    let full = script(&app, &ben, "full");
    let db = app.sql();
    db.without_foreign_keys();
    db.execute_batch(&format!(
            r#"DELETE FROM "user" WHERE id = {id};
               INSERT INTO "user" (id, username, email, password_hash, role, is_approved, created_at)
               VALUES ({id}, 'eve', 'eve@example.com', 'x', 'admin', TRUE, '2026-11-24 00:00:00.000000')"#,
            id = ben.id
        ))
        .unwrap();
    assert!(!is_accepted(&app, &full));
    let mut eve = Account {
        username: "eve".to_owned(),
        ..ben
    };
    eve.token = app.token_of_new_session(&eve);
    assert_eq!(tokens(&app, &eve).len(), 0);
}

#[test]
fn the_last_use_is_written_by_maintenance_and_never_goes_back() {
    let app = TestApp::new();
    let anna = app.employee();
    let script = script(&app, &anna, "read");
    let last_used_at = || tokens(&app, &anna)[0]["last_used_at"].clone();
    assert!(is_accepted(&app, &script));
    assert_eq!(last_used_at(), Value::Null);
    maintenance::run(&app.app).unwrap();
    let first = last_used_at();
    assert!(
        first.as_str().unwrap().starts_with("2026-11-23T12:00:00"),
        "{first}"
    );
    app.advance(-3600);
    assert!(is_accepted(&app, &script));
    maintenance::run(&app.app).unwrap();
    assert_eq!(last_used_at(), first);
    app.advance(7200);
    assert!(is_accepted(&app, &script));
    maintenance::run(&app.app).unwrap();
    assert!(
        last_used_at()
            .as_str()
            .unwrap()
            .starts_with("2026-11-23T13:00:00")
    );
}

#[test]
fn each_token_has_a_rate_limit_of_its_own() {
    let app = TestApp::with(|config| {
        config.rate_limiting.rate_limits = Switch::On;
        config.rate_limiting.requests_per_minute = 60;
    });
    let anna = app.employee();
    let (first, second) = (script(&app, &anna, "read"), script(&app, &anna, "read"));
    let statuses: Vec<_> = (0..70).map(|_| app.get("/hello", &first).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 60);
    assert_eq!(statuses[60..], [429; 10]);
    assert_eq!(app.get("/hello", &second).status, 200);
    assert_eq!(app.get("/hello", &anna).status, 200);
    // The rate limit is checked before the scope.
    let over = app.send("POST /tasks", first, "[]");
    assert_eq!(over.status, 429);
}

// ---- revoking -------------------------------------------------------------------------------------

#[test]
fn an_owner_revokes_a_token_and_no_other_account_does() {
    let app = TestApp::new();
    let (anna, admin) = (app.employee(), app.admin());
    let (kept, revoked) = (script(&app, &anna, "read"), script(&app, &anna, "full"));
    assert_eq!(tokens(&app, &admin).len(), 0);
    let revoke = |account: &Account, id: &str| {
        app.send(&format!("DELETE /me/tokens/{id}"), account.clone(), "")
            .status
    };
    for (account, id) in [
        (&admin, "2"),
        (&anna, "3"),
        (&anna, "0"),
        (&anna, "02"),
        (&anna, "x"),
    ] {
        assert_eq!(revoke(account, id), 404, "{id}");
    }
    assert!(is_accepted(&app, &revoked));
    assert_eq!(revoke(&anna, "2"), 204);
    assert_eq!(revoke(&anna, "2"), 404);
    assert!(!is_accepted(&app, &revoked));
    assert!(is_accepted(&app, &kept));
    assert_eq!(tokens(&app, &anna).len(), 1);
}

#[test]
fn made_and_revoked_tokens_are_in_the_audit_log_with_id_name_and_scope() {
    let app = TestApp::new();
    let (admin, anna) = (app.admin(), app.employee());
    script(&app, &anna, "read");
    let response = app.send("DELETE /me/tokens/1", anna.clone(), "");
    assert_eq!(response.status, 204);
    let entries = app.get("/audit", &admin).items();
    let actions: Vec<_> = entries.iter().map(|entry| &entry["action"]).collect();
    assert_eq!(actions, ["token_revoked", "token_made"]);
    for entry in &entries {
        assert_eq!(entry["actor"], "employee");
        assert_eq!(entry["subject"], "employee");
        let detail = json!({ "id": 1, "name": "a script", "scope": "read" });
        assert_eq!(entry["detail"], detail);
    }
}

#[test]
fn a_token_is_not_created_by_a_request_whose_session_ends_during_the_password_check() {
    for line in ["DELETE /users/{id}/sessions", "PATCH /users/{id}"] {
        let app = TestApp::with(|config| config.passwords.password_iterations = 200_000);
        let (anna, admin) = (app.employee(), app.admin());
        let line = line.replace("{id}", &anna.id.to_string());
        std::thread::scope(|scope| {
            let creation = scope.spawn(|| create(&app, &anna, &body("full")).status);
            let change = if line.starts_with("PATCH") {
                r#"{"is_approved":false}"#
            } else {
                ""
            };
            assert!(app.send(&line, admin.clone(), change).status < 300);
            // 201 if the token was created before, and has ended since.
            assert!([201, 401].contains(&creation.join().unwrap()));
        });
        assert_eq!(app.count("api_token"), 0, "{line}");
    }
}

#[test]
fn a_new_password_revokes_every_token_of_the_account_and_a_new_email_none() {
    let app = TestApp::new();
    let (anna, other) = (app.employee(), app.manager());
    let (script_of_anna, script_of_other) =
        (script(&app, &anna, "full"), script(&app, &other, "full"));
    let email = json!({ "email": "new@example.com", "current_password": PASSWORD });
    assert_eq!(app.patch_me(&anna, email).status, 200);
    assert!(is_accepted(&app, &script_of_anna));
    let password = json!({ "password": "another good phrase", "current_password": PASSWORD });
    assert_eq!(app.patch_me(&anna, password).status, 200);
    assert!(!is_accepted(&app, &script_of_anna));
    assert!(is_accepted(&app, &script_of_other));
}

#[test]
fn the_owner_signs_out_everywhere_and_keeps_the_tokens() {
    let app = TestApp::new();
    let anna = app.employee();
    let script = script(&app, &anna, "read");
    let response = app.send("POST /me/sessions/revoke-all", anna, "");
    assert_eq!(response.status, 204);
    assert!(is_accepted(&app, &script));
}
