//! The layer between the statements and the database: the same calls for SQLite and for PostgreSQL.
//!
//! A statement is written once, with parameters `?1`, `?2` and so on. A function with statements gets a [`Connection`]
//! and decodes each [`Row`], whichever database runs it.

mod connection;
mod database_error;
mod row;
mod value;

pub use self::connection::{Connection, Rows};
pub use self::database_error::DatabaseError;
#[cfg(feature = "postgres")]
pub use self::row::OTHER_MOMENT;
pub use self::row::{Column, Row};
pub use self::value::Value;
pub(crate) use self::value::values;
