//! Open enums: columns that should hold one of a few texts, such as `role` and `status`, but may hold any other.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::AnyOf;
use utoipa::openapi::{Object, Type};

use super::json_schema::{self, Schema};

/// An open enum: a stored value that should be a variant of `T` but may be any text or NULL, since the
/// Flask app shares the database and checks nothing. Responses show such a value unchanged, so reading a
/// row never fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OpenEnum<T> {
    /// A variant of the enum.
    Known(T),
    /// Another text, or `None` for NULL.
    Other(Option<String>),
}

impl<T: FromStr> From<Option<&str>> for OpenEnum<T> {
    fn from(text: Option<&str>) -> OpenEnum<T> {
        match text.map(str::parse) {
            Some(Ok(known)) => OpenEnum::Known(known),
            _ => OpenEnum::Other(text.map(str::to_owned)),
        }
    }
}

/// The form on the command line, in which NULL is a dash.
impl<T: fmt::Display> fmt::Display for OpenEnum<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenEnum::Known(known) => known.fmt(f),
            OpenEnum::Other(text) => f.write_str(text.as_deref().unwrap_or("-")),
        }
    }
}

/// The schema of an [`OpenEnum`]: the known values, or any string or `null` that
/// another program has written.
pub fn schema<T: ToSchema>(description: &str) -> Schema {
    AnyOf::builder()
        .description(Some(description))
        .item(T::schema())
        .item(json_schema::nullable(
            Object::builder().schema_type(Type::String).into(),
        ))
        .into()
}
