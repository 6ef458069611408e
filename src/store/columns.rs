//! Reading columns, in which the Flask app may have left anything that SQLite's dynamic types permit.

use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};

use crate::model::{Id, Timestamp};

/// A column that the Flask app may have filled with anything: what is not a `T` is as good as NULL.
pub fn read_or_null<T: FromSql>(row: &Row, column: usize) -> rusqlite::Result<Option<T>> {
    Ok(T::column_result(row.get_ref(column)?).ok())
}

/// The same for text, which is not copied.
pub fn text<'a>(row: &'a Row, column: usize) -> rusqlite::Result<Option<&'a str>> {
    Ok(row.get_ref(column)?.as_str().ok())
}

/// A sort key as it is stored, and not as it is understood: any text keeps its place, and a number in
/// a column of type DATETIME becomes one again when SQLite compares it.
pub fn sort_key(row: &Row, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(format!("{number:?}")),
        _ => read_or_null(row, column)?,
    })
}

/// A column of type DATETIME.
pub fn timestamp(row: &Row, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(text(row, column)?.and_then(Timestamp::from_stored))
}

/// The primary key.
pub fn id(row: &Row, column: usize) -> rusqlite::Result<Id> {
    let number = row.get(column)?;
    Id::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
