//! Invitations: who makes them, what a sign-up with one gets, when one is valid, and `SIGNUPS=closed`.

use serde_json::{Value, json};
use task_api::app::maintenance;
use task_api::config::accounts::SignUps;
use task_api::model::{Action, Actor, LinkToken, Role};
use task_api::store::invitations;

use crate::support::{Account, PASSWORD, TestApp, TestResponse, concurrently};

const DAY: i64 = 24 * 60 * 60;

/// Makes an invitation as this account.
#[track_caller]
fn invite(app: &TestApp, admin: &Account, body: Value) -> Value {
    let made = app.send("POST /invitations", admin.clone(), &body.to_string());
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

fn token(invitation: &Value) -> String {
    invitation["token"].as_str().unwrap().to_owned()
}

/// Signs up as `name` with an invitation.
fn sign_up_with(app: &TestApp, name: &str, token: &str) -> TestResponse {
    app.send("POST /signup", None, &sign_up_body(name, token).to_string())
}

fn sign_up_body(name: &str, token: &str) -> Value {
    json!({
        "username": name, "email": format!("{name}@example.com"), "password": PASSWORD,
        "invitation": token,
    })
}

#[track_caller]
fn assert_gone(response: &TestResponse) {
    let found = (response.status, response.code());
    assert_eq!(
        found,
        (410, "link_used_or_expired".to_owned()),
        "{response:?}"
    );
}

/// The entries of the audit log with this action, newest first.
fn audit_entries(app: &TestApp, admin: &Account, action: &str) -> Vec<Value> {
    app.get(&format!("/audit?action={action}"), admin).items()
}

#[test]
fn a_sign_up_with_an_invitation_is_an_approved_account_of_its_role() {
    for role in ["employee", "manager", "admin"] {
        let app = TestApp::new();
        let admin = app.admin();
        let made = invite(&app, &admin, json!({ "role": role }));
        let account = sign_up_with(&app, "ada", &token(&made));
        assert_eq!(account.status, 201, "{account:?}");
        let account = account.json();
        assert_eq!(account["role"], role);
        assert_eq!(account["is_approved"], true);
        let ada = app.log_in("ada@example.com", PASSWORD).account();
        assert_eq!(app.get("/tasks", &ada).status, 200);

        let entries = audit_entries(&app, &admin, "sign_up");
        let detail = json!({ "invitation": made["id"], "role": role, "email": null });
        assert_eq!(entries[0]["detail"], detail);
        assert_eq!(entries[0]["subject"], "ada");
        let entries = audit_entries(&app, &admin, "invitation_made");
        assert_eq!(entries[0]["detail"], detail);
        assert_eq!(entries[0]["actor"], "admin");
    }
}

#[test]
fn the_response_shows_the_token_once_and_the_list_has_the_rest() {
    let app = TestApp::new();
    let admin = app.admin();
    let made = invite(
        &app,
        &admin,
        json!({ "role": "manager", "email": "Ada@Example.com" }),
    );
    assert_eq!(token(&made).len(), 43);
    let mut listed = made.clone();
    listed.as_object_mut().unwrap().remove("token");
    assert_eq!(listed["email"], "ada@example.com");
    assert_eq!(listed["made_by"], admin.id);
    assert_eq!(app.get("/invitations", &admin).items(), [listed]);

    let stored: String = app
        .sql()
        .query_row("SELECT digest FROM invitation", [], |row| row.get(0))
        .unwrap();
    let digest = token(&made).parse::<LinkToken>().unwrap().digest();
    assert_eq!(stored, digest);
    let audit_log = app.get("/audit", &admin);
    assert!(!audit_log.text().contains(&token(&made)));
    assert!(!audit_log.text().contains(&digest));
}

#[test]
fn an_invitation_is_used_once_also_by_fifty_at_the_same_time() {
    let app = TestApp::new();
    let admin = app.admin();
    let token = token(&invite(&app, &admin, json!({ "role": "manager" })));
    let responses = concurrently(50, |n| sign_up_with(&app, &format!("user{n}"), &token));
    let created = responses.iter().filter(|response| response.status == 201);
    assert_eq!(created.count(), 1);
    for response in responses.iter().filter(|response| response.status != 201) {
        assert_gone(response);
    }
    assert_eq!(app.count("user"), 2);
    assert_eq!(app.count("invitation"), 0);
    assert_gone(&sign_up_with(&app, "late", &token));
}

#[test]
fn a_name_or_address_that_is_taken_does_not_use_the_invitation_up() {
    let app = TestApp::new();
    let admin = app.admin();
    let token = token(&invite(&app, &admin, json!({ "role": "manager" })));
    let taken = sign_up_with(&app, "admin", &token);
    assert_eq!(
        (taken.status, taken.code().as_str()),
        (409, "account_exists")
    );
    assert_eq!(sign_up_with(&app, "ada", &token).status, 201);
}

#[test]
fn a_retry_of_a_sign_up_with_an_invitation_gets_the_first_response() {
    let app = TestApp::new();
    let admin = app.admin();
    let token = token(&invite(&app, &admin, json!({ "role": "manager" })));
    let send = |name: &str, key: &str| {
        let body = sign_up_body(name, &token).to_string();
        app.send_with("POST /signup", None, &[("Idempotency-Key", key)], &body)
    };
    let responses = concurrently(8, |_| send("ada", "k1"));
    for response in &responses {
        assert_eq!(response.status, 201, "{response:?}");
        assert_eq!(response.body, responses[0].body);
    }
    assert_eq!(
        send("ada", "k1").header("Idempotency-Replayed"),
        Some("true")
    );
    assert_gone(&send("ada", "k2"));
    let reused = send("eve", "k1");
    assert_eq!(reused.code(), "idempotency_key_reused");
    assert_eq!(app.count("user"), 2);
}

#[test]
fn only_the_address_of_an_invitation_may_use_it_in_any_spelling() {
    let app = TestApp::new();
    let admin = app.admin();
    let invitation = json!({ "role": "manager", "email": "ada@example.com" });
    let token = token(&invite(&app, &admin, invitation));
    let before = app.rows();
    let refused = sign_up_with(&app, "eve", &token);
    assert_eq!(refused.invalid_fields(), ["email"]);
    assert!(!refused.text().contains("ada"), "{refused:?}");
    assert_eq!(app.rows(), before);

    let mut body = sign_up_body("ada", &token);
    body["email"] = "ADA@example.com".into();
    assert_eq!(
        app.send("POST /signup", None, &body.to_string()).status,
        201
    );

    let invitation = json!({ "role": "manager", "email": "zoe@bücher.example" });
    let mut body = sign_up_body(
        "zoe",
        invite(&app, &admin, invitation)["token"].as_str().unwrap(),
    );
    body["email"] = "Zoe@xn--bcher-kva.example".into();
    assert_eq!(
        app.send("POST /signup", None, &body.to_string()).status,
        201
    );
}

/// What ends an invitation before it is used.
#[test]
fn an_invitation_that_is_no_longer_valid_is_410_and_not_in_the_list() {
    type End = fn(&TestApp, &Value, &Account, &Account);
    let sql = |app: &TestApp, sql: &str, id: i64| app.sql().execute(sql, [id]).unwrap();
    let ends: &[(&str, End)] = &[
        ("withdrawn", |app, made, _, other| {
            let line = format!("DELETE /invitations/{}", made["id"]);
            assert_eq!(app.send(&line, other.clone(), "").status, 204);
            assert_eq!(app.send(&line, other.clone(), "").status, 404);
        }),
        ("expired", |app, _, _, _| app.advance(DAY)),
        ("maker is demoted", |app, _, maker, other| {
            let line = format!("PATCH /users/{}", maker.id);
            assert_eq!(
                app.send(&line, other.clone(), r#"{"role":"manager"}"#)
                    .status,
                200
            );
        }),
        ("maker is not approved", |app, _, maker, other| {
            let line = format!("PATCH /users/{}", maker.id);
            assert_eq!(
                app.send(&line, other.clone(), r#"{"is_approved":false}"#)
                    .status,
                200
            );
        }),
        ("maker is deleted", |app, _, maker, other| {
            let line = format!("DELETE /users/{}", maker.id);
            assert_eq!(app.send(&line, other.clone(), "").status, 204);
        }),
    ];
    for (case, end) in ends {
        let app = TestApp::new();
        let (maker, other) = (app.admin(), app.account("other", Role::Admin, true));
        let made = invite(&app, &maker, json!({ "role": "admin" }));
        end(&app, &made, &maker, &other);
        let before = app.rows();
        let refused = sign_up_with(&app, "ada", &token(&made));
        assert_eq!(refused.status, 410, "{case}");
        assert_eq!(app.rows(), before, "{case}");
        let fresh = Account {
            token: app.token_of_new_session(&other),
            ..other.clone()
        };
        assert_eq!(
            app.get("/invitations", &fresh).items(),
            [] as [Value; 0],
            "{case}"
        );
    }
    // The Flask app deletes an account without its invitations, and gives its id to another one.
    let app = TestApp::new();
    let (maker, _other) = (app.admin(), app.account("other", Role::Admin, true));
    let made = invite(&app, &maker, json!({ "role": "admin" }));
    let reused = r#"UPDATE "user" SET username = 'eve', created_at = '2026-11-24 00:00:00.000000' WHERE id = ?1"#;
    sql(&app, reused, maker.id);
    assert_gone(&sign_up_with(&app, "ada", &token(&made)));
}

#[test]
fn a_withdrawal_is_in_the_audit_log() {
    let app = TestApp::new();
    let admin = app.admin();
    let made = invite(&app, &admin, json!({ "role": "manager" }));
    let line = format!("DELETE /invitations/{}", made["id"]);
    assert_eq!(app.send(&line, admin.clone(), "").status, 204);
    let entries = audit_entries(&app, &admin, "invitation_withdrawn");
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["actor"], "admin");
    assert_eq!(entries[0]["detail"]["invitation"], made["id"]);
    // The id is never given out again: it would be another invitation in the audit log.
    let next = invite(&app, &admin, json!({ "role": "manager" }));
    assert_ne!(next["id"], made["id"]);
}

#[test]
fn an_invitation_of_the_operator_needs_no_admin_and_one_for_the_first_admin_ends_with_the_first() {
    let app = TestApp::new();
    let now = app.app.now();
    let tokens = [true, true, false].map(|first_only| {
        let token = LinkToken::random().unwrap();
        let row = invitations::NewRow {
            digest: &token.digest(),
            role: Role::Admin,
            email: None,
            first_only,
            expires_at: now.plus_seconds(60),
        };
        let store = &app.app.store;
        let made = store.write(|db| invitations::insert(db, &row, &Actor::server(now)));
        made.unwrap();
        token.as_str().to_owned()
    });
    assert_eq!(sign_up_with(&app, "first", &tokens[0]).status, 201);
    assert_gone(&sign_up_with(&app, "second", &tokens[1]));
    assert_eq!(sign_up_with(&app, "third", &tokens[2]).status, 201);
}

#[test]
fn two_first_admins_at_the_same_time_become_one() {
    let app = TestApp::new();
    let now = app.app.now();
    let tokens: Vec<_> = (0..8)
        .map(|_| {
            let token = LinkToken::random().unwrap();
            let row = invitations::NewRow {
                digest: &token.digest(),
                role: Role::Admin,
                email: None,
                first_only: true,
                expires_at: now.plus_seconds(60),
            };
            app.app
                .store
                .write(|db| invitations::insert(db, &row, &Actor::server(now)))
                .unwrap();
            token
        })
        .collect();
    let responses = concurrently(8, |n| {
        sign_up_with(&app, &format!("user{n}"), tokens[n].as_str())
    });
    let created = responses.iter().filter(|response| response.status == 201);
    assert_eq!(created.count(), 1);
    assert_eq!(app.count("user"), 1);
}

#[test]
fn at_most_200_invitations_are_open() {
    let app = TestApp::new();
    let admin = app.admin();
    let first = invite(&app, &admin, json!({ "role": "employee" }));
    for _ in 1..200 {
        invite(&app, &admin, json!({ "role": "employee" }));
    }
    let body = r#"{"role":"employee"}"#;
    let refused = app.send("POST /invitations", admin.clone(), body);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (409, "too_many_invitations")
    );
    assert_eq!(app.count("invitation"), 200);
    let line = format!("DELETE /invitations/{}", first["id"]);
    assert_eq!(app.send(&line, admin.clone(), "").status, 204);
    invite(&app, &admin, json!({ "role": "employee" }));
}

#[test]
fn maintenance_deletes_expired_invitations_and_no_others() {
    let app = TestApp::new();
    let admin = app.admin();
    invite(&app, &admin, json!({ "role": "employee" }));
    app.advance(60);
    let kept = invite(&app, &admin, json!({ "role": "employee" }));
    app.advance(DAY - 30);
    maintenance::run(&app.app).unwrap();
    let id: i64 = app
        .sql()
        .query_row("SELECT id FROM invitation", [], |row| row.get(0))
        .unwrap();
    assert_eq!(json!(id), kept["id"]);
}

#[test]
fn an_invalid_request_for_an_invitation_is_422_and_makes_none() {
    let app = TestApp::new();
    let admin = app.admin();
    for (body, fields) in [
        (json!({}), &["role"][..]),
        (json!({ "role": null }), &["role"]),
        (json!({ "role": 1 }), &["role"]),
        (json!({ "role": ["admin"] }), &["role"]),
        (json!({ "role": "" }), &["role"]),
        (json!({ "role": "Admin" }), &["role"]),
        (json!({ "role": "owner" }), &["role"]),
        (json!({ "role": "x".repeat(10_000) }), &["role"]),
        (json!({ "role": "admin", "email": null }), &["email"]),
        (json!({ "role": "admin", "email": 7 }), &["email"]),
        (json!({ "role": "admin", "email": "ada" }), &["email"]),
        (
            json!({ "role": "admin", "email": format!("{}@example.com", "a".repeat(120)) }),
            &["email"],
        ),
        (
            json!({ "role": "admin", "expires_at": "2030-01-01T00:00:00Z" }),
            &["expires_at"],
        ),
        (
            json!({ "role": "admin", "made_by": 1, "token": "x" }),
            &["made_by", "token"],
        ),
    ] {
        let refused = app.send("POST /invitations", admin.clone(), &body.to_string());
        assert_eq!(refused.invalid_fields(), fields, "{body}");
    }
    let twice = r#"{"role":"employee","role":"admin"}"#;
    let refused = app.send("POST /invitations", admin.clone(), twice);
    assert_eq!(refused.code(), "malformed_json");
    assert_eq!(app.count("invitation"), 0);
    assert_eq!(audit_entries(&app, &admin, "invitation_made").len(), 0);
    for id in ["0", "x", "-1", "9223372036854775808"] {
        let line = format!("DELETE /invitations/{id}");
        assert_eq!(app.send(&line, admin.clone(), "").status, 404, "{id}");
    }
}

#[test]
fn a_sign_up_with_an_invalid_invitation_creates_nothing() {
    let app = TestApp::new();
    let admin = app.admin();
    let token = token(&invite(&app, &admin, json!({ "role": "admin" })));
    let line = format!("POST /users/{}/password-reset", admin.id);
    let reset = app.send(&line, admin.clone(), "").json();
    let before = app.rows();
    for invitation in [
        json!(null),
        json!(1),
        json!([token]),
        json!({ "token": token }),
    ] {
        let mut body = sign_up_body("ada", "");
        body["invitation"] = invitation.clone();
        let refused = app.send("POST /signup", None, &body.to_string());
        assert_eq!(refused.invalid_fields(), ["invitation"], "{invitation}");
    }
    for text in [
        "",
        &token[1..],
        &token[..42],
        &token.to_uppercase(),
        &format!("{token}="),
        &format!(" {token}"),
        &"x".repeat(100_000),
        reset["token"].as_str().unwrap(),
        &admin.token,
    ] {
        assert_gone(&sign_up_with(&app, "ada", text));
    }
    let twice = format!(
        r#"{{"username":"ada","email":"ada@example.com","password":"{PASSWORD}","invitation":"x","invitation":"{token}"}}"#
    );
    assert_eq!(
        app.send("POST /signup", None, &twice).code(),
        "malformed_json"
    );
    assert_eq!(app.rows(), before);
    assert_eq!(sign_up_with(&app, "ada", &token).status, 201);
}

#[test]
fn a_sign_up_cannot_name_its_role_beside_an_invitation() {
    let app = TestApp::new();
    let admin = app.admin();
    let token = token(&invite(&app, &admin, json!({ "role": "employee" })));
    let mut body = sign_up_body("ada", &token);
    body["role"] = "admin".into();
    let refused = app.send("POST /signup", None, &body.to_string());
    assert_eq!(refused.invalid_fields(), ["role"]);
    assert_eq!(app.count("user"), 1);
}

#[test]
fn an_unusable_invitation_is_refused_before_the_password_is_hashed() {
    let app = TestApp::with(|config| {
        // A hash with so many iterations would take many seconds.
        config.passwords.password_iterations = 500_000_000;
        config.accounts.signups = SignUps::Closed;
    });
    assert_gone(&sign_up_with(&app, "ada", "unknown"));
    let refused = app.sign_up("ada", "ada@example.com", PASSWORD);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "sign_ups_closed")
    );
}

#[test]
fn closed_sign_ups_need_an_invitation() {
    let app = TestApp::with(|config| config.accounts.signups = SignUps::Closed);
    let admin = app.admin();
    let before = app.rows();
    let refused = app.sign_up("ada", "ada@example.com", PASSWORD);
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "sign_ups_closed")
    );
    assert_eq!(app.rows(), before);
    let token = token(&invite(&app, &admin, json!({ "role": "employee" })));
    assert_eq!(sign_up_with(&app, "ada", &token).status, 201);
}

#[cfg(feature = "board")]
#[test]
fn the_page_of_the_board_says_whether_sign_ups_are_open() {
    let page = |signups| {
        let app = TestApp::with(|config| config.accounts.signups = signups);
        let page = app.send("GET /", None, "");
        let etag = page.header("ETag").unwrap().to_owned();
        let cached = app.send_with("GET /", None, &[("If-None-Match", &etag)], "");
        assert_eq!(cached.status, 304);
        (page.text().to_owned(), etag)
    };
    let ((open, open_etag), (closed, closed_etag)) = (page(SignUps::Open), page(SignUps::Closed));
    assert!(
        open.contains(r#"<html lang="en" data-signups="open">"#),
        "{open}"
    );
    assert!(
        closed.contains(r#"<html lang="en" data-signups="closed">"#),
        "{closed}"
    );
    assert_ne!(open_etag, closed_etag);
}

#[test]
fn the_token_of_a_link_is_not_in_its_debug_form() {
    let token = LinkToken::random().unwrap();
    assert!(!format!("{token:?}").contains(token.as_str()));
    assert_eq!(Action::InvitationMade.as_str(), "invitation_made");
}
