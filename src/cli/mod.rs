//! The command line.

mod accounts;
mod healthcheck;
mod serve;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{AddressArgs, Config};

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
    /// file. Stop with SIGTERM or Ctrl-C: requests in hand are answered first, within 10 seconds.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Box<Config>),
    /// Make and change accounts, in the database itself
    ///
    /// The server may be running; it sees the change at the next request.
    #[command(subcommand)]
    User(accounts::UserCommand),
    /// Ask a running server whether it is ready: exit 0 if so, else 1
    Healthcheck(AddressArgs),
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
        Command::Healthcheck(address) => healthcheck::run(&address),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("task-api: {why}");
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
    if why.kind() == ErrorKind::ValueValidation {
        let text = why.to_string();
        let line = text.lines().next().unwrap_or_default();
        eprintln!("task-api: {}", line.trim_start_matches("error: "));
    } else {
        let _ = why.print();
    }
    ExitCode::from(u8::try_from(why.exit_code()).unwrap_or(2))
}
