//! Password resets by one-time links: who makes them, what a use ends, and when one is valid.

use serde_json::{Value, json};
use task_api::app::maintenance;
use task_api::config::accounts::AcceptFlaskTokens;
use task_api::model::Role;

use crate::support::jwt;
use crate::support::{Account, PASSWORD, SIGNING_KEY, TestApp, TestResponse, concurrently};

const DAY: i64 = 24 * 60 * 60;
const NEW: &str = "battery staple horse";

#[track_caller]
fn make_link(app: &TestApp, admin: &Account, user: &Account) -> Value {
    let line = format!("POST /users/{}/password-reset", user.id);
    let made = app.send(&line, admin.clone(), "");
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

fn token(link: &Value) -> String {
    link["token"].as_str().unwrap().to_owned()
}

fn reset(app: &TestApp, token: &str, password: &str) -> TestResponse {
    let body = json!({ "token": token, "password": password });
    app.send("POST /password-reset", None, &body.to_string())
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

#[test]
fn a_link_sets_a_new_password_and_ends_everything_of_the_old_one() {
    let app = TestApp::with(|config| {
        config.accounts.accept_flask_tokens = AcceptFlaskTokens::On;
    });
    let (admin, ada) = (app.admin(), app.account("ada", Role::Manager, true));
    let refresh_token = app.log_in(&ada.email, PASSWORD).json()["refresh_token"].clone();
    let flask_token = jwt::signed(SIGNING_KEY, &jwt::flask_claims("ada", app.now()));
    app.sql()
        .execute(
            "INSERT INTO api_token (id, user_id, name, scope, digest, created_at)
             VALUES (1, ?1, 'ci', 'full', 'd1', '2026-11-23 12:00:00.000000'),
                    (2, ?2, 'ci', 'full', 'd2', '2026-11-23 12:00:00.000000')",
            [ada.id, admin.id],
        )
        .unwrap();
    assert_eq!(app.send_token("GET /me", &flask_token).status, 200);
    app.advance(1);
    let link = make_link(&app, &admin, &ada);
    assert_eq!(
        (&link["user_id"], &link["username"]),
        (&json!(ada.id), &json!("ada"))
    );
    assert_eq!(token(&link).len(), 43);
    assert_eq!(
        app.get("/me", &ada).status,
        200,
        "a link alone ends nothing"
    );

    let done = reset(&app, &token(&link), NEW);
    assert_eq!((done.status, done.body.len()), (204, 0), "{done:?}");
    assert_eq!(app.log_in(&ada.email, PASSWORD).status, 401);
    assert_eq!(app.log_in(&ada.email, NEW).status, 200);
    assert_eq!(app.get("/me", &ada).status, 401);
    assert_eq!(app.send_token("GET /me", &flask_token).status, 401);
    let refresh_token = refresh_token.as_str().unwrap();
    assert_eq!(app.send_token("POST /refresh", refresh_token).status, 401);
    let rest: Vec<i64> = app
        .sql()
        .query("SELECT user_id FROM api_token", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rest, [admin.id]);
    assert_eq!(
        app.get("/me", &admin).status,
        200,
        "no other account is concerned"
    );
    assert_gone(&reset(&app, &token(&link), "another new password"));
}

#[test]
fn making_and_using_a_link_are_in_the_audit_log_without_its_token() {
    let app = TestApp::new();
    let (admin, ada) = (app.admin(), app.account("ada", Role::Manager, true));
    let link = make_link(&app, &admin, &ada);
    assert_eq!(reset(&app, &token(&link), NEW).status, 204);
    let audit_log = app.get("/audit", &admin);
    let entries = audit_log.items();
    let shown = |entry: &Value| {
        [&entry["action"], &entry["actor"], &entry["subject"]].map(|text| text.clone())
    };
    assert_eq!(
        shown(&entries[0]),
        [json!("password_reset"), json!(null), json!("ada")]
    );
    assert_eq!(
        shown(&entries[1]),
        [json!("reset_link_made"), json!("admin"), json!("ada")]
    );
    assert!(!audit_log.text().contains(&token(&link)));
}

#[test]
fn fifty_uses_at_the_same_time_set_one_password() {
    let app = TestApp::new();
    let (admin, ada) = (app.admin(), app.account("ada", Role::Manager, true));
    let token = token(&make_link(&app, &admin, &ada));
    let password = |n: usize| format!("the new password {n}");
    let responses = concurrently(50, |n| reset(&app, &token, &password(n)));
    let winners: Vec<_> = (0..50).filter(|n| responses[*n].status == 204).collect();
    assert_eq!(winners.len(), 1);
    for response in responses.iter().filter(|response| response.status != 204) {
        assert_gone(response);
    }
    assert_eq!(app.log_in(&ada.email, &password(winners[0])).status, 200);
}

#[test]
fn a_new_link_replaces_the_old_one() {
    let app = TestApp::new();
    let (admin, ada) = (app.admin(), app.account("ada", Role::Manager, true));
    let [old, new] = [(); 2].map(|()| token(&make_link(&app, &admin, &ada)));
    assert_gone(&reset(&app, &old, NEW));
    assert_eq!(app.log_in(&ada.email, PASSWORD).status, 200);
    assert_eq!(reset(&app, &new, NEW).status, 204);
}

#[test]
fn a_link_that_is_no_longer_valid_is_410_and_changes_nothing() {
    type End = fn(&TestApp, &Account, &Account, &Account);
    let ends: &[(&str, End)] = &[
        ("expired", |app, _, _, _| app.advance(DAY)),
        ("maker is demoted", |app, maker, other, _| {
            let line = format!("PATCH /users/{}", maker.id);
            assert_eq!(
                app.send(&line, other.clone(), r#"{"role":"manager"}"#)
                    .status,
                200
            );
        }),
        ("maker is deleted", |app, maker, other, _| {
            let line = format!("DELETE /users/{}", maker.id);
            assert_eq!(app.send(&line, other.clone(), "").status, 204);
        }),
        ("account is deleted", |app, _, other, user| {
            let line = format!("DELETE /users/{}", user.id);
            assert_eq!(app.send(&line, other.clone(), "").status, 204);
        }),
        (
            "the Flask app has reused the id of the account",
            |app, _, _, user| {
                let sql =
                    r#"UPDATE "user" SET created_at = '2026-11-24 00:00:00.000000' WHERE id = ?1"#;
                app.sql().execute(sql, [user.id]).unwrap();
            },
        ),
        (
            "the Flask app has reused the id of the maker",
            |app, maker, _, _| {
                let sql =
                    r#"UPDATE "user" SET created_at = '2026-11-24 00:00:00.000000' WHERE id = ?1"#;
                app.sql().execute(sql, [maker.id]).unwrap();
            },
        ),
    ];
    for (case, end) in ends {
        let app = TestApp::new();
        let (maker, other) = (app.admin(), app.account("other", Role::Admin, true));
        let ada = app.account("ada", Role::Manager, true);
        let token = token(&make_link(&app, &maker, &ada));
        end(&app, &maker, &other, &ada);
        let before = app.rows();
        assert_eq!(reset(&app, &token, NEW).status, 410, "{case}");
        assert_eq!(app.rows(), before, "{case}");
    }
}

#[test]
fn an_account_that_awaits_approval_gets_a_password_and_goes_on_waiting() {
    let app = TestApp::new();
    let admin = app.admin();
    assert_eq!(app.sign_up("ada", "ada@example.com", PASSWORD).status, 201);
    let ada = app.log_in("ada@example.com", PASSWORD).account();
    let token = token(&make_link(&app, &admin, &ada));
    assert_eq!(reset(&app, &token, NEW).status, 204);
    let ada = app.log_in("ada@example.com", NEW).account();
    assert_eq!(app.get("/tasks", &ada).code(), "awaiting_approval");
}

#[test]
fn a_password_that_breaks_the_policy_is_422_and_does_not_use_the_link_up() {
    let app = TestApp::new();
    let (admin, ada) = (app.admin(), app.account("adalovelace", Role::Manager, true));
    let token = token(&make_link(&app, &admin, &ada));
    for password in [
        "short",
        "password1",
        "AdaLovelace",
        "adalovelace@example.com",
        &"x".repeat(129),
    ] {
        let refused = reset(&app, &token, password);
        assert_eq!(refused.invalid_fields(), ["password"], "{password}");
        assert!(!refused.text().contains(password), "{refused:?}");
    }
    assert_eq!(reset(&app, &token, NEW).status, 204);
}

#[test]
fn an_invalid_body_is_refused_and_changes_nothing() {
    let app = TestApp::new();
    let (admin, ada) = (app.admin(), app.account("ada", Role::Manager, true));
    let token = token(&make_link(&app, &admin, &ada));
    let invitation = app.send("POST /invitations", admin.clone(), r#"{"role":"admin"}"#);
    let invitation = invitation.json();
    let before = app.rows();
    for (body, fields) in [
        (json!({}), &["password", "token"][..]),
        (json!({ "token": token }), &["password"]),
        (json!({ "password": NEW }), &["token"]),
        (json!({ "token": null, "password": NEW }), &["token"]),
        (json!({ "token": 1, "password": NEW }), &["token"]),
        (json!({ "token": [token], "password": NEW }), &["token"]),
        (json!({ "token": token, "password": null }), &["password"]),
        (
            json!({ "token": token, "password": 12_345_678 }),
            &["password"],
        ),
        (
            json!({ "token": token, "password": NEW, "user_id": 1 }),
            &["user_id"],
        ),
    ] {
        let refused = app.send("POST /password-reset", None, &body.to_string());
        assert_eq!(refused.invalid_fields(), fields, "{body}");
    }
    let twice = format!(r#"{{"token":"x","token":"{token}","password":"{NEW}"}}"#);
    let refused = app.send("POST /password-reset", None, &twice);
    assert_eq!(refused.code(), "malformed_json");
    for text in [
        "",
        &token[1..],
        &token[..42],
        &token.to_uppercase(),
        &format!("{token}="),
        &format!(" {token}"),
        &"x".repeat(100_000),
        invitation["token"].as_str().unwrap(),
        &admin.token,
    ] {
        assert_gone(&reset(&app, text, NEW));
    }
    assert_eq!(app.rows(), before);
    assert_eq!(reset(&app, &token, NEW).status, 204);
}

#[test]
fn what_a_thief_has_made_with_a_session_ends_with_the_sign_ins_of_the_account() {
    type End = fn(&TestApp, &Account, &Account) -> TestResponse;
    // The last values: whether the links that the account has made end, and the link for its own password.
    let ends: &[(&str, End, bool, bool)] = &[
        (
            "a new password",
            |app, zoe, _| {
                app.patch_me(
                    zoe,
                    json!({ "password": NEW, "current_password": PASSWORD }),
                )
            },
            true,
            true,
        ),
        (
            "signed out by an admin",
            |app, zoe, root| {
                app.send(
                    &format!("DELETE /users/{}/sessions", zoe.id),
                    root.clone(),
                    "",
                )
            },
            true,
            true,
        ),
        (
            "a withdrawn approval",
            |app, zoe, root| {
                let line = format!("PATCH /users/{}", zoe.id);
                app.send(&line, root.clone(), r#"{"is_approved":false}"#)
            },
            true,
            true,
        ),
        (
            "another role",
            |app, zoe, root| {
                let line = format!("PATCH /users/{}", zoe.id);
                let demoted = app.send(&line, root.clone(), r#"{"role":"manager"}"#);
                assert_eq!(demoted.status, 200);
                app.send(&line, root.clone(), r#"{"role":"admin"}"#)
            },
            true,
            false,
        ),
        (
            "signed out everywhere",
            |app, zoe, _| app.send("POST /me/sessions/revoke-all", zoe.clone(), ""),
            false,
            true,
        ),
    ];
    for (case, end, made_by_end, own_ends) in ends {
        let app = TestApp::new();
        let (root, zoe) = (app.admin(), app.account("zoe", Role::Admin, true));
        let ada = app.account("ada", Role::Employee, true);
        let invited = app.send("POST /invitations", zoe.clone(), r#"{"role":"admin"}"#);
        let invitation = token(&invited.json());
        let (for_ada, own) = (make_link(&app, &zoe, &ada), make_link(&app, &root, &zoe));
        let done = end(&app, &zoe, &root);
        assert!(done.status < 300, "{case}: {done:?}");
        let sign_up = json!({
            "username": "thief", "email": "thief@example.com", "password": PASSWORD, "invitation": invitation,
        });
        let sign_up = app.send("POST /signup", None, &sign_up.to_string()).status;
        let made_by = if *made_by_end { (410, 410) } else { (201, 204) };
        let for_ada = reset(&app, &token(&for_ada), NEW).status;
        assert_eq!((sign_up, for_ada), made_by, "{case}");
        let own = reset(&app, &token(&own), "yet another password").status;
        assert_eq!(own, if *own_ends { 410 } else { 204 }, "{case}");
    }
}

#[test]
fn a_link_is_made_for_an_existing_account_of_the_version_that_the_admin_has_seen() {
    let app = TestApp::new();
    let (admin, ada) = (app.admin(), app.account("ada", Role::Manager, true));
    for id in ["99", "0", "x"] {
        let line = format!("POST /users/{id}/password-reset");
        assert_eq!(app.send(&line, admin.clone(), "").status, 404, "{id}");
    }
    let line = format!("POST /users/{}/password-reset", ada.id);
    let stale = app.send_with(&line, admin.clone(), &[("If-Match", "\"stale\"")], "");
    assert_eq!(stale.status, 412);
    assert_eq!(app.count("password_reset"), 0);
    let shown = app.get(&format!("/users/{}", ada.id), &admin);
    let version = shown.header("ETag").unwrap();
    let made = app.send_with(&line, admin.clone(), &[("If-Match", version)], "");
    assert_eq!(made.status, 201);
}

#[test]
fn an_unknown_link_is_refused_before_the_password_is_hashed() {
    // A hash with so many iterations would take many seconds.
    let app = TestApp::with(|config| config.passwords.password_iterations = 500_000_000);
    assert_gone(&reset(&app, "unknown", NEW));
}

#[test]
fn maintenance_deletes_expired_links() {
    let app = TestApp::new();
    let (admin, ada) = (app.admin(), app.account("ada", Role::Manager, true));
    make_link(&app, &admin, &ada);
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("password_reset"), 1);
    app.advance(DAY);
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("password_reset"), 0);
}
