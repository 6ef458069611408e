//! `task-api backup` and `task-api restore`: a proven copy of the database, and the way back.

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;

use clap::Args;

use super::database::existing_files;
use super::progress::{progress_bar, stop_on_signal};
use super::terminal::{explain, print, print_to_stderr};
use crate::concurrency::lower_priority;
use crate::config::backups::KeyPlace;
use crate::config::database::{DatabaseArgs, DatabaseFiles};
use crate::store::sqlite::backup::{self, Draft, Phase, Restore, Restored, Summary, Watch};

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct BackupCommand {
    /// File to create; it must not exist
    #[arg(required_unless_present = "to_stdout", conflicts_with = "to_stdout")]
    file: Option<PathBuf>,

    /// Write the backup to standard output instead, for a pipe; it is proven before the first byte
    #[arg(long)]
    to_stdout: bool,

    /// Where the backup has the key files that lie beside the database
    #[arg(long, value_enum, default_value = "inside")]
    key: KeyPlace,

    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct RestoreCommand {
    /// Backup to restore
    file: PathBuf,

    /// SHA-256 that the backup must have, as `task-api backup` prints it; FILE.sha256 is checked anyway if it exists
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,

    /// Give up the changes in the write-ahead log of the present database, which may be damaged
    #[arg(long)]
    discard_wal: bool,

    /// Restore a backup whose audit log is not intact
    #[arg(long)]
    allow_broken_audit_log: bool,

    #[command(flatten)]
    database: DatabaseArgs,
}

/// Runs `task-api backup`.
pub fn back_up(command: &BackupCommand) -> Result<(), String> {
    require_sqlite(
        &command.database,
        "PostgreSQL's own tools back it up: pg_dump -Fc, or pg_basebackup with continuous archiving",
    )?;
    let files = existing_files(&command.database)?;
    let watch = watch()?;
    lower_priority();
    match &command.file {
        Some(target) => {
            let summary = backup::back_up(&files, target, command.key, &watch)?;
            // Clears the progress bar.
            drop(watch);
            print(format_args!("wrote {}: {summary}", target.display()))?;
            require_proof(&summary, &target.display().to_string())
        }
        None => back_up_to_stdout(command, &files, watch),
    }
}

fn back_up_to_stdout(
    command: &BackupCommand,
    files: &DatabaseFiles,
    watch: Watch,
) -> Result<(), String> {
    if stdout().is_terminal() {
        return Err("a backup is not text: send standard output to a file or a program".to_owned());
    }
    if command.key == KeyPlace::Beside {
        return Err(
            "--to-stdout has no place for keys beside the backup: use --key inside or --key none"
                .to_owned(),
        );
    }
    let failed = |why: &dyn std::fmt::Display| format!("cannot back up to standard output: {why}");
    let draft = Draft::make(files, files, command.key, &watch).map_err(|why| failed(&why))?;
    let summary = draft
        .write_to(&mut stdout(), &watch)
        .map_err(|why| failed(&why))?;
    drop(watch);
    print_to_stderr(format_args!("wrote standard output: {summary}"));
    require_proof(&summary, "standard output")
}

fn require_sqlite(database: &DatabaseArgs, instead: &str) -> Result<(), String> {
    match database.database_url.path() {
        Some(_) => Ok(()),
        None => Err(format!(
            "this command is for SQLite, and DATABASE_URL names a PostgreSQL database: {instead}"
        )),
    }
}

/// A copy of a database whose audit log is not intact is kept, since it may be all that there is.
fn require_proof(summary: &Summary, target: &str) -> Result<(), String> {
    match &summary.audit_fault {
        None => Ok(()),
        Some(fault) => Err(format!(
            "the backup in {target} is complete, but not proven: {fault}"
        )),
    }
}

/// Runs `task-api restore`.
pub fn restore(command: RestoreCommand) -> Result<(), String> {
    let file = command.file.display();
    let explain_path = |why: &dyn std::fmt::Display| format!("cannot restore {file}: {why}");
    require_sqlite(
        &command.database,
        "PostgreSQL's own tools restore it: pg_restore for a file of pg_dump, or a base backup with the archived \
         write-ahead log",
    )?;
    let files = command.database.files()?;
    let restore = Restore {
        from: DatabaseFiles::at(&command.file).map_err(|why| explain_path(&why))?,
        sha256: command.sha256.clone(),
        discard_wal: command.discard_wal,
        allow_broken_audit_log: command.allow_broken_audit_log,
    };
    let Restored { summary, replaced } = restore
        .run(&files, &watch()?)
        .map_err(|why| explain_path(&explain(why)))?;
    let before = match replaced {
        Some(path) => format!("; the files before are {}*", path.display()),
        None => String::new(),
    };
    let database = files.database().display();
    print(format_args!(
        "restored {database} from {file}: {summary}{before}"
    ))
}

// ---- progress and signals ------------------------------------------------------------------------

/// Shows the progress if standard error is a terminal. The first signal stops the work, which removes its partial
/// file; the second ends the process at once.
fn watch() -> Result<Watch, String> {
    let stop = stop_on_signal()?;
    let bar = progress_bar();
    bar.set_message("copying");
    Ok(Watch::new(stop, move |phase| match phase {
        Phase::Copying(done, total) => {
            bar.set_length(total);
            bar.set_position(done);
        }
        Phase::Checking => bar.set_message("checking the copy"),
    }))
}
