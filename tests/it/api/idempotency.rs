//! The header `Idempotency-Key`: a client that does not know whether its request arrived sends it again,
//! and the server executes it once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use task_api::app::maintenance;
use task_api::http::idempotency_key::IdempotencyFingerprints;
use task_api::model::{Role, User};
use task_api::store::idempotency;

use crate::support::http_client::Client;
use crate::support::sql::TestRow;
use crate::support::{
    Account, PASSWORD, SIGNING_KEY, TestApp, TestResponse, concurrently, keys, timestamp,
};

const DAY: i64 = 24 * 60 * 60;

/// An idempotency key such as clients generate.
const UUID: &str = "8e03978e-40d5-43dd-bc93-6894a57f9324";

/// An application whose access tokens are valid for longer than idempotency keys.
fn app() -> TestApp {
    TestApp::with(|config| config.jwt_access_token_expires = "7d".parse().unwrap())
}

/// The same application after a restart.
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

fn post_task(app: &TestApp, account: &Account, key: &str, body: &str) -> TestResponse {
    post(app, "/tasks", Some(account), &[key], body)
}

fn sign_up(app: &TestApp, key: &str, body: &str) -> TestResponse {
    post(app, "/signup", None, &[key], body)
}

/// The same account with a new access token.
fn with_new_token(app: &TestApp, account: Account) -> Account {
    let token = app.log_in(&account.email, PASSWORD).account().token;
    assert_ne!(token, account.token);
    Account { token, ..account }
}

/// The request body of a sign-up with this user name.
fn sign_up_body(username: &str) -> String {
    let email = format!("{username}@example.com");
    json!({ "username": username, "email": email, "password": PASSWORD }).to_string()
}

/// Status, body and headers, without the headers that may differ between the first response and its replay.
fn without_request_headers(response: &TestResponse) -> (u16, Value, Vec<(String, String)>) {
    let mut headers = response.headers.clone();
    headers.retain(|(name, _)| !["X-Request-Id", "Idempotency-Replayed"].contains(&&**name));
    (response.status, response.json(), headers)
}

/// Asserts that the second response repeats the first one and has `Idempotency-Replayed: true`.
fn assert_replays(first: &TestResponse, replay: &TestResponse) {
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.header("Idempotency-Replayed"), None);
    assert_eq!(
        without_request_headers(replay),
        without_request_headers(first)
    );
    assert_eq!(replay.body, first.body);
    assert_eq!(replay.header("Idempotency-Replayed"), Some("true"));
}

fn assert_created(response: &TestResponse) {
    assert_eq!(response.status, 201, "{response:?}");
    assert_eq!(
        response.header("Idempotency-Replayed"),
        None,
        "{response:?}"
    );
}

// Retries -----------------------------------------------------------------------------------------

#[test]
fn a_retry_creates_no_second_task_and_gets_the_first_response() {
    let app = app();
    let manager = app.manager();
    let body = r#"{"title":"water the plants"}"#;
    let first = post_task(&app, &manager, UUID, body);
    assert_eq!(first.header("Location"), Some("/tasks/1"));
    assert!(first.header("ETag").is_some());
    let retry = || post_task(&app, &manager, UUID, body);
    assert_replays(&first, &retry());
    // Also after the task has changed, and after it has been deleted.
    let change = app.send("PATCH /tasks/1", manager.clone(), r#"{"title":"new"}"#);
    assert_ne!(change.header("ETag"), first.header("ETag"));
    assert_replays(&first, &retry());
    assert_eq!(app.get("/tasks/1", &manager).json()["title"], "new");
    assert_eq!(app.send("DELETE /tasks/1", manager.clone(), "").status, 204);
    assert_replays(&first, &retry());
    assert_eq!(app.count("task"), 0);
}

#[test]
fn a_retry_creates_no_second_account_and_gets_the_first_response() {
    let app = app();
    let admin = app.admin();
    let first = sign_up(&app, UUID, &sign_up_body("ada"));
    let retry = || sign_up(&app, UUID, &sign_up_body("ada"));
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
fn a_replayed_response_equals_the_first_one_byte_by_byte() {
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
        let first = post_task(&app, &manager, &key, &body);
        assert_replays(&first, &post_task(&app, &manager, &key, &body));
        let shown = app.get(first.header("Location").unwrap(), &manager);
        assert_eq!((&shown.body, shown.header("ETag")), (&first.body, first.header("ETag")));
    }
}

#[test]
fn without_an_idempotency_key_every_request_creates_a_row() {
    let app = app();
    let manager = app.manager();
    for id in 1..=3 {
        let response = post(&app, "/tasks", Some(&manager), &[], r#"{"title":"t"}"#);
        assert_created(&response);
        assert_eq!(response.json()["id"], id);
    }
    assert_created(&post(&app, "/signup", None, &[], &sign_up_body("ada")));
    assert_eq!(
        post(&app, "/signup", None, &[], &sign_up_body("ada")).status,
        409
    );
    assert_eq!(app.count("idempotency"), 0);
}

#[test]
fn a_retry_after_a_restart_gets_the_first_response() {
    let app = app();
    let manager = app.manager();
    let body = r#"{"title":"t"}"#;
    let (task, ada) = (
        post_task(&app, &manager, UUID, body),
        sign_up(&app, UUID, &sign_up_body("ada")),
    );
    let app = restarted(app);
    assert_replays(&task, &post_task(&app, &manager, UUID, body));
    assert_replays(&ada, &sign_up(&app, UUID, &sign_up_body("ada")));
}

#[test]
fn a_retry_of_a_sign_up_hashes_no_password() {
    let app = app();
    let first = sign_up(&app, UUID, &sign_up_body("ada"));
    // A hash would take many seconds.
    let app = TestApp::in_folder(app.folder, |config| {
        config.passwords.password_iterations = 500_000_000;
    });
    let start = Instant::now();
    assert_replays(&first, &sign_up(&app, UUID, &sign_up_body("ada")));
    assert_eq!(
        sign_up(&app, UUID, &sign_up_body("eve")).code(),
        "idempotency_key_reused"
    );
    assert!(start.elapsed() < Duration::from_secs(20));
}

// Keys --------------------------------------------------------------------------------------------

#[test]
fn the_same_key_with_another_body_is_422() {
    let app = app();
    let manager = app.manager();
    let task = r#"{"title":"t","status":"pending"}"#;
    let ada = sign_up_body("ada");
    let first = [
        post_task(&app, &manager, UUID, task),
        sign_up(&app, UUID, &ada),
    ];
    let before = app.rows();
    for (path, body) in [
        ("/tasks", r#"{"title":"u","status":"pending"}"#),
        ("/tasks", r#"{"title":"t"}"#),
        ("/tasks", r#"{"title":"t","status":"pending" }"#),
        ("/tasks", r#"{"status":"pending","title":"t"}"#),
        ("/signup", &sign_up_body("eve")),
        ("/signup", &ada.replace(PASSWORD, "another password")),
        ("/signup", &ada.replace("ada@", "eve@")),
    ] {
        let response = post(&app, path, Some(&manager), &[UUID], body);
        assert_eq!(
            (response.status, &*response.code()),
            (422, "idempotency_key_reused"),
            "{body}"
        );
        assert_eq!(response.header("Idempotency-Replayed"), None);
    }
    // An invalid body gets the error about its fields.
    let response = post_task(&app, &manager, UUID, "{}");
    assert_eq!(response.invalid_fields(), ["title"]);
    assert_eq!(app.rows(), before);
    assert_replays(&first[0], &post_task(&app, &manager, UUID, task));
    assert_replays(&first[1], &sign_up(&app, UUID, &ada));
}

#[test]
fn a_key_is_one_header_line_of_1_to_255_visible_ascii_characters() {
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
        for (path, body) in [
            ("/tasks", r#"{"title":"t"}"#),
            ("/signup", &sign_up_body("ada")),
        ] {
            let response = post(&app, path, Some(&manager), keys, body);
            assert_eq!(
                (response.status, &*response.code()),
                (400, "bad_request"),
                "{path} {keys:?}"
            );
            assert!(response.msg().contains("Idempotency-Key"), "{response:?}");
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
        let first = post_task(&app, &manager, key, r#"{"title":"t"}"#);
        assert_created(&first);
        assert_replays(&first, &post_task(&app, &manager, key, r#"{"title":"t"}"#));
    }
    assert_eq!(app.count("task"), 8);
}

#[test]
fn after_an_error_the_client_may_use_the_same_key_again() {
    let app = app();
    let (admin, manager, employee) = (app.admin(), app.manager(), app.employee());
    let first = r#"{"title":"t","assigned_user_id":4}"#;
    for (account, body, status) in [
        (&manager, "{", 400),
        (&manager, r#"{"title":""}"#, 422),
        // The account with id 4 does not exist yet.
        (&manager, first, 422),
        (&employee, first, 403),
    ] {
        assert_eq!(
            post_task(&app, account, UUID, body).status,
            status,
            "{body}"
        );
    }
    assert_eq!(post(&app, "/tasks", None, &[UUID], first).status, 401);
    assert_eq!(sign_up(&app, UUID, &sign_up_body("manager")).status, 409);
    assert_eq!(sign_up(&app, UUID, "{}").status, 422);
    assert_eq!(app.count("idempotency"), 0);
    assert_created(&sign_up(&app, UUID, &sign_up_body("ada")));
    assert_created(&post_task(&app, &manager, UUID, first));
    // An account that may no longer create tasks gets no stored response.
    let demotion = r#"{"role":"employee"}"#;
    app.send(&format!("PATCH /users/{}", manager.id), admin, demotion);
    assert_eq!(
        post_task(&app, &manager, UUID, first).code(),
        "insufficient_role"
    );
}

#[test]
fn keys_are_separate_for_each_account_and_each_route() {
    let app = app();
    let (admin, manager) = (app.admin(), app.manager());
    let body = r#"{"title":"t"}"#;
    let first = post_task(&app, &manager, UUID, body);
    let second = post_task(&app, &admin, UUID, r#"{"title":"another"}"#);
    let third = sign_up(&app, UUID, &sign_up_body("ada"));
    for response in [&first, &second, &third] {
        assert_created(response);
    }
    assert_replays(&first, &post_task(&app, &manager, UUID, body));
    assert_replays(&third, &sign_up(&app, UUID, &sign_up_body("ada")));
    // Keys belong to the account, not to the access token.
    let manager = with_new_token(&app, manager);
    assert_replays(&first, &post_task(&app, &manager, UUID, body));
}

#[test]
fn a_new_account_with_a_reused_id_does_not_inherit_the_keys_of_the_old_one() {
    let app = app();
    let admin = app.admin();
    let manager = app.manager();
    let body = r#"{"title":"t"}"#;
    assert_created(&post_task(&app, &manager, UUID, body));
    app.send(&format!("DELETE /users/{}", manager.id), admin, "");
    app.forget_given_ids();
    let next = app.account("next", Role::Manager, true);
    assert_eq!(next.id, manager.id);
    assert_created(&post_task(&app, &next, UUID, body));
    assert_created(&post_task(&app, &next, "another", r#"{"title":"u"}"#));
    assert_eq!(app.count("task"), 3);
}

#[test]
fn accounts_of_the_flask_app_without_created_at_have_separate_keys() {
    let app = app();
    let managers = ["ada", "eve"].map(|name| app.account(name, Role::Manager, true));
    app.sql()
        .execute(r#"UPDATE "user" SET created_at = NULL"#, [])
        .unwrap();
    for manager in managers {
        let manager = with_new_token(&app, manager);
        let first = post_task(&app, &manager, UUID, r#"{"title":"t"}"#);
        assert_replays(&first, &post_task(&app, &manager, UUID, r#"{"title":"t"}"#));
    }
    assert_eq!(app.count("task"), 2);
}

#[test]
fn each_different_request_has_a_different_fingerprint() {
    let fingerprints = IdempotencyFingerprints::new(SIGNING_KEY);
    let user = |id: i64, created_at: Option<i64>| User {
        id: id.try_into().unwrap(),
        username: "ada".to_owned(),
        email: "ada@example.com".to_owned(),
        role: Some("manager").into(),
        is_approved: true,
        created_at: created_at.map(timestamp),
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
fn other_routes_ignore_the_idempotency_key() {
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

// Expiry ------------------------------------------------------------------------------------------

#[test]
fn a_key_is_valid_for_a_day() {
    let app = app();
    let manager = app.manager();
    let body = r#"{"title":"t"}"#;
    let create = |body: &str| post_task(&app, &manager, UUID, body);
    let (first, ada) = (create(body), sign_up(&app, UUID, &sign_up_body("ada")));
    app.advance(DAY - 1);
    assert_replays(&first, &create(body));
    assert_replays(&ada, &sign_up(&app, UUID, &sign_up_body("ada")));
    assert_eq!(create(r#"{"title":"u"}"#).code(), "idempotency_key_reused");
    app.advance(1);
    // The rows are still stored but expired. A new request with the same key is valid for a day from here.
    assert_eq!(
        sign_up(&app, UUID, &sign_up_body("ada")).code(),
        "account_exists"
    );
    let second = create(r#"{"title":"u"}"#);
    assert_created(&second);
    assert_eq!(create(body).code(), "idempotency_key_reused");
    app.advance(DAY - 1);
    assert_replays(&second, &create(r#"{"title":"u"}"#));
    app.advance(1);
    assert_created(&create(body));
    assert_eq!(app.count("idempotency"), 2);
}

#[test]
fn expired_rows_are_deleted_up_to_a_limit_and_no_other_rows_are() {
    let app = app();
    let manager = app.manager();
    let body = r#"{"title":"t"}"#;
    let create = |n: usize| post_task(&app, &manager, &format!("{UUID}{n}"), body);
    let delete = |limit| {
        let store = &app.app.store;
        store
            .write(|db| idempotency::delete_expired(db, app.app.now(), limit))
            .unwrap()
    };
    for n in 0..5 {
        create(n);
        app.advance(10);
    }
    assert_eq!(delete(100), 0);
    // The first three rows have expired by now.
    app.advance(DAY - 30);
    assert_eq!((delete(2), delete(2), delete(2)), (2, 1, 0));
    assert_eq!(app.count("idempotency"), 2);
    for n in 3..5 {
        assert_eq!(
            create(n).header("Idempotency-Replayed"),
            Some("true"),
            "{n}"
        );
    }
    assert_created(&create(0));
    app.advance(DAY);
    assert_eq!(delete(100), 3);
    assert_eq!((app.count("idempotency"), app.count("task")), (0, 6));
}

#[test]
fn maintenance_deletes_all_expired_rows_in_one_run() {
    let app = app();
    let manager = app.manager();
    let body = r#"{"title":"t"}"#;
    post_task(&app, &manager, UUID, body);
    let db = app.sql();
    let sql = "INSERT INTO idempotency SELECT ?1, body, shown, 0 FROM idempotency WHERE key <> ?1 LIMIT 1";
    db.execute_batch("BEGIN").unwrap();
    for n in 0..1700 {
        let key = Sha256::digest(format!("{n}")).to_vec();
        db.execute(sql, [key]).unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
    assert_eq!(app.count("idempotency"), 1701);
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("idempotency"), 1);
    app.advance(DAY);
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("idempotency"), 0);
}

// Atomicity ---------------------------------------------------------------------------------------

#[test]
fn fifty_concurrent_retries_create_one_row_and_all_get_the_same_response() {
    let app = TestApp::new();
    let manager = app.manager();
    let ada = sign_up_body("ada");
    for (path, body, table) in [
        ("/tasks", r#"{"title":"t"}"#, "task"),
        ("/signup", &ada, "user"),
    ] {
        let before = app.count(table);
        let responses = concurrently(50, |_| post(&app, path, Some(&manager), &[UUID], body));
        let is_replay =
            |response: &&TestResponse| response.header("Idempotency-Replayed").is_some();
        let (replays, created): (Vec<_>, Vec<_>) = responses.iter().partition(is_replay);
        assert_eq!((created.len(), replays.len()), (1, 49), "{path}");
        for replay in replays {
            assert_replays(created[0], replay);
        }
        assert_eq!(app.count(table), before + 1, "{path}");
    }
}

#[test]
fn two_bodies_with_one_key_at_once_create_one_task() {
    for round in 0..10 {
        let app = TestApp::new();
        let manager = app.manager();
        let responses = concurrently(8, |n| {
            post_task(&app, &manager, UUID, &format!(r#"{{"title":"{}"}}"#, n % 2))
        });
        let count_of = |status| {
            responses
                .iter()
                .filter(|response| response.status == status)
                .count()
        };
        assert_eq!(
            (count_of(201), count_of(422)),
            (4, 4),
            "{round}: {responses:?}"
        );
        assert_eq!(app.count("task"), 1);
    }
}

#[test]
fn the_row_and_its_stored_response_are_committed_together_or_not_at_all() {
    for (path, body, table) in [
        ("/tasks", r#"{"title":"t"}"#, "task"),
        ("/signup", &*sign_up_body("ada"), "user"),
    ] {
        // Either of the two inserts fails.
        for broken in [table, "idempotency"] {
            let app = app();
            let manager = app.manager();
            let before = app.rows();
            app.sql().break_writes("INSERT", broken);
            let post = || post(&app, path, Some(&manager), &[UUID], body);
            assert_eq!(post().status, 500, "{path}: {broken}");
            assert_eq!(app.rows(), before, "{path}: {broken}");
            assert_eq!(app.count("idempotency"), 0, "{path}: {broken}");
            app.sql().repair_writes("INSERT", broken);
            let first = post();
            assert_replays(&first, &post());
        }
    }
}

#[test]
fn a_client_that_retries_after_lost_connections_creates_one_task() {
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
fn a_stolen_database_file_alone_does_not_allow_guessing_the_password_of_a_sign_up() {
    let body = sign_up_body("ada");
    let row = |signing_key: &[u8]| -> (Vec<u8>, Vec<u8>, String) {
        let folder = tempfile::tempdir().unwrap();
        let app = TestApp::with_keys(folder, &keys(signing_key, &[]), |_| {});
        assert_created(&sign_up(&app, UUID, &body));
        let sql = "SELECT key, body, shown FROM idempotency";
        let read = |row: &TestRow| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        app.sql().query_row(sql, [], read).unwrap()
    };
    let (key, hash, shown) = row(SIGNING_KEY);
    assert!(
        !shown.contains(PASSWORD) && !shown.contains("pbkdf2"),
        "{shown}"
    );
    assert_eq!((key.len(), hash.len()), (32, 32));
    // Neither value is an unkeyed hash of data in the file: both depend on the signing key, which is not in
    // it.
    for plain in [body.clone(), format!("{UUID}{body}"), UUID.to_owned()] {
        let plain = Sha256::digest(plain).to_vec();
        assert!(plain != key && plain != hash);
    }
    let other = row(b"another key for tests, of thirty-two bytes and more");
    assert!(other.0 != key && other.1 != hash);
    // The same signing key gives the same values. The stored response is not compared: it has `created_at`.
    let same = row(SIGNING_KEY);
    assert_eq!((same.0, same.1), (key, hash));
}
