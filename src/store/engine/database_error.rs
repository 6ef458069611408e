//! The errors of statements.

use rusqlite::ffi::{SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_UNIQUE};

use crate::error::Error;

/// Why a statement fails. A violated constraint becomes a client error in the function that runs the statement, because
/// only that function knows which field is meant.
#[derive(Debug)]
pub enum DatabaseError {
    /// Another row has the same value in a UNIQUE column.
    NotUnique(String),
    /// The row that a foreign key names does not exist.
    NoSuchReference(String),
    /// A query that always has a row returned none.
    NoRow,
    /// Every other error.
    Other(Error),
}

impl DatabaseError {
    /// A value in the database that only this program writes is invalid.
    pub fn invalid(why: impl std::fmt::Display) -> DatabaseError {
        DatabaseError::Other(Error::Internal(format!(
            "an invalid value in the database: {why}"
        )))
    }
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(why: rusqlite::Error) -> DatabaseError {
        match why.sqlite_extended_error_code() {
            Some(SQLITE_CONSTRAINT_UNIQUE) => DatabaseError::NotUnique(why.to_string()),
            Some(SQLITE_CONSTRAINT_FOREIGNKEY) => DatabaseError::NoSuchReference(why.to_string()),
            _ => DatabaseError::Other(why.into()),
        }
    }
}

impl From<DatabaseError> for Error {
    fn from(why: DatabaseError) -> Error {
        match why {
            DatabaseError::NotUnique(cause) | DatabaseError::NoSuchReference(cause) => {
                Error::Internal(format!("the database: {cause}"))
            }
            DatabaseError::NoRow => Error::Internal("the database returned no row".to_owned()),
            DatabaseError::Other(why) => why,
        }
    }
}
