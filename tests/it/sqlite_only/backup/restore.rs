//! `task-api restore`: what it puts in place, what it keeps, and what it refuses.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, chown};
use std::path::Path;

use serde_json::json;

use crate::support::program::{RunningServer, WorkDir};
use crate::support::{file_mode, files_in, overwrite_page_of};

/// A server with an approved admin; its database has one task, and `copy.db` is a backup of it.
struct Fixture {
    work_dir: WorkDir,
    token: String,
}

impl Fixture {
    fn new() -> Fixture {
        let work_dir = WorkDir::new();
        work_dir.create_account("ada", &["--role", "admin", "--approved"]);
        let server = work_dir.serve();
        let token = server.client().sign_in_for_token("ada");
        let fixture = Fixture { work_dir, token };
        fixture.create_task(&server, "in the backup");
        let output = fixture.work_dir.run(&["backup", "copy.db"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        fixture.create_task(&server, "after the backup");
        server.log();
        fixture
    }

    fn create_task(&self, server: &RunningServer, title: &str) {
        let task = json!({ "title": title });
        let response = server
            .client()
            .send("POST /tasks", Some(&self.token), Some(&task));
        assert_eq!(response.status, 201, "{response:?}");
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.work_dir.path(name)
    }

    /// Runs a restore, which must succeed, and returns its line.
    #[track_caller]
    fn restore(&self, arguments: &[&str]) -> String {
        let output = self.work_dir.run(&[&["restore"], arguments].concat());
        assert_eq!(
            (output.code, output.err.as_str()),
            (Some(0), ""),
            "{output:?}"
        );
        output.out
    }

    /// Runs a restore, which must fail with one line and change no file.
    #[track_caller]
    fn assert_refused(&self, arguments: &[&str], reason: &str) {
        let before = files_in(self.work_dir.0.path());
        let output = self.work_dir.run(&[&["restore"], arguments].concat());
        assert_eq!(output.code, Some(1), "{arguments:?}: {output:?}");
        let line = output.error_line();
        assert!(line.contains(reason), "{arguments:?}: {line}");
        let after = files_in(self.work_dir.0.path());
        assert!(after == before, "{arguments:?}: {line}");
    }

    /// The title of the only task that the server shows.
    fn served_title(&self) -> String {
        let server = self.work_dir.serve();
        let tasks = server.client().send("GET /tasks", Some(&self.token), None);
        let tasks = tasks.json();
        let items = tasks["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{tasks}");
        server.log();
        items[0]["title"].as_str().unwrap().to_owned()
    }
}

/// The content of the only file whose name ends with this text.
fn replaced(folder: &Path, end: &str) -> Vec<u8> {
    let mut found = files_in(folder)
        .into_iter()
        .filter(|(name, _)| name.ends_with(end));
    let (_, content) = found.next().unwrap_or_else(|| panic!("no {end}"));
    assert!(found.next().is_none(), "{end} twice");
    content
}

// ---- what it puts in place ----------------------------------------------------------------------

#[test]
fn a_restore_brings_back_what_the_backup_had_and_keeps_what_it_replaces() {
    let fixture = Fixture::new();
    let key = fs::read(fixture.path("project.db.jwt_secret")).unwrap();
    fs::write(fixture.path("project.db.jwt_secret"), [b'x'; 43]).unwrap();
    let database = fs::read(fixture.path("project.db")).unwrap();

    let line = fixture.restore(&["copy.db"]);
    let start = "/project.db from copy.db: ";
    let contents = " bytes, 1 accounts, 1 tasks, 2 audit rows, signing key and audit key, sha256 ";
    for part in [start, contents, "; the files before are ", ".replaced*\n"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(
        fs::read(fixture.path("project.db.jwt_secret")).unwrap(),
        key
    );
    for name in ["project.db", "project.db.jwt_secret"] {
        assert_eq!(file_mode(&fixture.path(name)), 0o600, "{name}");
    }
    let folder = fixture.work_dir.0.path();
    assert!(replaced(folder, ".replaced") == database);
    assert_eq!(replaced(folder, ".replaced.jwt_secret"), [b'x'; 43]);
    let rest: Vec<_> = files_in(folder)
        .into_keys()
        .filter(|name| !name.contains(".replaced"))
        .collect();
    let expected = [
        "copy.db",
        "copy.db.sha256",
        "project.db",
        "project.db.audit_key",
        "project.db.jwt_secret",
    ];
    assert_eq!(rest, expected);
    // The token from before the backup is valid.
    assert_eq!(fixture.served_title(), "in the backup");
}

#[test]
fn no_byte_of_the_key_stays_in_the_restored_database() {
    let fixture = Fixture::new();
    fixture.restore(&["copy.db"]);
    let key = fs::read(fixture.path("project.db.jwt_secret")).unwrap();
    let contains_key = |name| {
        let content = fs::read(fixture.path(name)).unwrap();
        content.windows(key.len()).any(|part| part == key)
    };
    assert!(contains_key("copy.db"));
    assert!(!contains_key("project.db"));
}

#[test]
fn keys_beside_the_backup_come_back_and_without_keys_the_present_ones_stay() {
    for (place, key_comes_back) in [("beside", true), ("none", false)] {
        let fixture = Fixture::new();
        let original = fs::read(fixture.path("project.db.jwt_secret")).unwrap();
        let backup = fixture
            .work_dir
            .run(&["backup", "--key", place, "other.db"]);
        assert_eq!(backup.code, Some(0), "{backup:?}");
        fs::write(fixture.path("project.db.jwt_secret"), [b'x'; 43]).unwrap();
        let line = fixture.restore(&["other.db"]);
        assert_eq!(
            line.contains(", signing key and audit key, "),
            key_comes_back,
            "{line}"
        );
        let key = fs::read(fixture.path("project.db.jwt_secret")).unwrap();
        assert_eq!(key == original, key_comes_back, "{place}");
        assert_eq!(key == [b'x'; 43], !key_comes_back, "{place}");
    }
}

#[test]
fn the_database_of_an_earlier_version_is_restored_as_it_is() {
    let fixture = Fixture::new();
    let db = rusqlite::Connection::open(fixture.path("copy.db")).unwrap();
    // The rows of that version were hashed without the columns that are dropped here.
    db.execute_batch(
        "DELETE FROM audit; DELETE FROM audit_head; DROP TABLE storage_mark; DROP TABLE audit_seal; DROP TABLE audit_start; DROP TABLE backup_key;
         DROP INDEX audit_late; DROP INDEX audit_by_latest_time;
         ALTER TABLE audit DROP COLUMN request_id; ALTER TABLE audit DROP COLUMN os_user;
         ALTER TABLE audit DROP COLUMN latest_at;
         PRAGMA user_version = 3",
    )
    .unwrap();
    drop(db);
    fs::remove_file(fixture.path("copy.db.sha256")).unwrap();
    fixture.restore(&["copy.db"]);
    let db = fixture.work_dir.sqlite();
    let version: i64 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, 3);
    drop(db);
    assert_eq!(fixture.served_title(), "in the backup");
}

#[test]
fn files_that_root_restores_belong_to_the_owner_of_the_folder_or_of_the_database_before() {
    if !rustix::process::getuid().is_root() {
        eprintln!("SKIPPED: only root can give files to another user");
        return;
    }
    let fixture = Fixture::new();
    let copy = fixture.path("copy.db");
    let empty = WorkDir::new();
    chown(empty.0.path(), Some(64_123), Some(64_124)).unwrap();
    let owners = || {
        ["project.db", "project.db.jwt_secret"].map(|name| {
            let found = empty.path(name).metadata().unwrap();
            (found.uid(), found.gid())
        })
    };
    let restored = empty.run(&["restore", copy.to_str().unwrap()]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert_eq!(owners(), [(64_123, 64_124); 2]);
    chown(empty.path("project.db"), Some(64_125), Some(64_126)).unwrap();
    let restored = empty.run(&["restore", copy.to_str().unwrap()]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert_eq!(owners(), [(64_125, 64_126); 2]);
}

#[test]
fn a_backup_with_keys_is_not_opened_as_a_database() {
    let fixture = Fixture::new();
    fs::rename(fixture.path("copy.db"), fixture.path("project.db")).unwrap();
    for arguments in [&[][..], &["user", "list"], &["backup", "second.db"]] {
        let output = fixture.work_dir.run(arguments);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(
            output.error_line().contains("task-api restore"),
            "{output:?}"
        );
    }
}

// ---- bad input ----------------------------------------------------------------------------------

#[test]
fn a_file_that_is_no_backup_of_this_program_is_refused() {
    let fixture = Fixture::new();
    let script = |name: &str, sql: &str| {
        fs::copy(fixture.path("copy.db"), fixture.path(name)).unwrap();
        let db = rusqlite::Connection::open(fixture.path(name)).unwrap();
        db.execute_batch(sql).unwrap();
    };
    script("newer.db", "PRAGMA user_version = 1000");
    script("flask.db", "PRAGMA user_version = 0");
    script(
        "foreign.db",
        "DROP TABLE task; CREATE TABLE task (what TEXT)",
    );
    script("other.db", "DROP TABLE task");
    script(
        "changed.db",
        "UPDATE audit SET action = 'other' WHERE id = 1",
    );
    let text = "this is no database, but a text that is longer than a header of one";
    fs::write(fixture.path("text.db"), text.repeat(10)).unwrap();
    fs::write(fixture.path("empty.db"), b"").unwrap();
    fs::create_dir(fixture.path("folder")).unwrap();
    fs::copy(fixture.path("copy.db"), fixture.path("in-use.db")).unwrap();
    fs::write(fixture.path("in-use.db-wal"), b"commits").unwrap();
    for (file, reason) in [
        ("missing.db", "No such file or directory"),
        ("missing/copy.db", "No such file or directory"),
        ("folder", "it is a folder"),
        ("empty.db", "it is empty"),
        ("text.db", "not a database"),
        ("newer.db", "newer version"),
        ("flask.db", "let DATABASE_URL name it"),
        ("foreign.db", "neither this program's nor the tutorial's"),
        ("other.db", "no database of Task API"),
        ("changed.db", "the audit log is not intact: row 1"),
        ("project.db", "it is the database itself"),
        ("in-use.db", "in the log beside it"),
    ] {
        fixture.assert_refused(&[file], reason);
    }
    assert_eq!(fixture.work_dir.run(&["restore"]).code, Some(2), "no file");
}

#[test]
fn a_damaged_backup_is_refused() {
    let fixture = Fixture::new();
    let copy = fs::read(fixture.path("copy.db")).unwrap();
    let open = || {
        fs::OpenOptions::new()
            .write(true)
            .open(fixture.path("copy.db"))
            .unwrap()
    };
    // One bit of a username, which no check of SQLite notices.
    let at = copy.windows(3).position(|part| part == b"ada").unwrap();
    open().write_all_at(b"adb", at as u64).unwrap();
    fixture.assert_refused(&["copy.db"], "it is damaged: its SHA-256 is ");
    fs::write(fixture.path("copy.db"), &copy).unwrap();

    open().set_len(copy.len() as u64 - 4096).unwrap();
    fixture.assert_refused(&["copy.db"], "it is damaged: its SHA-256 is ");

    // Without the checksum the structure of the pages tells.
    fs::remove_file(fixture.path("copy.db.sha256")).unwrap();
    fixture.assert_refused(&["copy.db"], "");
    fs::write(fixture.path("copy.db"), &copy).unwrap();
    overwrite_page_of(&fixture.path("copy.db"), "audit_by_subject");
    fixture.assert_refused(&["copy.db"], "it is damaged: ");
    fs::write(fixture.path("copy.db"), &copy).unwrap();
    fixture.restore(&["copy.db"]);
}

#[test]
fn the_checksum_on_the_command_line_counts_too() {
    let fixture = Fixture::new();
    let line = fs::read_to_string(fixture.path("copy.db.sha256")).unwrap();
    let right = line.split(' ').next().unwrap();
    let wrong = "0".repeat(64);
    fixture.assert_refused(
        &["copy.db", "--sha256", &wrong],
        "it is damaged: its SHA-256 is ",
    );
    fs::write(fixture.path("copy.db.sha256"), wrong).unwrap();
    fixture.assert_refused(
        &["copy.db", "--sha256", right],
        "it is damaged: its SHA-256 is ",
    );
    fs::remove_file(fixture.path("copy.db.sha256")).unwrap();
    fixture.restore(&["copy.db", "--sha256", &right.to_uppercase()]);
}

// ---- a database in use --------------------------------------------------------------------------

#[test]
fn while_a_server_has_the_database_open_a_restore_is_refused() {
    let fixture = Fixture::new();
    let server = fixture.work_dir.serve();
    // The server itself may write to its files meanwhile.
    for arguments in [
        &["restore", "copy.db"][..],
        &["restore", "copy.db", "--discard-wal"],
    ] {
        let refused = fixture.work_dir.run(arguments);
        assert!(
            refused.error_line().contains("stop the server first"),
            "{refused:?}"
        );
    }
    fixture.create_task(&server, "still works");
    server.log();
    fixture.restore(&["copy.db"]);
}

#[test]
fn commits_in_the_log_of_a_killed_server_are_given_up_only_on_request() {
    let fixture = Fixture::new();
    let server = fixture.work_dir.serve();
    fixture.create_task(&server, "in the log");
    let (status, _) = server.stop("KILL");
    assert_eq!(status.code(), None);
    let log = fs::read(fixture.path("project.db-wal")).unwrap();
    assert!(!log.is_empty());
    fixture.assert_refused(&["copy.db"], "--discard-wal");

    fixture.restore(&["copy.db", "--discard-wal"]);
    assert!(replaced(fixture.work_dir.0.path(), ".replaced-wal") == log);
    assert_eq!(fixture.served_title(), "in the backup");
}

// ---- an interrupted restore ---------------------------------------------------------------------

#[test]
fn after_an_interrupted_restore_nothing_opens_the_database_until_it_is_repeated() {
    let create = [
        "user",
        "create",
        "--username",
        "bob",
        "--email",
        "bob@example.com",
    ];
    let create = [&create[..], &["--password-stdin"]].concat();
    // Where the process was killed: before the first change, between the two databases, and before the keys.
    for moved_away in [&[][..], &["project.db"], &["project.db.jwt_secret"]] {
        let fixture = Fixture::new();
        fs::write(fixture.path("project.db.restoring"), "A restore began.\n").unwrap();
        fs::write(fixture.path("project.db.restore.part"), "a part").unwrap();
        for name in moved_away {
            fs::rename(fixture.path(name), fixture.path("old")).unwrap();
        }
        let before = files_in(fixture.work_dir.0.path());
        for arguments in [&[][..], &create, &["backup", "second.db"]] {
            let output = fixture
                .work_dir
                .run_with_input(arguments, "correct horse battery\n");
            assert_eq!(output.code, Some(1), "{output:?}");
        }
        assert!(files_in(fixture.work_dir.0.path()) == before);
        let output = fixture.work_dir.run(&["serve"]);
        let reason = "a restore was interrupted: run `task-api restore` again";
        assert!(output.error_line().contains(reason), "{output:?}");

        fixture.restore(&["copy.db"]);
        for name in ["project.db.restoring", "project.db.restore.part"] {
            assert!(!fixture.path(name).exists(), "{name}");
        }
        assert_eq!(fixture.served_title(), "in the backup");
    }
}

#[test]
fn a_restore_that_cannot_write_its_marker_changes_nothing() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path("project.db.restoring")).unwrap();
    fixture.assert_refused(&["copy.db"], "Is a directory");
    fs::remove_dir(fixture.path("project.db.restoring")).unwrap();
    fixture.restore(&["copy.db"]);
}

#[test]
fn a_restore_beside_another_one_is_refused() {
    let fixture = Fixture::new();
    let folder = fs::File::open(fixture.work_dir.0.path()).unwrap();
    folder.lock().unwrap();
    fixture.assert_refused(&["copy.db"], "another restore or backup is running");
    folder.unlock().unwrap();
    fixture.restore(&["copy.db"]);
}
