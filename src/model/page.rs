//! Pages of a list (keyset paging: a page begins behind a row, not at a number).

use std::str::FromStr;

use utoipa::PartialSchema;
use utoipa::openapi::{Object, Type};

use super::id::Id;
use super::schema::Schema;

/// The place of a row in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The row's sort key as it is stored; `None` where the row has none, or the list goes by id.
    pub key: Option<String>,
    /// The row's id, which decides between equal keys.
    pub id: Id,
}

/// Some rows of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows, in order.
    pub items: Vec<T>,
    /// The place of the last one, if more rows follow.
    pub next: Option<Position>,
}

impl<T> Page<T> {
    /// A page of at most `limit` rows, from up to `limit + 1` that were found: the one too many
    /// tells that there is a next page. `end` is the place of the last one that fits.
    pub fn of(mut found: Vec<T>, limit: usize, end: Option<Position>) -> Page<T> {
        let next = end.filter(|_| found.len() > limit);
        found.truncate(limit);
        Page { items: found, next }
    }
}

/// How many rows a page of a list holds at most: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(usize);

impl PageSize {
    /// The number of rows.
    pub fn get(self) -> usize {
        self.0
    }
}

impl PageSize {
    const MAX: usize = 100;
}

impl Default for PageSize {
    fn default() -> PageSize {
        PageSize(20)
    }
}

impl PartialSchema for PageSize {
    fn schema() -> Schema {
        Object::builder()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(Self::MAX))
            .default(Some(PageSize::default().get().into()))
            .into()
    }
}

impl FromStr for PageSize {
    type Err = String;

    fn from_str(text: &str) -> Result<PageSize, String> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(rows @ 1..=Self::MAX) if digits => Ok(PageSize(rows)),
            _ => Err(format!("must be a whole number from 1 to {}", Self::MAX)),
        }
    }
}
