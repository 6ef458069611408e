//! The audit log against an attacker who can write to the database, or who has stolen the audit key.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rusqlite::params;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use task_api::app::maintenance;
use task_api::store::audit::key::AuditKey;
use task_api::store::audit::seal;
use task_api::store::audit::verification::{Kept, Verification, verify};

use crate::support::program::WorkDir;
use crate::support::sql::{TestRow, TestSql};
use crate::support::{PASSWORD, TestApp, file_mode, open_store};

fn verdict(app: &TestApp) -> Verification {
    verify(&app.app.store, &Kept::default(), |_| {}).unwrap()
}

/// The reason why the log is not authentic.
#[track_caller]
fn reason(verdict: Verification) -> String {
    match verdict {
        Verification::NotAuthentic(why) => why,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_intact(app: &TestApp, rows: i64) {
    match verdict(app) {
        Verification::Intact { count, .. } => assert_eq!(count, rows),
        other => panic!("{other:?}"),
    }
}

fn key_file(app: &TestApp) -> PathBuf {
    app.folder.path().join("project.db.audit_key")
}

fn epoch_in(file: &Path) -> i64 {
    AuditKey::read_copy(file).unwrap().epoch()
}

/// An application whose audit log has this many rows.
fn app_with_rows(rows: usize) -> TestApp {
    let app = TestApp::new();
    let anna = app.employee();
    for _ in 0..rows {
        app.log_in(&anna.email, "a wrong one");
    }
    app
}

fn add_row(app: &TestApp) {
    assert_eq!(app.log_in("nobody@example.com", "a wrong one").status, 401);
}

/// Ends the epoch of the audit key, as a start of the server does.
fn end_epoch(app: &TestApp) {
    seal::end_epoch(&app.app.store, app.app.now(), 0).unwrap();
}

/// The rows of a table, to put them back later.
fn keep_copy(db: &TestSql, table: &str) {
    let sql = format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}");
    db.execute_batch(&sql).unwrap();
}

#[test]
fn an_older_state_of_the_log_that_is_put_back_under_the_server_is_noticed() {
    let app = app_with_rows(3);
    let db = app.sql();
    for table in ["audit", "audit_head", "audit_seal"] {
        keep_copy(&db, table);
    }
    add_row(&app);
    assert_eq!(app.metric("audit_sealed"), 1.0);
    for table in ["audit", "audit_head", "audit_seal"] {
        let sql = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
        db.execute_batch(&sql).unwrap();
    }
    add_row(&app);
    assert_eq!(app.metric("audit_sealed"), 0.0);
    assert!(!matches!(verdict(&app), Verification::Intact { .. }));
}

/// Computes the hashes of all rows again, as an attacker does after a change; returns the new head.
fn rewrite_chain(db: &TestSql) -> (i64, String) {
    let sql = "SELECT id, at, action, actor_id, actor, subject_id, subject, address, detail,
        request_id, os_user, latest_at FROM audit ORDER BY id";
    let read = |row: &TestRow| {
        let text = |column: usize| row.get::<Option<String>>(column).map(|text| json!(text));
        let number = |column: usize| row.get::<Option<i64>>(column).map(|n| json!(n));
        let first = vec![
            number(0)?,
            text(1)?,
            text(2)?,
            number(3)?,
            text(4)?,
            number(5)?,
            text(6)?,
            text(7)?,
            text(8)?,
        ];
        Ok((first, vec![text(9)?, text(10)?, text(11)?]))
    };
    let rows: Vec<(Vec<Value>, Vec<Value>)> = db.query(sql, [], read).unwrap();
    let mut head = (0, String::new());
    for (mut row, added) in rows {
        let id = row[0].as_i64().unwrap();
        if added.iter().any(|value| !value.is_null()) {
            row.extend(added);
        }
        row.insert(0, json!(head.1));
        let digest = Sha256::digest(json!(row).to_string());
        let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        db.execute(
            "UPDATE audit SET hash = ?2 WHERE id = ?1",
            params![id, hash],
        )
        .unwrap();
        head = (id, hash);
    }
    db.execute(
        "UPDATE audit_head SET count = ?1, hash = ?2",
        params![head.0, head.1],
    )
    .unwrap();
    head
}

#[test]
fn a_chain_that_is_written_anew_without_the_key_is_noticed() {
    const SET_SEAL: &str = "UPDATE audit_seal SET (count, hash) = (SELECT count, hash FROM audit_head) WHERE epoch = 1";
    let cases = [
        (
            "UPDATE audit SET subject = 'ben' WHERE id = 2",
            "",
            "row 5 does not have the hash of the seal of epoch 1",
        ),
        (
            "UPDATE audit SET subject = 'ben' WHERE id = 2",
            SET_SEAL,
            "the seal of epoch 1 was not made with the audit key",
        ),
        (
            "DELETE FROM audit WHERE id = 3; UPDATE audit SET id = id - 1 WHERE id > 3",
            SET_SEAL,
            "the seal of epoch 1 was not made with the audit key",
        ),
        (
            "DELETE FROM audit WHERE id = 5",
            "",
            "it has 4 rows, and the seal of epoch 1 is of row 5: the last rows have been removed",
        ),
        (
            "DELETE FROM audit WHERE id = 5",
            SET_SEAL,
            "the seal of epoch 1 was not made with the audit key",
        ),
        (
            "INSERT INTO audit (id, at, action, hash) VALUES (6, '2026-11-23 12:00:00.000000', 'sign_in', '')",
            "",
            "it has 6 rows, and the last seal is of 5",
        ),
        (
            "INSERT INTO audit (id, at, action, hash) VALUES (6, '2026-11-23 12:00:00.000000', 'sign_in', '')",
            SET_SEAL,
            "the seal of epoch 1 was not made with the audit key",
        ),
        ("", "DELETE FROM audit_seal", "the database has no seal"),
        (
            "",
            "UPDATE audit_seal SET epoch = 2",
            "the seal of epoch 1 has been removed",
        ),
        (
            "",
            "UPDATE audit_seal SET began_at = '2020-01-01 00:00:00.000000'",
            "the seal of epoch 1 was not made with the audit key",
        ),
        (
            "",
            "UPDATE audit_seal SET mac = ''",
            "the seal of epoch 1 was not made with the audit key",
        ),
    ];
    for (change, after, expected) in cases {
        let app = app_with_rows(5);
        assert_intact(&app, 5);
        let db = app.sql();
        db.execute_batch(change).unwrap();
        rewrite_chain(&db);
        db.execute_batch(after).unwrap();
        let why = reason(verdict(&app));
        assert!(why.starts_with(expected), "{change}; {after}: {why}");
        // Later rows of the server do not hide it: they are written, and get no seal.
        add_row(&app);
        assert!(
            !matches!(verdict(&app), Verification::Intact { .. }),
            "{change}; {after}"
        );
        assert_eq!(app.metric("audit_sealed"), 0.0, "{change}; {after}");
    }
}

#[test]
fn a_copy_of_an_older_key_notices_what_a_thief_of_the_present_key_does() {
    let app = app_with_rows(3);
    let copy = app.folder.path().join("copy");
    fs::copy(key_file(&app), &copy).unwrap();
    for _ in 0..3 {
        end_epoch(&app);
        add_row(&app);
    }
    assert_eq!((epoch_in(&copy), epoch_in(&key_file(&app))), (1, 4));
    let kept = || Kept {
        key: Some(AuditKey::read_copy(&copy).unwrap()),
        head: None,
    };
    let with_copy = || verify(&app.app.store, &kept(), |_| {}).unwrap();
    assert!(matches!(with_copy(), Verification::Intact { count: 6, .. }));
    // The thief changes an old row and makes the last seal with the stolen key.
    let thief = AuditKey::read_copy(&key_file(&app)).unwrap();
    let db = app.sql();
    db.execute_batch("UPDATE audit SET subject = 'ben' WHERE id = 2")
        .unwrap();
    let (count, hash) = rewrite_chain(&db);
    db.execute_batch(
        "UPDATE audit_seal SET hash = (SELECT hash FROM audit WHERE id = audit_seal.count)",
    )
    .unwrap();
    let began_at: String = db
        .query_row(
            "SELECT began_at FROM audit_seal WHERE epoch = 4",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let mac = thief.mac(&json!([4, began_at, count, hash]).to_string());
    db.execute("UPDATE audit_seal SET mac = ?1 WHERE epoch = 4", [mac])
        .unwrap();
    assert_intact(&app, 6);
    let why = reason(with_copy());
    assert!(
        why.starts_with("the seal of epoch 1 was not made with the given key"),
        "{why}"
    );
}

#[test]
fn an_epoch_ends_hourly_if_rows_were_written_and_its_key_is_gone() {
    let app = app_with_rows(1);
    let file = key_file(&app);
    assert_eq!((epoch_in(&file), file_mode(&file)), (1, 0o600));
    end_epoch(&app);
    assert_eq!(epoch_in(&file), 2);
    let old = fs::read(&file).unwrap();
    for (minutes, has_row, epoch) in [(61, false, 2), (1, true, 3), (59, true, 3), (1, false, 4)] {
        app.advance(minutes * 60);
        if has_row {
            add_row(&app);
        }
        maintenance::run(&app.app).unwrap();
        assert_eq!(epoch_in(&file), epoch, "after {minutes} minutes");
    }
    assert_ne!(fs::read(&file).unwrap(), old);
    assert_intact(&app, 3);
    // A clock that is set back does not keep the epoch from ending.
    app.advance(-86_400);
    add_row(&app);
    maintenance::run(&app.app).unwrap();
    assert_eq!(epoch_in(&file), 5);
    assert_intact(&app, 4);
}

#[test]
fn a_process_that_is_killed_between_the_seal_and_the_new_key_goes_on_with_the_old_file() {
    let app = app_with_rows(2);
    let old = fs::read(key_file(&app)).unwrap();
    end_epoch(&app);
    fs::write(key_file(&app), old).unwrap();
    // Another process, as after a restart.
    let store = app.open_store();
    assert_eq!(epoch_in(&key_file(&app)), 2);
    let verdict = verify(&store, &Kept::default(), |_| {}).unwrap();
    assert!(matches!(verdict, Verification::Intact { count: 2, .. }));
    add_row(&app);
    assert_intact(&app, 3);
}

#[test]
fn processes_on_one_database_follow_each_others_epochs() {
    let app = app_with_rows(1);
    let other = app.open_store();
    for rows in 2..5 {
        seal::end_epoch(&other, app.app.now(), 0).unwrap();
        add_row(&app);
        assert_intact(&app, rows);
    }
    // A process that has slept for several epochs.
    for _ in 0..3 {
        end_epoch(&app);
        add_row(&app);
    }
    seal::end_epoch(&other, app.app.now(), 0).unwrap();
    assert_eq!(epoch_in(&key_file(&app)), 8);
    assert_intact(&app, 7);
}

#[test]
fn a_key_file_that_is_removed_under_the_server_is_written_again() {
    let app = app_with_rows(1);
    fs::remove_file(key_file(&app)).unwrap();
    add_row(&app);
    maintenance::run(&app.app).unwrap();
    assert_intact(&app, 2);
}

#[test]
fn a_key_file_that_is_not_the_owners_alone_is_refused() {
    for name in ["project.db.audit_key", "project.db.jwt_secret"] {
        let work_dir = WorkDir::new();
        let (path, moved) = (work_dir.path(name), work_dir.path("moved"));
        work_dir.serve().log();
        let started = |expected: &str| {
            let refused = work_dir.run(&["serve"]);
            let line = refused.error_line();
            assert!(line.contains(expected) && line.contains(name), "{line}");
        };
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            started(&format!(
                "other users may read or write it (mode 0{mode:o}); chmod 600 it"
            ));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&path, &moved).unwrap();
        symlink(&moved, &path).unwrap();
        started("it is a symbolic link");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(work_dir.run(&["serve"]).code, Some(1));
        fs::remove_dir(&path).unwrap();
        let fifo = std::process::Command::new("mkfifo")
            .args(["-m", "600"])
            .arg(&path)
            .status();
        assert!(fifo.unwrap().success());
        started("it is not a plain file");
        fs::remove_file(&path).unwrap();
        fs::rename(&moved, &path).unwrap();
        work_dir.serve().log();
    }
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    fs::write(work_dir.path("project.db.audit_key"), "1 not a key\n").unwrap();
    let refused = work_dir.run(&["user", "list"]);
    assert!(
        refused.error_line().ends_with("it holds no audit key"),
        "{refused:?}"
    );
}

#[test]
fn an_operator_compares_the_log_with_what_was_kept_elsewhere() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let verify = |arguments: &[&str]| work_dir.run(&[&["audit", "verify"], arguments].concat());
    let first = verify(&[]).out;
    let hash = first.trim_end().rsplit(' ').next().unwrap();
    fs::copy(work_dir.path("project.db.audit_key"), work_dir.path("copy")).unwrap();
    work_dir.create_account("ben", &[]);
    let wrong = "0".repeat(64);
    for (arguments, error) in [
        (vec!["--expect", "1", hash], None),
        (vec!["--expect", "1", &hash.to_uppercase()], None),
        (vec!["--key", "copy"], None),
        (
            vec!["--expect", "1", &wrong],
            Some(
                "the audit log is not authentic: row 1 does not have the hash of the expected hash",
            ),
        ),
        (
            vec!["--expect", "2", hash],
            Some(
                "the audit log is not authentic: row 2 does not have the hash of the expected hash",
            ),
        ),
        (
            vec!["--expect", "3", hash],
            Some(
                "the audit log is not authentic: it has 2 rows, and the expected hash is of row 3",
            ),
        ),
        (
            vec!["--expect", "0", hash],
            Some("--expect: COUNT must be a number of rows, from 1"),
        ),
        (
            vec!["--expect", "1", "x"],
            Some("--expect: HASH must be 64 hexadecimal digits"),
        ),
        (
            vec!["--key", "nothing"],
            Some("--key nothing: No such file"),
        ),
        (vec!["--key", "project.db"], Some("--key project.db: ")),
    ] {
        let output = verify(&arguments);
        match error {
            None => assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}"),
            Some(error) => {
                let line = output.error_line();
                assert!(line.starts_with(&format!("task-api: {error}")), "{line}");
                assert_eq!(output.code, Some(1));
            }
        }
    }
    let other = WorkDir::new();
    other.create_account("ada", &[]);
    let copy = other.path("project.db.audit_key");
    let output = verify(&["--key", copy.to_str().unwrap()]);
    assert!(
        output
            .error_line()
            .contains("was not made with the given key"),
        "{output:?}"
    );
}

#[test]
fn the_metrics_have_the_head_for_another_system_to_keep() {
    let app = app_with_rows(2);
    let Verification::Intact { count: 2, hash, .. } = verdict(&app) else {
        panic!("{:?}", verdict(&app));
    };
    assert_eq!(app.metric("audit_rows"), 2.0);
    assert_eq!(app.metric("audit_sealed"), 1.0);
    let series = format!("audit_head_info{{rows=\"2\",hash=\"{hash}\"}}");
    assert_eq!(app.metric(&series), 1.0);
}

#[test]
fn an_entry_has_the_request_id_or_the_operating_system_user() {
    let app = TestApp::new();
    let admin = app.admin();
    let id = "a".repeat(128);
    let body = json!({ "email": admin.email, "password": PASSWORD }).to_string();
    let sign_in = |id: &str| app.send_with("POST /login", None, &[("X-Request-Id", id)], &body);
    assert_eq!(sign_in(&id).status, 200);
    let generated = sign_in("not safe\t")
        .header("X-Request-Id")
        .unwrap()
        .to_owned();
    let items = app.get("/audit", &admin).items();
    assert_eq!(items[0]["request_id"], generated);
    assert_eq!(items[1]["request_id"], id);
    assert_eq!(items[0]["os_user"], Value::Null);
    assert_intact(&app, 2);

    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let columns = |row: &TestRow| Ok((row.get(0)?, row.get(1)?));
    let (os_user, request_id): (String, Option<String>) = work_dir
        .sql()
        .query_row("SELECT os_user, request_id FROM audit", [], columns)
        .unwrap();
    let uid = rustix::process::getuid().as_raw();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let expected = passwd
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&uid.to_string()))
        .map_or(format!("uid {uid}"), |line| {
            line.split(':').next().unwrap().to_owned()
        });
    assert_eq!((os_user, request_id), (expected, None));
    // Both are covered by the hash.
    work_dir
        .sql()
        .execute_batch("UPDATE audit SET os_user = 'eve'")
        .unwrap();
    assert!(
        work_dir
            .run(&["audit", "verify"])
            .error_line()
            .ends_with("row 1 is not what was written")
    );
}

mod sqlite_only {
    use super::*;

    /// On PostgreSQL a server without the key does not start, see `postgres::operating`.
    #[test]
    fn an_operator_sees_a_lost_key_and_seals_the_log_anew() {
        let work_dir = WorkDir::new();
        // With an admin, the start makes no link, of which the log would have an entry.
        work_dir.create_account("ada", &["--role", "admin", "--approved"]);
        let verify = || work_dir.run(&["audit", "verify"]);
        work_dir.serve().log();
        assert_eq!(verify().code, Some(0));
        fs::remove_file(work_dir.path("project.db.audit_key")).unwrap();
        let missing = verify();
        assert!(
            missing
                .error_line()
                .starts_with("task-api: the audit log is not authentic: there is no audit key"),
            "{missing:?}"
        );
        let mut server = work_dir.serve();
        let body = json!({ "email": "ada@example.com", "password": PASSWORD });
        let sign_in = |client: &mut crate::support::http_client::Client| {
            client.send("POST /login", None, Some(&body)).status
        };
        assert_eq!(sign_in(&mut server.client()), 200);
        let sealed = work_dir.run(&["audit", "reseal"]);
        assert_eq!(
            (sealed.code, sealed.out.as_str()),
            (Some(0), "sealed the audit log with a new key, of epoch 3\n")
        );
        assert_eq!(verify().code, Some(0));
        // The running server takes the new key over.
        assert_eq!(sign_in(&mut server.client()), 200);
        server.wait_for_line("the audit log is authenticated again");
        let log = server.log();
        let errors: Vec<_> = log
            .iter()
            .filter(|line| line.contains("the audit log is no longer authenticated"))
            .collect();
        assert_eq!(errors.len(), 1, "{log:?}");
        let verified = verify();
        assert_eq!(verified.code, Some(0), "{verified:?}");
        assert!(verified.out.starts_with("4 rows, intact"), "{verified:?}");
        let (detail, os_user): (String, String) = work_dir
            .sql()
            .query_row(
                "SELECT detail, os_user FROM audit WHERE action = 'audit_resealed'",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert!(detail.contains("there is no audit key"), "{detail}");
        assert!(!os_user.is_empty());
    }

    #[test]
    fn an_older_database_beside_a_newer_key_is_noticed() {
        let app = app_with_rows(2);
        let older = app.folder.path().join("older.db");
        app.sqlite()
            .execute("VACUUM INTO ?1", [older.to_str().unwrap()])
            .unwrap();
        end_epoch(&app);
        fs::copy(key_file(&app), app.folder.path().join("older.db.audit_key")).unwrap();
        let store = open_store(&older).unwrap();
        let why = reason(verify(&store, &Kept::default(), |_| {}).unwrap());
        assert!(
            why.ends_with(
                "is of epoch 2, and the last seal of epoch 1: the database is an older copy"
            ),
            "{why}"
        );
    }

    #[test]
    fn a_database_of_an_earlier_version_is_sealed_as_it_is() {
        let app = app_with_rows(3);
        let db = app.sql();
        // As the earlier version left it: rows without the later columns, and no seals.
        db.execute_batch(
            "UPDATE audit SET request_id = NULL; DROP TABLE audit_seal; DROP TABLE audit_start;
             DROP INDEX audit_late; DROP INDEX audit_by_latest_time;
             ALTER TABLE audit DROP COLUMN latest_at;
             CREATE INDEX audit_by_time ON audit (at, id);
             PRAGMA user_version = 3",
        )
        .unwrap();
        db.execute_batch("ALTER TABLE audit ADD COLUMN latest_at DATETIME")
            .unwrap();
        rewrite_chain(&db);
        db.execute_batch(
            "ALTER TABLE audit DROP COLUMN latest_at; ALTER TABLE audit DROP COLUMN request_id;
             ALTER TABLE audit DROP COLUMN os_user",
        )
        .unwrap();
        drop(db);
        let folder = app.close();
        fs::remove_file(folder.path().join("project.db.audit_key")).unwrap();
        let app = TestApp::in_folder(folder, |_| {});
        assert_intact(&app, 3);
        add_row(&app);
        assert_intact(&app, 4);
    }
}
