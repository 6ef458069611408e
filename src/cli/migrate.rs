//! `task-api migrate`: copies the database from SQLite to PostgreSQL, or back.

#[cfg(feature = "postgres")]
use std::path::PathBuf;

use clap::Args;
#[cfg(feature = "postgres")]
use indicatif::ProgressBar;

#[cfg(feature = "postgres")]
use super::progress::{progress_bar, stop_on_signal};
#[cfg(feature = "postgres")]
use super::terminal::{print, print_to_stderr};
use crate::config::database::DatabaseUrl;
#[cfg(feature = "postgres")]
use crate::config::database::{DatabaseArgs, DatabaseFiles};
#[cfg(feature = "postgres")]
use crate::store::copy::{CopyJob, Fault, Observer, Step, Summary};

// Without the feature nothing reads the values.
#[cfg_attr(not(feature = "postgres"), allow(dead_code))]
#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct MigrateCommand {
    /// Database to copy: sqlite:///project.db or postgres://USER:PASSWORD@HOST/DATABASE; with a password as variable and
    /// not as flag, since other users of the machine can read arguments
    #[arg(
        long,
        env = "MIGRATE_FROM",
        hide_env_values = true,
        value_name = "DATABASE_URL"
    )]
    from: DatabaseUrl,

    /// Database to create, as --from: a SQLite file that does not exist, or a PostgreSQL database that is empty
    #[arg(
        long,
        env = "MIGRATE_TO",
        hide_env_values = true,
        value_name = "DATABASE_URL"
    )]
    to: DatabaseUrl,

    /// Path of the keys of the PostgreSQL database, to which .jwt_secret and .audit_key are added; by default task-api,
    /// in the working directory
    #[cfg(feature = "postgres")]
    #[arg(long, env, hide_env_values = true)]
    keys_path: Option<PathBuf>,

    /// Change what the target cannot hold, instead of failing; each change is listed
    #[arg(long)]
    convert: bool,

    /// Copy a database whose audit log is not intact
    #[arg(long)]
    allow_broken_audit_log: bool,
}

/// Runs the command.
#[cfg(not(feature = "postgres"))]
pub fn run(_: MigrateCommand) -> Result<(), String> {
    Err(
        "migrate copies between SQLite and PostgreSQL, and this program is built without PostgreSQL: build it with \
         `cargo build --release --features postgres`"
            .to_owned(),
    )
}

/// Runs the command.
#[cfg(feature = "postgres")]
pub fn run(command: MigrateCommand) -> Result<(), String> {
    check_engines(&command)?;
    let convert = command.convert;
    let side = |database_url: DatabaseUrl| {
        let mut args = DatabaseArgs::from(database_url);
        if let DatabaseUrl::Postgres(_) = args.database_url {
            args.postgres.keys_path.clone_from(&command.keys_path);
        }
        args
    };
    let job = CopyJob {
        from: side(command.from),
        to: side(command.to),
        convert,
        allow_broken_audit_log: command.allow_broken_audit_log,
    };
    let observer = observer(convert)?;
    let result = job.run(&observer);
    // Clears the progress bar.
    drop(observer);
    let summary = result.map_err(|why| format!("cannot migrate: {why}"))?;
    conclude(&job, &summary)
}

/// The engines have better tools of their own for a copy to the same engine.
#[cfg(feature = "postgres")]
fn check_engines(command: &MigrateCommand) -> Result<(), String> {
    match (&command.from, &command.to) {
        (DatabaseUrl::Sqlite(_), DatabaseUrl::Sqlite(_)) => {
            Err("--from and --to both name a SQLite file: `task-api backup` copies one".to_owned())
        }
        (DatabaseUrl::Postgres(_), DatabaseUrl::Postgres(_)) => Err(
            "--from and --to both name a PostgreSQL database: pg_dump and pg_restore copy one"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// Prints each step, and draws a progress bar if standard error is a terminal.
#[cfg(feature = "postgres")]
fn observer(convert: bool) -> Result<Observer, String> {
    let (stop, bar) = (stop_on_signal()?, progress_bar());
    Ok(Observer::new(stop, move |step| show(&bar, convert, step)))
}

#[cfg(feature = "postgres")]
fn show(bar: &ProgressBar, convert: bool, step: Step) {
    match step {
        Step::Begin(what, rows) => {
            bar.reset();
            bar.set_length(rows);
            bar.set_message(what);
        }
        Step::Rows(rows) => bar.inc(rows),
        Step::Fault(fault) => bar.suspend(|| print_fault(fault, convert)),
        // The copy is worth more than the lines about it.
        Step::Done(line) => drop(bar.suspend(|| print(format_args!("{line}")))),
    }
}

#[cfg(feature = "postgres")]
fn print_fault(fault: &Fault, convert: bool) {
    let (offered, done) = fault.fix.words();
    let fix = if convert { done } else { offered };
    print_to_stderr(format_args!("{fault}; {fix}"));
}

/// Says what was copied, and what to do next.
#[cfg(feature = "postgres")]
fn conclude(job: &CopyJob, summary: &Summary) -> Result<(), String> {
    let rows = |table| summary.rows(table);
    let (accounts, tasks, audit) = (rows("user"), rows("task"), rows("audit"));
    let converted = match summary.converted {
        0 => String::new(),
        count => format!(", {count} values changed as listed"),
    };
    print(format_args!(
        "migrated {accounts} accounts, {tasks} tasks and {audit} audit rows to {}{converted}",
        describe(&job.to.database_url)
    ))?;
    let files = job.to.files()?;
    print(format_args!(
        "next: {}",
        next_step(&job.to.database_url, &files)
    ))
}

#[cfg(feature = "postgres")]
fn next_step(target: &DatabaseUrl, files: &DatabaseFiles) -> String {
    let path = files.database().display();
    match target {
        DatabaseUrl::Sqlite(_) => format!(
            "set DATABASE_URL=sqlite:///{path}, unset KEYS_PATH, and start the server; then keep the old database as \
             a backup"
        ),
        DatabaseUrl::Postgres(_) => format!(
            "set DATABASE_URL to this database and KEYS_PATH={path}, and start the servers, each with the same key \
             files; then keep the old database as a backup"
        ),
    }
}

#[cfg(feature = "postgres")]
fn describe(url: &DatabaseUrl) -> String {
    match url {
        DatabaseUrl::Sqlite(path) => path.display().to_string(),
        DatabaseUrl::Postgres(url) => url.to_string(),
    }
}
