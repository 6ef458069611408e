//! `task-api backup`: what it writes beside a running server, and what it refuses.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use data_encoding::HEXLOWER;
use serde_json::json;
use sha2::{Digest, Sha256};
use task_api::config::backups::KeyPlace;
use task_api::config::database::DatabaseFiles;
use task_api::store::sqlite::backup::{self, Phase, Watch};

use crate::support::http_client::Client;
use crate::support::program::{ChildGuard, CommandOutput, WorkDir, run_command};
use crate::support::{file_mode, files_in, overwrite_page_of, wait_for};

/// A database with an approved admin, on which the server has run.
fn database() -> WorkDir {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &["--role", "admin", "--approved"]);
    work_dir.serve().log();
    work_dir
}

fn sha256(content: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(content))
}

fn titles(database: &Path) -> BTreeSet<String> {
    let db = rusqlite::Connection::open(database).unwrap();
    let mut statement = db.prepare("SELECT title FROM task").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Runs a command that fails, and checks that it prints one line and changes no file.
#[track_caller]
fn assert_refused(work_dir: &WorkDir, arguments: &[&str], reason: &str) {
    let before = files_in(work_dir.0.path());
    let output = work_dir.run(arguments);
    assert_eq!(output.code, Some(1), "{arguments:?}: {output:?}");
    let line = output.error_line();
    assert!(line.contains(reason), "{arguments:?}: {line}");
    assert!(
        files_in(work_dir.0.path()) == before,
        "{arguments:?}: {line}"
    );
}

// ---- beside a running server --------------------------------------------------------------------

#[test]
fn a_backup_under_64_writers_has_every_task_acknowledged_before_it_began() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &["--role", "admin", "--approved"]);
    let server = work_dir.serve();
    let token = server.client().sign_in_for_token("ada");
    let address = server.address;
    let (is_over, acknowledged) = (AtomicBool::new(false), Mutex::new(BTreeSet::new()));
    let write = |number: usize| {
        let mut client = Client::connect(address);
        for count in 0.. {
            if is_over.load(Ordering::SeqCst) {
                return;
            }
            let title = format!("task {number}.{count}");
            let task = json!({ "title": title });
            let response = client.send("POST /tasks", Some(&token), Some(&task));
            assert_eq!(response.status, 201, "{response:?}");
            acknowledged.lock().unwrap().insert(title);
        }
    };
    let (expected, output) = thread::scope(|scope| {
        for number in 0..64 {
            scope.spawn(move || write(number));
        }
        wait_for("tasks", || {
            (acknowledged.lock().unwrap().len() > 500).then_some(())
        });
        let expected = acknowledged.lock().unwrap().clone();
        let output = work_dir.run(&["backup", "copy.db"]);
        is_over.store(true, Ordering::SeqCst);
        (expected, output)
    });
    assert_eq!(
        (output.code, output.err.as_str()),
        (Some(0), ""),
        "{output:?}"
    );
    assert_eq!(file_mode(&work_dir.path("copy.db")), 0o600);
    let copied = titles(&work_dir.path("copy.db"));
    assert!(copied.is_superset(&expected));
    drop(server);

    // On an empty folder the restored database has exactly these tasks, and the token is valid.
    let empty = WorkDir::new();
    let copy = work_dir.path("copy.db");
    let restored = empty.run(&["restore", copy.to_str().unwrap()]);
    assert_eq!(
        (restored.code, restored.err.as_str()),
        (Some(0), ""),
        "{restored:?}"
    );
    assert_eq!(file_mode(&empty.path("project.db")), 0o600);
    assert_eq!(titles(&empty.path("project.db")), copied);
    let server = empty.serve();
    let hello = server.client().send("GET /hello", Some(&token), None);
    assert_eq!(hello.status, 200);
}

#[test]
fn a_write_in_the_middle_of_the_copy_neither_changes_it_nor_starts_it_again() {
    let work_dir = database();
    // More than one step of the copy.
    let many =
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT 20000)
        INSERT INTO task (title) SELECT 'task ' || n FROM number";
    work_dir.sqlite().execute_batch(many).unwrap();
    let (writer, writes) = (work_dir.sqlite(), Rc::new(Cell::new(0)));
    let count = Rc::clone(&writes);
    let watch = Watch::new(Arc::default(), move |phase| {
        // A copy that starts again at each write would not end without this bound.
        if matches!(phase, Phase::Copying(..)) && count.get() < 10 {
            let sql = "INSERT INTO task (title) VALUES ('later')";
            writer.execute(sql, []).unwrap();
            count.set(count.get() + 1);
        }
    });
    let files = DatabaseFiles::at(&work_dir.path("project.db")).unwrap();
    let target = work_dir.path("copy.db");
    backup::back_up(&files, &target, KeyPlace::Inside, &watch).unwrap();
    assert!(writes.get() > 1, "{writes:?}");
    assert!(!titles(&target).contains("later"));
    assert_eq!(titles(&target).len(), 20_000);
}

#[test]
fn the_result_line_tells_what_was_written_and_the_checksum_file_fits() {
    let work_dir = database();
    let server = work_dir.serve();
    let token = server.client().sign_in_for_token("ada");
    let task = json!({ "title": "water the plants" });
    server
        .client()
        .send("POST /tasks", Some(&token), Some(&task));
    let before: BTreeSet<_> = files_in(work_dir.0.path()).into_keys().collect();

    let output = work_dir.run(&["backup", "copy.db"]);
    let copy = fs::read(work_dir.path("copy.db")).unwrap();
    let (length, hash) = (copy.len(), sha256(&copy));
    let expected = format!(
        "wrote copy.db: {length} bytes, 1 accounts, 1 tasks, 2 audit rows, signing key and audit key inside, sha256 {hash}\n"
    );
    let success = CommandOutput {
        code: Some(0),
        out: expected,
        err: String::new(),
    };
    assert_eq!(output, success);
    let checksum = fs::read_to_string(work_dir.path("copy.db.sha256")).unwrap();
    assert_eq!(checksum, format!("{hash}  copy.db\n"));
    // The log that is not in the database file yet is in the copy, and nothing lies beside it.
    let after: BTreeSet<_> = files_in(work_dir.0.path()).into_keys().collect();
    let new: Vec<_> = after.difference(&before).collect();
    assert_eq!(new, ["copy.db", "copy.db.sha256"]);
    assert_eq!(
        titles(&work_dir.path("copy.db")),
        BTreeSet::from(["water the plants".to_owned()])
    );
    // The server goes on.
    let again = server
        .client()
        .send("POST /tasks", Some(&token), Some(&task));
    assert_eq!(again.status, 201);
}

#[test]
fn a_backup_of_a_backup_has_the_same_content() {
    let work_dir = database();
    work_dir.run(&["backup", "--key", "none", "first.db"]);
    let url = "sqlite:///first.db";
    let output = work_dir.run(&[
        "backup",
        "--database-url",
        url,
        "--key",
        "none",
        "second.db",
    ]);
    assert_eq!(output.code, Some(0), "{output:?}");
    // The source may have been changed by opening it: only the copies are compared.
    let rows = |name| {
        let db = rusqlite::Connection::open(work_dir.path(name)).unwrap();
        let sql = r#"SELECT group_concat(username || password_hash) FROM "user""#;
        db.query_row(sql, [], |row| row.get::<_, String>(0))
            .unwrap()
    };
    assert_eq!(rows("first.db"), rows("second.db"));
}

// ---- keys ---------------------------------------------------------------------------------------

#[test]
fn the_key_files_are_inside_or_beside_or_left_out() {
    let work_dir = database();
    let key = fs::read(work_dir.path("project.db.jwt_secret")).unwrap();
    fs::write(
        work_dir.path("project.db.audit_key"),
        b"a key of the audit log",
    )
    .unwrap();
    let contains_key = |name| {
        let copy = fs::read(work_dir.path(name)).unwrap();
        copy.windows(key.len()).any(|part| part == key)
    };
    for (place, says, is_inside) in [
        ("inside", "signing key and audit key inside,", true),
        ("beside", "signing key and audit key beside it,", false),
        ("none", "without keys,", false),
    ] {
        let output = work_dir.run(&["backup", "--key", place, place]);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert!(output.out.contains(says), "{output:?}");
        assert_eq!(contains_key(place), is_inside, "{place}");
    }
    for (name, content) in [
        ("beside.jwt_secret", &key[..]),
        ("beside.audit_key", b"a key of the audit log"),
    ] {
        assert_eq!(fs::read(work_dir.path(name)).unwrap(), content);
        assert_eq!(file_mode(&work_dir.path(name)), 0o600);
    }
    for name in ["inside.jwt_secret", "none.jwt_secret", "none.audit_key"] {
        assert!(!work_dir.path(name).exists(), "{name}");
    }
}

#[test]
fn a_key_that_is_set_in_the_environment_is_not_part_of_the_backup_and_the_line_says_so() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let output = work_dir.run(&["backup", "copy.db"]);
    let says = "without the signing key, as there is no ";
    assert!(
        output.code == Some(0) && output.out.contains(says),
        "{output:?}"
    );
}

// ---- standard output ----------------------------------------------------------------------------

#[test]
fn to_stdout_writes_the_proven_copy_and_the_result_goes_to_standard_error() {
    let work_dir = database();
    let before = files_in(work_dir.0.path());
    let mut command = work_dir.command(&["backup", "--to-stdout"]);
    let output = command.output().unwrap();
    let (copy, line) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{line}");
    let start = format!("wrote standard output: {} bytes, 1 accounts, ", copy.len());
    let end = format!(", sha256 {}\n", sha256(&copy));
    assert!(line.starts_with(&start) && line.ends_with(&end), "{line}");
    assert!(files_in(work_dir.0.path()) == before);

    let empty = WorkDir::new();
    fs::write(empty.path("pipe.db"), copy).unwrap();
    assert_eq!(empty.run(&["restore", "pipe.db"]).code, Some(0));
    assert_eq!(empty.serve().client().sign_in("ada").status, 200);
}

#[test]
fn to_stdout_refuses_a_terminal_and_keys_beside_it() {
    let work_dir = database();
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/ptmx")
        .unwrap();
    let mut command = work_dir.command(&["backup", "--to-stdout"]);
    let child = command.stdout(terminal).stderr(Stdio::piped()).spawn();
    let mut child = ChildGuard(child.unwrap());
    // Nothing reads the terminal, so a program that writes to it would wait.
    assert_eq!(child.wait().code(), Some(1));
    let mut line = String::new();
    let mut stderr = child.0.stderr.take().unwrap();
    stderr.read_to_string(&mut line).unwrap();
    assert!(line.contains("a backup is not text"), "{line}");
    assert_refused(
        &work_dir,
        &["backup", "--to-stdout", "--key", "beside"],
        "--key inside",
    );
}

#[test]
fn to_stdout_leaves_no_file_while_the_reader_of_the_pipe_makes_it_wait() {
    let work_dir = database();
    let before = files_in(work_dir.0.path());
    let mut command = work_dir.command(&["backup", "--to-stdout"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = ChildGuard(child);
    // The first byte: the copy is longer than the pipe's buffer.
    let mut pipe = child.0.stdout.take().unwrap();
    pipe.read_exact(&mut [0]).unwrap();
    assert!(files_in(work_dir.0.path()) == before);
    drop(pipe);
    assert_eq!(child.wait().code(), Some(1), "a closed pipe is an error");
}

// ---- bad input ----------------------------------------------------------------------------------

#[test]
fn a_target_that_cannot_be_created_is_refused_and_nothing_changes() {
    let work_dir = database();
    fs::create_dir(work_dir.path("folder")).unwrap();
    fs::write(work_dir.path("existing.db"), b"something").unwrap();
    fs::write(work_dir.path("sum.db.sha256"), b"something").unwrap();
    fs::write(work_dir.path("key.db.jwt_secret"), b"something").unwrap();
    for (target, reason) in [
        ("existing.db", "existing.db exists already"),
        ("sum.db", "sum.db.sha256 exists already"),
        ("key.db", "key.db.jwt_secret exists already"),
        ("project.db", "project.db exists already"),
        ("folder", "it is a folder"),
        ("missing/copy.db", "No such file or directory"),
        ("existing.db/copy.db", "Not a directory"),
        ("project.db-wal", "belongs to the database"),
        ("project.db-journal", "belongs to the database"),
        ("project.db.restoring", "belongs to the database"),
        ("/sys/copy.db", "/sys/copy.db"),
    ] {
        // A reader of the database creates an empty log and removes none.
        if target == "project.db-wal" {
            let _ = fs::remove_file(work_dir.path(target));
        }
        assert_refused(&work_dir, &["backup", target], reason);
    }
}

#[test]
fn a_backup_that_does_not_fit_fails_and_leaves_no_file() {
    let work_dir = database();
    let before = files_in(work_dir.0.path());
    for arguments in ["backup copy.db", "backup --to-stdout"] {
        let program = work_dir.command(&[]);
        // Less than the database has. The unit is 512 bytes or 1 KiB.
        let mut limited = Command::new("sh");
        limited
            .args(["-c", &format!("ulimit -f 90 && exec \"$0\" {arguments}")])
            .arg(program.get_program())
            .env_clear()
            .current_dir(work_dir.0.path());
        let output = run_command(&mut limited);
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(
            output.error_line().contains("cannot back up to"),
            "{output:?}"
        );
        assert!(files_in(work_dir.0.path()) == before, "{output:?}");
    }
}

#[test]
fn a_backup_that_is_stopped_leaves_no_file() {
    let work_dir = database();
    let files = DatabaseFiles::at(&work_dir.path("project.db")).unwrap();
    let before = files_in(work_dir.0.path());
    for phase in [Phase::Copying(0, 0), Phase::Checking] {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let is_phase =
            move |now: Phase| std::mem::discriminant(&now) == std::mem::discriminant(&phase);
        let watch = Watch::new(stop, move |now| flag.store(is_phase(now), Ordering::SeqCst));
        let target = work_dir.path("copy.db");
        let result = backup::back_up(&files, &target, KeyPlace::Inside, &watch);
        assert!(
            result.is_err_and(|why| why.contains("stopped")),
            "{phase:?}"
        );
        assert!(files_in(work_dir.0.path()) == before, "{phase:?}");
    }
}

#[test]
fn a_source_that_is_not_this_programs_is_refused() {
    let work_dir = database();
    let script = |name: &str, sql: &str| {
        fs::copy(work_dir.path("project.db"), work_dir.path(name)).unwrap();
        let db = rusqlite::Connection::open(work_dir.path(name)).unwrap();
        db.execute_batch(sql).unwrap();
    };
    script("newer.db", "PRAGMA user_version = 1000");
    script("flask.db", "PRAGMA user_version = 0");
    script(
        "foreign.db",
        r#"DROP TABLE task; CREATE TABLE task (what TEXT)"#,
    );
    script("other.db", "DROP TABLE task");
    fs::write(
        work_dir.path("text.db"),
        b"this is no database, but a text that is longer than a header",
    )
    .unwrap();
    fs::write(work_dir.path("empty.db"), b"").unwrap();
    for (source, reason) in [
        ("missing.db", "there is no database"),
        ("newer.db", "newer version"),
        ("flask.db", "Flask"),
        ("foreign.db", "neither this program's nor the tutorial's"),
        ("other.db", "no database of Task API"),
        ("text.db", "not a database"),
        ("empty.db", "no database of Task API"),
    ] {
        let url = format!("sqlite:///{source}");
        assert_refused(
            &work_dir,
            &["backup", "copy.db", "--database-url", &url],
            reason,
        );
    }
}

#[test]
fn a_damaged_database_is_told_and_no_file_stays() {
    for (index, reason) in [
        // The rows are counted with this index, before the copy is checked.
        (
            "account_key_by_email",
            "project.db: the database is damaged: SQLite: database disk image is malformed",
        ),
        ("audit_by_subject", "it is damaged: "),
    ] {
        let work_dir = database();
        overwrite_page_of(&work_dir.path("project.db"), index);
        assert_refused(&work_dir, &["backup", "copy.db"], reason);
    }
}

#[test]
fn a_database_with_a_broken_audit_log_is_copied_but_not_proven() {
    let work_dir = database();
    let server = work_dir.serve();
    server.client().sign_in_for_token("ada");
    drop(server);
    work_dir
        .sqlite()
        .execute("UPDATE audit SET action = 'other' WHERE id = 1", [])
        .unwrap();

    let output = work_dir.run(&["backup", "copy.db"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.out.starts_with("wrote copy.db: "), "{output:?}");
    assert!(
        output
            .err
            .contains("not proven: the audit log is not intact: row 1"),
        "{output:?}"
    );

    assert_refused(
        &work_dir,
        &["restore", "copy.db", "--discard-wal"],
        "--allow-broken-audit-log",
    );
    let arguments = [
        "restore",
        "copy.db",
        "--discard-wal",
        "--allow-broken-audit-log",
    ];
    let restored = work_dir.run(&arguments);
    assert_eq!(restored.code, Some(0), "{restored:?}");
}

#[test]
fn rows_of_the_flask_app_that_refer_to_nothing_are_counted() {
    let work_dir = database();
    let db = work_dir.sqlite();
    db.execute_batch(
        "PRAGMA foreign_keys = OFF; INSERT INTO task (title, assigned_user_id) VALUES ('x', 77)",
    )
    .unwrap();
    let output = work_dir.run(&["backup", "copy.db"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(
        output
            .out
            .contains(" 1 references to rows that do not exist,"),
        "{output:?}"
    );
}
