//! Opens the database for a command that runs without the server.

use crate::config::concurrency::Connections;
use crate::config::database::{DatabaseArgs, DatabaseFiles, DatabaseUrl};
use crate::store::Store;
#[cfg(feature = "postgres")]
use crate::store::postgres::inspection::PostgresInspection;

/// Opens the database with as few connections as possible: a command is one thread. Creates the file if it does
/// not exist.
///
/// # Errors
/// One line for the operator: the file cannot be opened or migrated.
pub fn open(database: &DatabaseArgs) -> Result<Store, String> {
    Store::open(database, Connections::ONE)
}

/// Opens a database that must exist, so that a mistyped path or name creates no new one.
///
/// # Errors
/// One line for the operator: there is no such file, the PostgreSQL database is empty, or an error of [`open`].
pub fn open_existing(database: &DatabaseArgs) -> Result<Store, String> {
    check_exists(database)?;
    open(database)
}

/// As [`open_existing`], also if there is no key for the seals of the audit log.
///
/// # Errors
/// As [`open_existing`].
pub fn open_existing_for_audit(database: &DatabaseArgs) -> Result<Store, String> {
    check_exists(database)?;
    Store::open_for_audit(database, Connections::ONE)
}

fn check_exists(database: &DatabaseArgs) -> Result<(), String> {
    existing_files(database)?;
    #[cfg(feature = "postgres")]
    if let DatabaseUrl::Postgres(url) = &database.database_url
        && PostgresInspection::open(url)?.is_none()
    {
        return Err(format!(
            "DATABASE_URL: the database {url} is empty: the first start of the server creates its tables"
        ));
    }
    Ok(())
}

/// The files of a database; a SQLite file must exist.
///
/// # Errors
/// One line for the operator: there is no such file.
pub fn existing_files(database: &DatabaseArgs) -> Result<DatabaseFiles, String> {
    match &database.database_url {
        DatabaseUrl::Sqlite(path) if !path.exists() => {
            Err(format!("there is no database {}", path.display()))
        }
        _ => database.files(),
    }
}
