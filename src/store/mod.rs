//! The database. [`Store`] opens the transactions; modules such as `users`, `tasks` and `sessions` hold the SQL
//! statements, each for its own tables. `sqlite` and `postgres` have what only one of the engines needs, and `engine`
//! hides from the statements which one runs them.
//!
//! The functions with statements borrow a connection and open no transaction of their own, so a handler can
//! combine several of them in one [`Store::write`].

mod account_keys;
pub mod api_tokens;
mod assumption;
pub mod audit;
mod connection_pool;
#[cfg(feature = "postgres")]
pub mod copy;
pub mod credentials;
mod database;
#[cfg(feature = "postgres")]
mod declared;
pub(crate) mod engine;
mod files;
pub mod flask_takeover;
pub mod id_sequence;
pub mod idempotency;
pub mod inspection;
pub mod invitations;
pub(crate) mod one_time_links;
mod page_reader;
pub mod password_resets;
pub mod pending_accounts;
mod piggyback;
#[cfg(feature = "postgres")]
pub mod postgres;
mod query_builder;
mod schema;
pub mod sessions;
pub mod sqlite;
mod storage_state;
pub mod task_history;
pub(crate) mod task_summary;
pub(crate) mod tasks;
pub mod users;

pub use self::database::Store;
pub use self::engine::{Connection, Value};
pub use self::sqlite::KeptReader;
