//! Reads facts about a database for the operator, without a change to it. Unlike [`Store::open`](super::Store::open) it
//! does not migrate.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::Connection;

use super::audit::{self, AuditClient};
use super::audit_verification::{Verification, verify_chain};
use super::start_checks::{check_files_beside, check_log_belongs};
use super::{integrity, migrate, users};
use crate::config::database::DatabaseFiles;
use crate::error::Error;

pub use super::disk::{FileSystem, file_system, free_bytes};

/// An open database.
#[derive(Debug)]
pub struct Inspection {
    path: PathBuf,
    db: Connection,
}

impl Inspection {
    /// Opens the database for reading, with the checks of a start. `None` if there is no file.
    ///
    /// # Errors
    /// Why a start would refuse it.
    pub fn open(files: &DatabaseFiles) -> Result<Option<Inspection>, Error> {
        let path = files.database().to_owned();
        migrate::refuse_interrupted_restore(files)?;
        check_files_beside(files)?;
        if !path.exists() {
            return Ok(None);
        }
        let db = migrate::open_compatible(&path)?;
        check_log_belongs(files)?;
        Ok(Some(Inspection { path, db }))
    }

    /// Says whose database it is.
    pub fn version(&self) -> String {
        match migrate::schema_version(&self.db) {
            Ok(0) => "of the Flask app; the next start takes it over".to_owned(),
            Ok(migrate::VERSION) => format!("schema version {}", migrate::VERSION),
            Ok(version) => format!("schema version {version}; the next start migrates it"),
            Err(why) => why.to_string(),
        }
    }

    /// Looks for damaged pages.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn find_damage(&self) -> Result<Option<String>, Error> {
        integrity::quick_check(&self.path, &Arc::default())
    }

    /// Checks the hash chain of the audit log. Returns what is wrong with it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn audit_fault(&self) -> Result<Option<String>, Error> {
        if self.is_outdated()? {
            return Ok(None);
        }
        let snapshot = self.db.unchecked_transaction()?;
        Ok(match verify_chain(&snapshot)? {
            Verification::Intact { .. } => None,
            Verification::Broken(row, how) => Some(format!("row {row} {how}")),
            Verification::NotAuthentic(why) => Some(why),
        })
    }

    /// The number of admins that can sign in and approve.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn count_approved_admins(&self) -> Result<i64, Error> {
        users::count_approved_admins(&self.db)
    }

    /// The clients of the last sign-ins.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn recent_clients(&self) -> Result<Vec<AuditClient>, Error> {
        match self.is_outdated()? {
            true => Ok(Vec::new()),
            false => audit::recent_clients(&self.db),
        }
    }

    /// Whether the tables of this version may be missing.
    fn is_outdated(&self) -> Result<bool, Error> {
        Ok(migrate::schema_version(&self.db)? != migrate::VERSION)
    }
}
