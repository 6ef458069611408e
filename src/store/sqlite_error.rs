//! SQLite's error codes, and what they mean for a request.

use rusqlite::ErrorCode;

use crate::error::Error;

pub fn is_busy(why: &rusqlite::Error) -> bool {
    matches!(
        why.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

pub fn locked() -> Error {
    Error::Busy("another process is using the database".to_owned())
}

/// Whether exactly this constraint was broken: `UNIQUE` or `FOREIGN KEY`, by SQLite's extended code.
pub fn breaks(why: &rusqlite::Error, constraint: i32) -> bool {
    why.sqlite_extended_error_code() == Some(constraint)
}

impl From<rusqlite::Error> for Error {
    fn from(why: rusqlite::Error) -> Error {
        match why.sqlite_error_code() {
            _ if is_busy(&why) => locked(),
            // Nothing but the gate breaks a statement off.
            Some(ErrorCode::OperationInterrupted) => {
                Error::Busy("too many long searches are waiting".to_owned())
            }
            _ => Error::Internal(format!("SQLite: {why}")),
        }
    }
}
