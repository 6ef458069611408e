//! `task-api audit ...`: whether the record is as it was written.

use clap::{Args, Subcommand};

use super::terminal::{explain, print};
use super::user::open_existing;
use crate::config::database::DatabaseArgs;
use crate::store::audit::{self, Verification};

/// The commands about the record.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no row was changed, removed or inserted: exit 0 if so, else 1
    ///
    /// Each row's hash covers the row before it. Who can write the whole record anew can make all of it
    /// fit again: keep what this prints elsewhere, and compare.
    Verify(Verify),
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Verify {
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Runs one of the commands.
pub fn run(AuditCommand::Verify(command): AuditCommand) -> Result<(), String> {
    const STEP: i64 = 100_000;
    let store = open_existing(&command.database)?;
    let progress = |rows| {
        if rows % STEP == 0 {
            eprintln!("{rows} rows so far");
        }
    };
    match store
        .read(|db| audit::verify(db, progress))
        .map_err(explain)?
    {
        Verification::Intact(rows, hash) => {
            print(format_args!("{rows} rows, intact; the last hash: {hash}"))
        }
        Verification::Broken(row, how) => Err(format!("the record is broken: row {row} {how}")),
    }
}
