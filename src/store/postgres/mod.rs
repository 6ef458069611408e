//! What only PostgreSQL needs: connecting to its servers, migration, and transactions with retries.

pub mod connect;
mod connect_error;
mod connector;
mod database;
pub(super) mod migrate;
pub mod server_checks;
mod session_manager;
mod timed_stream;
mod tls;
mod transaction;

pub use self::connect::{ConnectionManager, connect};
pub use self::connect_error::ConnectError;
pub use self::database::PostgresDatabase;
