//! Closed sets of values, and rows that hold something else.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use strum::VariantArray;

/// A value of a closed set as a row holds it: the Flask app may have written any text, or NULL. Such a row is
/// served as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OpenEnum<T> {
    /// A value of the set.
    Known(T),
    /// Anything else.
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

/// For the command line; NULL is a dash.
impl<T: fmt::Display> fmt::Display for OpenEnum<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenEnum::Known(known) => known.fmt(f),
            OpenEnum::Other(text) => f.write_str(text.as_deref().unwrap_or("-")),
        }
    }
}

/// Every text of a closed set, in the order of the declaration.
pub fn texts<T: VariantArray + Copy + Into<&'static str>>() -> impl Iterator<Item = &'static str> {
    T::VARIANTS.iter().map(|variant| (*variant).into())
}

/// The reason for refusing a text that is not in a closed set.
pub fn must_be_one_of<T: VariantArray + Copy + Into<&'static str>>(_: &str) -> String {
    format!(
        "must be one of {}",
        texts::<T>().collect::<Vec<_>>().join(", ")
    )
}
