//! What only SQLite has: the file and its write-ahead log, migration, snapshots, group commit, and backups.

pub mod backup;
mod connection_settings;
mod database;
pub mod error_codes;
pub mod inspection;
pub(super) mod migrate;
#[cfg(test)]
mod query_plan_tests;
mod reader;
pub mod storage;
mod write_group;

pub use self::database::SqliteDatabase;
pub use self::reader::KeptReader;
