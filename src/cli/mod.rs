//! The command line.

mod accounts;
mod audit;
mod describe;
mod first_admin;
mod healthcheck;
mod licenses;
mod serve;

use std::env::VarError;
use std::error::Error as _;
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::config::{AddressArgs, Config};
use crate::model::is_control;

/// Task-management API on SQLite: accounts, roles, tasks
///
/// Without a command the server runs, as with `serve`. Settings are flags, or environment variables
/// of the same name; `task-api serve --help` lists them.
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
    /// The key that signs tokens has no flag: it is the environment variable JWT_SECRET_KEY, or a
    /// file. Stop with SIGTERM or Ctrl-C: requests in hand are answered first, within 8 seconds.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<Config>),
    /// Make and change accounts, in the database itself
    ///
    /// The server may be running; it sees the change at the next request.
    #[command(subcommand)]
    User(accounts::UserCommand),
    /// Verify the record of what was done to accounts
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Print the description of the API, in OpenAPI 3.1
    ///
    /// The same text as GET /openapi.json answers. It needs no database, no settings and no running
    /// server: `task-api openapi > openapi.json` is enough for a generator of clients.
    Openapi,
    /// Ask a running server whether it is ready: exit 0 if so, else 1
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

/// Runs the program on its arguments. The exit code is 0 for success, 1 for failure, 2 for a command
/// line or a setting that makes no sense.
pub fn run() -> ExitCode {
    let command = match parse() {
        Ok(command) => command,
        Err(why) => return refuse(&why),
    };
    let result = match command {
        Command::Serve(config) => serve::run(*config),
        Command::User(command) => accounts::run(command),
        Command::Audit(command) => audit::run(command),
        Command::Openapi => describe::run(),
        Command::Healthcheck(address) => healthcheck::run(&address),
        Command::Licenses => licenses::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("task-api: {}", one_line(&why));
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
    Cli::command().error(ErrorKind::MissingSubcommand, "name a command")
}

/// Help and version go to standard output; a wrong value gets one line, which names the setting.
fn refuse(why: &clap::Error) -> ExitCode {
    match why.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => {
            eprintln!("task-api: {}", one_line(&wrong_value(why)));
        }
        // clap does not tell which.
        ErrorKind::InvalidUtf8 => eprintln!("task-api: {}not UTF-8", settings_not_utf8()),
        _ => {
            let _ = why.print();
        }
    }
    ExitCode::from(u8::try_from(why.exit_code()).unwrap_or(2))
}

fn wrong_value(why: &clap::Error) -> String {
    let context = |kind| why.get(kind).map(ToString::to_string).unwrap_or_default();
    let reason = why
        .source()
        .map_or("not one of its values".to_owned(), ToString::to_string);
    let name = context(ContextKind::InvalidArg);
    // The address of another kind of database may have a password in it.
    if name.contains("DATABASE_URL") {
        return format!("invalid value for '{name}': {reason}");
    }
    let value = context(ContextKind::InvalidValue);
    format!("invalid value '{value}' for '{name}': {reason}")
}

/// The settings whose variables hold what is no text.
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

/// Text that may hold what somebody else wrote, without what could act on a terminal.
fn one_line(text: &str) -> String {
    let escape = |c: char| match is_control(c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}
