//! A database of the Flask app, opened as it is: every row is returned, whatever values it has, and no value
//! changes unless a request changes it.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use serde_json::{Value, json};
use task_api::model::Role;

use crate::support::pagination::follow_links;
use crate::support::{Account, PASSWORD, SORTS, TestApp, concurrently, open_store};

/// The tables that SQLAlchemy's `create_all()` creates from the tutorial's models.
const TABLES: &str = "
    CREATE TABLE user (id INTEGER NOT NULL, username VARCHAR(80) NOT NULL, email VARCHAR(120) NOT NULL,
      password_hash VARCHAR(128) NOT NULL, role VARCHAR(20), is_approved BOOLEAN, created_at DATETIME,
      PRIMARY KEY (id), UNIQUE (username), UNIQUE (email));
    CREATE TABLE task (id INTEGER NOT NULL, title VARCHAR(255) NOT NULL, description TEXT, status VARCHAR(20),
      deadline DATETIME, created_at DATETIME, assigned_user_id INTEGER,
      PRIMARY KEY (id), FOREIGN KEY(assigned_user_id) REFERENCES user (id));";

/// Werkzeug's hash of `PASSWORD`.
const PBKDF2_HASH: &str = "pbkdf2:sha256:1000$Kq3vWx9ZtY2mLp8R$7bc8ff71821e217ef18efe3c634d6feda4bedb3dea6f8f413238706f61f3f111";
/// A hash of the same password by Werkzeug's default method.
const SCRYPT_HASH: &str = "scrypt:32768:8:1$Kq3vWx9ZtY2mLp8R$468846ec9f8cae3480ed14f0ec002d1bce344bbebea426760de85067474e9f6bbb8ad159e2407cd5cc9d49d2ae1f4007b5af3500053022801d1b729a513a7830";
const OTHER_PASSWORD: &str = "another long password";
const OTHER_HASH: &str = "pbkdf2:sha256:1000$Zz3vWx9ZtY2mLp8R$a07c754cced31072119afb76a8c4fcdaed644a063d3c5feef790c6b4cd881cf7";

/// The accounts: id, username, e-mail, hash; then role, approval and creation time as SQL literals.
const USERS: &[(i64, &str, &str, &str, &str)] = &[
    (
        1,
        "root",
        "Root@Example.com",
        PBKDF2_HASH,
        "'admin', 1, '2026-11-23 04:22:41.136817'",
    ),
    (
        2,
        "boss",
        "boss@example.com",
        PBKDF2_HASH,
        "'boss', 1, '2026-11-23 04:22:41'",
    ),
    (
        3,
        "roleless",
        "roleless@example.com",
        PBKDF2_HASH,
        "NULL, 1, NULL",
    ),
    (
        4,
        "waiting",
        "waiting@example.com",
        PBKDF2_HASH,
        "'manager', NULL, 'garbage'",
    ),
    (
        5,
        "Émile Zola",
        "Émile@Example.com",
        PBKDF2_HASH,
        "'employee', 1, ''",
    ),
    (
        6,
        "twin",
        "Twin@example.com",
        PBKDF2_HASH,
        "'employee', 1, '2026-11-23'",
    ),
    (
        7,
        "Twin",
        "twin@example.com",
        OTHER_HASH,
        "'employee', 1, '2026-11-23T04:22:41Z'",
    ),
    (
        8,
        "nothing",
        "nothing@example.com",
        PBKDF2_HASH,
        "NULL, NULL, NULL",
    ),
    (
        9,
        "用户 👩‍👩‍👧",
        "CHINESE@EXAMPLE.COM",
        "no hash at all",
        "'', 0, '2026-02-30 00:00:00.000000'",
    ),
    (
        10,
        "ADMIN?",
        "shouting@example.com",
        PBKDF2_HASH,
        "'ADMIN', 1, '2026-11-23 04:22:41.1'",
    ),
    (
        11,
        "scrypt",
        "scrypt@example.com",
        SCRYPT_HASH,
        "'employee', 0, '2026-11-23 04:22:41.000000'",
    ),
];

/// The id of a deleted account that a task is still assigned to.
const DELETED_USER_ID: i64 = 4711;

/// The tasks, as SQL literals.
const TASKS: &[&str] = &[
    "1, 'all NULL', NULL, NULL, NULL, NULL, NULL",
    "2, 'plain', 'two\nlines', 'pending', '2026-12-24 18:00:00.000000', '2026-11-23 04:22:41.136817', 2",
    "3, 'no fraction', '', 'done', '2026-12-24 18:00:00', '2026-11-23 04:22:41', 3",
    "4, 'garbage', NULL, 'Pending', 'tomorrow', 'yesterday', 5",
    "5, 'empty times', NULL, '', '', '', 5",
    "6, 'a day', NULL, 'completed', '2026-12-24', '2026-11-23', 5",
    "7, 'another form', NULL, 'in_progress', '2026-12-24T18:00:00Z', '2026-11-23T04:22:41+01:00', 6",
    "8, 'no such day', NULL, 'pending', '2026-02-30 00:00:00.000000', '0000-00-00 00:00:00.000000', 7",
    "9, 'of somebody deleted', 'd', 'in_progress', '2026-12-24 18:00:00.000000', NULL, 4711",
    "10, '日本語 und Grüße', 'ÉTÉ', NULL, NULL, '2026-11-23 04:22:41.136817', NULL",
    "11, '', '', 'erledigt', NULL, NULL, 2",
    "12, 'a line\nbreak', NULL, NULL, '9999-12-31 23:59:59.999999', '0001-01-01 00:00:00.000000', 8",
    "13, 'garbage', NULL, 'pending', 'tomorrow', 'yesterday', 2",
    "14, 'other fractions', NULL, 'pending', '2026-12-24 18:00:00.5', '2026-11-23 04:22:41.123456789', 2",
    "15, 'quotes', NULL, 'pending', 'it''s \"soon\"', 'ÿ%_\\', NULL",
];

/// A folder with a database of these accounts and tasks.
fn flask_database() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let db = Connection::open(folder.path().join("project.db")).unwrap();
    // The Flask app does not enforce foreign keys either.
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.execute_batch(TABLES).unwrap();
    for (id, username, email, hash, rest) in USERS {
        let sql = format!("INSERT INTO user VALUES (?1, ?2, ?3, ?4, {rest})");
        db.execute(&sql, rusqlite::params![id, username, email, hash])
            .unwrap();
    }
    for task in TASKS {
        db.execute(&format!("INSERT INTO task VALUES ({task})"), [])
            .unwrap();
    }
    folder
}

fn app_on_flask_database() -> TestApp {
    TestApp::in_folder(flask_database(), |_| {})
}

/// Logs in over the API. `None` if the response is 401.
fn log_in(app: &TestApp, email: &str, password: &str) -> Option<Account> {
    let response = app.log_in(email, password);
    (response.status != 401).then(|| response.account())
}

fn log_in_as_root(app: &TestApp) -> Account {
    log_in(app, "Root@Example.com", PASSWORD).unwrap()
}

/// The stored values of a table's rows as SQL literals, by id and column.
fn raw_rows(db: &Connection, table: &str) -> BTreeMap<i64, BTreeMap<String, String>> {
    let mut rows = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let columns: Vec<_> = rows
        .column_names()
        .iter()
        .map(|name| name.to_string())
        .collect();
    let quoted: Vec<_> = columns
        .iter()
        .map(|name| format!("quote({name})"))
        .collect();
    rows = db
        .prepare(&format!("SELECT id, {} FROM {table}", quoted.join(", ")))
        .unwrap();
    rows.query_map([], |row| {
        let values = columns
            .iter()
            .enumerate()
            .map(|(at, name)| Ok((name.clone(), row.get(at + 1)?)))
            .collect::<rusqlite::Result<_>>()?;
        Ok((row.get(0)?, values))
    })
    .unwrap()
    .collect::<Result<_, _>>()
    .unwrap()
}

/// Checks that the list has each of these ids once, in every sort order, and that the order of the rows does
/// not depend on the page size.
fn assert_lists_contain(app: &TestApp, account: &Account, filter: &str, expected: &BTreeSet<i64>) {
    for sort in SORTS {
        let expected_order = follow_links(
            app,
            account,
            &format!("/tasks?sort={sort}&limit=100{filter}"),
        );
        assert_eq!(
            expected_order.len(),
            expected.len(),
            "{sort}{filter}: {expected_order:?}"
        );
        assert_eq!(
            &expected_order.iter().copied().collect::<BTreeSet<_>>(),
            expected,
            "{sort}{filter}"
        );
        for limit in [1, 2, 3, 7] {
            let url = format!("/tasks?sort={sort}&limit={limit}{filter}");
            assert_eq!(follow_links(app, account, &url), expected_order, "{url}");
        }
    }
}

#[test]
fn every_account_of_the_flask_app_is_shown_and_listed() {
    let app = app_on_flask_database();
    let root = log_in_as_root(&app);
    let listed = app.get("/users", &root).items();
    assert_eq!(listed.len(), USERS.len());
    let expected = [
        json!(["admin", true, "2026-11-23T04:22:41.136817Z"]),
        json!(["boss", true, "2026-11-23T04:22:41.000000Z"]),
        json!([null, true, null]),
        json!(["manager", false, null]),
        json!(["employee", true, null]),
        json!(["employee", true, null]),
        json!(["employee", true, null]),
        json!([null, false, null]),
        json!(["", false, null]),
        json!(["ADMIN", true, "2026-11-23T04:22:41.100000Z"]),
        json!(["employee", false, "2026-11-23T04:22:41.000000Z"]),
    ];
    for ((id, username, email, ..), (item, expected)) in
        USERS.iter().zip(listed.iter().zip(&expected))
    {
        assert_eq!(
            item,
            &json!({
                "id": id,
                "username": username,
                "email": email,
                "role": expected[0],
                "is_approved": expected[1],
                "created_at": expected[2],
            })
        );
        let response = app.get(&format!("/users/{id}"), &root);
        assert_eq!((response.status, &response.json()), (200, item));
    }
    let all_ids: Vec<_> = USERS.iter().map(|user| user.0).collect();
    for limit in [1, 2, 3, 7, 100] {
        assert_eq!(
            follow_links(&app, &root, &format!("/users?limit={limit}")),
            all_ids
        );
    }
}

#[test]
fn every_task_of_the_flask_app_is_shown_and_listed() {
    let app = app_on_flask_database();
    let root = log_in_as_root(&app);
    let all: BTreeSet<_> = (1..=TASKS.len() as i64).collect();
    assert_lists_contain(&app, &root, "", &all);
    assert_lists_contain(&app, &root, "&q=", &all);
    for item in app.get("/tasks?limit=100", &root).items() {
        let response = app.get(&format!("/tasks/{}", item["id"]), &root);
        assert_eq!((response.status, response.json()), (200, item));
    }
    for (id, task) in [
        (1, json!(["all NULL", null, null, null, null, null])),
        (
            2,
            json!([
                "plain",
                "two\nlines",
                "pending",
                "2026-12-24T18:00:00.000000Z",
                "2026-11-23T04:22:41.136817Z",
                2
            ]),
        ),
        (
            3,
            json!([
                "no fraction",
                "",
                "done",
                "2026-12-24T18:00:00.000000Z",
                "2026-11-23T04:22:41.000000Z",
                3
            ]),
        ),
        (4, json!(["garbage", null, "Pending", null, null, 5])),
        (5, json!(["empty times", null, "", null, null, 5])),
        (8, json!(["no such day", null, "pending", null, null, 7])),
        (
            9,
            json!([
                "of somebody deleted",
                "d",
                "in_progress",
                "2026-12-24T18:00:00.000000Z",
                null,
                DELETED_USER_ID
            ]),
        ),
        (
            12,
            json!([
                "a line\nbreak",
                null,
                null,
                "9999-12-31T23:59:59.999999Z",
                "0001-01-01T00:00:00.000000Z",
                8
            ]),
        ),
        (
            14,
            json!([
                "other fractions",
                null,
                "pending",
                "2026-12-24T18:00:00.500000Z",
                "2026-11-23T04:22:41.123456Z",
                2
            ]),
        ),
    ] {
        let shown = app.get(&format!("/tasks/{id}"), &root).json();
        assert_eq!(
            shown,
            json!({
                "id": id,
                "title": task[0],
                "description": task[1],
                "status": task[2],
                "deadline": task[3],
                "created_at": task[4],
                "assigned_user_id": task[5],
            })
        );
    }
}

#[test]
fn filtered_lists_of_the_flask_apps_rows_contain_every_match_once() {
    let app = app_on_flask_database();
    let root = log_in_as_root(&app);
    for (filter, found) in [
        ("&status=pending", &[2, 8, 13, 14, 15][..]),
        ("&status=completed", &[6]),
        ("&assigned_user_id=5", &[4, 5, 6]),
        ("&assigned_user_id=4711", &[9]),
        ("&assigned_user_id=2&status=pending", &[2, 13, 14]),
        ("&q=GR%C3%9CSSE", &[]),
        ("&q=GR%C3%9C%C3%9FE", &[10]),
        ("&q=%C3%A9t%C3%A9", &[10]),
        ("&q=GARBAGE", &[4, 13]),
    ] {
        assert_lists_contain(&app, &root, filter, &found.iter().copied().collect());
    }
}

/// A DATETIME column has numeric affinity: SQLite stores text that looks like a number as a number.
#[test]
fn tasks_with_numbers_in_a_time_column_are_shown_and_listed() {
    let folder = flask_database();
    let db = Connection::open(folder.path().join("project.db")).unwrap();
    let garbage = [
        "'2026'",
        "'2026'",
        "2026",
        "1795435200.25",
        "0",
        "-5",
        "9223372036854775807",
        "0.1",
        "1e300",
    ];
    for value in garbage {
        let sql = format!(
            "INSERT INTO task (title, status, deadline, created_at, assigned_user_id)
             VALUES ('odd', 'odd', {value}, {value}, 5)"
        );
        db.execute(&sql, []).unwrap();
    }
    drop(db);
    let app = TestApp::in_folder(folder, |_| {});
    let root = log_in_as_root(&app);
    let count = (TASKS.len() + garbage.len()) as i64;
    for id in TASKS.len() as i64 + 1..=count {
        let response = app.get(&format!("/tasks/{id}"), &root);
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.json()["deadline"], Value::Null);
        assert_eq!(response.json()["created_at"], Value::Null);
    }
    assert_lists_contain(&app, &root, "", &(1..=count).collect());
}

#[test]
fn an_account_with_an_unknown_role_has_the_permissions_of_an_employee() {
    let app = app_on_flask_database();
    for (email, own) in [
        ("boss@example.com", vec![2, 11, 13, 14]),
        ("roleless@example.com", vec![3]),
        ("shouting@example.com", vec![]),
    ] {
        let account = log_in(&app, email, PASSWORD).unwrap();
        assert_eq!(app.get("/me", &account).status, 200, "{email}");
        assert_eq!(
            follow_links(&app, &account, "/tasks?sort=created_at&limit=2").len(),
            own.len(),
            "{email}"
        );
        for (line, body) in [
            ("GET /users", ""),
            ("GET /users/1", ""),
            ("PATCH /users/2", r#"{"role":"admin"}"#),
            ("DELETE /users/8", ""),
            ("POST /tasks", r#"{"title":"t"}"#),
            ("DELETE /tasks/2", ""),
        ] {
            let response = app.send(line, account.clone(), body);
            assert_eq!(
                (response.status, response.code().as_str()),
                (403, "insufficient_role"),
                "{email}: {line}"
            );
        }
        for id in 1..=TASKS.len() as i64 {
            let is_own = own.contains(&id);
            let status = app.get(&format!("/tasks/{id}"), &account).status;
            assert_eq!(status, if is_own { 200 } else { 404 }, "{email}: {id}");
            let line = format!("PATCH /tasks/{id}");
            let response = app.send(&line, account.clone(), r#"{"title":"mine"}"#);
            assert_eq!(response.status, if is_own { 403 } else { 404 }, "{email}");
            let response = app.send(&line, account.clone(), r#"{"status":"completed"}"#);
            assert_eq!(response.status, if is_own { 200 } else { 404 }, "{email}");
        }
    }
}

#[test]
fn an_account_whose_approval_is_null_counts_as_unapproved() {
    let app = app_on_flask_database();
    let root = log_in_as_root(&app);
    let waiting = log_in(&app, "waiting@example.com", PASSWORD).unwrap();
    assert_eq!(app.get("/me", &waiting).json()["is_approved"], false);
    assert_eq!(app.get("/hello", &waiting).status, 200);
    for path in ["/tasks", "/tasks/1", "/users"] {
        let response = app.get(path, &waiting);
        assert_eq!(
            (response.status, response.code().as_str()),
            (403, "awaiting_approval")
        );
    }
    for (filter, found) in [
        ("approved=false", &[4, 8, 9, 11][..]),
        ("approved=true", &[1, 2, 3, 5, 6, 7, 10]),
        ("approved=false&role=manager", &[4]),
        ("approved=true&role=manager", &[]),
        ("role=admin", &[1]),
        ("role=employee", &[5, 6, 7, 11]),
        ("q=%C3%89MILE", &[5]),
        ("q=%C3%A9mile%40example", &[5]),
        ("q=twin%40", &[6, 7]),
    ] {
        for limit in [1, 2, 100] {
            let url = format!("/users?{filter}&limit={limit}");
            assert_eq!(follow_links(&app, &root, &url), found, "{url}");
        }
    }
}

#[test]
fn two_emails_that_differ_only_in_letter_case_log_in_to_their_own_accounts() {
    let app = app_on_flask_database();
    let id = |email: &str, password: &str| log_in(&app, email, password).map(|account| account.id);
    for (email, password, account) in [
        ("Twin@example.com", PASSWORD, Some(6)),
        ("twin@example.com", OTHER_PASSWORD, Some(7)),
        ("Twin@example.com", OTHER_PASSWORD, None),
        ("twin@example.com", PASSWORD, None),
        // With only one such account, any letter case logs in to it.
        ("Root@Example.com", PASSWORD, Some(1)),
        ("root@example.com", PASSWORD, Some(1)),
        ("ROOT@EXAMPLE.COM", PASSWORD, Some(1)),
        ("chinese@example.com", PASSWORD, None),
        ("Émile@Example.com", PASSWORD, Some(5)),
    ] {
        assert_eq!(id(email, password), account, "{email} {password}");
    }
    for (email, password, username) in [
        ("Twin@example.com", PASSWORD, "twin"),
        ("twin@example.com", OTHER_PASSWORD, "Twin"),
    ] {
        let account = log_in(&app, email, password).unwrap();
        let hello = app.get("/hello", &account);
        assert_eq!(hello.json()["user_name"], username);
    }
    // A sign-up with a third spelling is 409.
    let response = app.sign_up("third", "TWIN@example.com", PASSWORD);
    assert_eq!(response.code(), "account_exists");
}

#[test]
fn a_patch_leaves_all_other_columns_as_they_are_stored() {
    let app = app_on_flask_database();
    let root = log_in_as_root(&app);
    for (line, table, id, body, changed) in [
        (
            "PATCH /users/2",
            "user",
            2,
            r#"{"is_approved":false}"#,
            vec![("is_approved", "0")],
        ),
        (
            "PATCH /users/3",
            "user",
            3,
            r#"{"role":"manager"}"#,
            vec![("role", "'manager'")],
        ),
        (
            "PATCH /users/4",
            "user",
            4,
            r#"{"is_approved":true}"#,
            vec![("is_approved", "1")],
        ),
        (
            "PATCH /users/8",
            "user",
            8,
            r#"{"role":"employee"}"#,
            vec![("role", "'employee'")],
        ),
        ("PATCH /users/9", "user", 9, "{}", vec![]),
        (
            "PATCH /tasks/1",
            "task",
            1,
            r#"{"title":"new"}"#,
            vec![("title", "'new'")],
        ),
        (
            "PATCH /tasks/3",
            "task",
            3,
            r#"{"title":"new"}"#,
            vec![("title", "'new'")],
        ),
        (
            "PATCH /tasks/4",
            "task",
            4,
            r#"{"description":"new"}"#,
            vec![("description", "'new'")],
        ),
        (
            "PATCH /tasks/5",
            "task",
            5,
            r#"{"status":"pending"}"#,
            vec![("status", "'pending'")],
        ),
        (
            "PATCH /tasks/7",
            "task",
            7,
            r#"{"deadline":"2027-01-01T00:00:00.000000Z"}"#,
            vec![("deadline", "'2027-01-01 00:00:00.000000'")],
        ),
        (
            "PATCH /tasks/8",
            "task",
            8,
            r#"{"deadline":null}"#,
            vec![("deadline", "NULL")],
        ),
        // The assigned account is deleted: other fields can change, and the task can be assigned to another user.
        (
            "PATCH /tasks/9",
            "task",
            9,
            r#"{"title":"new"}"#,
            vec![("title", "'new'")],
        ),
        (
            "PATCH /tasks/9",
            "task",
            9,
            r#"{"assigned_user_id":2}"#,
            vec![("assigned_user_id", "2")],
        ),
        (
            "PATCH /tasks/11",
            "task",
            11,
            r#"{"assigned_user_id":null}"#,
            vec![("assigned_user_id", "NULL")],
        ),
        (
            "PATCH /tasks/15",
            "task",
            15,
            r#"{"title":"new","status":"completed"}"#,
            vec![("title", "'new'"), ("status", "'completed'")],
        ),
        ("PATCH /tasks/12", "task", 12, "{}", vec![]),
    ] {
        let db = app.sqlite();
        let (mut users, mut tasks) = (raw_rows(&db, "user"), raw_rows(&db, "task"));
        let response = app.send(line, root.clone(), body);
        assert_eq!(response.status, 200, "{line} {body}: {response:?}");
        let table = if table == "user" {
            &mut users
        } else {
            &mut tasks
        };
        for (column, value) in changed {
            let before = table
                .get_mut(&id)
                .unwrap()
                .insert(column.to_owned(), value.to_owned());
            assert_ne!(before.as_deref(), Some(value), "{line} {body}");
        }
        assert_eq!(raw_rows(&db, "user"), users, "{line} {body}");
        assert_eq!(raw_rows(&db, "task"), tasks, "{line} {body}");
    }
}

#[test]
fn deleting_a_row_deletes_no_other_row() {
    let app = app_on_flask_database();
    let root = log_in_as_root(&app);
    assert_eq!(app.send("DELETE /tasks/9", root.clone(), "").status, 204);
    assert_eq!(app.send("DELETE /users/5", root.clone(), "").status, 204);
    let db = app.sqlite();
    assert_eq!(raw_rows(&db, "user").len(), USERS.len() - 1);
    let tasks = raw_rows(&db, "task");
    assert_eq!(tasks.len(), TASKS.len() - 1);
    for id in [4, 5, 6] {
        assert_eq!(tasks[&id]["assigned_user_id"], "NULL");
    }
    assert_eq!(tasks[&4]["deadline"], "'tomorrow'");
}

#[test]
fn an_account_with_the_unknown_role_in_capitals_does_not_count_as_an_admin() {
    let app = app_on_flask_database();
    let root = log_in_as_root(&app);
    // `ADMIN` is not a known role, so the approved account with it does not count as another admin.
    assert_eq!(
        app.send("DELETE /users/1", root.clone(), "").code(),
        "last_admin"
    );
    let response = app.send("PATCH /users/10", root.clone(), r#"{"role":"admin"}"#);
    assert_eq!(response.status, 200);
    assert_eq!(app.send("DELETE /users/1", root, "").status, 204);
}

/// The SQL definition of each table and index, by type and name.
fn definitions(db: &Connection) -> BTreeMap<String, Option<String>> {
    db.prepare("SELECT type || ' ' || name, sql FROM sqlite_master")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn pragma<T: rusqlite::types::FromSql>(db: &Connection, name: &str) -> T {
    db.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
        .unwrap()
}

#[test]
fn opening_the_database_of_the_flask_app_adds_to_it_and_changes_no_existing_row_or_definition() {
    let folder = flask_database();
    let path = folder.path().join("project.db");
    let db = Connection::open(&path).unwrap();
    let before = (
        raw_rows(&db, "user"),
        raw_rows(&db, "task"),
        definitions(&db),
    );
    assert_eq!(pragma::<String>(&db, "journal_mode"), "delete");
    drop(db);

    let mut definitions_after_first_open = None;
    for _ in 0..3 {
        drop(open_store(&path).unwrap());
        let db = Connection::open(&path).unwrap();
        assert_eq!(
            (raw_rows(&db, "user"), raw_rows(&db, "task")),
            (before.0.clone(), before.1.clone())
        );
        let now = definitions(&db);
        for (name, sql) in &before.2 {
            assert_eq!(now.get(name), Some(sql), "{name}");
        }
        // Only the first open adds something.
        assert_eq!(
            definitions_after_first_open.get_or_insert_with(|| now.clone()),
            &now
        );
        assert_eq!(pragma::<String>(&db, "journal_mode"), "wal");
        assert_eq!(pragma::<String>(&db, "integrity_check"), "ok");
        // The only broken foreign key is the one that the Flask app left.
        let broken: Vec<(String, i64, String)> = db
            .prepare("PRAGMA foreign_key_check")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(broken, [("task".to_owned(), 9, "user".to_owned())]);
    }
}

#[test]
fn a_new_database_has_the_tables_that_the_flask_app_expects() {
    let app = TestApp::new();
    let flask = Connection::open_in_memory().unwrap();
    flask.execute_batch(TABLES).unwrap();
    for table in ["user", "task"] {
        // Of each column: name, type, NOT NULL, default, and position in the primary key.
        let columns = |db: &Connection| -> Vec<(String, String, bool, Option<String>, i64)> {
            db.prepare(&format!("PRAGMA table_info({table})"))
                .unwrap()
                .query_map([], |row| {
                    Ok((
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get(4)?,
                        row.get(5)?,
                    ))
                })
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap()
        };
        assert_eq!(columns(&app.sqlite()), columns(&flask), "{table}");
    }
    // The constraints: unique usernames, unique e-mails, and the foreign key.
    let db = app.sqlite();
    app.account("a", Role::Employee, false);
    for sql in [
        "INSERT INTO user (username, email, password_hash) VALUES ('a', 'other', '')",
        "INSERT INTO user (username, email, password_hash) VALUES ('other', 'a@example.com', '')",
        "INSERT INTO task (title, assigned_user_id) VALUES ('t', 999)",
    ] {
        assert!(db.execute(sql, []).is_err(), "{sql}");
    }
    // The Flask app can still insert rows.
    db.execute(
        "INSERT INTO user (username, email, password_hash, role, is_approved, created_at)
         VALUES ('A', 'A@example.com', 'x', NULL, NULL, NULL)",
        [],
    )
    .unwrap();
    assert_eq!(pragma::<String>(&db, "journal_mode"), "wal");
    assert_eq!(pragma::<String>(&db, "integrity_check"), "ok");
}

fn open_eight_times_concurrently(path: &std::path::Path) {
    let results = concurrently(8, |_| open_store(path));
    for result in &results {
        match result {
            Ok(store) => store.ping().unwrap(),
            Err(why) => panic!("{why}"),
        }
    }
    drop(results);
    let db = Connection::open(path).unwrap();
    assert_eq!(pragma::<String>(&db, "journal_mode"), "wal");
    assert_eq!(pragma::<String>(&db, "integrity_check"), "ok");
}

#[test]
fn eight_concurrent_opens_of_a_new_database_all_succeed() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        open_eight_times_concurrently(&folder.path().join("project.db"));
    }
}

#[test]
fn eight_concurrent_opens_of_the_database_of_the_flask_app_all_succeed_and_make_one_backup() {
    for _ in 0..10 {
        let folder = flask_database();
        let path = folder.path().join("project.db");
        let before = raw_rows(&Connection::open(&path).unwrap(), "task");
        open_eight_times_concurrently(&path);
        assert_eq!(raw_rows(&Connection::open(&path).unwrap(), "task"), before);
        let files = std::fs::read_dir(folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        // The first open makes a backup and migrates; the other opens find nothing to migrate.
        assert_eq!(names.filter(|name| name.ends_with(".bak")).count(), 1);
    }
}
