//! The commands and their help texts, and the errors of an invalid command line.

use std::env::VarError;
use std::error::Error as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};

use super::stop_signals::survive_file_size_limit;
use super::terminal::print_to_stderr;
use super::{audit, backup, check, healthcheck, invite, licenses, migrate, openapi, serve, user};
use crate::config::Config;
use crate::config::links::PublicUrlArgs;
use crate::config::server::AddressArgs;
use crate::logging;

/// Task-management API: accounts, roles, tasks
///
/// Without a command it runs the server, like `serve`. Each setting is a flag and an environment variable of
/// the same name; `task-api serve --help` lists them.
#[derive(Debug, Parser)]
#[command(name = "task-api", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    ///
    /// Secrets have no flag, since other users of the machine can read arguments: set JWT_SECRET_KEY,
    /// JWT_SECRET_KEY_PREVIOUS, ADMIN_PASSWORD and METRICS_TOKEN as environment variables, or use the
    /// settings ending in _FILE.
    ///
    /// SIGTERM or Ctrl-C starts a graceful shutdown: requests in progress are completed, within 8 seconds. A
    /// second signal ends the process at once.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<Config>),
    /// Create, list and change accounts in the database
    ///
    /// The server may be running; it sees a change at the next request.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Print a one-time link with which a person creates an approved account
    ///
    /// The server may be running. The link is the only line on standard output. It is valid once, within
    /// LINKS_EXPIRE. It begins with PUBLIC_URL, or with the address that HOST and PORT name.
    #[command(after_help = invite::EXAMPLES)]
    Invite(invite::Invite),
    /// Verify the audit log, or reseal it
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Back up the database beside the running server
    ///
    /// Copies one state of the database, reads the copy again and checks it: its pages, its rows, the audit log. The
    /// server goes on meanwhile, and no request waits. Prints one line with what was written and its SHA-256, which
    /// is also in FILE.sha256. Exit code 0 only if the copy is proven.
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(backup::BackupCommand),
    /// Put a backup in the place of the database, while the server is stopped
    ///
    /// Checks the backup first; a damaged one is refused, and nothing changes. Keeps the files that it replaces, under
    /// names such as project.db.20261128T103106.136817Z.replaced. The keys of the backup become the key files again.
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(backup::RestoreCommand),
    /// Copy the database from SQLite to PostgreSQL or back, while all servers are stopped
    ///
    /// Checks the source first: what the target cannot hold is listed, with its table and id, and nothing is written.
    /// Then copies all rows with their ids, and compares both sides: the number of rows and a checksum of each table, and
    /// the audit log. The target changes in one step at the end: after an interruption it is as it was, and the command
    /// can be run again. The source is never changed. The key files are copied too, and never replaced.
    #[command(after_help = MIGRATE_EXAMPLES)]
    Migrate(migrate::MigrateCommand),
    /// Check settings, files and database, and say what is unsafe or broken: exit code 0 if nothing is, else 1
    ///
    /// Reads what `serve` would read, and changes nothing. Prints one line for each check: ok, FAILED with what to do,
    /// ignored, or skipped if it cannot look. Run it with the settings and as the user of the server, which may be
    /// running.
    #[command(after_help = check::EXAMPLES)]
    Check(Box<check::Check>),
    /// Print the OpenAPI 3.1 description of the API
    ///
    /// The same document as GET /openapi.json. It needs no database and no running server: `task-api openapi >
    /// openapi.json` is enough for a client generator. The only setting is PUBLIC_URL, whose path is in `servers`.
    Openapi(PublicUrlArgs),
    /// Check whether the server on this machine is ready: exit code 0 if it is, else 1
    Healthcheck(AddressArgs),
    /// Print the licence, and the licences of the software inside this program
    ///
    /// Prints the licence of Task API and the notices of the Rust crates, SQLite, Swagger UI and the other
    /// software that the binary contains. It needs no database, no settings and no running server.
    Licenses,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  task-api serve
  task-api serve --port 8000 --database-url sqlite:////data/project.db
  CORS_ORIGINS=https://app.example task-api serve";

const BACKUP_EXAMPLES: &str = "\
Examples:
  task-api backup /backups/project.db
  task-api backup --key none project-copy.db
  task-api backup --to-stdout | ssh backup@example.com 'cat > project.db'";

const RESTORE_EXAMPLES: &str = "\
Examples:
  task-api restore /backups/project.db
  task-api restore --database-url sqlite:////data/project.db /backups/project.db";

const MIGRATE_EXAMPLES: &str = "\
Examples:
  MIGRATE_TO=postgres://tasks:PASSWORD@db.example/tasks task-api migrate --from sqlite:///project.db
  MIGRATE_FROM=postgres://tasks:PASSWORD@db.example/tasks task-api migrate --to sqlite:///project.db";

/// Runs the program with the arguments of the process. The exit code is 0 for success, 1 for a failure, and 2
/// for an invalid command line or setting.
pub fn run() -> ExitCode {
    let command = match parse() {
        Ok(command) => command,
        Err(why) => return report_usage_error(&why),
    };
    if let Err(why) = survive_file_size_limit() {
        print_to_stderr(format_args!("task-api: cannot handle signals: {why}"));
        return ExitCode::FAILURE;
    }
    let result = match command {
        Command::Serve(config) => serve::run(*config),
        Command::User(command) => user::run(command),
        Command::Invite(command) => invite::run(&command),
        Command::Audit(command) => audit::run(command),
        Command::Backup(command) => backup::back_up(&command),
        Command::Restore(command) => backup::restore(command),
        Command::Migrate(command) => migrate::run(command),
        Command::Check(command) => check::run(&command),
        Command::Openapi(address) => openapi::run(&address),
        Command::Healthcheck(address) => healthcheck::run(&address),
        Command::Licenses => licenses::run(),
    };
    logging::flush();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            print_to_stderr(format_args!("task-api: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Command, clap::Error> {
    match Cli::try_parse()?.command {
        Some(command) => Ok(command),
        None => Cli::try_parse_from(["task-api", "serve"])?
            .command
            .ok_or_else(no_command),
    }
}

fn no_command() -> clap::Error {
    Cli::command().error(ErrorKind::MissingSubcommand, "a command is required")
}

/// Prints what clap returns instead of a command: an error, or the text of `--help` or `--version`, which goes to
/// standard output. An invalid value is reported in one line that names the setting.
fn report_usage_error(why: &clap::Error) -> ExitCode {
    match why.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            print_to_stderr(format_args!("task-api: {}", invalid_value(why)));
        }
        // The error of clap does not name the setting.
        ErrorKind::InvalidUtf8 => {
            print_to_stderr(format_args!("task-api: {}not UTF-8", settings_not_utf8()));
        }
        _ => {
            let _ = why.print();
        }
    }
    ExitCode::from(u8::try_from(why.exit_code()).unwrap_or(2))
}

fn invalid_value(why: &clap::Error) -> String {
    let context = |kind| why.get(kind).map(ToString::to_string).unwrap_or_default();
    let reason = why.source().map_or_else(
        || format!("expected one of: {}", context(ContextKind::ValidValue)),
        ToString::to_string,
    );
    let name = context(ContextKind::InvalidArg);
    // The value is not printed: the URL of another kind of database may contain a password.
    if name.contains("DATABASE_URL") {
        return format!("invalid value for '{name}': {reason}");
    }
    let value = context(ContextKind::InvalidValue);
    format!("invalid value '{value}' for '{name}': {reason}")
}

/// The names of the settings whose environment variables are not UTF-8, each followed by a colon.
fn settings_not_utf8() -> String {
    let serve = Config::augment_args(clap::Command::new("serve"));
    let names = serve
        .get_arguments()
        .filter_map(|argument| argument.get_env()?.to_str());
    names
        .filter(|name| matches!(std::env::var(name), Err(VarError::NotUnicode(_))))
        .map(|name| format!("{name}: "))
        .collect()
}
