//! Decodes single columns of a row.
//!
//! SQLite has dynamic types, so a column may hold a value of another type than its declaration. The Flask app
//! may have stored such values; a list or a request must not fail because of one.

use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};

use crate::model::{Id, Timestamp};

/// Reads a column, and treats a value that is not a `T` as NULL.
pub fn read_or_null<T: FromSql>(row: &Row, column: usize) -> rusqlite::Result<Option<T>> {
    Ok(T::column_result(row.get_ref(column)?).ok())
}

/// Reads text without copying it, and treats every other type as NULL.
pub fn text<'a>(row: &'a Row, column: usize) -> rusqlite::Result<Option<&'a str>> {
    Ok(row.get_ref(column)?.as_str().ok())
}

/// Reads a sort key exactly as it is stored, without parsing it, so that a cursor continues at the right row
/// even if the text is not a valid date. A number is returned as text; when SQLite compares it with a column
/// of type DATETIME (numeric affinity), it converts it back to a number.
pub fn sort_key(row: &Row, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(format!("{number:?}")),
        _ => read_or_null(row, column)?,
    })
}

/// Reads a column of type DATETIME, and treats text that is not a timestamp as NULL.
pub fn timestamp(row: &Row, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(text(row, column)?.and_then(Timestamp::from_stored))
}

/// Reads a primary key. Unlike the other columns it has to be valid.
pub fn id(row: &Row, column: usize) -> rusqlite::Result<Id> {
    let number = row.get(column)?;
    Id::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
