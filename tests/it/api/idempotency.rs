//! Requests that come again: whoever does not know whether one has arrived sends it a second time, and it
//! is done once.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use task_api::app::maintenance;
use task_api::http::idempotency::IdempotencyFingerprints;
use task_api::model::{Role, User};
use task_api::store::idempotency;

use crate::support::http_client::Client;
use crate::support::{
    Account, PASSWORD, SIGNING_KEY, TestApp, TestResponse, concurrently, keys, timestamp,
};

const DAY: i64 = 24 * 60 * 60;

/// A key such as clients make.
const UUID: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";

/// An application whose tokens outlive its keys.
fn app() -> TestApp {
    TestApp::with(|config| config.jwt_access_token_expires = "7d".parse().unwrap())
}

/// The same after the program has been started anew.
fn restarted(app: TestApp) -> TestApp {
    TestApp::in_folder(app.folder, |_| {})
}

fn post(
    app: &TestApp,
    path: &str,
    account: Option<&Account>,
    keys: &[&str],
    body: &str,
) -> TestResponse {
    let headers: Vec<_> = keys.iter().map(|key| ("Idempotency-Key", *key)).collect();
    app.send_with(&format!("POST {path}"), account.cloned(), &headers, body)
}

fn make_task(app: &TestApp, account: &Account, key: &str, body: &str) -> TestResponse {
    post(app, "/tasks", Some(account), &[key], body)
}

fn sign_up(app: &TestApp, key: &str, body: &str) -> TestResponse {
    post(app, "/signup", None, &[key], body)
}

/// The same person with a new token.
fn signed_in_again(app: &TestApp, account: Account) -> Account {
    let token = app.log_in(&account.email, PASSWORD).account().token;
    assert_ne!(token, account.token);
    Account { token, ..account }
}

/// A sign-up of this name.
fn account(username: &str) -> String {
    let email = format!("{username}@example.com");
    json!({ "username": username, "email": email, "password": PASSWORD }).to_string()
}

/// All that a client sees of an answer, but for what is new each time.
fn seen(answer: &TestResponse) -> (u16, Value, Vec<(String, String)>) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !["X-Request-Id", "Idempotency-Replayed"].contains(&&**name));
    (answer.status, answer.json(), headers)
}

/// The second answer is the first one again, and says so.
fn assert_replays(first: &TestResponse, again: &TestResponse) {
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.header("Idempotency-Replayed"), None);
    assert_eq!(seen(again), seen(first));
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("Idempotency-Replayed"), Some("true"));
}

fn assert_made(answer: &TestResponse) {
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("Idempotency-Replayed"), None, "{answer:?}");
}

// The same again ----------------------------------------------------------------------------------

#[test]
fn a_retry_makes_no_second_task_and_gets_the_first_answer() {
    let app = app();
    let manager = app.manager();
    let body = r#"{"title":"water the plants"}"#;
    let first = make_task(&app, &manager, UUID, body);
    assert_eq!(first.header("Location"), Some("/tasks/1"));
    assert!(first.header("ETag").is_some());
    let retry = || make_task(&app, &manager, UUID, body);
    assert_replays(&first, &retry());
    // Also when the task is another by now, and when there is none.
    let change = app.send("PATCH /tasks/1", manager.clone(), r#"{"title":"new"}"#);
    assert_ne!(change.header("ETag"), first.header("ETag"));
    assert_replays(&first, &retry());
    assert_eq!(app.get("/tasks/1", &manager).json()["title"], "new");
    assert_eq!(app.send("DELETE /tasks/1", manager.clone(), "").status, 204);
    assert_replays(&first, &retry());
    assert_eq!(app.count("task"), 0);
}

#[test]
fn a_retry_makes_no_second_account_and_gets_the_first_answer() {
    let app = app();
    let admin = app.admin();
    let first = sign_up(&app, UUID, &account("ada"));
    let retry = || sign_up(&app, UUID, &account("ada"));
    assert_replays(&first, &retry());
    let url = format!("/users/{}", first.json()["id"]);
    app.send(
        &format!("PATCH {url}"),
        admin.clone(),
        r#"{"role":"manager"}"#,
    );
    assert_replays(&first, &retry());
    assert_eq!(app.send(&format!("DELETE {url}"), admin, "").status, 204);
    assert_replays(&first, &retry());
    assert_eq!(app.count("user"), 1);
}

#[test]
fn texts_of_any_kind_come_back_byte_by_byte() {
    let app = app();
    let manager = app.manager();
    for (n, body) in [
        json!({ "title": "\"\\/\u{1F331}é", "description": "a\n\tb\r\"c\\" }),
        json!({ "title": "t", "description": "ü".repeat(10_000), "status": "in_progress" }),
        json!({ "title": "t", "deadline": "2027-01-01T00:00:00.5+01:00", "assigned_user_id": manager.id }),
    ]
    .into_iter()
    .enumerate()
    {
        let (key, body) = (format!("{UUID}{n}"), body.to_string());
        let first = make_task(&app, &manager, &key, &body);
        assert_replays(&first, &make_task(&app, &manager, &key, &body));
        let shown = app.get(first.header("Location").unwrap(), &manager);
        assert_eq!((&shown.body, shown.header("ETag")), (&first.body, first.header("ETag")));
    }
}

#[test]
fn without_a_key_every_request_is_a_new_one() {
    let app = app();
    let manager = app.manager();
    for id in 1..=3 {
        let answer = post(&app, "/tasks", Some(&manager), &[], r#"{"title":"t"}"#);
        assert_made(&answer);
        assert_eq!(answer.json()["id"], id);
    }
    assert_made(&post(&app, "/signup", None, &[], &account("ada")));
    assert_eq!(
        post(&app, "/signup", None, &[], &account("ada")).status,
        409
    );
    assert_eq!(app.count("idempotency"), 0);
}

#[test]
fn a_retry_is_known_after_a_restart() {
    let app = app();
    let manager = app.manager();
    let body = r#"{"title":"t"}"#;
    let (task, ada) = (
        make_task(&app, &manager, UUID, body),
        sign_up(&app, UUID, &account("ada")),
    );
    let app = restarted(app);
    assert_replays(&task, &make_task(&app, &manager, UUID, body));
    assert_replays(&ada, &sign_up(&app, UUID, &account("ada")));
}

#[test]
fn a_retry_of_a_sign_up_waits_for_no_hash() {
    let app = app();
    let first = sign_up(&app, UUID, &account("ada"));
    let app = TestApp::in_folder(app.folder, |config| {
        config.concurrency.hashes.max_concurrent = 0;
        config.concurrency.hashes.max_queued = 0;
    });
    assert_replays(&first, &sign_up(&app, UUID, &account("ada")));
    assert_eq!(
        sign_up(&app, UUID, &account("eve")).code(),
        "idempotency_key_reused"
    );
    assert_eq!(sign_up(&app, "another", &account("eve")).code(), "busy");
}

// Keys --------------------------------------------------------------------------------------------

#[test]
fn a_key_is_good_for_the_very_same_body_alone() {
    let app = app();
    let manager = app.manager();
    let task = r#"{"title":"t","status":"pending"}"#;
    let ada = account("ada");
    let first = [
        make_task(&app, &manager, UUID, task),
        sign_up(&app, UUID, &ada),
    ];
    let before = app.rows();
    for (path, body) in [
        ("/tasks", r#"{"title":"u","status":"pending"}"#),
        ("/tasks", r#"{"title":"t"}"#),
        ("/tasks", r#"{"title":"t","status":"pending" }"#),
        ("/tasks", r#"{"status":"pending","title":"t"}"#),
        ("/signup", &account("eve")),
        ("/signup", &ada.replace(PASSWORD, "another password")),
        ("/signup", &ada.replace("ada@", "eve@")),
    ] {
        let answer = post(&app, path, Some(&manager), &[UUID], body);
        assert_eq!(
            (answer.status, &*answer.code()),
            (422, "idempotency_key_reused"),
            "{body}"
        );
        assert_eq!(answer.header("Idempotency-Replayed"), None);
    }
    // A body that is refused anyway is told so.
    let answer = make_task(&app, &manager, UUID, "{}");
    assert_eq!(answer.invalid_fields(), ["title"]);
    assert_eq!(app.rows(), before);
    assert_replays(&first[0], &make_task(&app, &manager, UUID, task));
    assert_replays(&first[1], &sign_up(&app, UUID, &ada));
}

#[test]
fn a_key_is_1_to_255_visible_ascii_characters_once() {
    let app = app();
    let manager = app.manager();
    let (longest, too_long) = ("a".repeat(255), "a".repeat(256));
    let all: String = ('!'..='~').collect();
    let before = app.rows();
    for keys in [
        &[""] as &[&str],
        &[" "],
        &["a b"],
        &["a\tb"],
        &[" a"],
        &["a\u{7f}"],
        &["clé"],
        &["a\0"],
        &[&too_long],
        &["a", "b"],
        &["a", "a"],
        &["a", ""],
        &["", "a"],
    ] {
        for (path, body) in [("/tasks", r#"{"title":"t"}"#), ("/signup", &account("ada"))] {
            let answer = post(&app, path, Some(&manager), keys, body);
            assert_eq!(
                (answer.status, &*answer.code()),
                (400, "bad_request"),
                "{path} {keys:?}"
            );
            assert!(answer.msg().contains("Idempotency-Key"), "{answer:?}");
        }
    }
    assert_eq!(app.rows(), before);
    for key in [
        "a",
        UUID,
        r#""quoted""#,
        "A",
        "a,b",
        &longest,
        &longest[1..],
        &all,
    ] {
        let made = make_task(&app, &manager, key, r#"{"title":"t"}"#);
        assert_made(&made);
        assert_replays(&made, &make_task(&app, &manager, key, r#"{"title":"t"}"#));
    }
    assert_eq!(app.count("task"), 8);
}

#[test]
fn after_an_error_the_same_key_may_be_tried_again() {
    let app = app();
    let (admin, manager, employee) = (app.admin(), app.manager(), app.employee());
    let first = r#"{"title":"t","assigned_user_id":4}"#;
    for (account, body, status) in [
        (&manager, "{", 400),
        (&manager, r#"{"title":""}"#, 422),
        // The account is not there yet.
        (&manager, first, 422),
        (&employee, first, 403),
    ] {
        assert_eq!(
            make_task(&app, account, UUID, body).status,
            status,
            "{body}"
        );
    }
    assert_eq!(post(&app, "/tasks", None, &[UUID], first).status, 401);
    assert_eq!(sign_up(&app, UUID, &account("manager")).status, 409);
    assert_eq!(sign_up(&app, UUID, "{}").status, 422);
    assert_eq!(app.count("idempotency"), 0);
    assert_made(&sign_up(&app, UUID, &account("ada")));
    assert_made(&make_task(&app, &manager, UUID, first));
    // Whoever makes no tasks any more gets no old answer either.
    let demotion = r#"{"role":"employee"}"#;
    app.send(&format!("PATCH /users/{}", manager.id), admin, demotion);
    assert_eq!(
        make_task(&app, &manager, UUID, first).code(),
        "insufficient_role"
    );
}

#[test]
fn everybody_has_keys_of_their_own_and_so_has_each_route() {
    let app = app();
    let (admin, manager) = (app.admin(), app.manager());
    let body = r#"{"title":"t"}"#;
    let first = make_task(&app, &manager, UUID, body);
    let second = make_task(&app, &admin, UUID, r#"{"title":"another"}"#);
    let third = sign_up(&app, UUID, &account("ada"));
    for answer in [&first, &second, &third] {
        assert_made(answer);
    }
    assert_replays(&first, &make_task(&app, &manager, UUID, body));
    assert_replays(&third, &sign_up(&app, UUID, &account("ada")));
    // It is the account that counts, not the token.
    let manager = signed_in_again(&app, manager);
    assert_replays(&first, &make_task(&app, &manager, UUID, body));
    // And the route, not how its path is spelled.
    assert_replays(
        &first,
        &post(&app, "/%74asks", Some(&manager), &[UUID], body),
    );
}

#[test]
fn the_next_account_with_an_id_does_not_inherit_the_keys_of_the_last() {
    let app = app();
    let admin = app.admin();
    let manager = app.manager();
    let body = r#"{"title":"t"}"#;
    assert_made(&make_task(&app, &manager, UUID, body));
    app.send(&format!("DELETE /users/{}", manager.id), admin, "");
    let next = app.account("next", Role::Manager, true);
    assert_eq!(next.id, manager.id, "SQLite gives out the id again");
    assert_made(&make_task(&app, &next, UUID, body));
    assert_made(&make_task(&app, &next, "another", r#"{"title":"u"}"#));
    assert_eq!(app.count("task"), 3);
}

#[test]
fn accounts_of_the_flask_app_without_an_age_have_keys_of_their_own_too() {
    let app = app();
    let managers = ["ada", "eve"].map(|name| app.account(name, Role::Manager, true));
    app.sql()
        .execute("UPDATE user SET created_at = NULL", [])
        .unwrap();
    for manager in managers {
        let manager = signed_in_again(&app, manager);
        let first = make_task(&app, &manager, UUID, r#"{"title":"t"}"#);
        assert_replays(&first, &make_task(&app, &manager, UUID, r#"{"title":"t"}"#));
    }
    assert_eq!(app.count("task"), 2);
}

#[test]
fn whatever_is_another_request_has_another_fingerprint() {
    let fingerprints = IdempotencyFingerprints::new(SIGNING_KEY);
    let user = |id: i64, age: Option<i64>| User {
        id: id.try_into().unwrap(),
        username: "ada".to_owned(),
        email: "ada@example.com".to_owned(),
        role: Some("manager").into(),
        is_approved: true,
        created_at: age.map(timestamp),
    };
    let users = [
        user(1, None),
        user(2, None),
        user(1, Some(1)),
        user(1, Some(2)),
    ];
    let mut seen = BTreeSet::new();
    let mut count = 0;
    for caller in [None].into_iter().chain(users.iter().map(Some)) {
        for route in ["POST /tasks", "POST /signup"] {
            for key in ["a", "b", "a\",\"b"] {
                let of = |body: &[u8]| fingerprints.of(key, route, caller, body);
                let fingerprint = of(b"{}");
                assert_eq!(of(b"{ }").key, fingerprint.key);
                seen.extend([fingerprint.key, fingerprint.body, of(b"{ }").body]);
                count += 3;
            }
        }
    }
    assert_eq!(seen.len(), count);
}

#[test]
fn other_routes_do_not_look_at_keys() {
    let app = app();
    let admin = app.admin();
    let log_in = json!({ "email": admin.email, "password": PASSWORD }).to_string();
    let task = app.create_task(&admin, json!({ "title": "t" }));
    for (line, body, status) in [
        ("POST /login", &*log_in, 200),
        ("GET /hello", "", 200),
        (&format!("PATCH /tasks/{task}"), "{}", 200),
        (&format!("DELETE /tasks/{task}"), "", 204),
    ] {
        let headers = [
            ("Authorization", format!("Bearer {}", admin.token)),
            ("Content-Type", "application/json".to_owned()),
            ("Idempotency-Key", "no good key".to_owned()),
        ];
        assert_eq!(
            app.send_raw(line, &headers, body.as_bytes()).status,
            status,
            "{line}"
        );
    }
    assert_eq!(app.count("idempotency"), 0);
}

// A day -------------------------------------------------------------------------------------------

#[test]
fn a_request_is_known_for_a_day() {
    let app = app();
    let manager = app.manager();
    let body = r#"{"title":"t"}"#;
    let make = |body: &str| make_task(&app, &manager, UUID, body);
    let (first, ada) = (make(body), sign_up(&app, UUID, &account("ada")));
    app.advance(DAY - 1);
    assert_replays(&first, &make(body));
    assert_replays(&ada, &sign_up(&app, UUID, &account("ada")));
    assert_eq!(make(r#"{"title":"u"}"#).code(), "idempotency_key_reused");
    app.advance(1);
    // Nobody has removed the rows, and they count no more. The day of the next ones begins here.
    assert_eq!(
        sign_up(&app, UUID, &account("ada")).code(),
        "account_exists"
    );
    let second = make(r#"{"title":"u"}"#);
    assert_made(&second);
    assert_eq!(make(body).code(), "idempotency_key_reused");
    app.advance(DAY - 1);
    assert_replays(&second, &make(r#"{"title":"u"}"#));
    app.advance(1);
    assert_made(&make(body));
    assert_eq!(app.count("idempotency"), 2);
}

#[test]
fn what_has_expired_is_removed_a_few_rows_at_a_time_and_nothing_else_is() {
    let app = app();
    let manager = app.manager();
    let body = r#"{"title":"t"}"#;
    let make = |n: usize| make_task(&app, &manager, &format!("{UUID}{n}"), body);
    let delete = |limit| {
        let store = &app.app.store;
        store
            .write(|db| idempotency::delete_expired(db, app.app.now(), limit))
            .unwrap()
    };
    for n in 0..5 {
        make(n);
        app.advance(10);
    }
    assert_eq!(delete(100), 0);
    // At this moment the first three have expired.
    app.advance(DAY - 30);
    assert_eq!((delete(2), delete(2), delete(2)), (2, 1, 0));
    assert_eq!(app.count("idempotency"), 2);
    for n in 3..5 {
        assert_eq!(make(n).header("Idempotency-Replayed"), Some("true"), "{n}");
    }
    assert_made(&make(0));
    app.advance(DAY);
    assert_eq!(delete(100), 3);
    assert_eq!((app.count("idempotency"), app.count("task")), (0, 6));
}

#[test]
fn the_upkeep_removes_all_that_has_expired_however_much_it_is() {
    let app = app();
    let manager = app.manager();
    let body = r#"{"title":"t"}"#;
    make_task(&app, &manager, UUID, body);
    app.sql()
        .execute_batch(
            "WITH n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1700)
             INSERT INTO idempotency SELECT randomblob(32), body, shown, 0 FROM idempotency, n",
        )
        .unwrap();
    assert_eq!(app.count("idempotency"), 1701);
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("idempotency"), 1);
    app.advance(DAY);
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("idempotency"), 0);
}

// All or nothing ----------------------------------------------------------------------------------

#[test]
fn of_fifty_retries_at_once_one_makes_the_row_and_all_get_its_answer() {
    // Room for all of them: this is not about the queue for hashes.
    let app = TestApp::with(|config| config.concurrency.hashes.max_queued = 50);
    let manager = app.manager();
    let ada = account("ada");
    for (path, body, table) in [
        ("/tasks", r#"{"title":"t"}"#, "task"),
        ("/signup", &ada, "user"),
    ] {
        let before = app.count(table);
        let answers = concurrently(50, |_| post(&app, path, Some(&manager), &[UUID], body));
        let is_replay = |answer: &&TestResponse| answer.header("Idempotency-Replayed").is_some();
        let (replays, made): (Vec<_>, Vec<_>) = answers.iter().partition(is_replay);
        assert_eq!((made.len(), replays.len()), (1, 49), "{path}");
        for again in replays {
            assert_replays(made[0], again);
        }
        assert_eq!(app.count(table), before + 1, "{path}");
    }
}

#[test]
fn of_two_bodies_with_one_key_at_once_one_is_made() {
    for round in 0..10 {
        let app = TestApp::new();
        let manager = app.manager();
        let answers = concurrently(8, |n| {
            make_task(&app, &manager, UUID, &format!(r#"{{"title":"{}"}}"#, n % 2))
        });
        let count_of = |status| {
            answers
                .iter()
                .filter(|answer| answer.status == status)
                .count()
        };
        assert_eq!(
            (count_of(201), count_of(422)),
            (4, 4),
            "{round}: {answers:?}"
        );
        assert_eq!(app.count("task"), 1);
    }
}

#[test]
fn the_row_and_what_is_known_of_it_are_there_together_or_not_at_all() {
    for (path, body, table) in [
        ("/tasks", r#"{"title":"t"}"#, "task"),
        ("/signup", &*account("ada"), "user"),
    ] {
        // Whichever of the two fails.
        for broken in [table, "idempotency"] {
            let app = app();
            let manager = app.manager();
            let before = app.rows();
            let sql = format!(
                "CREATE TRIGGER broken BEFORE INSERT ON {broken} BEGIN SELECT RAISE(ABORT, 'disk'); END"
            );
            app.sql().execute_batch(&sql).unwrap();
            let post = || post(&app, path, Some(&manager), &[UUID], body);
            assert_eq!(post().status, 500, "{path}: {broken}");
            assert_eq!(app.rows(), before, "{path}: {broken}");
            assert_eq!(app.count("idempotency"), 0, "{path}: {broken}");
            app.sql().execute_batch("DROP TRIGGER broken").unwrap();
            let first = post();
            assert_replays(&first, &post());
        }
    }
}

#[test]
fn a_client_that_lost_its_connection_before_the_answer_makes_one_task() {
    let app = app();
    let manager = app.manager();
    let server = app.serve();
    let body = r#"{"title":"t"}"#;
    let request = |client: &Client, keys: &str| {
        let headers = format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\n{keys}Content-Length: {}\r\n",
            manager.token,
            body.len()
        );
        format!("{}{body}", client.head("POST /tasks", &headers))
    };
    let key = format!("idempotency-key:   {}  \r\n", "k".repeat(255));
    for _ in 0..20 {
        let mut client = Client::connect(server.address());
        let bytes = request(&client, &key);
        client.write(bytes).unwrap();
    }
    let mut client = Client::connect(server.address());
    for (keys, status) in [
        (key.clone(), 201),
        (format!("{key}Idempotency-Key: k\r\n"), 400),
        ("Idempotency-Key: k k\r\n".to_owned(), 400),
        ("Idempotency-Key:\r\n".to_owned(), 400),
    ] {
        let bytes = request(&client, &keys);
        client.write(bytes).unwrap();
        assert_eq!(
            client.read_response(false).unwrap().status,
            status,
            "{keys}"
        );
    }
    assert_eq!(app.count("task"), 1);
}

// Secrets -----------------------------------------------------------------------------------------

#[test]
fn nobody_who_has_the_file_alone_can_try_passwords_on_what_is_known_of_a_sign_up() {
    let body = account("ada");
    let row = |signing_key: &[u8]| -> (Vec<u8>, Vec<u8>, String) {
        let folder = tempfile::tempdir().unwrap();
        let app = TestApp::with_keys(folder, &keys(signing_key, &[]), |_| {});
        assert_made(&sign_up(&app, UUID, &body));
        let sql = "SELECT key, body, shown FROM idempotency";
        let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        app.sql().query_row(sql, [], read).unwrap()
    };
    let (key, hash, shown) = row(SIGNING_KEY);
    assert!(
        !shown.contains(PASSWORD) && !shown.contains("pbkdf2"),
        "{shown}"
    );
    assert_eq!((key.len(), hash.len()), (32, 32));
    // Neither a plain hash nor one that depends on anything else in the file: the server's key is in both.
    for plain in [body.clone(), format!("{UUID}{body}"), UUID.to_owned()] {
        let plain = Sha256::digest(plain).to_vec();
        assert!(plain != key && plain != hash);
    }
    let other = row(b"another key for tests, of thirty-two bytes and more");
    assert!(other.0 != key && other.1 != hash);
    // With the same key it is the same, but for the account's age.
    let same = row(SIGNING_KEY);
    assert_eq!((same.0, same.1), (key, hash));
}
