//! The SQLite database. [`Store`] owns the connections and opens the transactions; the modules `users`,
//! `tasks`, `sessions`, `audit` and `idempotency` hold the SQL statements, each for its own tables.
//!
//! The functions with statements borrow a connection and open no transaction of their own, so a handler can
//! combine several of them in one [`Store::write`].

pub mod audit;
pub mod audit_key;
pub mod audit_pruning;
pub mod audit_seal;
pub mod audit_verification;
pub mod backup;
pub mod free_pages;
pub mod idempotency;
pub mod inspection;
pub mod sessions;
pub(crate) mod tasks;
pub mod users;

mod checkpointer;
mod connection_pool;
mod database;
mod decode;
mod disk;
mod file_alone;
mod file_watch;
mod integrity;
mod migrate;
mod open_files;
mod page_reader;
mod query_builder;
#[cfg(test)]
mod query_plan_tests;
mod reader;
mod sqlite_error;
mod start_checks;
mod storage_mark;
mod storage_state;
mod write_group;

pub use rusqlite::Connection;

pub use self::database::Store;
pub use self::reader::KeptReader;
