//! Taking over from the Flask app: a database and tokens that the real Flask stack has created
//! (`tests/flask/make_fixtures.py`) keep working, so that every account and every session stays usable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, Row};
use serde_json::{Value, json};
use task_api::config::Config;
use task_api::config::accounts::AcceptFlaskTokens;
use task_api::model::{Role, Timestamp};
use task_api::store::Store;
use tempfile::TempDir;

use crate::support::program::{CommandOutput, RunningServer, WorkDir, run_command};
use crate::support::{self, SIGNING_KEY, TestApp, TestResponse, file_mode, jwt, keys, open_store};

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    folder.join(name)
}

/// What the Flask stack recorded about the database: password, key and tokens.
fn flask_facts() -> Value {
    serde_json::from_slice(&fs::read(fixture("flask.json")).unwrap()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A folder with a copy of the Flask app's database.
fn folder_with_flask_database() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(fixture("project.db"), folder.path().join("project.db")).unwrap();
    folder
}

/// An application on such a copy, with these signing keys, at the time at which the database was created.
fn taken_over(change: impl FnOnce(&mut Config), current: &[u8], previous: &[&[u8]]) -> TestApp {
    let app = TestApp::with_keys(
        folder_with_flask_database(),
        &keys(current, previous),
        change,
    );
    set_clock_after_flask_login(&app);
    app
}

/// Sets the clock to one second after the login to the Flask app.
fn set_clock_after_flask_login(app: &TestApp) {
    let token = text(&flask_facts()["tokens"]["access"]);
    app.advance(issued_at(&token) + 1 - app.now());
}

fn issued_at(token: &str) -> i64 {
    jwt::payload(token)["iat"].as_i64().unwrap()
}

fn log_in(app: &TestApp, name: &str, password: &str) -> TestResponse {
    app.log_in(&format!("{name}@example.com"), password)
}

fn hello(app: &TestApp, token: &str) -> TestResponse {
    app.send_token("GET /hello", token)
}

// ---- passwords ----------------------------------------------------------------------------------

fn hashes(app: &TestApp) -> Vec<(String, String)> {
    let db = app.sqlite();
    let mut statement = db
        .prepare("SELECT username, password_hash FROM user ORDER BY id")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_login_with_any_hash_format_of_werkzeug_succeeds_and_replaces_the_hash() {
    let password = text(&flask_facts()["password"]);
    let app = taken_over(
        |config| config.passwords.password_iterations = 2000,
        SIGNING_KEY,
        &[],
    );
    let before = hashes(&app);
    assert_eq!(before.len(), 6);
    for (name, _) in &before {
        let response = log_in(&app, name, "not the password");
        assert_eq!(response.status, 401, "{name}: {response:?}");
    }
    assert_eq!(hashes(&app), before);
    for (name, _) in &before {
        let response = log_in(&app, name, &password);
        assert_eq!(response.status, 200, "{name}: {response:?}");
        assert_eq!(hello(&app, &text(&response.json()["token"])).status, 200);
    }
    let after = hashes(&app);
    for ((name, old), (_, new)) in before.iter().zip(&after) {
        // Its hash already has more iterations than this application uses.
        if name == "pbkdf2" {
            assert_eq!(old, new);
        } else {
            assert!(new.starts_with("pbkdf2:sha256:2000$"), "{name}: {new}");
        }
        assert_eq!(log_in(&app, name, &password).status, 200, "{name}");
        assert_eq!(log_in(&app, name, "not the password").status, 401);
    }
    // Later logins do not replace the hash again.
    assert_eq!(hashes(&app), after);
}

#[test]
fn concurrent_logins_succeed_while_the_hash_is_replaced() {
    let password = text(&flask_facts()["password"]);
    for name in ["scrypt", "pbkdf2-few"] {
        let app = taken_over(|_| {}, SIGNING_KEY, &[]);
        let responses = support::concurrently(4, |_| log_in(&app, name, &password));
        let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
        assert_eq!(statuses, [200; 4], "{name}");
    }
}

#[test]
fn a_login_to_an_account_with_a_malformed_or_too_expensive_hash_is_401_and_keeps_the_hash() {
    let password = text(&flask_facts()["password"]);
    let app = taken_over(|_| {}, SIGNING_KEY, &[]);
    let db = app.sqlite();
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
        // N must be a power of two, and N × r × p at most 2^20.
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
        let response = log_in(&app, "scrypt", &password);
        assert_eq!(response.status, 401, "{hash}");
        assert_eq!(response.code(), "wrong_email_or_password", "{hash}");
        assert!(start.elapsed() < Duration::from_secs(5), "{hash}");
        assert_eq!(hashes(&app)[0].1, hash);
    }
    assert_eq!(log_in(&app, "scrypt-other", &password).status, 200);
}

// ---- sessions -----------------------------------------------------------------------------------

#[test]
fn a_valid_access_token_of_the_flask_app_is_accepted_and_its_other_tokens_are_401() {
    let flask = flask_facts();
    let app = taken_over(|_| {}, text(&flask["key"]).as_bytes(), &[]);
    let response = hello(&app, &text(&flask["tokens"]["access"]));
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.json()["user_name"], "scrypt");
    for (name, msg) in [
        ("expired", "Token has expired"),
        ("refresh", "Only non-refresh tokens are allowed"),
        ("of nobody", "Error loading the user nobody"),
    ] {
        let response = hello(&app, &text(&flask["tokens"][name]));
        assert_eq!((response.status, response.msg().as_str()), (401, msg));
    }
    let app = taken_over(|_| {}, SIGNING_KEY, &[]);
    let response = hello(&app, &text(&flask["tokens"]["access"]));
    assert_eq!(response.status, 401);
}

/// A token as the Flask app issues it to the account `scrypt`, with these times in seconds from now.
fn flask_token(app: &TestApp, issued: Option<i64>, expires: i64) -> String {
    let mut claims = jwt::flask_claims("scrypt", app.now());
    claims["exp"] = (app.now() + expires).into();
    match issued {
        Some(issued) => claims["iat"] = (app.now() + issued).into(),
        None => drop(claims.as_object_mut().unwrap().remove("iat")),
    }
    claims["nbf"] = claims["iat"].clone();
    if issued.is_none() {
        claims.as_object_mut().unwrap().remove("nbf");
    }
    jwt::signed(SIGNING_KEY, &claims)
}

const DAY: i64 = 86_400;
const REFUSED: &str = "Tokens without a session are not accepted, sign in again";

fn accept(setting: AcceptFlaskTokens) -> impl FnOnce(&mut Config) {
    move |config| config.accounts.accept_flask_tokens = setting
}

/// An application on a database that was taken over at the time of its clock.
fn taken_over_now(setting: AcceptFlaskTokens) -> TestApp {
    let folder = folder_with_flask_database();
    drop(open(folder.path()).unwrap());
    let app = TestApp::in_folder(folder, |_| {});
    set_clock_after_flask_login(&app);
    app.advance(DAY);
    let (at, now) = (app.app.now().to_stored(), app.now());
    let changed = app
        .sqlite()
        .execute("UPDATE flask_takeover SET at = ?1", [at]);
    assert_eq!(changed.unwrap(), 1);
    let app = TestApp::in_folder(app.close(), accept(setting));
    app.advance(now - app.now());
    app
}

#[test]
fn tokens_of_the_flask_app_are_accepted_for_31_days_after_the_take_over_or_as_the_setting_says() {
    use AcceptFlaskTokens::{Auto, Off, On};
    for (setting, days, is_accepted) in [
        (Auto, 0, true),
        (Auto, 30, true),
        (Auto, 31, false),
        (On, 0, true),
        (On, 400, true),
        (Off, 0, false),
    ] {
        let app = taken_over_now(setting);
        app.advance(days * DAY);
        let response = hello(&app, &flask_token(&app, Some(0), DAY));
        if is_accepted {
            assert_eq!(response.status, 200, "{setting:?} {days}: {response:?}");
        } else {
            response.assert_token_refused(REFUSED, (setting, days));
        }
    }
}

#[test]
fn a_token_of_the_flask_app_that_is_valid_for_more_than_31_days_is_401() {
    for setting in [AcceptFlaskTokens::Auto, AcceptFlaskTokens::On] {
        let app = taken_over_now(setting);
        let accepted = flask_token(&app, Some(-DAY), 30 * DAY);
        assert_eq!(hello(&app, &accepted).status, 200);
        for (issued, expires) in [
            (Some(-DAY), 30 * DAY + 1),
            (Some(0), 3650 * DAY),
            (None, DAY),
        ] {
            let response = hello(&app, &flask_token(&app, issued, expires));
            response.assert_token_refused(REFUSED, (issued, expires));
        }
    }
}

#[test]
fn a_database_of_this_program_accepts_no_token_of_the_flask_app() {
    let app = TestApp::with(accept(AcceptFlaskTokens::Auto));
    app.account("scrypt", Role::Employee, true);
    assert_eq!(app.count("flask_takeover"), 0);
    let response = hello(&app, &flask_token(&app, Some(0), DAY));
    response.assert_token_refused(REFUSED, "a new database");
}

#[test]
fn each_start_warns_of_a_published_key_and_the_log_explains_one_refused_token() {
    let work_dir = WorkDir::new();
    work_dir.create_account("anna", &["--approved"]);
    let claims = jwt::flask_claims("anna", Timestamp::now().unix_seconds());
    let token = jwt::signed(b"aStrongSecretKey", &claims);
    for _ in 0..2 {
        let mut command = work_dir.command(&[]);
        command.env("JWT_SECRET_KEY_PREVIOUS", "aStrongSecretKey");
        let server = RunningServer::start(command.env("ALLOW_WEAK_JWT_SECRET", "1"));
        for _ in 0..3 {
            let response = server.client().send("GET /hello", Some(&token), None);
            response.assert_token_refused(REFUSED, "a new database");
        }
        let log = server.log();
        let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
        let published = "JWT_SECRET_KEY_PREVIOUS holds a key that is published";
        assert_eq!(count(published), 1, "{log:?}");
        let refused = "this database was not taken over from the Flask app";
        assert_eq!(count(refused), 1, "{log:?}");
    }
    let log = work_dir.serve().log();
    assert!(
        !log.iter().any(|line| line.contains("published")),
        "{log:?}"
    );
}

#[test]
fn the_migration_records_a_take_over_once_also_of_a_file_that_an_earlier_version_took_over() {
    let takeover = |folder: &TempDir| -> Vec<String> {
        drop(open(folder.path()).unwrap());
        let db = Connection::open(folder.path().join("project.db")).unwrap();
        let mut statement = db.prepare("SELECT at FROM flask_takeover").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let downgrade = |folder: &TempDir| {
        execute_sql(
            &folder.path().join("project.db"),
            "DROP TABLE flask_takeover; PRAGMA user_version = 4",
        );
    };
    let before = Timestamp::now().to_stored();
    let flask = folder_with_flask_database();
    let first = takeover(&flask);
    assert!(first.len() == 1 && first[0] >= before, "{first:?}");
    assert_eq!(takeover(&flask), first);
    downgrade(&flask);
    let again = takeover(&flask);
    assert!(again.len() == 1 && again[0] > first[0], "{again:?}");

    let own = tempfile::tempdir().unwrap();
    assert!(takeover(&own).is_empty());
    downgrade(&own);
    assert!(takeover(&own).is_empty());
}

#[test]
fn a_previous_key_verifies_tokens_and_never_signs_them() {
    let flask = flask_facts();
    let (old, token) = (text(&flask["key"]), text(&flask["tokens"]["access"]));
    let another = b"another key of thirty-two bytes or more";
    let app = taken_over(|_| {}, SIGNING_KEY, &[another, old.as_bytes()]);
    assert_eq!(hello(&app, &token).status, 200);
    // An invalid token of a previous key gets the same error as one of the current key.
    let expired = hello(&app, &text(&flask["tokens"]["expired"]));
    assert_eq!(expired.msg(), "Token has expired");
    let changed = hello(&app, &(token.clone() + "A"));
    assert_eq!(changed.status, 401);

    let response = log_in(&app, "pbkdf2-few", &text(&flask["password"]));
    let new = text(&response.json()["token"]);
    let before = TestApp::with_keys(app.folder, &keys(old.as_bytes(), &[]), |_| {});
    set_clock_after_flask_login(&before);
    assert_eq!(hello(&before, &token).status, 200);
    assert_eq!(hello(&before, &new).status, 401);
    let after = TestApp::with_keys(before.close(), &keys(SIGNING_KEY, &[]), |_| {});
    set_clock_after_flask_login(&after);
    assert_eq!(hello(&after, &new).status, 200);
}

// ---- the file -----------------------------------------------------------------------------------

fn backups(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "bak"))
        .collect()
}

fn open(folder: &Path) -> Result<Store, String> {
    open_store(&folder.join("project.db"))
}

/// Every definition and every row of the database.
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

fn user_version(path: &Path) -> i64 {
    let db = Connection::open(path).unwrap();
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn the_first_open_makes_one_backup_of_the_database_before_the_migration() {
    let folder = folder_with_flask_database();
    let path = folder.path().join("project.db");
    for _ in 0..3 {
        drop(open(folder.path()).unwrap());
        assert_eq!(user_version(&path), 6);
        let backups = backups(folder.path());
        assert_eq!(backups.len(), 1, "{backups:?}");
        assert_eq!(user_version(&backups[0]), 0);
        assert_eq!(content(&backups[0]), content(&fixture("project.db")));
        assert_eq!(file_mode(&backups[0]), 0o600);
    }
    assert_ne!(content(&path), content(&fixture("project.db")));
    // A new database needs no backup.
    let new = tempfile::tempdir().unwrap();
    drop(open(new.path()).unwrap());
    assert!(backups(new.path()).is_empty());
    assert_eq!(user_version(&new.path().join("project.db")), 6);
}

/// Runs `user list` with a file size limit of 32 KiB. A write beyond the limit gets an error, as on a full disk.
fn list_users_with_a_file_size_limit(work_dir: &WorkDir) -> CommandOutput {
    let command = work_dir.command(&["user", "list"]);
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "ulimit -f 64\nexec \"$@\""])
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(work_dir.0.path());
    run_command(&mut shell)
}

#[test]
fn a_failed_backup_leaves_no_bak_file_and_the_next_open_makes_one() {
    let work_dir = WorkDir(folder_with_flask_database().into());
    let path = work_dir.path("project.db");
    execute_sql(
        &path,
        "CREATE TABLE filler (x); INSERT INTO filler VALUES (randomblob(200000))",
    );
    let before = content(&path);
    let outcome = list_users_with_a_file_size_limit(&work_dir);
    assert!(
        outcome.error_line().contains("cannot make the backup"),
        "{outcome:?}"
    );
    let files = fs::read_dir(work_dir.0.path()).unwrap();
    assert_eq!(files.count(), 1, "nothing but the database");
    assert_eq!((content(&path), user_version(&path)), (before.clone(), 0));
    // The next open, without the limit, makes the backup.
    drop(open(work_dir.0.path()).unwrap());
    assert_eq!(content(&backups(work_dir.0.path())[0]), before);
}

#[test]
fn a_database_of_an_earlier_version_is_backed_up_and_migrated() {
    let app = TestApp::new();
    let manager = app.manager();
    app.create_task(&manager, json!({ "title": "t" }));
    let (path, rows) = (app.database(), app.rows());
    let now = content(&path);
    drop(app.app);
    execute_sql(
        &path,
        "DROP TABLE idempotency; PRAGMA user_version = 1;
         CREATE INDEX task_by_assignee_status_title ON task (assigned_user_id, status, title, id)",
    );
    let then = content(&path);
    assert_ne!(then, now);
    for _ in 0..3 {
        drop(open(app.folder.path()).unwrap());
        assert_eq!((user_version(&path), content(&path)), (6, now.clone()));
        let backups = backups(app.folder.path());
        assert_eq!(backups.len(), 1, "{backups:?}");
        assert_eq!(
            (user_version(&backups[0]), content(&backups[0])),
            (1, then.clone())
        );
    }
    assert_eq!(TestApp::in_folder(app.folder, |_| {}).rows(), rows);
}

#[test]
fn an_unfinished_transaction_of_a_killed_process_is_rolled_back_before_the_backup() {
    let folder = folder_with_flask_database();
    let path = folder.path().join("project.db");
    let before = content(&path);
    let (crashed, journal) = (tempfile::tempdir().unwrap(), "project.db-journal");
    let db = Connection::open(&path).unwrap();
    // More pages than the cache holds, so that SQLite writes to the database file before the commit.
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
    drop(open(crashed.path()).unwrap());
    assert!(!crashed.path().join(journal).exists());
    let backups = backups(crashed.path());
    assert_eq!(content(&backups[0]), before);
}

/// A file that cannot be taken over: its description, the function that creates it, and the error message.
type IncompatibleFile = (&'static str, fn(&Path), &'static str);

const INCOMPATIBLE_FILES: [IncompatibleFile; 6] = [
    (
        "no SQLite",
        |path| fs::write(path, "Dear diary, ".repeat(1000)).unwrap(),
        "not a database",
    ),
    (
        "newer than this program",
        |path| execute_sql(path, "PRAGMA user_version = 1000"),
        "newer version",
    ),
    (
        "without a column",
        |path| execute_sql(path, "ALTER TABLE user RENAME COLUMN role TO roles"),
        "no column role",
    ),
    (
        "with other tasks",
        |path| {
            execute_sql(
                path,
                "DROP TABLE task; CREATE TABLE task (id INTEGER PRIMARY KEY, name TEXT)",
            )
        },
        "no column title",
    ),
    (
        "with a column that needs a value",
        |path| {
            execute_sql(
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
                "PRAGMA user_version = 1000; PRAGMA journal_mode = WAL; UPDATE user SET role = 'x'",
            )
            .unwrap();
            let files = [path, &log].map(|file| (file, fs::read(file).unwrap()));
            // Closing the last connection moves the write-ahead log into the database file.
            drop(db);
            for (file, bytes) in files {
                fs::write(file, bytes).unwrap();
            }
        },
        "newer version",
    ),
];

fn execute_sql(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    db.execute_batch(sql).unwrap();
}

#[test]
fn a_file_that_is_not_a_compatible_database_is_rejected_and_stays_unchanged_byte_for_byte() {
    for (name, make, message) in INCOMPATIBLE_FILES {
        let folder = folder_with_flask_database();
        let path = folder.path().join("project.db");
        make(&path);
        let before = fs::read(&path).unwrap();
        let why = open(folder.path()).map(drop).unwrap_err();
        assert!(why.starts_with("DATABASE_URL: "), "{name}: {why}");
        assert!(
            why.contains(message) && !why.contains('\n'),
            "{name}: {why}"
        );
        assert_eq!(fs::read(&path).unwrap(), before, "{name}");
        assert!(backups(folder.path()).is_empty(), "{name}");
    }
}

#[test]
fn a_folder_in_place_of_the_database_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let why = open_store(folder.path()).map(drop);
    assert!(why.unwrap_err().contains("it is a folder"));
}

#[test]
fn a_database_that_another_process_has_locked_is_rejected_and_stays_unchanged() {
    // In parallel, since each open waits for the lock until it times out.
    thread::scope(|scope| {
        for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
            scope.spawn(move || {
                let folder = folder_with_flask_database();
                let path = folder.path().join("project.db");
                let other = Connection::open(&path).unwrap();
                other.execute_batch(lock).unwrap();
                let why = open(folder.path()).map(drop).unwrap_err();
                assert!(why.contains("another process"), "{lock}: {why}");
                let (now, before) = (fs::read(&path), fs::read(fixture("project.db")));
                assert_eq!(now.unwrap(), before.unwrap(), "{lock}");
                assert!(backups(folder.path()).is_empty());
            });
        }
    });
}

#[test]
fn a_task_of_the_flask_app_is_returned() {
    let app = TestApp::in_folder(folder_with_flask_database(), |_| {});
    let admin = app.admin();
    let response = app.get("/tasks/1", &admin);
    assert_eq!(response.json()["title"], "Made by Flask");
    assert_eq!(response.json()["deadline"], "2026-12-24T18:00:00.000000Z");
}
