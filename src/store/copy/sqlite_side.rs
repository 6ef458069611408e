//! A SQLite file as the source or the target of a copy.

use std::path::PathBuf;

use rusqlite::Connection;

use super::database::{EARLIER_VERSION, internal};
use crate::config::database::DatabaseFiles;
use crate::error::Error;
use crate::store::files::{Owner, PartialFile};
use crate::store::schema::VERSION;
use crate::store::sqlite::backup::restore::lock_database;
use crate::store::sqlite::backup::snapshot_copy::open_copy;
use crate::store::sqlite::migrate::{
    check_before_open, check_has_tables, open_compatible, schema_version, upgrade,
};
use crate::store::sqlite::storage::start_checks::check_log_belongs;

/// Opens the file for reading. Returns whether it is the Flask app's.
///
/// # Errors
/// [`Error::Internal`] if a process uses it, or if it is not this version's or the Flask app's.
pub fn open_source(files: &DatabaseFiles) -> Result<(Connection, bool), Error> {
    if !files.database().exists() {
        return Err(internal(format!(
            "there is no database {}",
            files.database().display()
        )));
    }
    check_before_open(files)?;
    // The lock ends at once: SQLite itself needs it. A later change is found when the copy is compared.
    drop(lock_database(files.database())?);
    let db = open_compatible(files.database())?;
    check_has_tables(&db)?;
    check_log_belongs(files)?;
    match schema_version(&db)? {
        0 => Ok((db, true)),
        VERSION => Ok((db, false)),
        _ => Err(internal(EARLIER_VERSION)),
    }
}

/// A file that is complete or absent.
pub struct NewFile {
    partial: PartialFile,
    path: PathBuf,
}

/// Creates a database beside the final path, which must be free.
///
/// # Errors
/// [`Error::Internal`] if there is a file already.
pub fn create_target(files: &DatabaseFiles) -> Result<(Connection, NewFile), Error> {
    refuse_existing(files)?;
    let path = files.database().to_owned();
    let partial = PartialFile::for_target(&path).map_err(internal)?;
    let owner = Owner::of(files).map_err(internal)?;
    owner.give(partial.path()).map_err(internal)?;
    let mut db = open_copy(partial.path())?;
    // Effective only before the first table.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let transaction = db.transaction()?;
    upgrade(&transaction)?;
    transaction.commit()?;
    db.execute_batch("PRAGMA foreign_keys = ON; BEGIN IMMEDIATE")?;
    Ok((db, NewFile { partial, path }))
}

/// SQLite would apply a log of another database to the new file.
fn refuse_existing(files: &DatabaseFiles) -> Result<(), Error> {
    let used = [
        files.database().to_owned(),
        files.write_ahead_log(),
        files.shared_memory(),
        files.rollback_journal(),
        files.restore_marker(),
    ];
    match used.iter().find(|path| path.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(path) => Err(internal(format!(
            "{} exists: name a file that does not",
            path.display()
        ))),
    }
}

impl NewFile {
    /// Syncs the file and gives it its name.
    ///
    /// # Errors
    /// Those of the system.
    pub fn publish(self) -> std::io::Result<()> {
        self.partial.publish(&self.path)
    }
}
