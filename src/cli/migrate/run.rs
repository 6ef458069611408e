//! Runs the copy, and prints its progress.

use indicatif::ProgressBar;

use super::MigrateCommand;
use crate::cli::progress::{progress_bar, stop_on_signal};
use crate::cli::terminal::{print, print_to_stderr};
use crate::config::database::{DatabaseArgs, DatabaseFiles, DatabaseUrl};
use crate::store::copy::{CopyJob, Fault, Observer, Step, Summary};

/// Runs the command.
///
/// # Errors
/// One line for the operator.
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
fn observer(convert: bool) -> Result<Observer, String> {
    let (stop, bar) = (stop_on_signal()?, progress_bar());
    Ok(Observer::new(stop, move |step| show(&bar, convert, step)))
}

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

fn print_fault(fault: &Fault, convert: bool) {
    let (offered, done) = fault.fix.words();
    let fix = if convert { done } else { offered };
    print_to_stderr(format_args!("{fault}; {fix}"));
}

/// Says what was copied, and what to do next.
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

fn describe(url: &DatabaseUrl) -> String {
    match url {
        DatabaseUrl::Sqlite(path) => path.display().to_string(),
        DatabaseUrl::Postgres(url) => url.to_string(),
    }
}
