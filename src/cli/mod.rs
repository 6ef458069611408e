//! The command line: parses the arguments and the environment with clap, and runs one command.

mod audit;
mod backup;
mod check;
mod command_line;
mod database;
mod environment;
mod first_admin_link;
mod first_admin_settings;
mod healthcheck;
mod invite;
mod licenses;
mod migrate;
mod openapi;
mod os_user;
mod password_input;
mod progress;
mod serve;
pub mod service_manager;
mod socket_activation;
mod stop_signals;
mod terminal;
mod user;
mod valid_secrets;
pub mod watchdog;

pub use self::command_line::run;
