//! The settings of PostgreSQL on the command line and in the environment.

use std::path::Path;
use std::process::Command;

use task_api::config::database::{DatabaseArgs, DatabaseUrl};

use crate::support::PASSWORD;
use crate::support::program::{WorkDir, run_command, run_command_with_input};

/// The program with these arguments, on SQLite's file in each test run.
fn command(work_dir: &WorkDir, arguments: &[&str]) -> Command {
    let mut command = work_dir.command(arguments);
    command.env_remove("DATABASE_URL").env_remove("KEYS_PATH");
    command
}

/// The line on standard error of a server that does not start with these variables.
fn refusal(variables: &[(&str, &str)]) -> String {
    let work_dir = WorkDir::new();
    let output = run_command(command(&work_dir, &[]).envs(variables.iter().copied()));
    assert_ne!(output.code, Some(0));
    assert!(!work_dir.path("project.db").exists());
    assert!(!output.err.contains("S3cret"), "{output:?}");
    output.error_line().to_owned()
}

#[test]
fn a_wrong_url_stops_the_start_with_one_line_without_its_password() {
    for (name, flag) in [
        ("DATABASE_URL", "--database-url"),
        ("READ_DATABASE_URL", "--read-database-url"),
    ] {
        assert_eq!(
            refusal(&[(name, "postgres://u:S3cret@h:x/d")]),
            format!(
                "task-api: invalid value for '{flag} <{name}>': the port must be a number from 1 to 65535"
            )
        );
    }
}

#[test]
fn settings_of_postgresql_are_refused_with_sqlite() {
    for (name, value) in [
        ("READ_DATABASE_URL", "postgres://u:S3cret@h/d"),
        ("DATABASE_CONNECTIONS", "8"),
        ("KEYS_PATH", "keys/task-api"),
    ] {
        assert_eq!(
            refusal(&[(name, value)]),
            format!(
                "task-api: {name} is only for PostgreSQL, and DATABASE_URL names a SQLite file: unset {name}"
            )
        );
    }
}

#[test]
fn settings_of_postgresql_are_refused_by_each_command() {
    let work_dir = WorkDir::new();
    let create = "user create --username ada --email ada@example.com --password-stdin";
    let create: Vec<&str> = create.split(' ').collect();
    let input = format!("{PASSWORD}\n");
    let created = run_command_with_input(&mut command(&work_dir, &create), &input);
    assert_eq!(created.code, Some(0), "{created:?}");
    for arguments in [&["user", "list"][..], &["audit", "verify"], &["check"]] {
        let output = run_command(command(&work_dir, arguments).env("KEYS_PATH", "keys"));
        assert_ne!(output.code, Some(0), "{arguments:?}");
        let text = "KEYS_PATH is only for PostgreSQL";
        assert!(
            output.err.contains(text) || output.out.contains(text),
            "{output:?}"
        );
    }
}

#[test]
fn the_number_of_connections_is_bounded() {
    for value in ["0", "1001", "many"] {
        let line = refusal(&[("DATABASE_CONNECTIONS", value)]);
        assert!(line.contains("DATABASE_CONNECTIONS"), "{line}");
    }
}

#[test]
fn the_number_of_connections_follows_from_the_cores() {
    let mut database = postgres();
    assert_eq!(database.postgres.connections(1), 4);
    assert_eq!(database.postgres.connections(2), 6);
    assert_eq!(database.postgres.connections(16), 34);
    database.postgres.database_connections = Some(7);
    assert_eq!(database.postgres.connections(16), 7);
}

#[test]
fn the_keys_lie_at_keys_path() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let mut database = postgres();
    let here = std::env::current_dir().unwrap();
    let files = database.files().unwrap();
    assert_eq!(files.signing_key(), here.join("task-api.jwt_secret"));
    assert_eq!(files.audit_key(), here.join("task-api.audit_key"));
    database.postgres.keys_path = Some(folder.join("api"));
    let files = database.files().unwrap();
    assert_eq!(files.signing_key(), folder.join("api.jwt_secret"));
    database.postgres.keys_path = Some(Path::new("no/such/folder/api").into());
    let why = database.files().unwrap_err();
    assert!(
        why.starts_with("KEYS_PATH: cannot open no/such/folder/api: "),
        "{why}"
    );
    database.postgres.keys_path = Some(folder.clone());
    assert_eq!(
        database.files().unwrap_err(),
        format!(
            "KEYS_PATH: {} is a folder; name the beginning of the files in it, such as {}/task-api",
            folder.display(),
            folder.display()
        )
    );
}

fn postgres() -> DatabaseArgs {
    DatabaseArgs::from("postgres://u@h/d".parse::<DatabaseUrl>().unwrap())
}
