//! Keyset pagination: a page starts after the last row of the page before, not at a row number. So a page
//! costs the same anywhere in the list, and when a row is inserted or deleted between two requests, no other
//! row appears twice or is skipped. The statements are in `store/tasks.rs`.

use std::str::FromStr;

use utoipa::PartialSchema;
use utoipa::openapi::{Object, Type};

use super::id::Id;
use super::json_schema::Schema;

/// The position of a row in a list: its sort key and its id. The client receives it as a cursor, authenticated
/// with an HMAC (see `http/cursor.rs`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The row's sort key as it is stored. `None` if it is NULL, or if the list is ordered by id only.
    pub key: Option<String>,
    /// The row's id, which orders rows with equal keys.
    pub id: Id,
}

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows, in the order of the list.
    pub items: Vec<T>,
    /// The position after which the next page begins: of the last item, or of a later row if the page has looked
    /// at more rows. `None` on the last page.
    pub next: Option<Position>,
}

/// The maximum number of rows in a page, from 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(usize);

impl PageSize {
    const MAX: usize = 100;

    /// The number of rows.
    pub fn get(self) -> usize {
        self.0
    }
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
