//! Looks for damaged pages.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::Error;

/// The steps of SQLite's machine between two looks at `is_stopping`.
const STEPS: i32 = 10_000;

/// Reads every page of the database and returns the first damage, if there is one. It ends early, without a result,
/// when `is_stopping` is set. It has a connection of its own, since it takes long; writers do not wait for it.
///
/// # Errors
/// The database cannot be opened or read.
pub fn quick_check(path: &Path, is_stopping: &Arc<AtomicBool>) -> Result<Option<String>, Error> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let is_stopping = Arc::clone(is_stopping);
    db.progress_handler(STEPS, Some(move || is_stopping.load(Ordering::Relaxed)))?;
    find_damage(&db, path)
}

/// Reads every page of an open database and returns the first damage, if there is one.
///
/// # Errors
/// The database cannot be read.
pub fn find_damage(db: &Connection, path: &Path) -> Result<Option<String>, Error> {
    let result = db.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    let describe = |what: String| {
        format!(
            "{}: {what}; stop the server and restore a backup",
            path.display()
        )
    };
    match result {
        Ok(text) if text == "ok" => Ok(None),
        Ok(damage) => Ok(Some(describe(damage))),
        Err(why) => match why.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Ok(None),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Ok(Some(describe(why.to_string())))
            }
            _ => Err(why.into()),
        },
    }
}
