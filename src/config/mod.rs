//! The settings: name, default and validation of each, one file per topic.
//!
//! Each setting is a flag of `task-api serve` and an environment variable of the same name (clap's `env`). A
//! secret is never a flag, since other users of the machine can read the arguments of a process: see
//! [`secrets`]. A value is parsed into a type of its own, so a setting that exists is valid.

pub mod accounts;
pub mod audit;
pub mod backups;
mod boolean;
pub mod concurrency;
pub mod cors;
pub mod database;
pub mod duration;
pub mod links;
pub mod logging;
pub mod memory;
pub mod passwords;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod private_file;
pub mod proxies;
pub mod rate_limits;
pub mod secrets;
pub mod server;
pub mod server_limits;
mod settings;

pub use self::settings::Config;
