//! Maps SQLite's error codes to this program's errors.
//!
//! An error without an entry here is a 500. A violated constraint becomes a client error in the function that
//! runs the statement, because only that function knows which field is meant.

use rusqlite::ErrorCode;

use crate::error::{Error, StorageError, StorageFault};
use crate::store::storage_state::database_locked;

/// Whether another connection holds a lock that the statement needs.
pub fn is_busy(why: &rusqlite::Error) -> bool {
    matches!(
        why.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Whether the statement violates exactly this kind of constraint, such as `UNIQUE` or `FOREIGN KEY`.
/// `constraint` is one of SQLite's extended result codes.
pub fn violates(why: &rusqlite::Error, constraint: i32) -> bool {
    why.sqlite_extended_error_code() == Some(constraint)
}

/// The fault of the file or its disk that causes an error, if one does.
fn storage_fault(why: &rusqlite::Error) -> Option<StorageFault> {
    match why.sqlite_error_code()? {
        ErrorCode::DiskFull => Some(StorageFault::Full),
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Some(StorageFault::Failing),
        ErrorCode::ReadOnly => Some(StorageFault::ReadOnly),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some(StorageFault::Damaged),
        _ => None,
    }
}

impl From<rusqlite::Error> for Error {
    fn from(why: rusqlite::Error) -> Error {
        // The text of some errors contains the statement, which may be long.
        let cause = || match &why {
            rusqlite::Error::SqlInputError { msg, .. } => format!("SQLite: {msg}"),
            other => format!("SQLite: {other}"),
        };
        match storage_fault(&why) {
            _ if is_busy(&why) => database_locked(),
            Some(fault) => Error::StorageUnavailable(StorageError::new(fault, cause())),
            None => Error::Internal(cause()),
        }
    }
}
