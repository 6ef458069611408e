//! Pages of a list (keyset paging: a page begins behind a row, not at a number).

use super::Id;

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
