//! The backups that the server makes in `BACKUP_DIR`.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use task_api::model::Timestamp;
use task_api::store::sqlite::backup::Watch;

use crate::support::data_dir::DataDir;
use crate::support::program::{RunningServer, WorkDir, copy_program, run_command};
use crate::support::{CLOCK_START, TestApp, file_mode, wait_for};

const HOUR: i64 = 3600;

/// An application with a folder for backups: one each hour, of which three are kept.
struct Fixture {
    app: TestApp,
    folder: PathBuf,
}

impl Fixture {
    fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let backups = folder.path().join("backups");
        fs::create_dir(&backups).unwrap();
        let fixture = Fixture::on(folder);
        fixture.app.admin();
        fixture
    }

    /// As after a restart of the server.
    fn on(folder: impl Into<DataDir>) -> Fixture {
        let folder = folder.into();
        let backups = folder.path().join("backups");
        let app = TestApp::in_folder(folder, |config| {
            config.backups.backup_dir = Some(backups.clone());
            config.backups.backup_every = "1h".parse().unwrap();
            config.backups.backup_keep = 3;
        });
        Fixture {
            app,
            folder: backups,
        }
    }

    /// What the thread does when its wait is over. Returns how long it waits then.
    fn run(&self) -> Duration {
        let app = &self.app.app;
        let backups = app.backups.as_ref().unwrap();
        backups.run_if_due(&app.store, app.now(), &Watch::default())
    }

    fn names(&self) -> Vec<String> {
        names(&self.folder)
    }

    fn metric(&self, name: &str) -> f64 {
        self.app.metric(name)
    }
}

/// The names in a folder, without those of checksums.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.ends_with(".sha256")).collect();
    names.sort();
    names
}

/// The name of a backup that is made so many seconds after the start of the tests' clock.
fn name_at(seconds: i64) -> String {
    let at = Timestamp::from_unix_seconds(CLOCK_START + seconds).unwrap();
    format!("project-{}.db", at.to_file_name())
}

// ---- when, and what is removed ------------------------------------------------------------------

#[test]
fn a_backup_is_made_when_the_newest_is_older_than_backup_every() {
    let fixture = Fixture::new();
    assert_eq!(fixture.run(), Duration::from_secs(3600));
    assert_eq!(fixture.names(), [name_at(0)]);
    assert_eq!(file_mode(&fixture.folder.join(name_at(0))), 0o600);

    fixture.app.advance(HOUR - 60);
    assert_eq!(fixture.run(), Duration::from_secs(60), "not due yet");
    assert_eq!(fixture.names(), [name_at(0)]);
    fixture.app.advance(60);
    assert_eq!(fixture.run(), Duration::from_secs(3600));
    assert_eq!(fixture.names(), [name_at(0), name_at(HOUR)]);
}

#[test]
fn beyond_backup_keep_the_oldest_are_removed_with_the_files_beside_them_and_no_others() {
    let fixture = Fixture::new();
    let others = [
        "notes.txt",
        "other-20261123T120000Z.db",
        "project-2026.db",
        "project.db",
    ];
    for name in others {
        fs::write(fixture.folder.join(name), b"something").unwrap();
    }
    for _ in 0..5 {
        fixture.run();
        fixture.app.advance(HOUR);
    }
    let mut expected: Vec<_> = [2, 3, 4].map(|hour| name_at(hour * HOUR)).into();
    expected.extend(others.map(str::to_owned));
    expected.sort();
    assert_eq!(fixture.names(), expected);
    let entries = fs::read_dir(&fixture.folder).unwrap();
    let sums = entries.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".sha256")
    });
    assert_eq!(sums.count(), 3);
}

#[test]
fn the_wrong_file_is_not_backed_up_and_no_backup_is_removed_for_it() {
    let fixture = Fixture::new();
    fixture.run();
    let before = fixture.names();
    fixture.app.advance(3601);
    let database = fixture.app.database();
    fs::copy(&database, fixture.folder.join("../other.db")).unwrap();
    fs::rename(fixture.folder.join("../other.db"), &database).unwrap();
    fixture.run();
    assert_eq!(fixture.names(), before);
    assert_eq!(fixture.app.metric("backup_failures_total"), 1.0);
}

#[test]
fn files_of_others_that_look_like_backups_are_left_alone() {
    let fixture = Fixture::new();
    let others = [
        "project-20251102T000000Z.db",
        "project-20251101T000000Z.db.gz",
        "project-20251101T000000Z.db.gpg",
        "project-20251101T000000Z.dbx",
        "project-20251101T000000Z.db notes.txt",
    ];
    for name in others {
        fs::write(fixture.folder.join(name), b"").unwrap();
    }
    fixture.run();
    // An empty file without a checksum is no backup, so one was due.
    let names = fixture.names();
    assert_eq!(names.len(), others.len() + 1, "{names:?}");
    for name in others {
        assert!(names.contains(&name.to_owned()), "{name}");
    }
}

#[test]
fn what_a_killed_process_has_left_is_removed() {
    let fixture = Fixture::new();
    let old = name_at(-HOUR);
    for end in [".0123abcd.part", ".0123abcd.part-wal", ".sha256"] {
        fs::write(fixture.folder.join(format!("{old}{end}")), b"something").unwrap();
    }
    fixture.run();
    assert_eq!(fixture.names(), [name_at(0)]);
    assert_eq!(fs::read_dir(&fixture.folder).unwrap().count(), 2);
}

#[test]
fn after_the_clock_was_set_back_backups_go_on_and_the_new_one_stays() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.run();
        fixture.app.advance(HOUR);
    }
    fixture.app.advance(-24 * HOUR);
    assert_eq!(fixture.run(), Duration::from_secs(3600));
    let expected = [-21, 1, 2].map(|hour| name_at(hour * HOUR));
    assert_eq!(fixture.names(), expected);
    assert_eq!(fixture.metric("backup_age_seconds"), 0.0);
}

#[test]
fn while_another_process_makes_a_backup_this_one_makes_none() {
    let fixture = Fixture::new();
    let other = File::open(fixture.app.folder.path()).unwrap();
    other.lock().unwrap();
    assert_eq!(fixture.run(), Duration::from_secs(300));
    assert!(fixture.names().is_empty());
    assert_eq!(fixture.metric("backup_failures_total"), 0.0);
    other.unlock().unwrap();
    fixture.run();
    assert_eq!(fixture.names(), [name_at(0)]);
}

// ---- metrics ------------------------------------------------------------------------------------

#[test]
fn the_metrics_tell_the_age_and_size_of_the_last_backup_also_after_a_restart() {
    let fixture = Fixture::new();
    let scrape = fixture.app.send("GET /metrics", None, "");
    assert!(
        scrape.text().contains("\nbackup_age_seconds +Inf\n"),
        "{scrape:?}"
    );
    assert!(!scrape.text().contains("\nbackup_bytes "));
    fixture.run();
    let length = fs::metadata(fixture.folder.join(name_at(0))).unwrap().len() as f64;
    fixture.app.advance(10);
    assert_eq!(fixture.metric("backup_age_seconds"), 10.0);
    assert_eq!(fixture.metric("backup_bytes"), length);
    assert_eq!(fixture.metric("backup_failures_total"), 0.0);
    assert!(fixture.metric("backup_duration_seconds") > 0.0);

    // The clock of the next application begins again.
    let restarted = Fixture::on(fixture.app.close());
    restarted.app.advance(20);
    assert_eq!(restarted.metric("backup_age_seconds"), 20.0);
    assert_eq!(restarted.metric("backup_bytes"), length);
    assert_eq!(restarted.run(), Duration::from_secs(3580), "not due yet");
}

#[test]
fn without_backup_dir_there_are_no_metrics_of_backups() {
    let app = TestApp::new();
    assert!(app.app.backups.is_none());
    assert!(
        !app.send("GET /metrics", None, "")
            .text()
            .contains("backup_")
    );
}

// ---- failures -----------------------------------------------------------------------------------

#[test]
fn a_failed_backup_is_counted_and_tried_again_and_removes_none() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.run();
        fixture.app.advance(HOUR);
    }
    let before = fixture.names();
    let moved = fixture.folder.with_file_name("moved");
    fs::rename(&fixture.folder, &moved).unwrap();
    assert_eq!(fixture.run(), Duration::from_secs(300));
    assert_eq!(fixture.metric("backup_failures_total"), 1.0);
    assert_eq!(names(&moved), before);
    fixture.app.advance(300);
    assert_eq!(fixture.run(), Duration::from_secs(300));
    assert_eq!(fixture.metric("backup_failures_total"), 2.0);
    assert_eq!(fixture.metric("backup_age_seconds"), (HOUR + 300) as f64);

    fs::rename(&moved, &fixture.folder).unwrap();
    assert_eq!(fixture.run(), Duration::from_secs(3600));
    assert_eq!(fixture.metric("backup_failures_total"), 2.0);
    assert_eq!(fixture.metric("backup_age_seconds"), 0.0);
}

#[test]
fn with_a_broken_audit_log_one_unproven_copy_is_kept_and_no_proven_one_is_removed() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.run();
        fixture.app.advance(HOUR);
    }
    let proven = fixture.names();
    let sql = "INSERT INTO audit (id, at, action, hash) VALUES (1, '2026', 'other', 'none')";
    fixture.app.sqlite().execute(sql, []).unwrap();
    for hour in [3, 4] {
        assert_eq!(fixture.run(), Duration::from_secs(300));
        assert_eq!(
            fixture.run(),
            Duration::from_secs(3600),
            "it is no older than an hour"
        );
        let unproven = name_at(hour * HOUR).replace("project-", "project-unproven-");
        assert_eq!(fixture.names(), [&proven[..], &[unproven]].concat());
        assert_eq!(fixture.metric("backup_failures_total"), (hour - 2) as f64);
        assert_eq!(
            fixture.metric("backup_age_seconds"),
            ((hour - 2) * HOUR) as f64
        );
        fixture.app.advance(HOUR);
    }
}

// ---- the server ---------------------------------------------------------------------------------

fn serve(work_dir: &WorkDir) -> RunningServer {
    RunningServer::start(work_dir.command(&[]).env("BACKUP_DIR", "backups"))
}

/// Waits until a metric has a value, and returns it.
fn wait_for_metric(server: &RunningServer, name: &str) -> String {
    let mut client = server.client();
    wait_for(name, || {
        let scrape = client.send("GET /metrics", None, None);
        let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
        let value = scrape.text().lines().find_map(value);
        value.filter(|value| !["0", "+Inf"].contains(&value.as_str()))
    })
}

#[test]
fn the_server_makes_a_backup_at_the_start_if_it_is_due_and_restore_accepts_it() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &["--role", "admin", "--approved"]);
    fs::create_dir(work_dir.path("backups")).unwrap();
    let server = serve(&work_dir);
    wait_for_metric(&server, "backup_bytes");
    let token = server.client().sign_in_for_token("ada");
    let log = server.log();
    let line = log
        .iter()
        .find(|line| line.contains("backed up the database to "));
    let contents =
        |line: &String| line.contains("1 accounts, ") && line.contains(" inside, sha256 ");
    assert!(line.is_some_and(contents), "{log:?}");
    let made = names(&work_dir.path("backups"));
    assert_eq!(made.len(), 1, "{made:?}");

    // The next start finds it.
    let server = serve(&work_dir);
    wait_for_metric(&server, "backup_bytes");
    server.log();
    assert_eq!(names(&work_dir.path("backups")), made);

    let restored = work_dir.run(&["restore", &format!("backups/{}", made[0])]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    let server = work_dir.serve();
    assert_eq!(server.client().sign_in("ada").status, 200);
    // Its session began after the backup.
    let hello = server.client().send("GET /hello", Some(&token), None);
    assert_eq!(hello.status, 401);
}

#[test]
fn the_server_logs_a_failed_backup_as_an_error_and_goes_on() {
    let work_dir = WorkDir::new();
    fs::create_dir(work_dir.path("backups")).unwrap();
    work_dir.create_account("ada", &[]);
    // A folder cannot be read as a key file. The server has its key from a setting and does not read it.
    fs::create_dir(work_dir.path("project.db.jwt_secret")).unwrap();
    let mut command = work_dir.command(&[]);
    command
        .env("BACKUP_DIR", "backups")
        .env("JWT_SECRET_KEY", "x".repeat(32));
    let server = RunningServer::start(&mut command);
    assert_eq!(wait_for_metric(&server, "backup_failures_total"), "1");
    assert!(names(&work_dir.path("backups")).is_empty());
    let ready = server.client().send("GET /readyz", None, None);
    assert_eq!(ready.status, 200);
    let log = server.log();
    let reason = "the backup failed, next try in 300 s: ";
    let line = log.iter().find(|line| line.contains(reason));
    assert!(line.is_some_and(|line| line.contains("ERROR")), "{log:?}");
}

#[test]
fn an_invalid_setting_stops_the_start_with_one_line_before_a_file_is_created() {
    let work_dir = WorkDir::new();
    fs::write(work_dir.path("file"), b"something").unwrap();
    fs::create_dir(work_dir.path("backups")).unwrap();
    let cases: BTreeMap<(&str, &str), (i32, &str)> = BTreeMap::from([
        (("BACKUP_EVERY", "0"), (2, "must be from 1m to 1 year")),
        (("BACKUP_EVERY", "59s"), (2, "must be from 1m to 1 year")),
        (("BACKUP_EVERY", "often"), (2, "must be a duration")),
        (("BACKUP_KEEP", "0"), (2, "BACKUP_KEEP")),
        (("BACKUP_KEEP", "-1"), (2, "BACKUP_KEEP")),
        (
            ("BACKUP_DIR", "missing"),
            (1, "BACKUP_DIR missing: No such file"),
        ),
        (
            ("BACKUP_DIR", "file"),
            (1, "BACKUP_DIR file: it is not a folder"),
        ),
    ]);
    for ((name, value), (code, reason)) in cases {
        let mut command = work_dir.command(&[]);
        let output = run_command(command.env("BACKUP_DIR", "backups").env(name, value));
        assert_eq!(output.code, Some(code), "{name}={value}: {output:?}");
        let line = output.error_line();
        assert!(line.contains(reason), "{name}={value}: {line}");
    }
    assert_eq!(names(work_dir.0.path()), ["backups", "file"]);
}

#[test]
fn a_backup_dir_that_the_user_of_the_process_may_not_write_stops_the_start() {
    // Root may write everywhere, so the program runs as another user.
    if !rustix::process::getuid().is_root() {
        eprintln!("SKIPPED: only root can run the program as another user");
        return;
    }
    let work_dir = WorkDir::new();
    fs::set_permissions(work_dir.0.path(), Permissions::from_mode(0o777)).unwrap();
    let program = work_dir.path("task-api");
    copy_program(&program);
    fs::create_dir(work_dir.path("backups")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        let command = command.args(arguments).env_clear().env("PORT", "0");
        run_command(
            command
                .current_dir(work_dir.0.path())
                .uid(64_123)
                .gid(64_123),
        )
    };
    let output = run(&["serve", "--backup-dir", "backups"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let reason = "BACKUP_DIR backups: the server cannot use it: Permission denied";
    assert!(output.error_line().contains(reason), "{output:?}");
    assert_eq!(names(work_dir.0.path()), ["backups", "task-api"]);

    work_dir.create_account("ada", &[]);
    fs::set_permissions(work_dir.path("project.db"), Permissions::from_mode(0o666)).unwrap();
    let output = run(&["backup", "backups/copy.db"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(
        output.error_line().contains("Permission denied"),
        "{output:?}"
    );
    assert!(names(&work_dir.path("backups")).is_empty());
}
