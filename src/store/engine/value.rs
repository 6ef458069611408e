//! The parameters of statements.

use std::borrow::Cow;
use std::fmt;

use rusqlite::types::{ToSql, ToSqlOutput, Value as Owned, ValueRef};

use crate::model::{Id, SessionId, Timestamp};

/// A parameter of a statement. `None` is NULL; its type is known all the same, since PostgreSQL prepares a statement
/// for the types of its parameters.
#[derive(Clone, PartialEq)]
pub enum Value<'a> {
    /// An integer of 64 bits.
    Integer(Option<i64>),
    /// A boolean; 0 or 1 in SQLite.
    Boolean(Option<bool>),
    /// A floating-point number.
    Real(f64),
    /// Text.
    Text(Option<Cow<'a, str>>),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A moment; text in SQLAlchemy's form in SQLite.
    Timestamp(Option<Timestamp>),
    /// A value as [`Row::get`](super::Row::get) has returned it as text, of the type of the column that it is compared
    /// with or stored in: a sort key, which may be text or a moment.
    Stored(Option<Cow<'a, str>>),
}

impl<'a> Value<'a> {
    /// Text that [`Row::get`](super::Row::get) has returned, of the type of its column.
    pub fn stored(text: Option<&'a str>) -> Value<'a> {
        Value::Stored(text.map(Cow::Borrowed))
    }
}

/// The values themselves may be secrets, and the client of PostgreSQL logs parameters at the level DEBUG.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Value::Integer(_) => "integer",
            Value::Boolean(_) => "boolean",
            Value::Real(_) => "real",
            Value::Text(_) | Value::Stored(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::Timestamp(_) => "timestamp",
        })
    }
}

/// The parameters of a statement: `values![id, now]` is an array of [`Value`].
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::engine::Value::from($value)),*] };
}
pub(crate) use values;

macro_rules! from {
    ($($type:ty => $value:ident => $made:expr),* $(,)?) => {
        $(impl<'a> From<$type> for Value<'a> {
            fn from($value: $type) -> Value<'a> {
                $made
            }
        })*
    };
}

from! {
    i64 => value => Value::Integer(Some(value)),
    u32 => value => Value::Integer(Some(value.into())),
    Option<i64> => value => Value::Integer(value),
    Id => id => Value::Integer(Some(id.get())),
    Option<Id> => id => Value::Integer(id.map(Id::get)),
    SessionId => id => Value::Integer(Some(id.get())),
    Option<SessionId> => id => Value::Integer(id.map(SessionId::get)),
    bool => value => Value::Boolean(Some(value)),
    f64 => value => Value::Real(value),
    &'a str => text => Value::Text(Some(text.into())),
    &'a String => text => Value::Text(Some(text.as_str().into())),
    String => text => Value::Text(Some(text.into())),
    Option<&'a str> => text => Value::Text(text.map(Cow::Borrowed)),
    &'a Option<String> => text => Value::Text(text.as_deref().map(Cow::Borrowed)),
    &'a [u8; 32] => bytes => Value::Bytes(bytes),
    Timestamp => moment => Value::Timestamp(Some(moment)),
    Option<Timestamp> => moment => Value::Timestamp(moment),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Integer(Some(number)) => ToSqlOutput::Owned(Owned::Integer(*number)),
            Value::Boolean(Some(value)) => ToSqlOutput::Owned(Owned::Integer((*value).into())),
            Value::Real(number) => ToSqlOutput::Owned(Owned::Real(*number)),
            Value::Text(Some(text)) | Value::Stored(Some(text)) => {
                ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
            }
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Value::Timestamp(Some(moment)) => ToSqlOutput::Owned(Owned::Text(moment.to_stored())),
            _ => ToSqlOutput::Owned(Owned::Null),
        })
    }
}
