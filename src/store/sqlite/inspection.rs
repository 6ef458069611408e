//! Reads facts about a database for the operator, without a change to it. Unlike [`Store::open`](crate::store::Store::open) it
//! does not migrate, roll back or create a file.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::SystemTime;

use rusqlite::{Connection, OpenFlags};

use super::connection_settings::WAIT_TIMEOUT;
use super::migrate;
use super::storage::file_alone::open_alone;
use super::storage::integrity;
use super::storage::start_checks::check_log_belongs;
use crate::config::database::DatabaseFiles;
use crate::error::Error;
use crate::store::engine;
use crate::store::schema::VERSION;

pub use super::storage::disk::{FileSystem, file_system, free_bytes};

/// An open database.
#[derive(Debug)]
pub struct SqliteInspection {
    files: DatabaseFiles,
    db: Connection,
    /// When the file was last changed, if it was opened [alone](open_alone).
    alone_since: Option<SystemTime>,
}

impl SqliteInspection {
    /// Opens the database for reading, with the checks of a start. `None` if there is no file, or no table in it.
    ///
    /// # Errors
    /// Why a start would refuse it, or why it cannot be read without a change.
    pub fn open(files: &DatabaseFiles) -> Result<Option<SqliteInspection>, Error> {
        migrate::check_before_open(files)?;
        if !has_content(files.database())? {
            return Ok(None);
        }
        let alone_since = match is_alone(files)? {
            true => modified(files.database()),
            false => None,
        };
        let db = match alone_since {
            Some(_) => open_alone(files.database())?,
            None => open_with_log(files)?,
        };
        if migrate::is_empty(&db)? {
            return Ok(None);
        }
        migrate::check_usable(&db)?;
        migrate::check_has_tables(&db)?;
        check_log_belongs(files)?;
        Ok(Some(SqliteInspection {
            files: files.clone(),
            db,
            alone_since,
        }))
    }

    /// Says whose database it is.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn version(&self) -> Result<String, Error> {
        Ok(match migrate::schema_version(&self.db)? {
            0 => "of the Flask app; the next start takes it over".to_owned(),
            VERSION => format!("schema version {}", VERSION),
            version => format!("schema version {version}; the next start migrates it"),
        })
    }

    /// Whether it has the tables of this version. The next start migrates one that has not.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn is_current(&self) -> Result<bool, Error> {
        Ok(migrate::schema_version(&self.db)? == VERSION)
    }

    /// Looks for damaged pages.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn find_damage(&self) -> Result<Option<String>, Error> {
        let found = integrity::find_damage(&self.db, self.files.database());
        self.unless_changed(found)
    }

    /// Runs a check that reads a large part of the database, in one snapshot: a server may write meanwhile. Returns what
    /// it has found.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn read_whole(
        &self,
        check: impl FnOnce(&engine::Connection) -> Result<Option<String>, Error>,
    ) -> Result<Option<String>, Error> {
        let snapshot = self.db.unchecked_transaction()?;
        let found = check(&(&*snapshot).into());
        self.unless_changed(found)
    }

    /// Runs `f` with the connection.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn read<T>(
        &self,
        f: impl FnOnce(&engine::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        f(&(&self.db).into())
    }

    /// Returns what a check of the whole database has found, unless the file was opened [alone](open_alone) and has
    /// been changed since: that looks like damage.
    fn unless_changed(
        &self,
        found: Result<Option<String>, Error>,
    ) -> Result<Option<String>, Error> {
        match found {
            Ok(None) => Ok(None),
            _ if self.alone_since.is_some()
                && self.alone_since != modified(self.files.database()) =>
            {
                Err(Error::Busy(
                    "another program has changed it meanwhile; run the check again".to_owned(),
                ))
            }
            found => found,
        }
    }
}

/// Whether the database has no log now, although it uses one: no server has it open. SQLite would create a log and its
/// index even for a reader, and would leave them.
fn is_alone(files: &DatabaseFiles) -> Result<bool, Error> {
    Ok(is_in_wal_mode(files.database())? && !files.write_ahead_log().exists())
}

/// Opens the database with its log. Changes nothing, since a log has an index already, unless a machine has crashed.
fn open_with_log(files: &DatabaseFiles) -> Result<Connection, Error> {
    let db = Connection::open_with_flags(files.database(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(WAIT_TIMEOUT)?;
    match migrate::schema_version(&db) {
        Err(why) if migrate::needs_rollback(&why) => Err(Error::Internal(format!(
            "a program was killed while it wrote, and {} has to be rolled back: start and stop the server, which does \
             that, and run the check again",
            files.rollback_journal().display()
        ))),
        result => Ok(result.map(|_| db)?),
    }
}

/// Whether the database uses a write-ahead log: byte 18 of its header (<https://www.sqlite.org/fileformat.html>).
fn is_in_wal_mode(path: &Path) -> Result<bool, Error> {
    let mut header = [0; 19];
    match File::open(path).and_then(|mut file| file.read_exact(&mut header)) {
        Ok(()) => Ok(header[18] == 2),
        Err(why) if why.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(why) => Err(Error::Internal(why.to_string())),
    }
}

fn has_content(path: &Path) -> Result<bool, Error> {
    match path.metadata() {
        Ok(found) => Ok(found.len() > 0),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(false),
        Err(why) => Err(Error::Internal(why.to_string())),
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}
