//! Opens the database for a command that runs without the server.

use crate::config::database::{DatabaseArgs, DatabaseFiles};
use crate::store::Store;

/// Opens the database with as few connections as possible: a command is one thread. Creates the file if it does
/// not exist.
///
/// # Errors
/// One line for the operator: the file cannot be opened or migrated.
pub fn open(database: &DatabaseArgs) -> Result<Store, String> {
    Store::open(&database.database_url.files()?, 1)
}

/// Opens a database that must exist, so that a mistyped path creates no new one.
///
/// # Errors
/// One line for the operator: there is no such file, or an error of [`open`].
pub fn open_existing(database: &DatabaseArgs) -> Result<Store, String> {
    existing_files(database)?;
    open(database)
}

/// The files of a database that must exist.
///
/// # Errors
/// One line for the operator: there is no such file.
pub fn existing_files(database: &DatabaseArgs) -> Result<DatabaseFiles, String> {
    let path = database.database_url.path();
    match path.exists() {
        true => database.database_url.files(),
        false => Err(format!("there is no database {}", path.display())),
    }
}
