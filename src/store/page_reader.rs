//! Reads a page of a list and looks at a bounded number of rows.
//!
//! The conditions of a list are of two kinds. Those that an index searches are in WHERE, so SQLite steps from one
//! row with these properties to the next. All others are tested row by row: conditions in SQL are a column of the
//! result (see [`SelectBuilder::test_some`](super::query_builder::SelectBuilder::test_some)), and the search text
//! is compared here. With them in WHERE, SQLite would pass over the rows that do not match inside one step, and a
//! search without a match would read the whole table.
//!
//! So each row that is looked at is counted. A page ends when it is full, or when it has used up its bounds; then
//! the next page continues after the last row that was looked at. The bounds are rows and bytes, not time: the
//! same list has the same pages on every machine.

use rusqlite::{Connection, Row, params_from_iter};

use super::decode;
use super::query_builder::Query;
use crate::error::Error;
use crate::model::{Page, PageSize, Position, SearchText};

/// The rows that a page looks at. Each costs about 2.5 µs, most of it for the step from the index to the table, so
/// 5,000 rows cost 12 ms (docs/benchmarks.md).
const MAX_ROWS: usize = 5_000;

/// The bytes of text in the rows that a page looks at. A search in 1 MiB costs under 3 ms for ASCII and 17 ms for
/// Cyrillic. The bound is checked after each row, so a single row of the Flask app may have more.
const MAX_BYTES: usize = 1 << 20;

/// How a list's rows become a page.
pub struct PageReader<'a, T> {
    /// The maximum number of items.
    pub size: PageSize,
    /// Decodes the table's columns.
    pub decode: fn(&Row) -> rusqlite::Result<T>,
    /// The search text, if there is one.
    pub q: Option<&'a SearchText>,
    /// The columns that the search text is compared with.
    pub searched: &'static [usize],
}

impl<T> PageReader<'_, T> {
    /// Reads the queries' rows, one query after another, until the page has ended. All of them see one snapshot
    /// ([`super::Store::read`]), so a row that moves from one to another is not read twice. The row after the last item
    /// that matches too is the proof that another page follows.
    pub fn read(
        &self,
        db: &Connection,
        queries: impl IntoIterator<Item = Query>,
    ) -> Result<Page<T>, Error> {
        let (mut items, mut end) = (Vec::new(), None);
        let mut bounds = Bounds::default();
        for query in queries {
            let mut statement = db.prepare_cached(&query.sql)?;
            let mut rows = statement.query(params_from_iter(query.values))?;
            while let Some(row) = rows.next()? {
                if self.matches(row)? {
                    if items.len() == self.size.get() {
                        return Ok(Page { items, next: end });
                    }
                    items.push((self.decode)(row)?);
                    end = Some(position(row)?);
                }
                if bounds.are_used_up_by(row, self.searched)? {
                    let next = Some(position(row)?);
                    return Ok(Page { items, next });
                }
            }
        }
        Ok(Page { items, next: None })
    }

    fn matches(&self, row: &Row) -> rusqlite::Result<bool> {
        let passes_tests = decode::or_null::<bool>(row, last_column(row))?.unwrap_or_default();
        let Some(q) = self.q.filter(|_| passes_tests) else {
            return Ok(passes_tests);
        };
        for &column in self.searched {
            if decode::text(row, column)?.is_some_and(|text| q.is_in(text)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a page has looked at.
#[derive(Default)]
struct Bounds {
    rows: usize,
    bytes: usize,
}

impl Bounds {
    /// Counts a row, and the bytes of its long columns: those that can be searched. Returns whether it is the
    /// last row that the page may look at.
    fn are_used_up_by(&mut self, row: &Row, long: &[usize]) -> rusqlite::Result<bool> {
        self.rows += 1;
        for &column in long {
            self.bytes += row.get_ref(column)?.as_bytes().map_or(0, <[u8]>::len);
        }
        Ok(self.rows >= MAX_ROWS || self.bytes >= MAX_BYTES)
    }
}

/// The keyset of a row: [`SelectBuilder`](super::query_builder::SelectBuilder) selects the sort key before the
/// tests.
fn position(row: &Row) -> rusqlite::Result<Position> {
    Ok(Position {
        key: decode::sort_key(row, last_column(row) - 1)?,
        id: decode::id(row, 0)?,
    })
}

/// The column of the tests.
fn last_column(row: &Row) -> usize {
    row.as_ref().column_count() - 1
}
