//! The command: runs each check and prints its result.

use clap::{Args, ValueEnum};
use strum::IntoStaticStr;

use super::subject::Subject;
use super::{database, files, machine, settings};
use crate::cli::terminal::print;
use crate::config::Config;

/// Examples for `--help`.
pub const EXAMPLES: &str = "\
Examples:
  task-api check
  docker exec task-api /task-api check
  task-api check --ignore backups,file-system";

/// The settings of the server, and the checks whose result does not count.
#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Check {
    /// Checks whose failure does not count, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    ignore: Vec<Name>,
    #[command(flatten)]
    config: Config,
}

/// The name of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
enum Name {
    Settings,
    CorsOrigins,
    RateLimits,
    PasswordIterations,
    SigningKey,
    KeyFiles,
    DatabaseFile,
    FileSystem,
    Disk,
    Database,
    Damage,
    AuditLog,
    Admins,
    Backups,
    TrustedProxies,
    Threads,
    FileDescriptors,
}

/// What a check has found: what is right, or what is unsafe or broken.
pub type Outcome = Result<String, String>;

type CheckSubject = fn(&Subject) -> Outcome;

/// Every check, in the order of the output.
const CHECKS: [(Name, CheckSubject); 17] = [
    (Name::Settings, settings::combinations),
    (Name::CorsOrigins, settings::cors_origins),
    (Name::RateLimits, settings::rate_limits),
    (Name::PasswordIterations, settings::password_iterations),
    (Name::SigningKey, settings::signing_key),
    (Name::KeyFiles, files::keys),
    (Name::DatabaseFile, files::database),
    (Name::FileSystem, files::file_system),
    (Name::Disk, files::disk),
    (Name::Database, database::opens),
    (Name::Damage, database::damage),
    (Name::AuditLog, database::audit_log),
    (Name::Admins, database::admins),
    (Name::Backups, files::backups),
    (Name::TrustedProxies, database::trusted_proxies),
    (Name::Threads, machine::threads),
    (Name::FileDescriptors, machine::file_descriptors),
];

/// Runs the command.
///
/// # Errors
/// One line for the operator: how many checks have failed.
pub fn run(command: &Check) -> Result<(), String> {
    let subject = Subject::load(&command.config)?;
    let mut failed = 0;
    for (name, check) in CHECKS {
        let (label, text) = match check(&subject) {
            Ok(text) => ("ok", text),
            Err(text) if command.ignore.contains(&name) => ("ignored", text),
            Err(text) => {
                failed += 1;
                ("FAILED", text)
            }
        };
        let name: &str = name.into();
        print(format_args!("{label:<8}{name:<20}{text}"))?;
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} of {} checks failed", CHECKS.len())),
    }
}
