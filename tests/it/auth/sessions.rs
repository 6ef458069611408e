//! Sessions: what a sign-in begins, how it is gone on with, and all the ways in which it ends.

use std::collections::HashSet;
use std::thread;

use serde_json::{Value, json};
use task_api::app::maintenance;
use task_api::model::{RefreshId, Role, Timestamp};
use task_api::store;
use task_api::store::sessions::Exchange;

use crate::support::{self, Answer, PASSWORD, Person, TestApp, concurrently, jwt};

/// The tokens of a sign-in or a refresh.
#[derive(Debug, Clone, PartialEq)]
struct Tokens {
    access: String,
    refresh: String,
}

fn tokens(answer: &Answer) -> Tokens {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    Tokens {
        access: text("token"),
        refresh: text("refresh_token"),
    }
}

fn sign_in(app: &TestApp, person: &Person) -> Tokens {
    tokens(&app.log_in(&person.email, PASSWORD))
}

fn refresh(app: &TestApp, token: &str) -> Answer {
    app.send_token("POST /refresh", token)
}

fn sessions(app: &TestApp, token: &str) -> Vec<Value> {
    app.send_token("GET /me/sessions", token).items()
}

fn id(session: &Value) -> &str {
    session["id"].as_str().unwrap()
}

fn works(app: &TestApp, token: &str) -> bool {
    let answer = app.send_token("GET /hello", token);
    if answer.status != 200 {
        answer.assert_token_refused("Token has been revoked", "");
    }
    answer.status == 200
}

/// A token of the Flask app for this person.
fn flask_token(app: &TestApp, person: &Person) -> String {
    jwt::signed(
        support::KEY,
        &jwt::flask_claims(&person.username, app.now()),
    )
}

// Refreshing --------------------------------------------------------------------------------------

#[test]
fn a_refresh_token_is_exchanged_for_new_tokens_of_the_same_session() {
    let app = TestApp::new();
    let anna = app.employee();
    let mut current = sign_in(&app, &anna);
    let named = sessions(&app, &current.access);
    for _ in 0..5 {
        app.advance(3600);
        let answer = refresh(&app, &current.refresh);
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        let body = answer.json();
        assert_eq!(body["expires_in"], 86_400);
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["user"]["username"], anna.username.as_str());
        let next = tokens(&answer);
        assert_ne!(next.access, current.access);
        assert_ne!(next.refresh, current.refresh);
        // The access tokens of before go on.
        assert!(works(&app, &current.access) && works(&app, &next.access));
        current = next;
    }
    let found = sessions(&app, &current.access);
    let mine: Vec<_> = found
        .iter()
        .filter(|found| found["current"] == true)
        .collect();
    assert_eq!(mine.len(), 1, "{found:?}");
    let before: Vec<_> = named
        .iter()
        .filter(|found| found["current"] == true)
        .collect();
    assert_eq!(id(mine[0]), id(before[0]));
}

#[test]
fn the_same_old_token_gets_the_same_successor_for_ten_seconds() {
    let app = TestApp::new();
    let first = sign_in(&app, &app.employee());
    let next = tokens(&refresh(&app, &first.refresh));
    for seconds in [0, 5, 4] {
        app.advance(seconds);
        let again = tokens(&refresh(&app, &first.refresh));
        assert_eq!(again.refresh, next.refresh);
        assert!(works(&app, &again.access));
    }
    // The successor is good all the while.
    let third = tokens(&refresh(&app, &next.refresh));
    assert!(works(&app, &third.access));
}

#[test]
fn a_token_that_is_used_again_later_ends_its_session_and_no_other() {
    let app = TestApp::new();
    let anna = app.employee();
    let (stolen, other) = (sign_in(&app, &anna), sign_in(&app, &anna));
    let thief = tokens(&refresh(&app, &stolen.refresh));
    // And the microsecond that each look at the clock takes.
    app.advance(10);
    refresh(&app, &stolen.refresh).assert_token_refused("Token has been revoked", "");
    for token in [&stolen.access, &thief.access] {
        assert!(!works(&app, token));
    }
    refresh(&app, &thief.refresh).assert_token_refused("Token has been revoked", "");
    assert!(works(&app, &other.access));
    assert!(works(&app, &tokens(&refresh(&app, &other.refresh)).access));
}

#[test]
fn an_older_token_ends_the_session_at_once() {
    let app = TestApp::new();
    let first = sign_in(&app, &app.employee());
    let second = tokens(&refresh(&app, &first.refresh));
    let third = tokens(&refresh(&app, &second.refresh));
    refresh(&app, &first.refresh).assert_token_refused("Token has been revoked", "");
    assert!(!works(&app, &third.access));
}

#[test]
fn fifty_tabs_that_refresh_at_once_get_one_successor() {
    let app = TestApp::new();
    let first = sign_in(&app, &app.employee());
    let seen = concurrently(50, |_| tokens(&refresh(&app, &first.refresh)).refresh);
    let seen: HashSet<String> = seen.into_iter().collect();
    assert_eq!(seen.len(), 1);
    assert!(refresh(&app, seen.iter().next().unwrap()).status == 200);
}

#[test]
fn what_is_no_refresh_token_is_refused_and_ends_nothing() {
    let app = TestApp::new();
    let anna = app.employee();
    let mine = sign_in(&app, &anna);
    let flask = flask_token(&app, &anna);
    let claims = json!({
        "type": "refresh", "sub": anna.username, "jti": "a-name",
        "iat": app.now(), "nbf": app.now(), "exp": app.now() + 86_400,
    });
    let of_no_session = jwt::signed(support::KEY, &claims);
    let mut of_another = claims.clone();
    of_another["sid"] = json!("0123456789abcdef");
    let mut misspelled = claims.clone();
    misspelled["sid"] = json!(7);
    // A session of somebody else's, who has the name that the token says.
    let mut of_ben = jwt::payload(&mine.refresh);
    of_ben["sub"] = json!(app.manager().username);
    let mut opens_ben = jwt::payload(&mine.access);
    opens_ben["sub"] = of_ben["sub"].clone();
    let opens_ben = jwt::signed(support::KEY, &opens_ben);
    assert!(!works(&app, &opens_ben));
    let (cut, _) = mine.refresh.rsplit_once('.').unwrap();
    for (token, msg) in [
        (mine.access.as_str(), "Only refresh tokens are allowed"),
        (&flask, "Only refresh tokens are allowed"),
        (&of_no_session, "Token has been revoked"),
        (
            &jwt::signed(support::KEY, &of_another),
            "Token has been revoked",
        ),
        (
            &jwt::signed(support::KEY, &of_ben),
            "Token has been revoked",
        ),
        (
            &jwt::signed(support::KEY, &misspelled),
            "Invalid claim format in token",
        ),
        (
            &jwt::signed(b"another key, of thirty-two bytes and more", &claims),
            "Signature verification failed",
        ),
        (cut, "Not enough segments"),
        (
            &mine.refresh[..mine.refresh.len() - 1],
            "Signature verification failed",
        ),
        ("x", "Not enough segments"),
    ] {
        refresh(&app, token).assert_token_refused(msg, "");
    }
    let answer = app.send("POST /refresh", None, "");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (401, "unauthorized")
    );
    // And a refresh token opens nothing else.
    for line in [
        "GET /hello",
        "GET /me",
        "GET /tasks",
        "POST /logout",
        "GET /me/sessions",
    ] {
        let answer = app.send_token(line, &mine.refresh);
        answer.assert_token_refused("Only non-refresh tokens are allowed", "");
    }
    assert!(works(&app, &mine.access) && refresh(&app, &mine.refresh).status == 200);
}

#[test]
fn a_session_lasts_as_long_as_the_setting_says_behind_its_last_refresh() {
    let app = TestApp::with(|config| {
        config.jwt_access_token_expires = "1h".parse().unwrap();
        config.jwt_refresh_token_expires = "2h".parse().unwrap();
    });
    let mut current = sign_in(&app, &app.employee());
    for _ in 0..3 {
        app.advance(7_100);
        current = tokens(&refresh(&app, &current.refresh));
    }
    app.advance(7_201);
    refresh(&app, &current.refresh).assert_token_refused("Token has expired", "");
}

#[test]
fn refresh_tokens_outlive_a_restart_and_a_change_of_keys() {
    let app = TestApp::new();
    let anna = app.employee();
    let first = sign_in(&app, &anna);
    let new_key = b"the next key for tests, of thirty-two bytes and more";
    let keys = support::keys(new_key, &[support::KEY]);
    let folder = app.close();
    let app = TestApp::with_keys(folder, &keys, |_| {});
    app.advance(60);
    let next = tokens(&refresh(&app, &first.refresh));
    assert!(works(&app, &first.access) && works(&app, &next.access));
    assert_eq!(tokens(&refresh(&app, &first.refresh)).refresh, next.refresh);
}

#[test]
fn a_token_whose_successor_cannot_be_told_again_is_refused() {
    let app = TestApp::new();
    let anna = app.employee();
    let first = sign_in(&app, &anna);
    let next = tokens(&refresh(&app, &first.refresh));
    // At once, but with another key, from which other successors follow.
    let new_key = b"the next key for tests, of thirty-two bytes and more";
    let app = TestApp::with_keys(
        app.close(),
        &support::keys(new_key, &[support::KEY]),
        |_| {},
    );
    app.advance(1);
    refresh(&app, &first.refresh).assert_token_refused("Token has been revoked", "");
    assert!(!works(&app, &next.access));
}

#[test]
fn a_session_that_has_expired_is_not_gone_on_with() {
    let app = TestApp::new();
    let mine = sign_in(&app, &app.employee());
    let claims = jwt::payload(&mine.refresh);
    let text = |name: &str| claims[name].as_str().unwrap().to_owned();
    let (session, id) = (text("sid").parse().unwrap(), RefreshId::from(text("jti")));
    let digests = (id.digest(), app.app.refresh_tokens.next_id(&id).digest());
    let exchange = |now: Timestamp| {
        let expires_at = app.app.session_expiry(now);
        app.app
            .store
            .write(|db| store::sessions::exchange(db, session, &digests, now, expires_at))
            .unwrap()
    };
    let before = app.app.now();
    assert_eq!(exchange(app.app.session_expiry(before)), Exchange::Unknown);
    assert_eq!(
        exchange(before),
        Exchange::Next(before, app.app.session_expiry(before))
    );
}

#[test]
fn a_thousand_sign_ins_get_a_thousand_tokens() {
    let app = TestApp::new();
    let anna = app.employee();
    let mut seen = HashSet::new();
    for _ in 0..1_000 {
        let Tokens { access, refresh } = sign_in(&app, &anna);
        assert!(seen.insert(access) && seen.insert(refresh));
    }
}

// Ending ------------------------------------------------------------------------------------------

#[test]
fn a_logout_ends_this_session_at_once_and_no_other() {
    let app = TestApp::new();
    let anna = app.employee();
    let (here, there) = (sign_in(&app, &anna), sign_in(&app, &anna));
    let older = tokens(&refresh(&app, &here.refresh));
    assert_eq!(app.send_token("POST /logout", &older.access).status, 204);
    for token in [&here.access, &older.access] {
        assert!(!works(&app, token));
        app.send_token("POST /logout", token)
            .assert_token_refused("Token has been revoked", "");
    }
    refresh(&app, &older.refresh).assert_token_refused("Token has been revoked", "");
    assert!(works(&app, &there.access) && works(&app, &anna.token));
}

#[test]
fn a_token_of_the_flask_app_can_be_signed_out_too() {
    let app = TestApp::new();
    let anna = app.employee();
    let token = flask_token(&app, &anna);
    assert!(works(&app, &token));
    app.advance(1);
    let other = flask_token(&app, &anna);
    assert_eq!(app.send_token("POST /logout", &token).status, 204);
    assert!(!works(&app, &token));
    assert!(works(&app, &other) && works(&app, &anna.token));
    assert!(
        sessions(&app, &other)
            .iter()
            .all(|session| session["current"] == false)
    );
    // It is remembered for as long as it would be good.
    app.advance(86_300);
    maintenance::run(&app.app).unwrap();
    assert!(!works(&app, &token));
    app.advance(200);
    maintenance::run(&app.app).unwrap();
    app.send_token("GET /hello", &token)
        .assert_token_refused("Token has expired", "");
    let left: i64 = app
        .sql()
        .query_row("SELECT count(*) FROM ended_token", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}

#[test]
fn a_session_can_be_ended_from_another_by_its_owner_alone() {
    let app = TestApp::new();
    let (anna, ben) = (app.employee(), app.manager());
    let (here, there) = (sign_in(&app, &anna), sign_in(&app, &anna));
    let ids: Vec<String> = sessions(&app, &there.access)
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
        let answer = app.send_token(&format!("DELETE /me/sessions/{id}"), &here.access);
        assert!(matches!(answer.status, 404 | 405), "{id}: {answer:?}");
    }
    assert!(works(&app, &there.access));
    assert_eq!(app.send_token(&line, &here.access).status, 204);
    assert!(!works(&app, &there.access) && works(&app, &here.access));
    assert_eq!(app.send_token(&line, &here.access).code(), "not_found");
}

#[test]
fn revoke_all_signs_out_everywhere_and_nobody_else() {
    let app = TestApp::new();
    let (anna, ben) = (app.employee(), app.manager());
    let (here, there) = (sign_in(&app, &anna), sign_in(&app, &anna));
    let (flask, flask_of_ben) = (flask_token(&app, &anna), flask_token(&app, &ben));
    assert_eq!(
        app.send_token("POST /me/sessions/revoke-all", &here.access)
            .status,
        204
    );
    for token in [&here.access, &there.access, &anna.token, &flask] {
        assert!(!works(&app, token));
    }
    assert!(works(&app, &ben.token) && works(&app, &flask_of_ben));
    app.advance(1);
    let (here, flask) = (sign_in(&app, &anna), flask_token(&app, &anna));
    assert!(works(&app, &here.access) && works(&app, &flask));
    // And again.
    let answer = app.send_token("POST /me/sessions/revoke-all", &flask);
    assert_eq!(answer.status, 204);
    assert!(!works(&app, &here.access) && !works(&app, &flask));
    assert!(works(&app, &ben.token) && works(&app, &flask_of_ben));
}

#[test]
fn a_new_password_ends_every_session_but_the_one_that_changed_it() {
    let app = TestApp::new();
    let anna = app.employee();
    let (here, there) = (sign_in(&app, &anna), sign_in(&app, &anna));
    let flask = flask_token(&app, &anna);
    let patch = |body: Value| {
        let person = Person {
            token: here.access.clone(),
            ..anna.clone()
        };
        app.send("PATCH /me", person, &body.to_string())
    };
    let address = json!({ "current_password": PASSWORD, "email": "anna@other.example" });
    let wrong = json!({ "current_password": "not the password", "password": "another password" });
    assert_eq!(patch(address).status, 200);
    assert_eq!(patch(wrong).code(), "wrong_password");
    assert!(works(&app, &there.access) && works(&app, &flask));
    let right = json!({ "current_password": PASSWORD, "password": "another password" });
    assert_eq!(patch(right).status, 200);
    assert!(works(&app, &here.access));
    for token in [&there.access, &anna.token, &flask] {
        assert!(!works(&app, token));
    }
    refresh(&app, &there.refresh).assert_token_refused("Token has been revoked", "");
    assert_eq!(refresh(&app, &here.refresh).status, 200);
}

#[test]
fn a_deletion_ends_the_sessions_and_the_next_account_of_the_name_has_none() {
    let app = TestApp::new();
    let admin = app.admin();
    let anna = app.employee();
    let mine = sign_in(&app, &anna);
    let answer = app.send(&format!("DELETE /users/{}", anna.id), admin, "");
    assert_eq!(answer.status, 204);
    let gone = format!("Error loading the user {}", anna.username);
    app.send_token("GET /hello", &mine.access)
        .assert_token_refused(&gone, "");
    refresh(&app, &mine.refresh).assert_token_refused(&gone, "");
    let again = app.employee();
    assert_eq!(again.id, anna.id, "SQLite gives the id out again");
    assert!(!works(&app, &mine.access));
    assert!(sessions(&app, &again.token).len() == 1);
}

#[test]
fn the_flask_app_may_remove_an_account_and_its_sessions_stay_behind_without_effect() {
    let app = TestApp::new();
    let anna = app.employee();
    let mine = sign_in(&app, &anna);
    app.sql()
        .execute_batch(
            r#"PRAGMA foreign_keys = OFF; DELETE FROM "user" WHERE username = 'employee'"#,
        )
        .unwrap();
    let again = app.employee();
    assert_eq!(again.id, anna.id, "SQLite gives the id out again");
    assert!(!works(&app, &mine.access));
    refresh(&app, &mine.refresh).assert_token_refused("Token has been revoked", "");
}

#[test]
fn the_next_account_with_an_id_does_not_see_the_sessions_of_the_last_one() {
    let app = TestApp::new();
    let anna = app.employee();
    sign_in(&app, &anna);
    let old = id(&sessions(&app, &anna.token)[0]).to_owned();
    app.sql()
        .execute_batch(r#"PRAGMA foreign_keys = OFF; DELETE FROM "user""#)
        .unwrap();
    let ben = app.manager();
    assert_eq!(ben.id, anna.id, "SQLite gives the id out again");
    assert_eq!(sessions(&app, &ben.token).len(), 1);
    let answer = app.send_token(&format!("DELETE /me/sessions/{old}"), &ben.token);
    assert_eq!(answer.code(), "not_found");
}

#[test]
fn a_clock_that_is_put_back_revives_nothing_and_ends_no_new_session() {
    let app = TestApp::new();
    let anna = app.employee();
    let flask = flask_token(&app, &anna);
    app.advance(500);
    let here = app.sign_in_again(&anna);
    let revoke_all = "POST /me/sessions/revoke-all";
    assert_eq!(app.send_token(revoke_all, &here).status, 204);
    assert!(!works(&app, &flask));
    app.advance(-400);
    let mine = sign_in(&app, &anna);
    assert_eq!(app.send_token(revoke_all, &mine.access).status, 204);
    app.advance(400);
    assert!(!works(&app, &flask));
    for _ in 0..100 {
        app.sign_in_again(&anna);
    }
    app.advance(-100);
    assert!(works(&app, &sign_in(&app, &anna).access));
}

#[test]
fn an_admin_who_is_one_no_more_when_the_writing_begins_changes_nothing() {
    let app = TestApp::new();
    let (admin, anna) = (app.admin(), app.person("anna", Role::Employee, false));
    app.person("other", Role::Admin, true);
    let lock = app.sql();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = thread::scope(|scope| {
        let patch = scope.spawn(|| {
            let line = format!("PATCH /users/{}", anna.id);
            app.send(&line, admin.clone(), r#"{"is_approved":true}"#)
        });
        // It has been let in by the time it waits for the lock.
        while app
            .app
            .bulkheads()
            .iter()
            .all(|bulkhead| bulkhead.usage().in_use == 0)
        {
            thread::yield_now();
        }
        lock.execute_batch(
            r#"UPDATE "user" SET role = 'employee' WHERE username = 'admin'; COMMIT"#,
        )
        .unwrap();
        patch.join().unwrap()
    });
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (403, "insufficient_role")
    );
    let sql = r#"SELECT is_approved FROM "user" WHERE username = 'anna'"#;
    let approved: bool = app.sql().query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(!approved);
}

#[test]
fn a_role_and_an_approval_count_at_once_and_end_no_session() {
    let app = TestApp::new();
    let (admin, anna) = (app.admin(), app.manager());
    let mine = sign_in(&app, &anna);
    let patch = |body: &str| app.send(&format!("PATCH /users/{}", anna.id), admin.clone(), body);
    assert_eq!(app.send_token("GET /users", &mine.access).status, 200);
    assert_eq!(patch(r#"{"role":"employee"}"#).status, 200);
    assert_eq!(
        app.send_token("GET /users", &mine.access).code(),
        "insufficient_role"
    );
    assert_eq!(patch(r#"{"is_approved":false}"#).status, 200);
    assert_eq!(
        app.send_token("GET /tasks", &mine.access).code(),
        "awaiting_approval"
    );
    assert!(works(&app, &mine.access));
}

// The list ----------------------------------------------------------------------------------------

#[test]
fn the_list_tells_when_and_from_where_and_which_is_this_one() {
    let app = TestApp::new();
    let anna = app.person("anna", Role::Employee, false);
    let body = json!({ "email": anna.email, "password": PASSWORD }).to_string();
    let agent = format!("Board/1.0 \u{7}{}", "x".repeat(300));
    let headers = [
        ("Content-Type", "application/json".to_owned()),
        ("User-Agent", agent),
    ];
    app.advance(60);
    let mine = tokens(&app.send_raw("POST /login", &headers, body.as_bytes()));
    app.advance(600);
    assert!(works(&app, &mine.access));
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
fn a_refresh_is_a_use_and_an_earlier_one_that_is_written_later_hides_none() {
    let app = TestApp::new();
    let anna = app.employee();
    let mine = sign_in(&app, &anna);
    app.advance(60);
    assert!(works(&app, &mine.access));
    app.advance(600);
    assert_eq!(refresh(&app, &mine.refresh).status, 200);
    maintenance::run(&app.app).unwrap();
    let found = sessions(&app, &anna.token);
    let last_used = found[0]["last_used_at"].as_str().unwrap();
    assert_eq!(&last_used[..19], "2026-11-23T12:11:00");
}

#[test]
fn an_account_has_a_hundred_sessions_at_most_and_loses_the_longest_unused() {
    let app = TestApp::new();
    let anna = app.employee();
    for _ in 0..98 {
        app.sign_in_again(&anna);
    }
    let last = app.sign_in_again(&anna);
    assert_eq!(sessions(&app, &last).len(), 100);
    assert!(works(&app, &anna.token));
    maintenance::run(&app.app).unwrap();
    // The first was used just now.
    let newest = app.sign_in_again(&anna);
    assert_eq!(sessions(&app, &newest).len(), 100);
    assert!(works(&app, &anna.token) && works(&app, &newest));
    // Whatever others do.
    let ben = app.manager();
    for _ in 0..100 {
        app.sign_in_again(&ben);
    }
    let newest = app.sign_in_again(&anna);
    assert_eq!(sessions(&app, &newest).len(), 100);
}

#[test]
fn what_has_expired_is_removed_and_nothing_else() {
    let app = TestApp::new();
    let anna = app.employee();
    let rows = || -> i64 {
        let db = app.sql();
        db.query_row("SELECT count(*) FROM session", [], |row| row.get(0))
            .unwrap()
    };
    sign_in(&app, &anna);
    app.advance(29 * 86_400);
    let mine = sign_in(&app, &anna);
    maintenance::run(&app.app).unwrap();
    assert_eq!(rows(), 3);
    app.advance(2 * 86_400);
    let mine = tokens(&refresh(&app, &mine.refresh));
    // Nobody sees it from the moment on at which it has expired.
    assert_eq!((rows(), sessions(&app, &mine.access).len()), (3, 1));
    maintenance::run(&app.app).unwrap();
    assert_eq!((rows(), sessions(&app, &mine.access).len()), (1, 1));
}

#[test]
fn the_database_holds_no_token() {
    let app = TestApp::new();
    let mine = sign_in(&app, &app.employee());
    let next = tokens(&refresh(&app, &mine.refresh));
    app.app.store.checkpoint().unwrap();
    let file = std::fs::read(app.database()).unwrap();
    for token in [&mine.refresh, &next.refresh, &next.access] {
        let payload = jwt::payload(token);
        for secret in [token.as_str(), payload["jti"].as_str().unwrap()] {
            let found = file
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret}");
        }
    }
}
