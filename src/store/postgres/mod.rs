//! What only PostgreSQL needs: connecting to its servers, and the checks at the start.

pub mod connect;
mod connect_error;
mod connector;
pub mod server_checks;
mod timed_stream;
mod tls;

pub use self::connect::{ConnectionManager, connect};
pub use self::connect_error::ConnectError;
