//! Values of PostgreSQL in its binary format (chapter "Data Types" of its documentation, and the functions `*_send` and
//! `*_recv` of its source).

use std::error::Error as StdError;

use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::model::Timestamp;
use crate::store::engine::{Column, OTHER_MOMENT, Value};

/// 2000-01-01T00:00:00Z, from which PostgreSQL counts, in microseconds since 1970.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

type BoxedError = Box<dyn StdError + Sync + Send>;

impl Value<'_> {
    /// Whether it is text that PostgreSQL cannot store.
    pub fn has_null_character(&self) -> bool {
        matches!(self, Value::Text(Some(text)) | Value::Stored(Some(text)) if text.contains('\0'))
    }

    /// The type that a statement is prepared for. For a stored value it is that of its context.
    pub fn postgres_type(&self) -> Type {
        match self {
            Value::Integer(_) => Type::INT8,
            Value::Boolean(_) => Type::BOOL,
            Value::Real(_) => Type::FLOAT8,
            Value::Text(_) => Type::TEXT,
            Value::Bytes(_) => Type::BYTEA,
            Value::Timestamp(_) => Type::TIMESTAMP,
            Value::Stored(_) => Type::UNKNOWN,
        }
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, BoxedError> {
        match self {
            Value::Integer(value) => value.to_sql(ty, out),
            Value::Boolean(value) => value.to_sql(ty, out),
            Value::Real(value) => value.to_sql(ty, out),
            Value::Bytes(value) => value.to_sql(ty, out),
            Value::Timestamp(moment) => micros(*moment).to_sql(&Type::INT8, out),
            Value::Stored(text) if *ty == Type::TIMESTAMP => {
                let micros = text.as_deref().map(stored_micros);
                match micros {
                    Some(None) => Err("a sort key is no timestamp".into()),
                    micros => micros.flatten().to_sql(&Type::INT8, out),
                }
            }
            Value::Text(text) | Value::Stored(text) => text.as_deref().to_sql(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn micros(moment: Option<Timestamp>) -> Option<i64> {
    moment.map(|moment| moment.unix_micros() - EPOCH_MICROS)
}

/// A column with its type. PostgreSQL has more types than this program.
struct Typed<'a>(Column<'a>);

impl<'a> FromSql<'a> for Typed<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Typed<'a>, BoxedError> {
        Ok(Typed(match *ty {
            Type::BOOL => Column::Integer(bool::from_sql(ty, raw)?.into()),
            Type::INT2 => Column::Integer(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => Column::Integer(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => Column::Integer(i64::from_sql(ty, raw)?),
            Type::FLOAT8 => Column::Real(f64::from_sql(ty, raw)?),
            Type::BYTEA => Column::Bytes(raw),
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME => Column::Text(raw),
            Type::TIMESTAMP => moment(i64::from_sql(&Type::INT8, raw)?),
            _ => Column::Other,
        }))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn moment<'a>(micros: i64) -> Column<'a> {
    let unix = micros.checked_add(EPOCH_MICROS);
    let moment = unix.and_then(Timestamp::from_unix_micros);
    moment.map_or(Column::OtherMoment(micros), Column::Timestamp)
}

/// The number of microseconds of a moment in its stored form.
fn stored_micros(text: &str) -> Option<i64> {
    match text.strip_prefix(OTHER_MOMENT) {
        Some(number) => number.parse().ok(),
        None => micros(Timestamp::from_stored(text)),
    }
}

/// Reads a column of a row.
pub fn column(row: &postgres::Row, column: usize) -> Column<'_> {
    match row.try_get::<_, Option<Typed>>(column) {
        Ok(Some(Typed(value))) => value,
        Ok(None) => Column::Null,
        Err(_) => Column::Other,
    }
}
