//! `task-api check`: says what is unsafe or broken before a server goes to production.

mod command;
mod database;
mod files;
mod machine;
mod settings;
mod subject;

pub use self::command::{Check, EXAMPLES, run};
