//! The command: runs each check and prints its result.

use clap::{Args, ValueEnum};
use strum::IntoStaticStr;

use super::finding::{Finding, Outcome, not_checked};
#[cfg(feature = "postgres")]
use super::postgres;
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
    #[cfg(feature = "postgres")]
    Encryption,
    #[cfg(feature = "postgres")]
    Connections,
    #[cfg(feature = "postgres")]
    ReadDatabase,
    Damage,
    AuditLog,
    Admins,
    Backups,
    TrustedProxies,
    Threads,
    FileDescriptors,
}

impl Name {
    /// Whether the check is one of this database.
    fn applies_to(self, _subject: &Subject) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Name::Encryption | Name::Connections | Name::ReadDatabase => {
                !_subject.files.has_database()
            }
            _ => true,
        }
    }

    /// What looks after a PostgreSQL server instead, if the check is about SQLite's file.
    fn instead_on_postgres(self) -> Option<&'static str> {
        match self {
            Name::DatabaseFile | Name::FileSystem => Some("the server keeps its files"),
            Name::Disk => Some("watch the disk of the server"),
            Name::Damage => Some("the server has data checksums and pg_amcheck"),
            Name::Backups => {
                Some("PostgreSQL's tools make them: pg_dump, pg_basebackup, continuous archiving")
            }
            _ => None,
        }
    }

    /// Runs the check.
    fn run(self, subject: &Subject) -> Outcome {
        match self.instead_on_postgres() {
            Some(instead) if !subject.files.has_database() => {
                not_checked(format!("for SQLite only; {instead}"))
            }
            _ => self.run_on_any(subject),
        }
    }

    /// Every check and its function.
    fn run_on_any(self, subject: &Subject) -> Outcome {
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
            #[cfg(feature = "postgres")]
            Name::Encryption => postgres::encryption,
            #[cfg(feature = "postgres")]
            Name::Connections => postgres::connections,
            #[cfg(feature = "postgres")]
            Name::ReadDatabase => postgres::read_database,
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
    let mut config = command.config.clone();
    config.adapt_to_database();
    let subject = Subject::load(&config)?;
    let (mut failed, mut count) = (0, 0);
    let names = Name::value_variants().iter();
    for name in names.filter(|name| name.applies_to(&subject)) {
        count += 1;
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
        _ => Err(format!("{failed} of {count} checks failed")),
    }
}
