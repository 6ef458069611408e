//! Checks of the files beside the database before it is opened. SQLite would destroy a log that belongs to a missing
//! database, and would apply a log to an older copy of its database.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::mark;
use crate::config::database::DatabaseFiles;
use crate::error::Error;

/// Checks that no file of an earlier database lies beside a missing or empty one: what it holds would be destroyed.
///
/// # Errors
/// One line for the operator, which names the file.
pub fn check_files_beside(files: &DatabaseFiles) -> Result<(), Error> {
    let Some(left_over) = find_left_over(files) else {
        return Ok(());
    };
    // Another process may have created the database in the meantime; the file is its own then.
    match find_left_over(files) {
        None => Ok(()),
        Some(_) => Err(Error::Internal(format!(
            "it is missing or empty, but {} belongs to an earlier database; put that database back or restore a \
             backup, or move the file away to begin with an empty database",
            left_over.display()
        ))),
    }
}

/// Finds a file that belongs to an earlier database, if the database is missing or empty.
fn find_left_over(files: &DatabaseFiles) -> Option<PathBuf> {
    if has_content(files.database()) {
        return None;
    }
    let mut beside = vec![
        files.write_ahead_log(),
        files.signing_key(),
        files.audit_key(),
    ];
    // The first start has a journal while it fills an empty database.
    if !files.database().exists() {
        beside.push(files.rollback_journal());
    }
    beside.into_iter().find(|path| has_content(path))
}

/// Checks that the database file is not an older copy than the write-ahead log beside it; see [`mark`].
///
/// # Errors
/// One line for the operator.
pub fn check_log_belongs(files: &DatabaseFiles) -> Result<(), Error> {
    if !has_content(&files.write_ahead_log()) {
        return Ok(());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    // Read before the file alone: other processes may run checkpoints, which only raise the number in the file.
    let with_log = mark::read(&Connection::open_with_flags(files.database(), flags)?)?;
    // A copy is consistent.
    let Some(alone) = mark::number_in_file(files.database())? else {
        return Ok(());
    };
    let log = files.write_ahead_log();
    if alone < with_log.in_file {
        return Err(Error::Internal(format!(
            "it is an older copy, to which the newer write-ahead log {} does not belong; put the right database file \
             back, or move the log away to use the copy",
            log.display()
        )));
    }
    if alone > with_log.number {
        return Err(Error::Internal(format!(
            "the write-ahead log {} is older than the database and would undo newer changes; move the log away",
            log.display()
        )));
    }
    Ok(())
}

fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}
