//! Ids of accounts, tasks and audit log entries.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{Object, Type};
use utoipa::{PartialSchema, ToSchema};

use super::json_schema::Schema;

/// The primary key of a row: a 64-bit integer from 1, as SQLite assigns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "i64")]
pub struct Id(i64);

impl Id {
    /// The lowest id.
    pub const FIRST: Id = Id(1);

    /// The number, to bind to an SQL statement.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl From<Id> for i64 {
    fn from(id: Id) -> i64 {
        id.0
    }
}

const NOT_AN_ID: &str = "must be an id, a whole number from 1";

impl TryFrom<i64> for Id {
    type Error = String;

    fn try_from(number: i64) -> Result<Id, String> {
        if number >= 1 {
            Ok(Id(number))
        } else {
            Err(NOT_AN_ID.to_owned())
        }
    }
}

/// Accepts only the canonical spelling: `7`, but not `+7` or `007`, so that each resource has one URL.
impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        match text.parse::<i64>().map(Id::try_from) {
            Ok(Ok(id)) if id.to_string() == text => Ok(id),
            _ => Err(NOT_AN_ID.to_owned()),
        }
    }
}

impl PartialSchema for Id {
    fn schema() -> Schema {
        Object::builder()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(1))
            .maximum(Some(i64::MAX as usize))
            .into()
    }
}

impl ToSchema for Id {}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
