//! What only PostgreSQL needs: connecting to its servers, migration, and transactions with retries.

pub mod connect;
mod connect_error;
mod connector;
mod database;
mod flask_tables;
pub mod inspection;
mod key_file_lock;
pub(super) mod migrate;
pub mod server_checks;
mod session;
mod session_manager;
mod timed_stream;
mod tls;
mod transaction;
mod values;

pub use self::connect::{ConnectionManager, LastServer, connect};
pub use self::connect_error::ConnectError;
pub use self::database::PostgresDatabase;
pub(in crate::store) use self::key_file_lock::lock_key_file;
pub(super) use self::session::{DatabaseSession, FoundRow};
