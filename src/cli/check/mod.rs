//! `task-api check`: says what is unsafe or broken before a server goes to production.

mod command;
mod database;
mod files;
mod finding;
mod machine;
mod permissions;
#[cfg(feature = "postgres")]
mod postgres;
mod published_keys;
mod settings;
mod subject;

pub use self::command::{Check, EXAMPLES, run};
pub use self::published_keys::is_published;
