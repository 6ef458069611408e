//! `task-api migrate`: copies the database from SQLite to PostgreSQL, or back.

mod command;
#[cfg(feature = "postgres")]
mod run;
#[cfg(not(feature = "postgres"))]
mod unavailable;

pub use self::command::MigrateCommand;
#[cfg(feature = "postgres")]
pub use self::run::run;
#[cfg(not(feature = "postgres"))]
pub use self::unavailable::run;
