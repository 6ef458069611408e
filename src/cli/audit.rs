//! `task-api audit`: verifies the audit log, and reseals it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::database::open_existing_for_audit;
use super::os_user::os_user;
use super::terminal::{explain, print, print_to_stderr};
use crate::config::database::DatabaseArgs;
use crate::model::{Actor, Timestamp};
use crate::store::audit::ChainHead;
use crate::store::audit::key::AuditKey;
use crate::store::audit::seal::reseal;
use crate::store::audit::verification::{Kept, Verification, verify};

/// The subcommands of `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no row of the audit log was changed, removed or inserted: exit code 0 if intact, else 1
    ///
    /// Each row's hash covers the hash of the row before it (hash chain), and the last hash is sealed with the audit
    /// key, which is in a file beside the database. Only an attacker who has both can rewrite the log. Against
    /// that, keep the last hash or a copy of the key in another place, and compare with --expect or --key.
    Verify(Verify),
    /// Seal the audit log with a new key, after the old one was lost or the database was restored without it
    ///
    /// From then on `audit verify` trusts the log as it is now. A row `audit_resealed` says so.
    Reseal(Reseal),
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Verify {
    /// The number of rows and the last hash at some time: that row must have this hash
    #[arg(long, num_args = 2, value_names = ["COUNT", "HASH"])]
    expect: Option<Vec<String>>,
    /// A copy of the audit key that was kept elsewhere: all seals since then must be made with it and the keys that
    /// follow it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Reseal {
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Runs one of the subcommands.
pub fn run(command: AuditCommand) -> Result<(), String> {
    match command {
        AuditCommand::Verify(command) => run_verify(&command),
        AuditCommand::Reseal(command) => run_reseal(&command),
    }
}

fn run_verify(command: &Verify) -> Result<(), String> {
    /// Rows between two progress messages.
    const STEP: i64 = 100_000;
    let kept = command.kept()?;
    let store = open_existing_for_audit(&command.database)?;
    let progress = |row| {
        if row % STEP == 0 {
            print_to_stderr(format_args!("{row} rows so far"));
        }
    };
    match verify(&store, &kept, progress).map_err(explain)? {
        Verification::Intact {
            count,
            pruned: 0,
            hash,
        } => print(format_args!("{count} rows, intact; the last hash: {hash}")),
        Verification::Intact {
            count,
            pruned,
            hash,
        } => print(format_args!(
            "{count} rows, the first {pruned} pruned, the others intact; the last hash: {hash}"
        )),
        Verification::Broken(row, how) => {
            Err(format!("the audit log is not intact: row {row} {how}"))
        }
        Verification::NotAuthentic(why) => Err(format!("the audit log is not authentic: {why}")),
    }
}

impl Verify {
    /// Reads what the operator has kept in another place.
    fn kept(&self) -> Result<Kept, String> {
        let head = self.expect.as_deref().map(parse_head).transpose()?;
        let read = |path: &PathBuf| {
            AuditKey::read_copy(path).map_err(|why| format!("--key {}: {why}", path.display()))
        };
        let key = self.key.as_ref().map(read).transpose()?;
        Ok(Kept { head, key })
    }
}

fn parse_head(values: &[String]) -> Result<ChainHead, String> {
    let is_hash = |hash: &str| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    match values {
        [count, hash] if is_hash(hash) => match count.parse() {
            Ok(count @ 1..) => Ok(ChainHead {
                count,
                hash: hash.to_lowercase(),
            }),
            _ => Err("--expect: COUNT must be a number of rows, from 1".to_owned()),
        },
        _ => Err("--expect: HASH must be 64 hexadecimal digits".to_owned()),
    }
}

fn run_reseal(command: &Reseal) -> Result<(), String> {
    let (store, os_user) = (open_existing_for_audit(&command.database)?, os_user());
    let actor = Actor::operator(&os_user, Timestamp::now());
    let epoch = reseal(&store, &actor).map_err(explain)?;
    print(format_args!(
        "sealed the audit log with a new key, of epoch {epoch}"
    ))?;
    let files = command.database.files()?;
    if !files.has_database() {
        print_to_stderr(format_args!(
            "copy {} to each other server on this database: it seals with its own copy of the key",
            files.audit_key().display()
        ));
    }
    Ok(())
}
