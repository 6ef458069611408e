//! Reads facts about a database for the operator, without a change to it, on whichever engine `DATABASE_URL` names.

use super::audit::seal::{Seal, authenticate};
use super::audit::verification::verify_all;
use super::audit::{self, AuditClient};
use super::engine::Connection;
#[cfg(feature = "postgres")]
use super::postgres::inspection::PostgresInspection;
use super::sqlite::inspection::SqliteInspection;
use super::{sessions, users};
use crate::config::database::{DatabaseArgs, DatabaseFiles, DatabaseUrl};
use crate::error::{Error, StorageFault};

/// An open database.
pub enum Inspection {
    /// A SQLite file.
    Sqlite(SqliteInspection),
    /// A database of a PostgreSQL server.
    #[cfg(feature = "postgres")]
    Postgres(PostgresInspection),
}

impl Inspection {
    /// Opens the database for reading, with the checks of a start. `None` if there is no database, or no table in it.
    ///
    /// # Errors
    /// One line for the operator: why a start would refuse it, or why it cannot be read without a change.
    pub fn open(args: &DatabaseArgs, files: &DatabaseFiles) -> Result<Option<Inspection>, String> {
        match &args.database_url {
            DatabaseUrl::Sqlite(_) => {
                let opened = SqliteInspection::open(files).map_err(|why| explain(files, &why))?;
                Ok(opened.map(Inspection::Sqlite))
            }
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => {
                Ok(PostgresInspection::open(url)?.map(Inspection::Postgres))
            }
        }
    }

    /// Says whose database it is.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn version(&self) -> Result<String, Error> {
        match self {
            Inspection::Sqlite(database) => database.version(),
            #[cfg(feature = "postgres")]
            Inspection::Postgres(database) => Ok(database.version()),
        }
    }

    /// Whether it has the tables of this version. The next start migrates one that has not.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn is_current(&self) -> Result<bool, Error> {
        match self {
            Inspection::Sqlite(database) => database.is_current(),
            #[cfg(feature = "postgres")]
            Inspection::Postgres(database) => Ok(database.is_current()),
        }
    }

    /// Looks for damaged pages of a SQLite file. PostgreSQL looks after its own.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn find_damage(&self) -> Result<Option<String>, Error> {
        match self {
            Inspection::Sqlite(database) => database.find_damage(),
            #[cfg(feature = "postgres")]
            Inspection::Postgres(_) => Ok(None),
        }
    }

    /// Checks the hash chain of the audit log and its last seal. Returns what is wrong. The database has to be
    /// [current](Inspection::is_current).
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn audit_fault(&self, files: &DatabaseFiles) -> Result<Option<String>, Error> {
        let verify = |db: &Connection| Ok(verify_all(db, files)?.fault());
        match self {
            Inspection::Sqlite(database) => database.read_whole(verify),
            #[cfg(feature = "postgres")]
            Inspection::Postgres(database) => database.read(verify),
        }
    }

    /// Whether another key may have signed tokens for the database, see [`is_in_use`].
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn is_in_use(&self, files: &DatabaseFiles) -> Result<bool, Error> {
        Ok(self.is_current()? && self.read(|db| is_in_use(db, files))?)
    }

    /// The number of admins that can sign in and approve.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn count_approved_admins(&self) -> Result<i64, Error> {
        self.read(users::count_approved_admins)
    }

    /// The clients of the last sign-ins. The database has to be [current](Inspection::is_current).
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn recent_clients(&self) -> Result<Vec<AuditClient>, Error> {
        self.read(audit::recent_clients)
    }

    fn read<T>(&self, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        match self {
            Inspection::Sqlite(database) => database.read(f),
            #[cfg(feature = "postgres")]
            Inspection::Postgres(database) => database.read(f),
        }
    }
}

/// Whether another key may have signed tokens for the database: an account is signed in, or the audit log is sealed with
/// the key of another server.
///
/// # Errors
/// The database cannot be read.
pub fn is_in_use(db: &Connection, files: &DatabaseFiles) -> Result<bool, Error> {
    let last = Seal::last(db)?;
    Ok(sessions::exist(db)? || authenticate(files, last.as_ref()).is_err())
}

/// The text of an error of [`SqliteInspection::open`].
fn explain(files: &DatabaseFiles, why: &Error) -> String {
    let remedy = match why {
        Error::StorageUnavailable(why) if why.fault == StorageFault::Damaged => {
            "; restore a backup"
        }
        _ => "",
    };
    let path = files.database().display();
    format!("DATABASE_URL: cannot open {path}: {why}{remedy}")
}
