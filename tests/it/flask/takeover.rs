//! In the Flask app's place: a database and tokens that the real Flask stack has made
//! (`tests/flask/make_fixtures.py`) are taken over, and nobody loses an account or a session.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Row};
use serde_json::{Value, json};
use task_api::config::Config;
use task_api::config::concurrency::Concurrency;
use task_api::store::Store;
use tempfile::TempDir;

use crate::support::program::{Outcome, Place, finish};
use crate::support::{self, Answer, KEY, TestApp, jwt, keys, mode};

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    folder.join(name)
}

/// What the Flask stack says about the database that it made.
fn flask() -> Value {
    serde_json::from_slice(&fs::read(fixture("flask.json")).unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A folder with a copy of the Flask app's database.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture("project.db"), folder.path().join("project.db")).unwrap();
    folder
}

/// Task API on such a copy, at the time at which it was made, with keys of its own choice.
fn taken_over(change: impl FnOnce(&mut Config), current: &[u8], previous: &[&[u8]]) -> TestApp {
    let app = TestApp::with_keys(folder(), &keys(current, previous), change);
    set_clock(&app);
    app
}

/// To the second after the Flask app's sign-in.
fn set_clock(app: &TestApp) {
    let token = text(&flask()["tokens"]["access"]);
    app.advance(issued_at(&token) + 1 - app.now());
}

fn issued_at(token: &str) -> i64 {
    jwt::payload(token)["iat"].as_i64().unwrap()
}

fn sign_in(app: &TestApp, name: &str, password: &str) -> Answer {
    app.log_in(&format!("{name}@example.com"), password)
}

fn hello(app: &TestApp, token: &str) -> Answer {
    app.send_token("GET /hello", token)
}

// ---- passwords ----------------------------------------------------------------------------------

fn hashes(app: &TestApp) -> Vec<(String, String)> {
    let db = app.sql();
    let mut statement = db
        .prepare("SELECT username, password_hash FROM user ORDER BY id")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn every_form_of_hash_that_werkzeug_writes_signs_in_and_becomes_todays() {
    let password = text(&flask()["password"]);
    let app = taken_over(
        |config| config.passwords.password_iterations = 2000,
        KEY,
        &[],
    );
    let before = hashes(&app);
    assert_eq!(before.len(), 6);
    for (name, _) in &before {
        let refused = sign_in(&app, name, "not the password");
        assert_eq!(refused.status, 401, "{name}: {refused:?}");
    }
    assert_eq!(hashes(&app), before);
    for (name, _) in &before {
        let answer = sign_in(&app, name, &password);
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_eq!(hello(&app, &text(&answer.json()["token"])).status, 200);
    }
    let after = hashes(&app);
    for ((name, old), (_, new)) in before.iter().zip(&after) {
        // A million rounds are more than today's.
        if name == "pbkdf2" {
            assert_eq!(old, new);
        } else {
            assert!(new.starts_with("pbkdf2:sha256:2000$"), "{name}: {new}");
        }
        assert_eq!(sign_in(&app, name, &password).status, 200, "{name}");
        assert_eq!(sign_in(&app, name, "not the password").status, 401);
    }
    // Once is enough.
    assert_eq!(hashes(&app), after);
}

#[test]
fn a_password_is_right_also_while_its_hash_is_renewed() {
    let password = text(&flask()["password"]);
    for name in ["scrypt", "pbkdf2-few"] {
        let app = taken_over(|_| {}, KEY, &[]);
        let answers = support::concurrently(4, |_| sign_in(&app, name, &password));
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200; 4], "{name}");
    }
}

#[test]
fn a_hash_that_is_none_or_costs_too_much_is_a_wrong_password_and_nothing_else() {
    let password = text(&flask()["password"]);
    let app = taken_over(|_| {}, KEY, &[]);
    let db = app.sql();
    let key = "0".repeat(128);
    for hash in [
        "".to_owned(),
        "correct horse battery".to_owned(),
        "pbkdf2:sha256:1000".to_owned(),
        "pbkdf2:sha256:1000$salt$".to_owned(),
        "pbkdf2:sha256:1000$salt$xyz".to_owned(),
        format!("pbkdf2:md5:1000$salt${}", &key[..32]),
        format!("pbkdf2:sha256:0$salt${}", &key[..64]),
        format!("pbkdf2:sha256:4294967295$salt${}", &key[..64]),
        format!("pbkdf2:sha512:1000$salt${}", &key[..64]),
        // A power of two, and no more than 2^20 with the other two.
        format!("scrypt:1000:8:1$salt${key}"),
        format!("scrypt:1048576:8:1$salt${key}"),
        format!("scrypt:32768:8:99$salt${key}"),
        format!("scrypt:32768:4294967295:4294967295$salt${key}"),
        format!("scrypt:0:8:1$salt${key}"),
        format!("scrypt:1:8:1$salt${key}"),
        format!("scrypt:32768:0:1$salt${key}"),
        format!("scrypt:32768:8:0$salt${key}"),
        format!("scrypt:32768:8$salt${key}"),
        format!("scrypt$salt${key}"),
        format!("argon2:1:1:1$salt${key}"),
    ] {
        let set = "UPDATE user SET password_hash = ?1 WHERE username = 'scrypt'";
        db.execute(set, [&hash]).unwrap();
        let start = Instant::now();
        let answer = sign_in(&app, "scrypt", &password);
        assert_eq!(answer.status, 401, "{hash}");
        assert_eq!(answer.code(), "wrong_email_or_password", "{hash}");
        assert!(start.elapsed() < Duration::from_secs(5), "{hash}");
        assert_eq!(hashes(&app)[0].1, hash);
    }
    assert_eq!(sign_in(&app, "scrypt-other", &password).status, 200);
}

// ---- sessions -----------------------------------------------------------------------------------

#[test]
fn a_live_token_of_the_flask_app_is_accepted_and_no_other_kind() {
    let flask = flask();
    let app = taken_over(|_| {}, text(&flask["key"]).as_bytes(), &[]);
    let answer = hello(&app, &text(&flask["tokens"]["access"]));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["user_name"], "scrypt");
    for (name, words) in [
        ("expired", "Token has expired"),
        ("refresh", "Only non-refresh tokens are allowed"),
        ("of nobody", "Error loading the user nobody"),
    ] {
        let answer = hello(&app, &text(&flask["tokens"][name]));
        assert_eq!((answer.status, answer.msg().as_str()), (401, words));
    }
    let app = taken_over(|_| {}, KEY, &[]);
    let answer = hello(&app, &text(&flask["tokens"]["access"]));
    assert_eq!(answer.status, 401);
}

#[test]
fn a_previous_key_verifies_and_never_signs() {
    let flask = flask();
    let (old, token) = (text(&flask["key"]), text(&flask["tokens"]["access"]));
    let another = b"another key of thirty-two bytes or more";
    let app = taken_over(|_| {}, KEY, &[another, old.as_bytes()]);
    assert_eq!(hello(&app, &token).status, 200);
    // What is wrong with a token of a previous key is said as it is of the current one's.
    let expired = hello(&app, &text(&flask["tokens"]["expired"]));
    assert_eq!(expired.msg(), "Token has expired");
    let bent = hello(&app, &(token.clone() + "A"));
    assert_eq!(bent.status, 401);

    let answer = sign_in(&app, "pbkdf2-few", &text(&flask["password"]));
    let new = text(&answer.json()["token"]);
    let before = TestApp::with_keys(app.folder, &keys(old.as_bytes(), &[]), |_| {});
    set_clock(&before);
    assert_eq!(hello(&before, &token).status, 200);
    assert_eq!(hello(&before, &new).status, 401);
    let after = TestApp::with_keys(before.close(), &keys(KEY, &[]), |_| {});
    set_clock(&after);
    assert_eq!(hello(&after, &new).status, 200);
}

// ---- the file -----------------------------------------------------------------------------------

fn copies(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "bak"))
        .collect()
}

fn open(folder: &TempDir) -> Result<Store, String> {
    Store::open(
        &folder.path().join("project.db"),
        &Concurrency::for_cores(1),
    )
}

/// Every definition and every row.
fn content(path: &Path) -> Vec<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(path, flags).unwrap();
    let all = |sql: &str| -> Vec<String> {
        let mut statement = db.prepare(sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &Row| {
            (0..columns)
                .map(|column| row.get_ref(column).map(|value| format!("{value:?}")))
                .collect::<Result<String, _>>()
        };
        let rows = statement.query_map([], row).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    [
        "SELECT type, name, sql FROM sqlite_master ORDER BY name",
        "SELECT * FROM user ORDER BY id",
        "SELECT * FROM task ORDER BY id",
    ]
    .map(all)
    .concat()
}

fn version(path: &Path) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_copy_is_kept_before_the_first_change_and_once() {
    let folder = folder();
    let path = folder.path().join("project.db");
    for _ in 0..3 {
        drop(open(&folder).unwrap());
        assert_eq!(version(&path), 2);
        let copies = copies(&folder);
        assert_eq!(copies.len(), 1, "{copies:?}");
        assert_eq!(version(&copies[0]), 0);
        assert_eq!(content(&copies[0]), content(&fixture("project.db")));
        assert_eq!(mode(&copies[0]), 0o600);
    }
    assert_ne!(content(&path), content(&fixture("project.db")));
    // There is nothing to keep of a new file.
    let new = tempfile::tempdir().unwrap();
    drop(open(&new).unwrap());
    assert!(copies(&new).is_empty());
    assert_eq!(version(&new.path().join("project.db")), 2);
}

/// Runs a command that may write files of 32 KiB at most. Whoever writes more is killed, or is told that
/// it failed, as on a full disk.
fn with_short_files(place: &Place, is_told: bool) -> Outcome {
    let command = place.command(&["user", "list"]);
    let handling = if is_told { "trap '' XFSZ" } else { "" };
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", &format!("{handling}\nulimit -f 64\nexec \"$@\"")])
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(place.0.path());
    finish(&mut shell)
}

#[test]
fn a_copy_that_is_not_whole_does_not_pass_for_one() {
    for is_told in [true, false] {
        let place = Place(folder());
        let path = place.path("project.db");
        sql(
            &path,
            "CREATE TABLE filler (x); INSERT INTO filler VALUES (randomblob(200000))",
        );
        let before = content(&path);
        let outcome = with_short_files(&place, is_told);
        if is_told {
            assert!(outcome.refusal().contains("no copy"), "{outcome:?}");
            let files = fs::read_dir(place.0.path()).unwrap();
            assert_eq!(files.count(), 1, "nothing but the database");
        }
        assert_eq!(outcome.code, is_told.then_some(1), "{outcome:?}");
        assert_eq!((content(&path), version(&path)), (before.clone(), 0));
        assert!(copies(&place.0).is_empty());
        // The next start has room for it.
        drop(open(&place.0).unwrap());
        assert_eq!(content(&copies(&place.0)[0]), before);
    }
}

#[test]
fn a_file_of_an_earlier_version_gets_what_it_lacks() {
    let app = TestApp::new();
    let manager = app.manager();
    app.task(&manager, json!({ "title": "t" }));
    let (path, rows) = (app.database(), app.rows());
    let now = content(&path);
    drop(app.app);
    sql(&path, "DROP TABLE idempotency; PRAGMA user_version = 1");
    let then = content(&path);
    assert_ne!(then, now);
    for _ in 0..3 {
        drop(open(&app.folder).unwrap());
        assert_eq!((version(&path), content(&path)), (2, now.clone()));
        let copies = copies(&app.folder);
        assert_eq!(copies.len(), 1, "{copies:?}");
        assert_eq!(
            (version(&copies[0]), content(&copies[0])),
            (1, then.clone())
        );
    }
    assert_eq!(TestApp::on(app.folder, |_| {}).rows(), rows);
}

#[test]
fn what_a_killed_writer_left_half_written_is_taken_back() {
    let folder = folder();
    let path = folder.path().join("project.db");
    let before = content(&path);
    let (crashed, journal) = (tempfile::tempdir().unwrap(), "project.db-journal");
    let db = Connection::open(&path).unwrap();
    // More than the cache holds, so that the file itself is written before the end.
    db.execute_batch(
        "PRAGMA cache_size = 1; BEGIN; UPDATE task SET title = 'half'; CREATE TABLE filler (x)",
    )
    .unwrap();
    for _ in 0..100 {
        db.execute("INSERT INTO filler VALUES (randomblob(1000))", [])
            .unwrap();
    }
    for name in ["project.db", journal] {
        fs::copy(folder.path().join(name), crashed.path().join(name)).unwrap();
    }
    let path = crashed.path().join("project.db");
    assert_ne!(
        fs::read(&path).unwrap(),
        fs::read(fixture("project.db")).unwrap()
    );
    drop(open(&crashed).unwrap());
    assert!(!crashed.path().join(journal).exists());
    let copies = copies(&crashed);
    assert_eq!(content(&copies[0]), before);
}

/// A file that cannot be taken over: what it is, how it comes to be, and what is said about it.
type Unfit = (&'static str, fn(&Path), &'static str);

const UNFIT: [Unfit; 6] = [
    (
        "no SQLite",
        |path| fs::write(path, "Dear diary, ".repeat(1000)).unwrap(),
        "not a database",
    ),
    (
        "newer than this program",
        |path| sql(path, "PRAGMA user_version = 3"),
        "newer version",
    ),
    (
        "without a column",
        |path| sql(path, "ALTER TABLE user RENAME COLUMN role TO roles"),
        "no column role",
    ),
    (
        "with other tasks",
        |path| {
            sql(
                path,
                "DROP TABLE task; CREATE TABLE task (id INTEGER PRIMARY KEY, name TEXT)",
            )
        },
        "no column title",
    ),
    (
        "with a column that needs a value",
        |path| {
            sql(
                path,
                "CREATE TABLE u AS SELECT * FROM user; DROP TABLE user;
                 CREATE TABLE user (id INTEGER PRIMARY KEY, username, email, password_hash, role,
                   is_approved, created_at, phone TEXT NOT NULL)",
            );
        },
        "a value for phone",
    ),
    (
        "newer, and left in the middle of its work",
        |path| {
            let log = PathBuf::from(format!("{}-wal", path.display()));
            let db = Connection::open(path).unwrap();
            db.execute_batch(
                "PRAGMA user_version = 3; PRAGMA journal_mode = WAL; UPDATE user SET role = 'x'",
            )
            .unwrap();
            let files = [path, &log].map(|file| (file, fs::read(file).unwrap()));
            // Whoever closes a file as the last one moves the log into it.
            drop(db);
            for (file, bytes) in files {
                fs::write(file, bytes).unwrap();
            }
        },
        "newer version",
    ),
];

fn sql(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.execute_batch(sql).unwrap();
}

#[test]
fn a_file_that_is_not_ours_to_change_stays_as_it_is_byte_for_byte() {
    for (name, make, said) in UNFIT {
        let folder = folder();
        let path = folder.path().join("project.db");
        make(&path);
        let before = fs::read(&path).unwrap();
        let why = open(&folder).map(drop).unwrap_err();
        assert!(why.starts_with("DATABASE_URL: "), "{name}: {why}");
        assert!(why.contains(said) && !why.contains('\n'), "{name}: {why}");
        assert_eq!(fs::read(&path).unwrap(), before, "{name}");
        assert!(copies(&folder).is_empty(), "{name}");
    }
}

#[test]
fn a_folder_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let why = Store::open(folder.path(), &Concurrency::for_cores(1)).map(drop);
    assert!(why.unwrap_err().contains("it is a folder"));
}

#[test]
fn a_file_that_another_program_holds_stays_as_it_is() {
    // Each waits for the lock for a while.
    thread::scope(|scope| {
        for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
            scope.spawn(move || {
                let folder = folder();
                let path = folder.path().join("project.db");
                let other = Connection::open(&path).unwrap();
                other.execute_batch(lock).unwrap();
                let why = open(&folder).map(drop).unwrap_err();
                assert!(why.contains("another process"), "{lock}: {why}");
                let (now, before) = (fs::read(&path), fs::read(fixture("project.db")));
                assert_eq!(now.unwrap(), before.unwrap(), "{lock}");
                assert!(copies(&folder).is_empty());
            });
        }
    });
}

#[test]
fn the_flask_apps_task_is_served() {
    let app = TestApp::on(folder(), |_| {});
    let admin = app.admin();
    let answer = app.get("/tasks/1", &admin);
    assert_eq!(answer.json()["title"], "Made by Flask");
    assert_eq!(answer.json()["deadline"], "2026-12-24T18:00:00.000000Z");
}
