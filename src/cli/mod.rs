//! The command line: parses the arguments and the environment with clap, and runs one command.

mod audit;
mod command_line;
mod database;
mod first_admin;
mod healthcheck;
mod licenses;
mod openapi;
mod os_user;
mod password_input;
mod serve;
mod stop_signals;
mod terminal;
mod user;

pub use self::command_line::run;
