//! Opens the database for a command that runs without the server.

use crate::config::concurrency::Connections;
use crate::config::database::{DatabaseArgs, DatabaseFiles};
use crate::store::Store;

/// Opens the database with as few connections as possible: a command is one thread. Creates the file if it does
/// not exist.
///
/// # Errors
/// One line for the operator: the file cannot be opened or migrated.
pub fn open(database: &DatabaseArgs) -> Result<Store, String> {
    Store::open(database, Connections::ONE)
}

/// Opens a database that must exist, so that a mistyped path creates no new one.
///
/// # Errors
/// One line for the operator: there is no such file, or an error of [`open`].
pub fn open_existing(database: &DatabaseArgs) -> Result<Store, String> {
    existing_files(database)?;
    open(database)
}

/// The files of a database; a SQLite file must exist.
///
/// # Errors
/// One line for the operator: there is no such file.
pub fn existing_files(database: &DatabaseArgs) -> Result<DatabaseFiles, String> {
    match database.database_url.path() {
        Some(path) if !path.exists() => Err(format!("there is no database {}", path.display())),
        _ => database.files(),
    }
}
