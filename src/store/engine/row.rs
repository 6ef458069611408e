//! The rows of queries.
//!
//! SQLite has dynamic types, so a column may hold a value of another type than its declaration. The Flask app
//! may have stored such values; a list or a request must not fail because of one.

use rusqlite::types::ValueRef;

use super::DatabaseError;
use crate::error::Error;
use crate::model::{Id, Timestamp};

/// A row of a query.
pub enum Row<'a> {
    /// Of SQLite.
    Sqlite(&'a rusqlite::Row<'a>),
    /// Of PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(&'a crate::store::postgres::FoundRow),
}

/// The value of a column.
#[derive(Debug, Clone, Copy)]
pub enum Column<'a> {
    /// NULL.
    Null,
    /// An integer, or a boolean as 0 or 1.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text, which in SQLite may be invalid UTF-8.
    Text(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A moment of PostgreSQL; SQLite stores text.
    Timestamp(Timestamp),
    /// A value that this program cannot decode: of another type of PostgreSQL, such as an enum.
    Other,
    /// A moment of PostgreSQL that is no [`Timestamp`], such as `infinity`: its number of microseconds. It reads as NULL,
    /// and keeps its place in a sorted list.
    OtherMoment(i64),
}

/// What the stored text of [`Column::OtherMoment`] begins with.
pub const OTHER_MOMENT: char = '@';

/// A type that a column can be read as.
pub trait FromColumn<'a>: Sized {
    /// `None` if the column holds a value of another type.
    fn from_column(column: Column<'a>) -> Option<Self>;
}

impl Row<'_> {
    /// Reads a column.
    ///
    /// # Errors
    /// It does not hold a `T`.
    pub fn get<'row, T: FromColumn<'row>>(&'row self, column: usize) -> Result<T, DatabaseError> {
        self.or_null(column).ok_or_else(|| {
            let cause = format!("column {column} of a row has an unexpected type");
            DatabaseError::Other(Error::Internal(cause))
        })
    }

    /// Reads a column, and treats a value that is not a `T` as NULL.
    pub fn or_null<'row, T: FromColumn<'row>>(&'row self, column: usize) -> Option<T> {
        T::from_column(self.column(column))
    }

    /// Reads a primary key. Unlike the other columns it has to be valid.
    ///
    /// # Errors
    /// It is not a whole number from 1.
    pub fn id(&self, column: usize) -> Result<Id, DatabaseError> {
        let id = Id::try_from(self.get::<i64>(column)?);
        id.map_err(DatabaseError::invalid)
    }

    /// The value of a column as it is stored.
    pub fn column(&self, column: usize) -> Column<'_> {
        match self {
            Row::Sqlite(row) => match row.get_ref(column) {
                Ok(ValueRef::Integer(number)) => Column::Integer(number),
                Ok(ValueRef::Real(number)) => Column::Real(number),
                Ok(ValueRef::Text(text)) => Column::Text(text),
                Ok(ValueRef::Blob(bytes)) => Column::Bytes(bytes),
                Ok(ValueRef::Null) => Column::Null,
                Err(_) => Column::Other,
            },
            #[cfg(feature = "postgres")]
            Row::Postgres(row) => row.column(column),
        }
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        match self {
            Row::Sqlite(row) => row.as_ref().column_count(),
            #[cfg(feature = "postgres")]
            Row::Postgres(row) => row.columns(),
        }
    }
}

impl Column<'_> {
    /// The text of a value exactly as it is stored, for a comparison in SQL as
    /// [`Value::Stored`](super::Value::Stored). A number becomes text; when SQLite compares it with a column of type
    /// DATETIME (numeric affinity), it converts it back to a number.
    pub fn to_stored_text(self) -> Option<String> {
        match self {
            Column::Integer(number) => Some(number.to_string()),
            Column::Real(number) => Some(format!("{number:?}")),
            Column::OtherMoment(micros) => Some(format!("{OTHER_MOMENT}{micros}")),
            other => String::from_column(other),
        }
    }
}

impl FromColumn<'_> for i64 {
    fn from_column(column: Column) -> Option<i64> {
        match column {
            Column::Integer(number) => Some(number),
            _ => None,
        }
    }
}

impl FromColumn<'_> for bool {
    fn from_column(column: Column) -> Option<bool> {
        i64::from_column(column).map(|number| number != 0)
    }
}

impl<'a> FromColumn<'a> for &'a str {
    fn from_column(column: Column<'a>) -> Option<&'a str> {
        match column {
            Column::Text(text) => str::from_utf8(text).ok(),
            _ => None,
        }
    }
}

/// Also a moment, in its stored form.
impl FromColumn<'_> for String {
    fn from_column(column: Column) -> Option<String> {
        match column {
            Column::Timestamp(moment) => Some(moment.to_stored()),
            other => <&str>::from_column(other).map(str::to_owned),
        }
    }
}

/// Text that is not a timestamp counts as NULL.
impl FromColumn<'_> for Timestamp {
    fn from_column(column: Column) -> Option<Timestamp> {
        match column {
            Column::Timestamp(moment) => Some(moment),
            other => <&str>::from_column(other).and_then(Timestamp::from_stored),
        }
    }
}

impl FromColumn<'_> for [u8; 32] {
    fn from_column(column: Column) -> Option<[u8; 32]> {
        match column {
            Column::Bytes(bytes) => bytes.try_into().ok(),
            _ => None,
        }
    }
}

impl<'a, T: FromColumn<'a>> FromColumn<'a> for Option<T> {
    fn from_column(column: Column<'a>) -> Option<Option<T>> {
        match column {
            Column::Null => Some(None),
            other => T::from_column(other).map(Some),
        }
    }
}
