//! Sessions: a login starts one, a refresh continues it, and all the ways to end it.

use std::collections::HashSet;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use task_api::app::maintenance;
use task_api::config::Config;
use task_api::model::{RefreshId, Role, RotationTimes, Timestamp};
use task_api::store;
use task_api::store::sessions::Exchange;

use crate::support::{
    self, Account, PASSWORD, TestApp, TestResponse, concurrently, jwt, wait_until_blocked,
};

/// The tokens in the response to a login or a refresh.
#[derive(Debug, Clone, PartialEq)]
struct Tokens {
    access: String,
    refresh: String,
}

fn tokens(response: &TestResponse) -> Tokens {
    assert_eq!(response.status, 200, "{response:?}");
    let body = response.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    Tokens {
        access: text("token"),
        refresh: text("refresh_token"),
    }
}

fn log_in(app: &TestApp, account: &Account) -> Tokens {
    tokens(&app.log_in(&account.email, PASSWORD))
}

fn refresh(app: &TestApp, token: &str) -> TestResponse {
    app.send_token("POST /refresh", token)
}

fn sessions(app: &TestApp, token: &str) -> Vec<Value> {
    app.send_token("GET /me/sessions", token).items()
}

fn id(session: &Value) -> &str {
    session["id"].as_str().unwrap()
}

/// Whether an access token is accepted. The 401 of a rejected token must say that it has been revoked.
fn is_accepted(app: &TestApp, token: &str) -> bool {
    let response = app.send_token("GET /hello", token);
    if response.status != 200 {
        response.assert_token_refused("Token has been revoked", "");
    }
    response.status == 200
}

/// A token for scripts of this account.
fn api_token(app: &TestApp, account: &Account) -> String {
    let body = json!({ "name": "a script", "scope": "full", "current_password": PASSWORD });
    let response = app.send("POST /me/tokens", account.clone(), &body.to_string());
    response.json()["token"].as_str().unwrap().to_owned()
}

/// `"actor action subject"` of the latest entries of the audit log, the oldest first.
fn latest_actions(app: &TestApp, count: u32) -> Vec<String> {
    let sql = "SELECT actor || ' ' || action || ' ' || subject FROM
        (SELECT * FROM audit ORDER BY id DESC LIMIT ?1) AS latest ORDER BY id";
    app.sql().query(sql, [count], |row| row.get(0)).unwrap()
}

/// An access token of the Flask app for this account.
fn flask_token(app: &TestApp, account: &Account) -> String {
    jwt::signed(
        support::SIGNING_KEY,
        &jwt::flask_claims(&account.username, app.now()),
    )
}

// ---- refreshing ---------------------------------------------------------------------------------

#[test]
fn a_refresh_returns_new_tokens_of_the_same_session() {
    let app = TestApp::new();
    let anna = app.employee();
    let mut current = log_in(&app, &anna);
    let listed_first = sessions(&app, &current.access);
    for _ in 0..5 {
        app.advance(3600);
        let response = refresh(&app, &current.refresh);
        assert_eq!(response.header("Cache-Control"), Some("no-store"));
        let body = response.json();
        assert_eq!(body["expires_in"], 86_400);
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["user"]["username"], anna.username.as_str());
        let next = tokens(&response);
        assert_ne!(next.access, current.access);
        assert_ne!(next.refresh, current.refresh);
        // Access tokens issued before stay valid.
        assert!(is_accepted(&app, &current.access) && is_accepted(&app, &next.access));
        current = next;
    }
    let found = sessions(&app, &current.access);
    let mine: Vec<_> = found
        .iter()
        .filter(|found| found["current"] == true)
        .collect();
    assert_eq!(mine.len(), 1, "{found:?}");
    let before: Vec<_> = listed_first
        .iter()
        .filter(|found| found["current"] == true)
        .collect();
    assert_eq!(id(mine[0]), id(before[0]));
}

#[test]
fn a_refresh_token_reused_within_ten_seconds_gets_the_same_next_token() {
    let app = TestApp::new();
    let first = log_in(&app, &app.employee());
    let next = tokens(&refresh(&app, &first.refresh));
    for seconds in [0, 5, 4] {
        app.advance(seconds);
        let again = tokens(&refresh(&app, &first.refresh));
        assert_eq!(again.refresh, next.refresh);
        assert!(is_accepted(&app, &again.access));
    }
    // The next token stays valid meanwhile.
    let third = tokens(&refresh(&app, &next.refresh));
    assert!(is_accepted(&app, &third.access));
}

#[test]
fn a_refresh_token_reused_after_ten_seconds_ends_only_its_session() {
    let app = TestApp::new();
    let anna = app.employee();
    let (stolen, other) = (log_in(&app, &anna), log_in(&app, &anna));
    let attacker = tokens(&refresh(&app, &stolen.refresh));
    // More than ten seconds in total: the test clock advances by a microsecond each time it is read.
    app.advance(10);
    refresh(&app, &stolen.refresh).assert_token_refused("Token has been revoked", "");
    for token in [&stolen.access, &attacker.access] {
        assert!(!is_accepted(&app, token));
    }
    refresh(&app, &attacker.refresh).assert_token_refused("Token has been revoked", "");
    assert!(is_accepted(&app, &other.access));
    assert!(is_accepted(
        &app,
        &tokens(&refresh(&app, &other.refresh)).access
    ));
}

#[test]
fn a_refresh_token_older_than_the_previous_one_ends_the_session_at_once() {
    let app = TestApp::new();
    let first = log_in(&app, &app.employee());
    let second = tokens(&refresh(&app, &first.refresh));
    let third = tokens(&refresh(&app, &second.refresh));
    refresh(&app, &first.refresh).assert_token_refused("Token has been revoked", "");
    assert!(!is_accepted(&app, &third.access));
}

#[test]
fn fifty_concurrent_refreshes_with_one_token_get_the_same_next_token() {
    let app = TestApp::new();
    let first = log_in(&app, &app.employee());
    let seen = concurrently(50, |_| tokens(&refresh(&app, &first.refresh)).refresh);
    let seen: HashSet<String> = seen.into_iter().collect();
    assert_eq!(seen.len(), 1);
    assert!(refresh(&app, seen.iter().next().unwrap()).status == 200);
}

#[test]
fn an_invalid_refresh_token_is_401_and_ends_no_session() {
    let app = TestApp::new();
    let anna = app.employee();
    let mine = log_in(&app, &anna);
    let flask = flask_token(&app, &anna);
    let claims = json!({
        "type": "refresh", "sub": anna.username, "jti": "a-name",
        "iat": app.now(), "nbf": app.now(), "exp": app.now() + 86_400,
    });
    let without_session = jwt::signed(support::SIGNING_KEY, &claims);
    let mut unknown_session = claims.clone();
    unknown_session["sid"] = json!("0123456789abcdef");
    let mut malformed_session = claims.clone();
    malformed_session["sid"] = json!(7);
    // The session belongs to Anna, the subject is Ben.
    let mut of_ben = jwt::payload(&mine.refresh);
    of_ben["sub"] = json!(app.manager().username);
    let mut access_of_ben = jwt::payload(&mine.access);
    access_of_ben["sub"] = of_ben["sub"].clone();
    let access_of_ben = jwt::signed(support::SIGNING_KEY, &access_of_ben);
    assert!(!is_accepted(&app, &access_of_ben));
    let (two_segments, _) = mine.refresh.rsplit_once('.').unwrap();
    for (token, msg) in [
        (mine.access.as_str(), "Only refresh tokens are allowed"),
        (&flask, "Only refresh tokens are allowed"),
        (&without_session, "Token has been revoked"),
        (
            &jwt::signed(support::SIGNING_KEY, &unknown_session),
            "Token has been revoked",
        ),
        (
            &jwt::signed(support::SIGNING_KEY, &of_ben),
            "Token has been revoked",
        ),
        (
            &jwt::signed(support::SIGNING_KEY, &malformed_session),
            "Invalid claim format in token",
        ),
        (
            &jwt::signed(b"another key, of thirty-two bytes and more", &claims),
            "Signature verification failed",
        ),
        (two_segments, "Not enough segments"),
        (
            &mine.refresh[..mine.refresh.len() - 1],
            "Signature verification failed",
        ),
        ("x", "Not enough segments"),
    ] {
        refresh(&app, token).assert_token_refused(msg, "");
    }
    let response = app.send("POST /refresh", None, "");
    assert_eq!(
        (response.status, response.code().as_str()),
        (401, "unauthorized")
    );
    // Routes that take an access token reject a refresh token.
    for line in [
        "GET /hello",
        "GET /me",
        "GET /tasks",
        "POST /logout",
        "GET /me/sessions",
    ] {
        let response = app.send_token(line, &mine.refresh);
        response.assert_token_refused("Only non-refresh tokens are allowed", "");
    }
    assert!(is_accepted(&app, &mine.access) && refresh(&app, &mine.refresh).status == 200);
}

#[test]
fn a_session_expires_the_configured_time_after_its_last_refresh() {
    let app = TestApp::with(|config| {
        config.jwt_access_token_expires = "1h".parse().unwrap();
        config.jwt_refresh_token_expires = "2h".parse().unwrap();
    });
    let mut current = log_in(&app, &app.employee());
    for _ in 0..3 {
        app.advance(7_100);
        current = tokens(&refresh(&app, &current.refresh));
    }
    app.advance(7_201);
    refresh(&app, &current.refresh).assert_token_refused("Token has expired", "");
}

#[test]
fn refresh_tokens_stay_valid_after_a_restart_with_a_new_signing_key() {
    let app = TestApp::new();
    let anna = app.employee();
    let first = log_in(&app, &anna);
    let new_key = b"the next key for tests, of thirty-two bytes and more";
    let keys = support::keys(new_key, &[support::SIGNING_KEY]);
    let folder = app.close();
    let app = TestApp::with_keys(folder, &keys, |_| {});
    app.advance(60);
    let next = tokens(&refresh(&app, &first.refresh));
    assert!(is_accepted(&app, &first.access) && is_accepted(&app, &next.access));
    assert_eq!(tokens(&refresh(&app, &first.refresh)).refresh, next.refresh);
}

#[test]
fn a_refresh_token_used_just_before_a_key_change_and_again_after_it_gets_the_same_next_token() {
    let app = TestApp::new();
    let first = log_in(&app, &app.employee());
    let next = tokens(&refresh(&app, &first.refresh));
    let new_key = b"the next key for tests, of thirty-two bytes and more";
    let previous_keys: [&[u8]; 2] = [b"a key before that of the tests", support::SIGNING_KEY];
    let keys = support::keys(new_key, &previous_keys);
    let app = TestApp::with_keys(app.close(), &keys, |_| {});
    app.advance(1);
    let retried = tokens(&refresh(&app, &first.refresh));
    let id = |token: &str| jwt::payload(token)["jti"].clone();
    assert_eq!(id(&retried.refresh), id(&next.refresh));
    assert!(is_accepted(&app, &next.access) && is_accepted(&app, &retried.access));
    let last = tokens(&refresh(&app, &next.refresh));
    assert_eq!(
        tokens(&refresh(&app, &retried.refresh)).refresh,
        last.refresh
    );
    // It is reuse once its successor has been exchanged.
    refresh(&app, &first.refresh).assert_token_refused("Token has been revoked", "");
    assert!(!is_accepted(&app, &last.access));
}

#[test]
fn an_expired_session_cannot_be_refreshed() {
    let app = TestApp::new();
    let mine = log_in(&app, &app.employee());
    let claims = jwt::payload(&mine.refresh);
    let text = |name: &str| claims[name].as_str().unwrap().to_owned();
    let (session, id) = (text("sid").parse().unwrap(), RefreshId::from(text("jti")));
    let successors = app.app.refresh_tokens.successors(&id);
    let times = RotationTimes {
        min_age: Duration::ZERO,
        grace: Duration::ZERO,
    };
    let exchange = |now: Timestamp| {
        let expiry = |began| app.app.session_expiry(began, now);
        app.app
            .store
            .write(|db| {
                store::sessions::exchange(db, session, &id, &successors, now, times, expiry)
            })
            .unwrap()
    };
    let before = app.app.now();
    let end = app.app.session_expiry(before, before);
    assert_eq!(exchange(end), Exchange::Unknown);
    let next = successors.current.clone();
    assert_eq!(exchange(before), Exchange::Next(next, before, end));
}

#[test]
fn a_thousand_logins_get_a_thousand_different_access_and_refresh_tokens() {
    let app = TestApp::new();
    let anna = app.employee();
    let mut seen = HashSet::new();
    for _ in 0..1_000 {
        let Tokens { access, refresh } = log_in(&app, &anna);
        assert!(seen.insert(access) && seen.insert(refresh));
    }
}

// ---- ending sessions ----------------------------------------------------------------------------

#[test]
fn a_logout_ends_only_the_current_session_and_at_once() {
    let app = TestApp::new();
    let anna = app.employee();
    let (current, other) = (log_in(&app, &anna), log_in(&app, &anna));
    let older = tokens(&refresh(&app, &current.refresh));
    assert_eq!(app.send_token("POST /logout", &older.access).status, 204);
    for token in [&current.access, &older.access] {
        assert!(!is_accepted(&app, token));
        app.send_token("POST /logout", token)
            .assert_token_refused("Token has been revoked", "");
    }
    refresh(&app, &older.refresh).assert_token_refused("Token has been revoked", "");
    assert!(is_accepted(&app, &other.access) && is_accepted(&app, &anna.token));
}

#[test]
fn a_logout_with_a_token_of_the_flask_app_revokes_only_that_token() {
    let app = TestApp::new();
    let anna = app.employee();
    let token = flask_token(&app, &anna);
    assert!(is_accepted(&app, &token));
    app.advance(1);
    let other = flask_token(&app, &anna);
    assert_eq!(app.send_token("POST /logout", &token).status, 204);
    assert!(!is_accepted(&app, &token));
    assert!(is_accepted(&app, &other) && is_accepted(&app, &anna.token));
    assert!(
        sessions(&app, &other)
            .iter()
            .all(|session| session["current"] == false)
    );
    // The revocation is stored until the token expires.
    app.advance(86_300);
    maintenance::run(&app.app).unwrap();
    assert!(!is_accepted(&app, &token));
    app.advance(200);
    maintenance::run(&app.app).unwrap();
    app.send_token("GET /hello", &token)
        .assert_token_refused("Token has expired", "");
    let rows: i64 = app
        .sql()
        .query_row("SELECT count(*) FROM ended_token", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 0);
}

#[test]
fn a_session_is_ended_from_another_session_by_its_owner_and_by_no_other_user() {
    let app = TestApp::new();
    let (anna, ben) = (app.employee(), app.manager());
    let (current, other) = (log_in(&app, &anna), log_in(&app, &anna));
    let ids: Vec<String> = sessions(&app, &other.access)
        .iter()
        .filter(|session| session["current"] == true)
        .map(|session| id(session).to_owned())
        .collect();
    let line = format!("DELETE /me/sessions/{}", ids[0]);
    assert_eq!(app.send_token(&line, &ben.token).code(), "not_found");
    for id in [
        "0",
        "7",
        "zzz",
        "-1",
        "0123456789abcdef",
        "ABCDEF0123456789",
        "revoke-all",
        "%00",
    ] {
        let response = app.send_token(&format!("DELETE /me/sessions/{id}"), &current.access);
        assert!(matches!(response.status, 404 | 405), "{id}: {response:?}");
    }
    assert!(is_accepted(&app, &other.access));
    assert_eq!(app.send_token(&line, &current.access).status, 204);
    assert!(!is_accepted(&app, &other.access) && is_accepted(&app, &current.access));
    assert_eq!(app.send_token(&line, &current.access).code(), "not_found");
}

#[test]
fn revoke_all_ends_every_session_of_the_user_and_of_no_other_user() {
    let app = TestApp::new();
    let (anna, ben) = (app.employee(), app.manager());
    let (current, other) = (log_in(&app, &anna), log_in(&app, &anna));
    let (flask, flask_of_ben) = (flask_token(&app, &anna), flask_token(&app, &ben));
    assert_eq!(
        app.send_token("POST /me/sessions/revoke-all", &current.access)
            .status,
        204
    );
    for token in [&current.access, &other.access, &anna.token, &flask] {
        assert!(!is_accepted(&app, token));
    }
    assert!(is_accepted(&app, &ben.token) && is_accepted(&app, &flask_of_ben));
    app.advance(1);
    let (current, flask) = (log_in(&app, &anna), flask_token(&app, &anna));
    assert!(is_accepted(&app, &current.access) && is_accepted(&app, &flask));
    // A second time.
    let response = app.send_token("POST /me/sessions/revoke-all", &flask);
    assert_eq!(response.status, 204);
    assert!(!is_accepted(&app, &current.access) && !is_accepted(&app, &flask));
    assert!(is_accepted(&app, &ben.token) && is_accepted(&app, &flask_of_ben));
}

#[test]
fn a_password_change_ends_every_session_except_the_current_one() {
    let app = TestApp::new();
    let anna = app.employee();
    let (current, other) = (log_in(&app, &anna), log_in(&app, &anna));
    let flask = flask_token(&app, &anna);
    let patch = |body: Value| {
        let account = Account {
            token: current.access.clone(),
            ..anna.clone()
        };
        app.send("PATCH /me", account, &body.to_string())
    };
    let new_email = json!({ "current_password": PASSWORD, "email": "anna@other.example" });
    let wrong = json!({ "current_password": "not the password", "password": "another password" });
    assert_eq!(patch(new_email).status, 200);
    assert_eq!(patch(wrong).code(), "wrong_password");
    assert!(is_accepted(&app, &other.access) && is_accepted(&app, &flask));
    let right = json!({ "current_password": PASSWORD, "password": "another password" });
    assert_eq!(patch(right).status, 200);
    assert!(is_accepted(&app, &current.access));
    for token in [&other.access, &anna.token, &flask] {
        assert!(!is_accepted(&app, token));
    }
    refresh(&app, &other.refresh).assert_token_refused("Token has been revoked", "");
    assert_eq!(refresh(&app, &current.refresh).status, 200);
}

#[test]
fn deleting_an_account_ends_its_sessions_and_a_new_account_of_that_name_does_not_get_them() {
    let app = TestApp::new();
    let admin = app.admin();
    let anna = app.employee();
    let mine = log_in(&app, &anna);
    let response = app.send(&format!("DELETE /users/{}", anna.id), admin, "");
    assert_eq!(response.status, 204);
    let no_user = format!("Error loading the user {}", anna.username);
    app.send_token("GET /hello", &mine.access)
        .assert_token_refused(&no_user, "");
    refresh(&app, &mine.refresh).assert_token_refused(&no_user, "");
    app.forget_given_ids();
    let again = app.employee();
    assert_eq!(again.id, anna.id);
    assert!(!is_accepted(&app, &mine.access));
    assert!(sessions(&app, &again.token).len() == 1);
}

#[test]
fn sessions_left_by_an_account_that_the_flask_app_deleted_are_not_accepted() {
    let app = TestApp::new();
    let anna = app.employee();
    let mine = log_in(&app, &anna);
    let db = app.sql();
    db.without_foreign_keys();
    db.execute(r#"DELETE FROM "user" WHERE username = 'employee'"#, [])
        .unwrap();
    app.forget_given_ids();
    let again = app.employee();
    assert_eq!(again.id, anna.id);
    assert!(!is_accepted(&app, &mine.access));
    refresh(&app, &mine.refresh).assert_token_refused("Token has been revoked", "");
}

#[test]
fn a_new_account_with_a_reused_id_does_not_see_the_sessions_of_the_deleted_one() {
    let app = TestApp::new();
    let anna = app.employee();
    log_in(&app, &anna);
    let old = id(&sessions(&app, &anna.token)[0]).to_owned();
    let db = app.sql();
    db.without_foreign_keys();
    db.execute(r#"DELETE FROM "user""#, []).unwrap();
    app.forget_given_ids();
    let ben = app.manager();
    assert_eq!(ben.id, anna.id);
    assert_eq!(sessions(&app, &ben.token).len(), 1);
    let response = app.send_token(&format!("DELETE /me/sessions/{old}"), &ben.token);
    assert_eq!(response.code(), "not_found");
}

#[test]
fn a_clock_that_goes_back_revives_no_revoked_token_and_ends_no_new_session() {
    let app = TestApp::new();
    let anna = app.employee();
    let flask = flask_token(&app, &anna);
    app.advance(500);
    let current = app.token_of_new_session(&anna);
    let revoke_all = "POST /me/sessions/revoke-all";
    assert_eq!(app.send_token(revoke_all, &current).status, 204);
    assert!(!is_accepted(&app, &flask));
    app.advance(-400);
    let mine = log_in(&app, &anna);
    assert_eq!(app.send_token(revoke_all, &mine.access).status, 204);
    app.advance(400);
    assert!(!is_accepted(&app, &flask));
    for _ in 0..100 {
        app.token_of_new_session(&anna);
    }
    app.advance(-100);
    assert!(is_accepted(&app, &log_in(&app, &anna).access));
}

#[test]
#[cfg(target_os = "linux")] // it looks into /proc
fn an_admin_who_loses_the_role_while_waiting_for_a_lock_gets_403() {
    let app = TestApp::new();
    let (admin, anna) = (app.admin(), app.account("anna", Role::Employee, false));
    app.account("other", Role::Admin, true);
    let lock = app.sql();
    lock.lock_writes();
    let response = thread::scope(|scope| {
        let (started, thread) = mpsc::channel();
        let (app, admin) = (&app, admin.clone());
        let patch = scope.spawn(move || {
            started.send(rustix::thread::gettid()).unwrap();
            let line = format!("PATCH /users/{}", anna.id);
            app.send(&line, admin, r#"{"is_approved":true}"#)
        });
        // The request has passed the permission check once it waits for the lock.
        wait_until_blocked(thread.recv().unwrap());
        // Both requests change Anna's account. Of two that have no row in common, PostgreSQL may take the one that waits
        // as the earlier one.
        lock.execute_batch(
            r#"UPDATE "user" SET role = 'employee' WHERE username IN ('admin', 'anna'); COMMIT"#,
        )
        .unwrap();
        patch.join().unwrap()
    });
    assert_eq!(
        (response.status, response.code().as_str()),
        (403, "insufficient_role")
    );
    let sql = r#"SELECT is_approved FROM "user" WHERE username = 'anna'"#;
    let approved: bool = app.sql().query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(!approved);
}

#[test]
#[cfg(target_os = "linux")] // it looks into /proc
fn two_threads_write_the_waiting_sign_outs_at_the_same_time_and_lose_none() {
    let app = TestApp::new();
    let mine = log_in(&app, &app.employee());
    assert_eq!(app.send_token("POST /logout", &mine.access).status, 204);
    let lock = app.sql();
    lock.lock_writes();
    thread::scope(|scope| {
        let (started, threads) = mpsc::channel();
        let flushes: Vec<_> = (0..2)
            .map(|_| {
                let (app, started) = (&app.app, started.clone());
                scope.spawn(move || {
                    started.send(rustix::thread::gettid()).unwrap();
                    app.sign_outs.flush(&app.store)
                })
            })
            .collect();
        threads.iter().take(2).for_each(wait_until_blocked);
        lock.execute_batch("COMMIT").unwrap();
        for flush in flushes {
            flush.join().unwrap().unwrap();
        }
    });
    assert!(!is_accepted(&app, &mine.access));
}

#[test]
fn a_changed_role_applies_at_once_and_ends_no_session() {
    let app = TestApp::new();
    let (admin, anna) = (app.admin(), app.manager());
    let mine = log_in(&app, &anna);
    assert_eq!(app.send_token("GET /users", &mine.access).status, 200);
    let demote = format!("PATCH /users/{}", anna.id);
    let response = app.send(&demote, admin, r#"{"role":"employee"}"#);
    assert_eq!(response.status, 200);
    assert_eq!(
        app.send_token("GET /users", &mine.access).code(),
        "insufficient_role"
    );
    assert!(is_accepted(&app, &mine.access));
}

#[test]
fn a_withdrawn_approval_ends_every_session_and_token_of_the_account() {
    let app = TestApp::new();
    let (admin, anna, ben) = (
        app.admin(),
        app.manager(),
        app.account("ben", Role::Manager, true),
    );
    let (mine, bens) = (log_in(&app, &anna), log_in(&app, &ben));
    let (flask, script) = (flask_token(&app, &anna), api_token(&app, &anna));
    let patch = |body: &str| app.send(&format!("PATCH /users/{}", anna.id), admin.clone(), body);
    // Neither another change nor an approval that stays is a withdrawal.
    for body in [r#"{"role":"employee"}"#, r#"{"is_approved":true}"#] {
        assert_eq!(patch(body).status, 200);
        assert!(is_accepted(&app, &mine.access), "{body}");
    }
    assert_eq!(patch(r#"{"is_approved":false}"#).status, 200);
    for token in [&mine.access, &anna.token, &flask] {
        assert!(!is_accepted(&app, token));
    }
    refresh(&app, &mine.refresh).assert_token_refused("Token has been revoked", "");
    assert_eq!(app.send_token("GET /hello", &script).status, 401);
    assert!(is_accepted(&app, &bens.access) && is_accepted(&app, &admin.token));
    assert_eq!(
        latest_actions(&app, 2),
        [
            "admin approval_withdrawn manager",
            "admin sessions_ended manager"
        ]
    );
    // The account may sign in, as any account that awaits approval.
    let again = log_in(&app, &anna);
    assert_eq!(
        app.send_token("GET /tasks", &again.access).code(),
        "awaiting_approval"
    );
    // It has no approval that could be withdrawn.
    assert_eq!(patch(r#"{"is_approved":false}"#).status, 200);
    assert!(is_accepted(&app, &again.access));
}

#[test]
fn an_admin_signs_an_account_out_everywhere() {
    let app = TestApp::new();
    let (admin, anna, ben) = (app.admin(), app.manager(), app.employee());
    let (mine, bens) = (log_in(&app, &anna), log_in(&app, &ben));
    let (flask, script) = (flask_token(&app, &anna), api_token(&app, &anna));
    let line = format!("DELETE /users/{}/sessions", anna.id);
    assert_eq!(app.send(&line, ben.clone(), "").status, 403);
    let etag = app.get(&format!("/users/{}", anna.id), &admin);
    let etag = etag.header("ETag").unwrap().to_owned();
    let stale = app.send_with(&line, admin.clone(), &[("If-Match", "\"stale\"")], "");
    assert_eq!(stale.status, 412);
    let unknown = app.send("DELETE /users/999/sessions", admin.clone(), "");
    assert_eq!(unknown.status, 404);
    for token in [&mine.access, &flask, &script] {
        assert_eq!(app.send_token("GET /hello", token).status, 200);
    }

    let ended = app.send_with(&line, admin.clone(), &[("If-Match", &etag)], "");
    assert_eq!(ended.status, 204);
    for token in [&mine.access, &anna.token, &flask] {
        assert!(!is_accepted(&app, token));
    }
    assert_eq!(app.send_token("GET /hello", &script).status, 401);
    assert_eq!(app.count("api_token"), 0);
    refresh(&app, &mine.refresh).assert_token_refused("Token has been revoked", "");
    assert!(is_accepted(&app, &bens.access) && is_accepted(&app, &admin.token));
    assert_eq!(latest_actions(&app, 1), ["admin sessions_ended manager"]);
    // The account and its password stay.
    assert!(is_accepted(&app, &log_in(&app, &anna).access));
    let own = format!("DELETE /users/{}/sessions", admin.id);
    assert_eq!(app.send(&own, admin.clone(), "").status, 204);
    assert!(!is_accepted(&app, &admin.token));
}

// ---- the longest time of a session ----------------------------------------------------------------

fn with_max_age(max_age: &str) -> impl FnOnce(&mut Config) {
    let max_age = max_age.parse().unwrap();
    move |config| {
        config.jwt_access_token_expires = "2h".parse().unwrap();
        config.jwt_refresh_token_expires = "4h".parse().unwrap();
        config.accounts.session_max_age = max_age;
    }
}

/// When each token of the response expires, in seconds from now: the access token, by its claim and by `expires_in`,
/// and the refresh token.
fn lifetimes(app: &TestApp, response: &TestResponse) -> [i64; 3] {
    let Tokens { access, refresh } = tokens(response);
    let left = |token: &str| jwt::payload(token)["exp"].as_i64().unwrap() - app.now();
    let expires_in = response.json()["expires_in"].as_i64().unwrap();
    [left(&access), expires_in, left(&refresh)]
}

#[test]
fn a_session_ends_its_maximum_age_after_the_sign_in_however_often_it_is_refreshed() {
    const HOUR: i64 = 3600;
    let app = TestApp::with(with_max_age("6h"));
    let anna = app.employee();
    let mut response = app.log_in(&anna.email, PASSWORD);
    assert_eq!(lifetimes(&app, &response), [2 * HOUR, 2 * HOUR, 4 * HOUR]);
    for (hours, expected) in [
        (1, [2 * HOUR, 2 * HOUR, 4 * HOUR]),
        (2, [2 * HOUR, 2 * HOUR, 3 * HOUR]),
        (2, [HOUR, HOUR, HOUR]),
    ] {
        app.advance(hours * HOUR);
        response = refresh(&app, &tokens(&response).refresh);
        assert_eq!(lifetimes(&app, &response), expected);
    }
    let current = tokens(&response);
    let listed = sessions(&app, &current.access);
    let expires_at = listed[0]["expires_at"].as_str().unwrap();
    assert!(
        expires_at.starts_with("2026-11-23T18:00:00"),
        "{expires_at}"
    );
    app.advance(HOUR - 1);
    assert!(is_accepted(&app, &current.access));
    app.advance(1);
    for (line, token) in [
        ("GET /hello", &current.access),
        ("POST /refresh", &current.refresh),
    ] {
        app.send_token(line, token)
            .assert_token_refused("Token has expired", line);
    }
}

#[test]
fn a_maximum_age_below_the_lifetime_of_a_token_cuts_the_tokens_at_the_sign_in() {
    let app = TestApp::with(with_max_age("30m"));
    let response = app.log_in(&app.employee().email, PASSWORD);
    assert_eq!(lifetimes(&app, &response), [1800, 1800, 1800]);
}

#[test]
fn a_shortened_maximum_age_ends_older_sessions_at_their_next_refresh() {
    let app = TestApp::with(with_max_age("6h"));
    let anna = app.employee();
    let old = log_in(&app, &anna);
    let app = TestApp::in_folder(app.close(), with_max_age("1h"));
    app.advance(1800);
    let recent = log_in(&app, &anna);
    app.advance(1800);
    refresh(&app, &old.refresh).assert_token_refused("Token has been revoked", "");
    assert_eq!(refresh(&app, &recent.refresh).status, 200);
}

// ---- the list of sessions -----------------------------------------------------------------------

#[test]
fn the_session_list_shows_times_address_user_agent_and_which_one_is_current() {
    let app = TestApp::new();
    let anna = app.account("anna", Role::Employee, false);
    let body = json!({ "email": anna.email, "password": PASSWORD }).to_string();
    let agent = format!("Board/1.0 \u{7}{}", "x".repeat(300));
    let headers = [
        ("Content-Type", "application/json".to_owned()),
        ("User-Agent", agent),
    ];
    app.advance(60);
    let mine = tokens(&app.send_raw("POST /login", &headers, body.as_bytes()));
    app.advance(600);
    assert!(is_accepted(&app, &mine.access));
    maintenance::run(&app.app).unwrap();
    let found = sessions(&app, &mine.access);
    let session = &found[0];
    assert_eq!(found.len(), 2);
    assert_eq!(session["current"], true);
    assert_eq!(session["address"], "127.0.0.1");
    assert_eq!(
        session["user_agent"],
        format!("Board/1.0 {}", "x".repeat(245))
    );
    let moment = |name: &str| session[name].as_str().unwrap()[..19].to_owned();
    assert_eq!(moment("created_at"), "2026-11-23T12:01:00");
    assert_eq!(moment("last_used_at"), "2026-11-23T12:11:00");
    assert_eq!(moment("expires_at"), "2026-12-23T12:01:00");
    assert_eq!(found[1]["current"], false);
    assert_eq!(found[1]["user_agent"], Value::Null);
    assert!(!format!("{found:?}").contains("digest"));
}

#[test]
fn a_refresh_sets_last_used_at_and_an_earlier_use_written_later_does_not_reset_it() {
    let app = TestApp::new();
    let anna = app.employee();
    let mine = log_in(&app, &anna);
    app.advance(60);
    assert!(is_accepted(&app, &mine.access));
    app.advance(600);
    assert_eq!(refresh(&app, &mine.refresh).status, 200);
    maintenance::run(&app.app).unwrap();
    let found = sessions(&app, &anna.token);
    let last_used = found[0]["last_used_at"].as_str().unwrap();
    assert_eq!(&last_used[..19], "2026-11-23T12:11:00");
}

#[test]
fn an_account_has_at_most_100_sessions_and_the_least_recently_used_one_ends_first() {
    let app = TestApp::new();
    let anna = app.employee();
    for _ in 0..98 {
        app.token_of_new_session(&anna);
    }
    let hundredth = app.token_of_new_session(&anna);
    assert_eq!(sessions(&app, &hundredth).len(), 100);
    assert!(is_accepted(&app, &anna.token));
    maintenance::run(&app.app).unwrap();
    // The first session was used most recently, so it survives the next login.
    let newest = app.token_of_new_session(&anna);
    assert_eq!(sessions(&app, &newest).len(), 100);
    assert!(is_accepted(&app, &anna.token) && is_accepted(&app, &newest));
    // Sessions of other users do not count.
    let ben = app.manager();
    for _ in 0..100 {
        app.token_of_new_session(&ben);
    }
    let newest = app.token_of_new_session(&anna);
    assert_eq!(sessions(&app, &newest).len(), 100);
}

#[test]
fn maintenance_deletes_expired_sessions_and_no_others() {
    let app = TestApp::new();
    let anna = app.employee();
    let rows = || -> i64 {
        let db = app.sql();
        db.query_row("SELECT count(*) FROM session", [], |row| row.get(0))
            .unwrap()
    };
    log_in(&app, &anna);
    app.advance(29 * 86_400);
    let mine = log_in(&app, &anna);
    maintenance::run(&app.app).unwrap();
    assert_eq!(rows(), 3);
    app.advance(2 * 86_400);
    let mine = tokens(&refresh(&app, &mine.refresh));
    // An expired session is not listed, even before it is deleted.
    assert_eq!((rows(), sessions(&app, &mine.access).len()), (3, 1));
    maintenance::run(&app.app).unwrap();
    assert_eq!((rows(), sessions(&app, &mine.access).len()), (1, 1));
}

#[test]
fn the_database_contains_no_token_and_no_token_id() {
    let app = TestApp::new();
    let mine = log_in(&app, &app.employee());
    let next = tokens(&refresh(&app, &mine.refresh));
    let stored = app.stored_bytes();
    for token in [&mine.refresh, &next.refresh, &next.access] {
        let payload = jwt::payload(token);
        for secret in [token.as_str(), payload["jti"].as_str().unwrap()] {
            let found = stored
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret}");
        }
    }
}
