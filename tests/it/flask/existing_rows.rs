//! The Flask app's own database, opened as it lies there: every row is served, whatever it holds, and
//! nothing of it changes unasked.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use serde_json::{Value, json};
use task_api::config::concurrency::Concurrency;
use task_api::model::Role;
use task_api::store::Store;

use crate::support::pagination::walk_links;
use crate::support::{PASSWORD, Person, SORTS, TestApp, concurrently};

/// What SQLAlchemy's create_all() makes of the tutorial's models.
const TABLES: &str = "
    CREATE TABLE user (id INTEGER NOT NULL, username VARCHAR(80) NOT NULL, email VARCHAR(120) NOT NULL,
      password_hash VARCHAR(128) NOT NULL, role VARCHAR(20), is_approved BOOLEAN, created_at DATETIME,
      PRIMARY KEY (id), UNIQUE (username), UNIQUE (email));
    CREATE TABLE task (id INTEGER NOT NULL, title VARCHAR(255) NOT NULL, description TEXT, status VARCHAR(20),
      deadline DATETIME, created_at DATETIME, assigned_user_id INTEGER,
      PRIMARY KEY (id), FOREIGN KEY(assigned_user_id) REFERENCES user (id));";

/// `PASSWORD`, as Werkzeug hashes it.
const HASH: &str = "pbkdf2:sha256:1000$Kq3vWx9ZtY2mLp8R$7bc8ff71821e217ef18efe3c634d6feda4bedb3dea6f8f413238706f61f3f111";
/// The same by Werkzeug's default method.
const SCRYPT_HASH: &str = "scrypt:32768:8:1$Kq3vWx9ZtY2mLp8R$468846ec9f8cae3480ed14f0ec002d1bce344bbebea426760de85067474e9f6bbb8ad159e2407cd5cc9d49d2ae1f4007b5af3500053022801d1b729a513a7830";
const OTHER_PASSWORD: &str = "another long password";
const OTHER_HASH: &str = "pbkdf2:sha256:1000$Zz3vWx9ZtY2mLp8R$a07c754cced31072119afb76a8c4fcdaed644a063d3c5feef790c6b4cd881cf7";

/// The accounts: id, username, e-mail, hash, then role, approval and creation as SQL.
const USERS: &[(i64, &str, &str, &str, &str)] = &[
    (
        1,
        "root",
        "Root@Example.com",
        HASH,
        "'admin', 1, '2026-11-23 04:22:41.136817'",
    ),
    (
        2,
        "boss",
        "boss@example.com",
        HASH,
        "'boss', 1, '2026-11-23 04:22:41'",
    ),
    (3, "roleless", "roleless@example.com", HASH, "NULL, 1, NULL"),
    (
        4,
        "waiting",
        "waiting@example.com",
        HASH,
        "'manager', NULL, 'garbage'",
    ),
    (
        5,
        "Émile Zola",
        "Émile@Example.com",
        HASH,
        "'employee', 1, ''",
    ),
    (
        6,
        "twin",
        "Twin@example.com",
        HASH,
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
        HASH,
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
        HASH,
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

/// Who was deleted, though a task is still theirs.
const DELETED: i64 = 4711;

/// The tasks, as SQL.
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

/// A folder with such a database in it.
fn flask_database() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let db = Connection::open(folder.path().join("project.db")).unwrap();
    // As in the Flask app, where nobody turned it on.
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

fn opened() -> TestApp {
    TestApp::on(flask_database(), |_| {})
}

/// Signs in over the API.
fn sign_in(app: &TestApp, email: &str, password: &str) -> Option<Person> {
    let answer = app.log_in(email, password);
    (answer.status != 401).then(|| answer.person())
}

fn root(app: &TestApp) -> Person {
    sign_in(app, "Root@Example.com", PASSWORD).unwrap()
}

/// The raw values of a table's rows as SQL literals, by id and column.
fn raw(db: &Connection, table: &str) -> BTreeMap<i64, BTreeMap<String, String>> {
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

/// Every walk shows these ids, each once, in an order that does not depend on the limit.
fn assert_lists_hold(app: &TestApp, person: &Person, filter: &str, expected: &BTreeSet<i64>) {
    for sort in SORTS {
        let whole = walk_links(
            app,
            person,
            &format!("/tasks?sort={sort}&limit=100{filter}"),
        );
        assert_eq!(whole.len(), expected.len(), "{sort}{filter}: {whole:?}");
        assert_eq!(
            &whole.iter().copied().collect::<BTreeSet<_>>(),
            expected,
            "{sort}{filter}"
        );
        for limit in [1, 2, 3, 7] {
            let url = format!("/tasks?sort={sort}&limit={limit}{filter}");
            assert_eq!(walk_links(app, person, &url), whole, "{url}");
        }
    }
}

#[test]
fn every_account_is_shown_and_listed() {
    let app = opened();
    let root = root(&app);
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
        let answer = app.get(&format!("/users/{id}"), &root);
        assert_eq!((answer.status, &answer.json()), (200, item));
    }
    let everybody: Vec<_> = USERS.iter().map(|user| user.0).collect();
    for limit in [1, 2, 3, 7, 100] {
        assert_eq!(
            walk_links(&app, &root, &format!("/users?limit={limit}")),
            everybody
        );
    }
}

#[test]
fn every_task_is_shown_and_listed() {
    let app = opened();
    let root = root(&app);
    let all: BTreeSet<_> = (1..=TASKS.len() as i64).collect();
    assert_lists_hold(&app, &root, "", &all);
    assert_lists_hold(&app, &root, "&q=", &all);
    for item in app.get("/tasks?limit=100", &root).items() {
        let answer = app.get(&format!("/tasks/{}", item["id"]), &root);
        assert_eq!((answer.status, answer.json()), (200, item));
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
                DELETED
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
fn filtered_lists_of_such_rows_lose_none_either() {
    let app = opened();
    let root = root(&app);
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
        assert_lists_hold(&app, &root, filter, &found.iter().copied().collect());
    }
}

/// SQLite keeps a text that looks like a number as a number in a DATETIME column.
#[test]
fn numbers_in_a_time_column_are_served_and_listed_too() {
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
    let app = TestApp::on(folder, |_| {});
    let root = root(&app);
    let count = (TASKS.len() + garbage.len()) as i64;
    for id in TASKS.len() as i64 + 1..=count {
        let answer = app.get(&format!("/tasks/{id}"), &root);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["deadline"], Value::Null);
        assert_eq!(answer.json()["created_at"], Value::Null);
    }
    assert_lists_hold(&app, &root, "", &(1..=count).collect());
}

#[test]
fn an_unknown_role_has_an_employees_rights() {
    let app = opened();
    for (email, own) in [
        ("boss@example.com", vec![2, 11, 13, 14]),
        ("roleless@example.com", vec![3]),
        ("shouting@example.com", vec![]),
    ] {
        let person = sign_in(&app, email, PASSWORD).unwrap();
        assert_eq!(app.get("/me", &person).status, 200, "{email}");
        assert_eq!(
            walk_links(&app, &person, "/tasks?sort=created_at&limit=2").len(),
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
            let answer = app.send(line, person.clone(), body);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (403, "insufficient_role"),
                "{email}: {line}"
            );
        }
        for id in 1..=TASKS.len() as i64 {
            let is_own = own.contains(&id);
            let status = app.get(&format!("/tasks/{id}"), &person).status;
            assert_eq!(status, if is_own { 200 } else { 404 }, "{email}: {id}");
            let line = format!("PATCH /tasks/{id}");
            let answer = app.send(&line, person.clone(), r#"{"title":"mine"}"#);
            assert_eq!(answer.status, if is_own { 403 } else { 404 }, "{email}");
            let answer = app.send(&line, person.clone(), r#"{"status":"completed"}"#);
            assert_eq!(answer.status, if is_own { 200 } else { 404 }, "{email}");
        }
    }
}

#[test]
fn an_approval_that_is_null_is_none() {
    let app = opened();
    let root = root(&app);
    let waiting = sign_in(&app, "waiting@example.com", PASSWORD).unwrap();
    assert_eq!(app.get("/me", &waiting).json()["is_approved"], false);
    assert_eq!(app.get("/hello", &waiting).status, 200);
    for path in ["/tasks", "/tasks/1", "/users"] {
        let answer = app.get(path, &waiting);
        assert_eq!(
            (answer.status, answer.code().as_str()),
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
            assert_eq!(walk_links(&app, &root, &url), found, "{url}");
        }
    }
}

#[test]
fn each_of_two_spellings_of_an_e_mail_signs_in_to_its_own_account() {
    let app = opened();
    let id = |email: &str, password: &str| sign_in(&app, email, password).map(|person| person.id);
    for (email, password, account) in [
        ("Twin@example.com", PASSWORD, Some(6)),
        ("twin@example.com", OTHER_PASSWORD, Some(7)),
        ("Twin@example.com", OTHER_PASSWORD, None),
        ("twin@example.com", PASSWORD, None),
        // Where there is one account alone, any spelling is its own.
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
        let person = sign_in(&app, email, password).unwrap();
        let hello = app.get("/hello", &person);
        assert_eq!(hello.json()["user_name"], username);
    }
    // Nobody signs up with a third spelling.
    let answer = app.sign_up("third", "TWIN@example.com", PASSWORD);
    assert_eq!(answer.code(), "account_exists");
}

#[test]
fn changing_one_field_leaves_the_others_as_they_are_stored() {
    let app = opened();
    let root = root(&app);
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
        // Whose account is gone: any other field changes, and the task can be given away.
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
        let db = app.sql();
        let (mut users, mut tasks) = (raw(&db, "user"), raw(&db, "task"));
        let answer = app.send(line, root.clone(), body);
        assert_eq!(answer.status, 200, "{line} {body}: {answer:?}");
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
        assert_eq!(raw(&db, "user"), users, "{line} {body}");
        assert_eq!(raw(&db, "task"), tasks, "{line} {body}");
    }
}

#[test]
fn a_row_that_is_deleted_takes_no_other_with_it() {
    let app = opened();
    let root = root(&app);
    assert_eq!(app.send("DELETE /tasks/9", root.clone(), "").status, 204);
    assert_eq!(app.send("DELETE /users/5", root.clone(), "").status, 204);
    let db = app.sql();
    assert_eq!(raw(&db, "user").len(), USERS.len() - 1);
    let tasks = raw(&db, "task");
    assert_eq!(tasks.len(), TASKS.len() - 1);
    for id in [4, 5, 6] {
        assert_eq!(tasks[&id]["assigned_user_id"], "NULL");
    }
    assert_eq!(tasks[&4]["deadline"], "'tomorrow'");
}

#[test]
fn the_only_known_admin_is_the_last_one() {
    let app = opened();
    let root = root(&app);
    // `ADMIN` is no role, so the approved account that has it cannot take over.
    assert_eq!(
        app.send("DELETE /users/1", root.clone(), "").code(),
        "last_admin"
    );
    let answer = app.send("PATCH /users/10", root.clone(), r#"{"role":"admin"}"#);
    assert_eq!(answer.status, 200);
    assert_eq!(app.send("DELETE /users/1", root, "").status, 204);
}

/// The statements that made what is in the database.
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
fn opening_adds_to_the_file_and_changes_nothing_that_is_in_it() {
    let folder = flask_database();
    let path = folder.path().join("project.db");
    let db = Connection::open(&path).unwrap();
    let before = (raw(&db, "user"), raw(&db, "task"), definitions(&db));
    assert_eq!(pragma::<String>(&db, "journal_mode"), "delete");
    drop(db);

    let mut opened_once = None;
    for _ in 0..3 {
        drop(Store::open(&path, &Concurrency::for_cores(1)).unwrap());
        let db = Connection::open(&path).unwrap();
        assert_eq!(
            (raw(&db, "user"), raw(&db, "task")),
            (before.0.clone(), before.1.clone())
        );
        let now = definitions(&db);
        for (name, sql) in &before.2 {
            assert_eq!(now.get(name), Some(sql), "{name}");
        }
        // Opening again adds nothing to what the first time added.
        assert_eq!(opened_once.get_or_insert_with(|| now.clone()), &now);
        assert_eq!(pragma::<String>(&db, "journal_mode"), "wal");
        assert_eq!(pragma::<String>(&db, "integrity_check"), "ok");
        // The one broken reference is the Flask app's.
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
        // Name, type, NOT NULL, default and place in the primary key of each column.
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
        assert_eq!(columns(&app.sql()), columns(&flask), "{table}");
    }
    // The unique names and e-mails, and the reference.
    let db = app.sql();
    app.person("a", Role::Employee, false);
    for sql in [
        "INSERT INTO user (username, email, password_hash) VALUES ('a', 'other', '')",
        "INSERT INTO user (username, email, password_hash) VALUES ('other', 'a@example.com', '')",
        "INSERT INTO task (title, assigned_user_id) VALUES ('t', 999)",
    ] {
        assert!(db.execute(sql, []).is_err(), "{sql}");
    }
    // What the Flask app writes next goes in.
    db.execute(
        "INSERT INTO user (username, email, password_hash, role, is_approved, created_at)
         VALUES ('A', 'A@example.com', 'x', NULL, NULL, NULL)",
        [],
    )
    .unwrap();
    assert_eq!(pragma::<String>(&db, "journal_mode"), "wal");
    assert_eq!(pragma::<String>(&db, "integrity_check"), "ok");
}

fn open_eight_times_at_once(path: &std::path::Path) {
    let results = concurrently(8, |_| Store::open(path, &Concurrency::for_cores(1)));
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
fn eight_programs_that_start_at_once_on_no_database_all_start() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        open_eight_times_at_once(&folder.path().join("project.db"));
    }
}

#[test]
fn eight_programs_that_start_at_once_on_the_flask_apps_database_all_start() {
    for _ in 0..10 {
        let folder = flask_database();
        let path = folder.path().join("project.db");
        let before = raw(&Connection::open(&path).unwrap(), "task");
        open_eight_times_at_once(&path);
        assert_eq!(raw(&Connection::open(&path).unwrap(), "task"), before);
        let files = std::fs::read_dir(folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        // The first one keeps a copy, and the others find nothing to change.
        assert_eq!(names.filter(|name| name.ends_with(".bak")).count(), 1);
    }
}
