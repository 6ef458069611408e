//! The command: runs each check and prints its result.

use clap::{Args, ValueEnum};
use strum::IntoStaticStr;

use super::finding::{Finding, Outcome};
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

/// The settings of the server, and the checks whose failure does not count.
#[derive(Debug, Args)]
#[allow(missing_docs)]
pub struct Check {
    /// Checks whose failure does not count, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    ignore: Vec<Name>,
    #[command(flatten)]
    config: Config,
}

/// The name of a check. The output has the order of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
enum Name {
    Settings,
    Secrets,
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

impl Name {
    /// Every check and its function.
    fn run(self, subject: &Subject) -> Outcome {
        let check = match self {
            Name::Settings => settings::combinations,
            Name::Secrets => settings::secrets,
            Name::CorsOrigins => settings::cors_origins,
            Name::RateLimits => settings::rate_limits,
            Name::PasswordIterations => settings::password_iterations,
            Name::SigningKey => settings::signing_key,
            Name::KeyFiles => files::keys,
            Name::DatabaseFile => files::database,
            Name::FileSystem => files::file_system,
            Name::Disk => files::disk,
            Name::Database => database::opens,
            Name::Damage => database::damage,
            Name::AuditLog => database::audit_log,
            Name::Admins => database::admins,
            Name::Backups => files::backups,
            Name::TrustedProxies => database::trusted_proxies,
            Name::Threads => machine::threads,
            Name::FileDescriptors => machine::file_descriptors,
        };
        check(subject)
    }
}

/// Runs the command.
///
/// # Errors
/// One line for the operator: how many checks have failed.
pub fn run(command: &Check) -> Result<(), String> {
    let subject = Subject::load(&command.config)?;
    let mut failed = 0;
    for name in Name::value_variants() {
        let (label, text) = match name.run(&subject) {
            Ok(Finding::Right(text)) => ("ok", text),
            Ok(Finding::NotChecked(text)) => ("skipped", text),
            Err(text) if command.ignore.contains(name) => ("ignored", text),
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
        _ => Err(format!(
            "{failed} of {} checks failed",
            Name::value_variants().len()
        )),
    }
}
