//! Small values that accounts and tasks share.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{Object, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error::Error;
use crate::shape::{self, Shape};

/// The id of a row: 1 and up, as SQLite numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "i64")]
pub struct Id(i64);

impl Id {
    /// The least.
    pub const FIRST: Id = Id(1);

    /// The number, for a statement.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl From<Id> for i64 {
    fn from(id: Id) -> i64 {
        id.0
    }
}

impl TryFrom<i64> for Id {
    type Error = String;

    fn try_from(number: i64) -> Result<Id, String> {
        if number >= 1 {
            Ok(Id(number))
        } else {
            Err("must be an id, a whole number from 1".to_owned())
        }
    }
}

/// Only the spelling that this program writes itself: `7`, but not `+7` or `007`, so that one
/// resource has one URL.
impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        let number = text.parse::<i64>().unwrap_or(0);
        let id = Id::try_from(number)?;
        if id.to_string() == text {
            Ok(id)
        } else {
            Id::try_from(0)
        }
    }
}

impl PartialSchema for Id {
    fn schema() -> Shape {
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

/// A value of a closed set as a row really holds it: the Flask app may have left any text, or NULL.
/// Such a row is served as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Stored<T> {
    /// A value of the set.
    Known(T),
    /// Something else.
    Other(Option<String>),
}

impl<T: FromStr> From<Option<&str>> for Stored<T> {
    fn from(text: Option<&str>) -> Stored<T> {
        match text.map(str::parse) {
            Some(Ok(known)) => Stored::Known(known),
            _ => Stored::Other(text.map(str::to_owned)),
        }
    }
}

/// For the command line; NULL is a dash.
impl<T: fmt::Display> fmt::Display for Stored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stored::Known(known) => known.fmt(f),
            Stored::Other(text) => f.write_str(text.as_deref().unwrap_or("-")),
        }
    }
}

/// How many rows a page of a list holds at most: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// The number of rows.
    pub fn get(self) -> usize {
        self.0
    }
}

impl Limit {
    const MAX: usize = 100;
}

impl Default for Limit {
    fn default() -> Limit {
        Limit(20)
    }
}

impl PartialSchema for Limit {
    fn schema() -> Shape {
        Object::builder()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(Self::MAX))
            .default(Some(Limit::default().get().into()))
            .into()
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(rows @ 1..=Self::MAX) if digits => Ok(Limit(rows)),
            _ => Err(format!("must be a whole number from 1 to {}", Self::MAX)),
        }
    }
}

/// What `?q=` looks for: a part of a text, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search(String);

impl Search {
    const MAX_CHARS: usize = 200;

    /// The text with its case folded away.
    pub fn folded(&self) -> String {
        fold_case(&self.0)
    }
}

impl FromStr for Search {
    type Err = String;

    fn from_str(text: &str) -> Result<Search, String> {
        if text.contains(is_control) {
            return Err("must not contain control characters".to_owned());
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(format!("must be at most {} characters", Self::MAX_CHARS));
        }
        Ok(Search(text.to_owned()))
    }
}

impl PartialSchema for Search {
    fn schema() -> Shape {
        shape::text(0, Self::MAX_CHARS)
            .pattern(Some(shape::NO_CONTROL))
            .into()
    }
}

/// Text with its case folded away, letter by letter, so that a part of a word folds as it does in the
/// word: `str::to_lowercase` makes another letter of a sigma at the end.
pub fn fold_case(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

/// Bytes that nobody can guess, from the operating system.
///
/// # Errors
/// [`Error::Internal`] where it has none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|why| Error::Internal(format!("randomness: {why}")))?;
    Ok(bytes)
}

/// Text without the white space around it, of `1..=max` characters, none of them in `forbidden`.
pub(super) fn checked_text(
    text: &str,
    max: usize,
    forbidden: fn(char) -> bool,
) -> Result<String, String> {
    let text = text.trim();
    if text.contains(forbidden) {
        return Err("must not contain control characters".to_owned());
    }
    match text.chars().count() {
        0 => Err("must not be empty".to_owned()),
        n if n > max => Err(format!("must be at most {max} characters")),
        _ => Ok(text.to_owned()),
    }
}

/// Why a word is none of a closed set.
pub(super) fn must_be_one_of<const N: usize>(words: [&str; N]) -> String {
    format!("must be one of {}", words.join(", "))
}

/// What does not belong in one line of text, since it could forge another: NUL, line breaks and the
/// like, Unicode's own separators of lines, and what is invisible or turns the direction of writing.
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
