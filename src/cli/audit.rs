//! `task-api audit verify`: checks the hash chain of the audit log.

use clap::{Args, Subcommand};

use super::database::open_existing;
use super::terminal::{explain, print, print_to_stderr};
use crate::config::database::DatabaseArgs;
use crate::store::audit::{self, Verification};

/// The subcommands of `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no row of the audit log was changed, removed or inserted: exit code 0 if intact, else 1
    ///
    /// Each row's hash covers the hash of the row before it (hash chain). An attacker who can write to the
    /// database could recompute the whole chain: store the last hash, which this command prints, somewhere
    /// else and compare it later.
    Verify(Verify),
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Verify {
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Runs the subcommand.
pub fn run(AuditCommand::Verify(command): AuditCommand) -> Result<(), String> {
    /// Rows between two progress messages.
    const STEP: i64 = 100_000;
    let store = open_existing(&command.database)?;
    let progress = |rows| {
        if rows % STEP == 0 {
            print_to_stderr(format_args!("{rows} rows so far"));
        }
    };
    match store
        .read(|db| audit::verify(db, progress))
        .map_err(explain)?
    {
        Verification::Intact(rows, hash) => {
            print(format_args!("{rows} rows, intact; the last hash: {hash}"))
        }
        Verification::Broken(row, how) => {
            Err(format!("the audit log is not intact: row {row} {how}"))
        }
    }
}
