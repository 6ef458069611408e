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

use std::ops::ControlFlow;

use super::engine::{Column, Connection, DatabaseError, Row, Rows};
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
    pub decode: fn(&Row) -> Result<T, DatabaseError>,
    /// The search text, if there is one.
    pub q: Option<&'a SearchText>,
    /// The columns that the search text is compared with.
    pub searched: &'static [usize],
    /// The order of the list.
    pub order: &'a str,
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
        let mut page = UnfinishedPage::default();
        for query in self.statements(db, queries.into_iter().collect()) {
            let rows = match query.has_tests || self.q.is_some() {
                true => Rows::Many,
                false => Rows::Few,
            };
            db.query_each(rows, &query.sql, &query.values, |row| {
                self.look_at(row, &mut page)
            })?;
            if page.is_finished {
                return Ok(Page {
                    items: page.items,
                    next: page.end,
                });
            }
        }
        Ok(Page {
            items: page.items,
            next: None,
        })
    }

    /// The statements to run. In PostgreSQL the queries are one statement, if each row that they find is on the page: one
    /// more row than the page has shows that another page follows.
    fn statements(&self, db: &Connection, queries: Vec<Query>) -> Vec<Query> {
        let all_match = self.q.is_none() && !queries.iter().any(|query| query.has_tests);
        match db.is_remote() && all_match && !queries.is_empty() {
            true => vec![Query::union(&queries, self.order, self.size.get() + 1)],
            false => queries,
        }
    }

    /// Adds a row to the page if it matches. Breaks when the page has ended.
    fn look_at(
        &self,
        row: &Row,
        page: &mut UnfinishedPage<T>,
    ) -> Result<ControlFlow<()>, DatabaseError> {
        if self.matches(row) {
            if page.items.len() == self.size.get() {
                return Ok(page.finish());
            }
            page.items.push((self.decode)(row)?);
            page.end = Some(position(row)?);
        }
        if page.bounds.are_used_up_by(row, self.searched) {
            page.end = Some(position(row)?);
            return Ok(page.finish());
        }
        Ok(ControlFlow::Continue(()))
    }

    fn matches(&self, row: &Row) -> bool {
        let passes_tests = row.or_null(last_column(row)).unwrap_or_default();
        let Some(q) = self.q.filter(|_| passes_tests) else {
            return passes_tests;
        };
        let text = |column: &usize| row.or_null::<&str>(*column);
        self.searched
            .iter()
            .filter_map(text)
            .any(|text| q.is_in(text))
    }
}

/// A page while it is read.
struct UnfinishedPage<T> {
    items: Vec<T>,
    /// The last row of the page; the next one begins after it.
    end: Option<Position>,
    is_finished: bool,
    bounds: Bounds,
}

impl<T> Default for UnfinishedPage<T> {
    fn default() -> UnfinishedPage<T> {
        UnfinishedPage {
            items: Vec::new(),
            end: None,
            is_finished: false,
            bounds: Bounds::default(),
        }
    }
}

impl<T> UnfinishedPage<T> {
    fn finish(&mut self) -> ControlFlow<()> {
        self.is_finished = true;
        ControlFlow::Break(())
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
    fn are_used_up_by(&mut self, row: &Row, long: &[usize]) -> bool {
        self.rows += 1;
        for &column in long {
            if let Column::Text(bytes) | Column::Bytes(bytes) = row.column(column) {
                self.bytes += bytes.len();
            }
        }
        self.rows >= MAX_ROWS || self.bytes >= MAX_BYTES
    }
}

/// The keyset of a row: [`SelectBuilder`](super::query_builder::SelectBuilder) selects the sort key before the
/// tests.
fn position(row: &Row) -> Result<Position, DatabaseError> {
    Ok(Position {
        key: row.column(last_column(row) - 1).to_stored_text(),
        id: row.id(0)?,
    })
}

/// The column of the tests.
fn last_column(row: &Row) -> usize {
    row.columns() - 1
}
