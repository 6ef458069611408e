//! Copies all rows between SQLite and PostgreSQL, and proves that the copy is complete.
//!
//! The target changes in one step at the end: one transaction in PostgreSQL, one rename of a complete file with SQLite. A
//! copy that is interrupted leaves a target as it was, so that a server never opens half of a database.

mod cell;
mod checksum;
mod database;
mod key_files;
mod postgres_side;
mod progress;
mod row_reader;
mod run;
mod sqlite_side;
mod table;

pub use self::cell::{Fault, Fix};
pub use self::progress::{Observer, Step};
pub use self::run::{CopyJob, Summary};
