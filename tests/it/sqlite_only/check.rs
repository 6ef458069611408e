//! `task-api check`: each planted fault makes the check of its name fail, and no other one; nothing changes.

#![cfg(target_os = "linux")] // it sets limits of Linux and mounts file systems

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;

use task_api::model::Timestamp;

use crate::support::overwrite_page_of;
use crate::support::program::{CommandOutput, WorkDir, copy_program, run_command};

const NAMES: [&str; 18] = [
    "settings",
    "secrets",
    "cors-origins",
    "rate-limits",
    "password-iterations",
    "signing-key",
    "key-files",
    "database-file",
    "file-system",
    "disk",
    "database",
    "damage",
    "audit-log",
    "admins",
    "backups",
    "trusted-proxies",
    "threads",
    "file-descriptors",
];

/// A user of the system that runs no process.
const OTHER_USER: u32 = 64124;

/// A key that is long enough and not published.
const KEY: &str = "Ahsh4eeGeiph5oomaeGhaen0ietieliv";

/// Settings that come on top of the right ones. Without a value, the setting is left out.
type Settings<'a> = &'a [(&'a str, Option<&'a str>)];

/// A folder without a fault: a database with two admins and a backup, and the right settings.
struct Healthy {
    work_dir: WorkDir,
}

/// Damages a folder that is without a fault.
type Plant = fn(&Healthy);

/// What a check has printed: by its name, the label and the text.
type Lines = BTreeMap<String, (String, String)>;

impl Healthy {
    fn new() -> Healthy {
        let work_dir = WorkDir::new();
        fs::create_dir(work_dir.path("backups")).unwrap();
        let healthy = Healthy { work_dir };
        healthy.create_admin("ada");
        let backup = healthy.backup_at(Timestamp::now().unix_seconds());
        let output = healthy.work_dir.run(&["backup", backup.to_str().unwrap()]);
        assert_eq!(output.code, Some(0), "{output:?}");
        // This closes the database, which removes its log.
        healthy.create_admin("bea");
        healthy
    }

    fn create_admin(&self, username: &str) {
        let admin = ["--role", "admin", "--approved"];
        self.work_dir.create_account(username, &admin);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.work_dir.path(name)
    }

    fn backup_at(&self, seconds: i64) -> PathBuf {
        let at = Timestamp::from_unix_seconds(seconds).unwrap();
        self.path(&format!("backups/project-{}.db", at.to_file_name()))
    }

    fn command(&self, settings: Settings, ignore: &str) -> Command {
        let mut command = self.work_dir.command(&["check", "--ignore", ignore]);
        command
            .env("PASSWORD_ITERATIONS", "600000")
            .env("RATE_LIMITS", "on")
            .env("CORS_ORIGINS", "https://app.example")
            .env("TRUSTED_PROXIES", "192.0.2.1")
            .env("BACKUP_DIR", "backups");
        for (name, value) in settings {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Runs the check, which must change nothing. The temporary folder may be on a file system that does not last.
    #[track_caller]
    fn check(&self, settings: Settings, ignore: &str) -> (CommandOutput, Lines) {
        self.run(&mut self.command(settings, &format!("file-system,{ignore}")))
    }

    #[track_caller]
    fn run(&self, command: &mut Command) -> (CommandOutput, Lines) {
        let before = snapshot(self.work_dir.0.path());
        let output = run_command(command);
        let after = snapshot(self.work_dir.0.path());
        assert!(before == after, "{before:?}\n{after:?}");
        let lines = parse(&output);
        (output, lines)
    }

    #[track_caller]
    fn assert_ok(&self, settings: Settings) -> Lines {
        let (output, lines) = self.check(settings, "disk");
        assert_eq!((output.code, &*output.err), (Some(0), ""), "{output:?}");
        lines
    }

    /// Asserts that the check of this name fails with this text and no other one does, and that it can be ignored.
    #[track_caller]
    fn assert_fails(&self, settings: Settings, name: &str, text: &str) {
        let (output, lines) = self.check(settings, "disk");
        assert_failure(&output, &lines, name, text);
        let (output, lines) = self.check(settings, &format!("disk,{name}"));
        assert_eq!((output.code, &*output.err), (Some(0), ""), "{output:?}");
        assert_eq!(lines[name].0, "ignored", "{output:?}");
        assert!(lines[name].1.contains(text), "{output:?}");
    }

    fn sql(&self, sql: &str) {
        self.work_dir.sqlite().execute_batch(sql).unwrap();
    }
}

#[track_caller]
fn assert_failure(output: &CommandOutput, lines: &Lines, name: &str, text: &str) {
    let failed: Vec<_> = lines
        .iter()
        .filter(|(_, (label, _))| label == "FAILED")
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!((output.code, failed), (Some(1), vec![name]), "{output:?}");
    assert!(lines[name].1.contains(text), "{output:?}");
    assert_eq!(output.err, "task-api: 1 of 18 checks failed\n");
}

/// Takes the lines apart. There must be one for each check, in their order.
#[track_caller]
fn parse(output: &CommandOutput) -> Lines {
    let mut names = Vec::new();
    let mut lines = Lines::new();
    for line in output.out.lines() {
        let (label, rest) = line.split_once(' ').unwrap();
        let (name, text) = rest.trim_start().split_once(' ').unwrap();
        assert!(
            ["ok", "skipped", "ignored", "FAILED"].contains(&label),
            "{line}"
        );
        let text = text.trim_start().to_owned();
        assert!(!text.is_empty(), "{line}");
        names.push(name);
        lines.insert(name.to_owned(), (label.to_owned(), text));
    }
    assert_eq!(names, NAMES, "{output:?}");
    lines
}

/// Every name below a folder with its type and mode, and the content. The index of a write-ahead log, which is shared
/// memory, is without its content.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, metadata) = (entry.path(), entry.metadata().unwrap());
        let is_index = path.to_str().unwrap().ends_with("-shm");
        let content = match metadata.is_file() && !is_index {
            true => fs::read(&path).unwrap(),
            false => Vec::new(),
        };
        if metadata.is_dir() {
            found.extend(snapshot(&path));
        }
        found.insert(path, (metadata.permissions().mode(), content));
    }
    found
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn write_private(path: impl AsRef<Path>, content: &str) {
    fs::write(&path, content).unwrap();
    set_mode(path, 0o600);
}

/// Whether the test runs as root. Without, it says that it is skipped.
fn is_root(what: &str) -> bool {
    let is_root = rustix::process::getuid().is_root();
    if !is_root {
        eprintln!("SKIPPED: only root can {what}");
    }
    is_root
}

// ---- without a fault ----------------------------------------------------------------------------

#[test]
fn a_database_without_a_fault_passes_every_check() {
    let healthy = Healthy::new();
    let lines = healthy.assert_ok(&[("JWT_SECRET_KEY", Some(KEY))]);
    for (name, (label, text)) in &lines {
        let may_fail_here = ["file-system", "disk"].contains(&name.as_str()) && label == "ignored";
        assert!(label == "ok" || may_fail_here, "{name}: {label} {text}");
    }
    assert!(lines["signing-key"].1.contains("JWT_SECRET_KEY"));
}

#[test]
fn beside_a_running_server_the_checks_pass_and_change_nothing() {
    let healthy = Healthy::new();
    let server = healthy.work_dir.serve();
    server.client().sign_in_for_token("ada");
    let lines = healthy.assert_ok(&[]);
    for name in ["database", "damage", "audit-log", "admins"] {
        assert_eq!(lines[name].0, "ok", "{lines:?}");
    }
    assert!(lines["signing-key"].1.contains("project.db.jwt_secret"));
    server.log();
    healthy.assert_ok(&[]);
}

#[test]
fn after_a_server_was_killed_the_checks_read_its_log() {
    let healthy = Healthy::new();
    let mut server = healthy.work_dir.serve();
    server.client().sign_in_for_token("ada");
    server.child.0.kill().unwrap();
    server.child.wait();
    assert!(healthy.path("project.db-wal").metadata().unwrap().len() > 0);
    let lines = healthy.assert_ok(&[]);
    assert_eq!(lines["audit-log"].0, "ok", "{lines:?}");
}

#[test]
fn without_a_database_no_file_is_created_and_what_cannot_be_checked_is_skipped() {
    let work_dir = WorkDir::new();
    fs::create_dir(work_dir.path("backups")).unwrap();
    let empty = Healthy { work_dir };
    empty.assert_fails(&[], "backups", "no proven backup yet; start the server");
    fs::write(empty.path("project.db"), "").unwrap();
    set_mode(empty.path("project.db"), 0o600);
    let (_, lines) = empty.check(&[], "backups,disk");
    assert!(lines["database"].1.contains("the first start fills it"));
    for name in ["damage", "audit-log", "admins"] {
        let expected = ("skipped".to_owned(), "there is no database yet".to_owned());
        assert_eq!(lines[name], expected);
    }
    // SQLite has written a header, and no table.
    empty.sql("PRAGMA user_version = 0; VACUUM");
    assert!(empty.path("project.db").metadata().unwrap().len() > 0);
    let (_, lines) = empty.check(&[], "backups,disk");
    assert!(lines["database"].1.contains("the first start fills it"));
    let missing = [("DATABASE_URL", Some("sqlite:///missing/a.db"))];
    let output = run_command(&mut empty.command(&missing, "disk"));
    assert!(output.error_line().contains("missing/a.db"), "{output:?}");
}

#[test]
fn a_database_of_the_flask_app_is_read_and_not_taken_over() {
    let healthy = Healthy::new();
    for name in ["project.db", "project.db.audit_key"] {
        fs::remove_file(healthy.path(name)).unwrap();
    }
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/project.db");
    fs::copy(fixture, healthy.path("project.db")).unwrap();
    set_mode(healthy.path("project.db"), 0o644);
    let (output, lines) = healthy.check(&[], "disk,database-file");
    assert_failure(&output, &lines, "admins", "no admin is approved");
    let expected = [
        (
            "database",
            "ok",
            "of the Flask app; the next start takes it over",
        ),
        ("damage", "ok", "none"),
        ("database-file", "ignored", "(mode 0644); chmod 600"),
        (
            "audit-log",
            "skipped",
            "the next start migrates the database",
        ),
    ];
    for (name, label, text) in expected {
        assert_eq!(lines[name].0, label, "{lines:?}");
        assert!(lines[name].1.contains(text), "{lines:?}");
    }
}

// ---- settings -----------------------------------------------------------------------------------

#[test]
fn an_unsafe_setting_is_named() {
    let healthy = Healthy::new();
    let weak = ("ALLOW_WEAK_JWT_SECRET", Some("1"));
    let key = ("JWT_SECRET_KEY", Some(KEY));
    let published = "a-string-secret-at-least-256-bits-long";
    let quoted = format!("\"{KEY}\"");
    let with_bom = format!("\u{feff}{KEY}");
    let list = format!("'{KEY}','{KEY}x'");
    let cases: [(Settings, &str, &str); 19] = [
        (
            &[("JWT_SECRET_KEY", Some(&quoted))],
            "secrets",
            "JWT_SECRET_KEY is in quotation marks, which count as part of it: set it without them",
        ),
        (
            &[("JWT_SECRET_KEY", Some(&with_bom))],
            "secrets",
            "JWT_SECRET_KEY begins with a byte order mark (BOM)",
        ),
        (
            &[key, ("JWT_SECRET_KEY_PREVIOUS", Some(&list))],
            "secrets",
            "JWT_SECRET_KEY_PREVIOUS is in quotation marks",
        ),
        (
            &[("METRICS_TOKEN", Some("'a token of 16 bytes'"))],
            "settings",
            "METRICS_TOKEN is in quotation marks",
        ),
        (
            &[("CORS_ORIGINS", Some("*"))],
            "cors-origins",
            "list the origins",
        ),
        (
            &[("CORS_ORIGINS", None)],
            "cors-origins",
            "list the origins",
        ),
        (
            &[("RATE_LIMITS", Some("off"))],
            "rate-limits",
            "passwords can be guessed",
        ),
        (
            &[("PASSWORD_ITERATIONS", Some("599999"))],
            "password-iterations",
            "below the 600000 that OWASP recommends",
        ),
        (
            &[
                weak,
                ("JWT_SECRET_KEY", Some("thirty-one bytes are one short!")),
            ],
            "signing-key",
            "JWT_SECRET_KEY holds a key of fewer than 32 bytes, which can be guessed; replace it",
        ),
        (
            &[weak, key, ("JWT_SECRET_KEY_PREVIOUS", Some("short"))],
            "signing-key",
            "JWT_SECRET_KEY_PREVIOUS holds a key of fewer than 32 bytes, which can be guessed; remove it",
        ),
        (
            &[weak, ("JWT_SECRET_KEY", Some("aStrongSecretKey"))],
            "signing-key",
            "JWT_SECRET_KEY holds a key that is published",
        ),
        (
            &[("JWT_SECRET_KEY", Some(published))],
            "signing-key",
            "JWT_SECRET_KEY holds a key that is published: a client that knows it can act as any account; replace it",
        ),
        (
            &[key, ("JWT_SECRET_KEY_PREVIOUS", Some(published))],
            "signing-key",
            "JWT_SECRET_KEY_PREVIOUS holds a key that is published",
        ),
        (
            &[
                weak,
                key,
                ("JWT_SECRET_KEY_PREVIOUS", Some("aStrongSecretKey")),
            ],
            "signing-key",
            "remove it",
        ),
        // What a start refuses.
        (
            &[("JWT_SECRET_KEY", Some("short"))],
            "settings",
            "at least 32",
        ),
        (
            &[("JWT_REFRESH_TOKEN_EXPIRES", Some("1h"))],
            "settings",
            "must not be shorter",
        ),
        (
            &[("ADMIN_USERNAME", Some("ada"))],
            "settings",
            "needs all of",
        ),
        (
            &[("METRICS_TOKEN_FILE", Some("missing"))],
            "settings",
            "METRICS_TOKEN_FILE missing",
        ),
        (
            &[("BACKUP_DIR", Some("project.db"))],
            "settings",
            "it is not a folder",
        ),
    ];
    for (settings, name, text) in cases {
        healthy.assert_fails(settings, name, text);
    }
}

#[test]
fn an_unknown_check_or_an_invalid_setting_is_a_usage_error() {
    let healthy = Healthy::new();
    for command in [
        &mut healthy.command(&[], "no-such-check"),
        &mut healthy.command(&[("PORT", Some("x"))], "disk"),
    ] {
        assert_eq!(run_command(command).code, Some(2));
    }
}

// ---- keys ---------------------------------------------------------------------------------------

#[test]
fn a_file_with_a_secret_that_every_user_can_read_is_named() {
    let healthy = Healthy::new();
    write_private(healthy.path("secret"), &format!("{KEY}\n"));
    let admin = [
        ("ADMIN_USERNAME", Some("cleo")),
        ("ADMIN_EMAIL", Some("cleo@example.com")),
        ("ADMIN_PASSWORD_FILE", Some("secret")),
    ];
    let cases: [Settings; 4] = [
        &[("JWT_SECRET_KEY_FILE", Some("secret"))],
        &[("JWT_SECRET_KEY_PREVIOUS_FILE", Some("secret"))],
        &[("METRICS_TOKEN_FILE", Some("secret"))],
        &admin,
    ];
    for settings in cases {
        for mode in [0o600, 0o440] {
            set_mode(healthy.path("secret"), mode);
            healthy.assert_ok(settings);
        }
        for mode in [0o644, 0o602] {
            set_mode(healthy.path("secret"), mode);
            healthy.assert_fails(
                settings,
                "key-files",
                &format!("secret (mode 0{mode:o}); chmod 600"),
            );
        }
    }
}

#[test]
fn a_generated_key_that_a_start_refuses_is_named() {
    let healthy = Healthy::new();
    let path = healthy.path("project.db.jwt_secret");
    write_private(&path, KEY);
    healthy.assert_ok(&[]);
    set_mode(&path, 0o644);
    healthy.assert_fails(
        &[],
        "key-files",
        "project.db.jwt_secret: other users may read",
    );

    fs::rename(&path, healthy.path("elsewhere")).unwrap();
    set_mode(healthy.path("elsewhere"), 0o600);
    symlink("elsewhere", &path).unwrap();
    healthy.assert_fails(
        &[],
        "key-files",
        "it is a symbolic link; put the file itself in its place",
    );

    fs::remove_file(&path).unwrap();
    write_private(&path, "short");
    healthy.assert_fails(&[], "signing-key", "at least 32");
    write_private(&path, "a-string-secret-at-least-256-bits-long");
    healthy.assert_fails(
        &[],
        "signing-key",
        "remove the file, and the next start generates a key",
    );
}

#[test]
fn a_key_file_behind_a_symbolic_link_may_lie_below_the_folder_and_not_elsewhere() {
    let healthy = Healthy::new();
    let elsewhere = tempfile::tempdir().unwrap();
    write_private(elsewhere.path().join("key"), KEY);
    fs::create_dir(healthy.path("..data")).unwrap();
    write_private(healthy.path("..data/key"), KEY);
    let settings: Settings = &[("JWT_SECRET_KEY_FILE", Some("link"))];

    symlink("..data/key", healthy.path("link")).unwrap();
    healthy.assert_ok(settings);
    fs::remove_file(healthy.path("link")).unwrap();
    symlink(elsewhere.path().join("key"), healthy.path("link")).unwrap();
    healthy.assert_fails(
        settings,
        "key-files",
        "link is a symbolic link that leads to",
    );
}

#[test]
fn a_key_file_of_another_user_is_named() {
    if !is_root("give a file to another user") {
        return;
    }
    let healthy = Healthy::new();
    for name in ["key", "project.db.jwt_secret"] {
        write_private(healthy.path(name), KEY);
    }
    let settings: Settings = &[("JWT_SECRET_KEY_FILE", Some("key"))];
    healthy.assert_ok(settings);
    for name in ["key", "project.db.jwt_secret"] {
        chown(healthy.path(name), Some(OTHER_USER), None).unwrap();
        healthy.assert_fails(settings, "key-files", "belongs to the user 64124");
        chown(healthy.path(name), Some(0), None).unwrap();
    }
}

// ---- the file of the database -------------------------------------------------------------------

#[test]
fn a_database_that_every_user_can_read_or_replace_is_named() {
    let healthy = Healthy::new();
    set_mode(healthy.path("project.db"), 0o640);
    healthy.assert_ok(&[]);
    set_mode(healthy.path("project.db"), 0o644);
    healthy.assert_fails(&[], "database-file", "project.db (mode 0644); chmod 600");
    set_mode(healthy.path("project.db"), 0o600);
    set_mode(healthy.work_dir.0.path(), 0o777);
    healthy.assert_fails(
        &[],
        "database-file",
        "every user of the machine may replace the files in",
    );
    set_mode(healthy.work_dir.0.path(), 0o1777);
    healthy.assert_ok(&[]);
}

#[test]
fn a_log_that_every_user_can_read_is_named() {
    let healthy = Healthy::new();
    let server = healthy.work_dir.serve();
    set_mode(healthy.path("project.db-wal"), 0o604);
    healthy.assert_fails(
        &[],
        "database-file",
        "project.db-wal (mode 0604); chmod 600",
    );
    server.log();
}

#[test]
fn a_database_of_another_user_is_named() {
    if !is_root("give a file to another user") {
        return;
    }
    let healthy = Healthy::new();
    chown(healthy.path("project.db"), Some(OTHER_USER), None).unwrap();
    healthy.assert_fails(
        &[],
        "database-file",
        "belongs to the user 64124, and this process runs as 0",
    );
}

#[test]
fn a_symbolic_link_to_the_database_may_lie_in_its_folder_and_not_elsewhere() {
    let healthy = Healthy::new();
    let elsewhere = WorkDir::new();
    symlink("project.db", healthy.path("link.db")).unwrap();
    healthy.assert_ok(&[("DATABASE_URL", Some("sqlite:///link.db"))]);
    let link = elsewhere.path("link.db");
    symlink(healthy.path("project.db"), &link).unwrap();
    let url = format!("sqlite:///{}", link.display());
    let settings: Settings = &[("DATABASE_URL", Some(&url))];
    healthy.assert_fails(
        settings,
        "database-file",
        "link.db is a symbolic link that leads to",
    );
    // The link of a first start leads to no file yet.
    let empty = Healthy {
        work_dir: elsewhere,
    };
    fs::remove_file(&link).unwrap();
    symlink(healthy.path("new.db"), &link).unwrap();
    let settings: Settings = &[("DATABASE_URL", Some(&url)), ("BACKUP_DIR", None)];
    let (output, lines) = empty.check(settings, "backups,disk");
    let text = "new.db; let the setting name that path";
    assert_failure(&output, &lines, "database-file", text);
}

/// Runs the check after these commands in a mount namespace of its own, whose mounts end with it.
fn check_in_namespace(healthy: &Healthy, commands: &str, ignore: &str) -> (CommandOutput, Lines) {
    let url = [("DATABASE_URL", Some("sqlite:///mount/project.db"))];
    let check = healthy.command(&url, ignore);
    let outer = format!(
        "exec unshare --mount sh -c '{commands} && exec \"$0\" \"$@\"' \"$0\" \"$@\"; true"
    );
    healthy.run(&mut healthy.work_dir.run_after(&outer, &check))
}

#[test]
fn a_volatile_file_system_a_small_disk_and_one_without_write_access_are_named() {
    if !is_root("mount a file system") {
        return;
    }
    // Root of a container may not have this right.
    let mounts = Command::new("unshare").args(["--mount", "true"]).status();
    if !mounts.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this root cannot mount a file system");
        return;
    }
    let healthy = Healthy::new();
    fs::create_dir(healthy.path("mount")).unwrap();
    let mount = |size| {
        format!(
            "mount -t tmpfs -o mode=700,size={size} tmpfs mount && cp -p project.db project.db.audit_key \
             backups/project-*.db mount"
        )
    };
    let check = |commands: &str, ignore| check_in_namespace(&healthy, commands, ignore);

    let (output, lines) = check(&mount("200m"), "disk");
    assert_failure(
        &output,
        &lines,
        "file-system",
        "tmpfs: its content is lost when",
    );
    let (output, _) = check(&mount("200m"), "disk,file-system");
    assert_eq!(output.code, Some(0), "{output:?}");

    let (output, lines) = check(&mount("63m"), "file-system");
    assert_failure(&output, &lines, "disk", "may need 65 MiB: make room");
    let fill = "{ head -c 1G /dev/zero > mount/full 2>/dev/null || true; }";
    let (output, lines) = check(&format!("{} && {fill}", mount("200m")), "file-system");
    assert_failure(&output, &lines, "disk", "0 MiB are free");

    let read_only = format!("{} && mount -o remount,ro mount", mount("200m"));
    let (output, lines) = check(&read_only, "file-system");
    assert_failure(&output, &lines, "database-file", "Read-only file system");
}

// ---- the content of the database ----------------------------------------------------------------

#[test]
fn too_few_admins_are_named() {
    let healthy = Healthy::new();
    healthy.sql(r#"UPDATE "user" SET is_approved = FALSE WHERE username = 'bea'"#);
    healthy.assert_fails(&[], "admins", "only one admin is approved");
    healthy.sql(r#"UPDATE "user" SET role = 'manager' WHERE username = 'ada'"#);
    healthy.assert_fails(
        &[],
        "admins",
        "no admin is approved, so no account can be approved; `task-api invite",
    );
}

#[test]
fn a_damaged_page_is_named() {
    let healthy = Healthy::new();
    overwrite_page_of(&healthy.path("project.db"), "task_by_title");
    healthy.assert_fails(&[], "damage", "project.db: ");
    let (_, lines) = healthy.check(&[], "disk");
    assert!(
        lines["damage"]
            .1
            .ends_with("stop the server and restore a backup"),
        "{lines:?}"
    );
}

#[test]
fn an_audit_log_that_is_not_intact_is_named() {
    let healthy = Healthy::new();
    healthy.sql("UPDATE audit SET subject = 'eve' WHERE id = 1");
    healthy.assert_fails(
        &[],
        "audit-log",
        "row 1 is not what was written; find out who",
    );

    let healthy = Healthy::new();
    fs::remove_file(healthy.path("project.db.audit_key")).unwrap();
    healthy.assert_fails(&[], "audit-log", "there is no audit key");
}

#[test]
fn a_database_that_a_start_refuses_is_named() {
    let cases: [(Plant, &str); 11] = [
        (
            |healthy| {
                fs::remove_file(healthy.path("project.db.audit_key")).unwrap();
                fs::rename(healthy.path("project.db"), healthy.path("project.db-wal")).unwrap();
            },
            "project.db-wal belongs to an earlier database; put that database back",
        ),
        (
            |healthy| fs::remove_file(healthy.path("project.db")).unwrap(),
            "project.db.audit_key belongs to an earlier database",
        ),
        (
            |healthy| fs::write(healthy.path("project.db.restoring"), "").unwrap(),
            "a restore was interrupted: run `task-api restore` again",
        ),
        (
            |healthy| healthy.sql("PRAGMA user_version = 999"),
            "a newer version of this program has migrated it (schema version 999; this program knows 6): use that \
             version",
        ),
        (
            |healthy| healthy.sql("ALTER TABLE task RENAME COLUMN title TO name"),
            "it is neither this program's nor the tutorial's: its table task has no column title",
        ),
        (
            |healthy| healthy.sql("DROP TABLE task; CREATE TABLE note (text)"),
            "it is no database of Task API",
        ),
        (
            |healthy| {
                let backup = snapshot(&healthy.path("backups"))
                    .into_keys()
                    .next()
                    .unwrap();
                fs::copy(backup, healthy.path("project.db")).unwrap();
            },
            "it is a backup that contains keys: put it in place with `task-api restore`",
        ),
        (
            |healthy| write_private(healthy.path("project.db"), &"no database ".repeat(1000)),
            "the database is damaged: SQLite: file is not a database; restore a backup",
        ),
        (
            |healthy| {
                fs::remove_file(healthy.path("project.db")).unwrap();
                fs::create_dir(healthy.path("project.db")).unwrap();
                set_mode(healthy.path("project.db"), 0o700);
            },
            "it is a folder",
        ),
        (
            |healthy| {
                let path = healthy.path("project.db");
                fs::remove_file(&path).unwrap();
                let made = Command::new("mkfifo")
                    .args(["-m", "600"])
                    .arg(path)
                    .status();
                assert!(made.unwrap().success());
            },
            "it is not a plain file",
        ),
        (
            leave_a_hot_journal,
            "project.db-journal has to be rolled back: start and stop the server",
        ),
    ];
    for (plant, text) in cases {
        let healthy = Healthy::new();
        plant(&healthy);
        healthy.assert_fails(&[], "database", text);
        let line = healthy.check(&[], "disk").1["database"].1.clone();
        assert!(line.starts_with("DATABASE_URL: cannot open "), "{line}");
    }
}

/// Leaves what a writer without a write-ahead log leaves when it is killed: a changed file, and the pages from before
/// in a journal.
fn leave_a_hot_journal(healthy: &Healthy) {
    let path = healthy.path("project.db");
    let db = Connection::open(&path).unwrap();
    db.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .unwrap();
    db.execute_batch("PRAGMA cache_size = 1; BEGIN; UPDATE audit SET subject = 'x'; UPDATE \"user\" SET role = 'admin'")
        .unwrap();
    // With a cache of one page, the journal is on the disk before the end of the transaction.
    db.cache_flush().unwrap();
    let (changed, journal) = (
        fs::read(&path),
        fs::read(healthy.path("project.db-journal")),
    );
    drop(db);
    fs::write(&path, changed.unwrap()).unwrap();
    fs::write(healthy.path("project.db-journal"), journal.unwrap()).unwrap();
    set_mode(healthy.path("project.db-journal"), 0o600);
}

#[test]
fn an_older_copy_beside_a_newer_log_is_named() {
    let healthy = Healthy::new();
    fs::copy(healthy.path("project.db"), healthy.path("old.db")).unwrap();
    let sign_in = || {
        let server = healthy.work_dir.serve();
        server.client().sign_in_for_token("ada");
        server
    };
    sign_in().log();
    sign_in().log();
    let mut server = sign_in();
    server.child.0.kill().unwrap();
    server.child.wait();
    fs::copy(healthy.path("old.db"), healthy.path("project.db")).unwrap();
    healthy.assert_fails(
        &[],
        "database",
        "it is an older copy, to which the newer write-ahead log",
    );
}

#[test]
fn no_damage_of_a_file_makes_the_command_panic_or_hang() {
    let healthy = Healthy::new();
    let intact = fs::read(healthy.path("project.db")).unwrap();
    for round in 0..40_usize {
        let path = healthy.path("project.db");
        fs::write(&path, &intact).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        // Bytes at the beginning of every page in turn, where its structure is, and in some rounds a shorter file.
        let offset = round * 4096 + (round % 3) * 8;
        file.write_all_at(&[(round * 37) as u8; 24], offset as u64)
            .unwrap();
        if round % 4 == 3 {
            file.set_len((intact.len() - round * 1000) as u64).unwrap();
        }
        let (output, _) = healthy.check(&[], "disk");
        assert!(
            output.code == Some(0) || output.code == Some(1),
            "{round}: {output:?}"
        );
        assert!(!output.err.contains("panicked"), "{round}: {output:?}");
    }
}

// ---- backups ------------------------------------------------------------------------------------

#[test]
fn a_missing_an_old_and_a_future_backup_are_named() {
    const DAY: i64 = 24 * 3600;
    let healthy = Healthy::new();
    let now = Timestamp::now().unix_seconds();
    let rename = |seconds| {
        let mut backups = snapshot(&healthy.path("backups")).into_keys();
        let backup = backups
            .find(|path| path.extension().unwrap() == "db")
            .unwrap();
        let target = healthy.backup_at(seconds);
        let checksum = |path: &Path| PathBuf::from(format!("{}.sha256", path.display()));
        fs::rename(checksum(&backup), checksum(&target)).unwrap();
        fs::rename(backup, target).unwrap();
    };
    healthy.assert_fails(&[("BACKUP_DIR", None)], "backups", "BACKUP_DIR is not set");
    rename(now - 2 * DAY + 600);
    healthy.assert_ok(&[]);
    rename(now - 2 * DAY - 1);
    healthy.assert_fails(&[], "backups", "old, more than twice BACKUP_EVERY");
    healthy.assert_ok(&[("BACKUP_EVERY", Some("48h"))]);
    rename(now + DAY);
    healthy.assert_fails(
        &[],
        "backups",
        "the clock was set back; move that backup away",
    );
    // A copy whose audit log is broken, and one that is not complete.
    for name in [
        "project-unproven-20261128T103106Z.db",
        "project-20261128T103106Z.db.sha256",
    ] {
        fs::write(healthy.path("backups").join(name), "").unwrap();
    }
    fs::remove_file(healthy.backup_at(now + DAY)).unwrap();
    healthy.assert_fails(
        &[],
        "backups",
        "there is no proven backup yet; start the server",
    );
}

// ---- proxies ------------------------------------------------------------------------------------

#[test]
fn sign_ins_of_several_accounts_from_one_private_address_point_to_a_proxy() {
    let healthy = Healthy::new();
    healthy.create_admin("cleo");
    let server = healthy.work_dir.serve();
    let unset: Settings = &[("TRUSTED_PROXIES", None)];
    let sign_in = |username| drop(server.client().sign_in_for_token(username));
    sign_in("ada");
    sign_in("bea");
    let lines = healthy.assert_ok(unset);
    assert_eq!(lines["trusted-proxies"].0, "skipped", "{lines:?}");
    sign_in("cleo");
    healthy.assert_fails(
        unset,
        "trusted-proxies",
        "the last 3 sign-ins all came from 127.0.0.1: if it is a proxy",
    );
    healthy.assert_ok(&[("TRUSTED_PROXIES", Some("127.0.0.1"))]);
    server.log();
}

// ---- what the system grants ---------------------------------------------------------------------

#[test]
fn a_low_limit_of_file_descriptors_is_named() {
    let healthy = Healthy::new();
    for (limit, text) in [
        (100, "100 file descriptors is too low"),
        (2000, "lower MAX_CONNECTIONS"),
    ] {
        let check = healthy.command(&[], "file-system,disk");
        let mut limited = healthy
            .work_dir
            .run_after(&format!("ulimit -n {limit}"), &check);
        let (output, lines) = healthy.run(&mut limited);
        assert_failure(&output, &lines, "file-descriptors", text);
    }
}

#[test]
fn a_limit_of_processes_with_which_a_start_is_refused_is_named() {
    if !is_root("run the program as a user without other processes") {
        return;
    }
    let healthy = Healthy::new();
    let program = healthy.path("task-api");
    copy_program(&program);
    for path in snapshot(healthy.work_dir.0.path()).into_keys() {
        chown(path, Some(OTHER_USER), Some(OTHER_USER)).unwrap();
    }
    chown(
        healthy.work_dir.0.path(),
        Some(OTHER_USER),
        Some(OTHER_USER),
    )
    .unwrap();
    let limited = |limit: usize, check: &Command| {
        let run = format!(
            "exec setpriv --reuid={OTHER_USER} --regid={OTHER_USER} --clear-groups prlimit --nproc={limit} \
             ./task-api \"$@\"; true"
        );
        healthy.work_dir.run_after(&run, check)
    };
    let mut start = healthy.command(&[], "");
    start = limited(4, &with_arguments(&start, &["serve"]));
    let line = run_command(&mut start).error_line().to_owned();
    let needed = line
        .split(' ')
        .find_map(|word| word.parse::<usize>().ok())
        .unwrap();
    // The start counts after three threads of its own: main, log and signals.
    let least = needed + 3;
    let check = healthy.command(&[], "file-system,disk");
    let (output, _) = healthy.run(&mut limited(least, &check));
    assert_eq!((output.code, &*output.err), (Some(0), ""), "{output:?}");
    let (output, lines) = healthy.run(&mut limited(least - 1, &check));
    assert_failure(
        &output,
        &lines,
        "threads",
        "raise the limit of processes (ulimit -u",
    );
}

/// The same program with the same settings and other arguments.
fn with_arguments(command: &Command, arguments: &[&str]) -> Command {
    let variables = command.get_envs();
    let mut other = Command::new(command.get_program());
    other
        .args(arguments)
        .envs(variables.filter_map(|(name, value)| Some((name, value?))));
    other
}

// ---- documentation ------------------------------------------------------------------------------

#[test]
fn the_table_in_docs_operations_md_lists_the_checks_of_the_program() {
    let help = WorkDir::new().run(&["check", "--help"]).out;
    let (_, values) = help.split_once("[possible values: ").unwrap();
    let (values, _) = values.split_once(']').unwrap();
    // A build with PostgreSQL has more, which docs/postgres.md lists.
    let only_postgres = ["encryption", "connections", "read-database"];
    let values = values.split(',').map(str::trim);
    let values: Vec<_> = values
        .filter(|name| !only_postgres.contains(name))
        .collect();
    assert_eq!(values, NAMES);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once("\n## Check before production\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: Vec<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
    assert_eq!(documented, NAMES);
}
