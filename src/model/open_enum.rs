//! Open enums: columns that should hold one of a few texts, such as `role` and `status`, but may hold any other.
//! Also the list of an enum's texts, for error messages and JSON Schemas.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use strum::VariantArray;

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

/// The texts of all variants, in the order of declaration.
pub fn texts<T: VariantArray + Copy + Into<&'static str>>() -> impl Iterator<Item = &'static str> {
    T::VARIANTS.iter().map(|variant| (*variant).into())
}

/// The error text for a text that is not one of the enum's.
pub fn must_be_one_of<T: VariantArray + Copy + Into<&'static str>>(_: &str) -> String {
    format!(
        "must be one of {}",
        texts::<T>().collect::<Vec<_>>().join(", ")
    )
}
