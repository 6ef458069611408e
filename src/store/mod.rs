//! The SQLite database. [`Store`] owns the connections and opens the transactions; modules such as `users`,
//! `tasks` and `sessions` hold the SQL statements, each for its own tables.
//!
//! The functions with statements borrow a connection and open no transaction of their own, so a handler can
//! combine several of them in one [`Store::write`].

mod account_keys;
pub mod api_tokens;
pub mod audit;
pub mod backup;
pub mod credentials;
pub mod flask_takeover;
pub mod idempotency;
pub mod inspection;
pub mod invitations;
pub mod password_resets;
pub mod pending_accounts;
pub mod sessions;
pub(crate) mod tasks;
pub mod users;

mod connection_pool;
mod database;
mod decode;
pub mod id_sequence;
mod migrate;
pub(crate) mod one_time_links;
mod page_reader;
#[cfg(feature = "postgres")]
pub mod postgres;
mod query_builder;
#[cfg(test)]
mod query_plan_tests;
mod reader;
mod sqlite_error;
pub mod storage;
mod write_group;

pub use rusqlite::Connection;

pub use self::database::Store;
pub use self::reader::KeptReader;
