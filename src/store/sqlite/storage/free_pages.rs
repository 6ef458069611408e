//! Returns free pages to the system. Without it the database file keeps its largest size, since SQLite only reuses
//! the pages of deleted rows.

use rusqlite::Connection;

use crate::error::Error;

/// Fewer free pages (4 MiB) stay in the file, for new rows.
const MANY: i64 = 1000;

/// Whether so many pages are free that returning them is worth the work: more than an eighth of the file.
pub fn has_many(db: &Connection) -> Result<bool, Error> {
    let count = |sql| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    let free = count("PRAGMA freelist_count")?;
    Ok(free > MANY && free > count("PRAGMA page_count")? / 8)
}

/// Returns up to `pages` free pages: moves pages from the end of the file into their place. The file shrinks at the
/// next checkpoint. Does nothing in a file without incremental vacuum. Returns the number of pages.
pub fn release(db: &Connection, pages: u32) -> Result<usize, Error> {
    // Each row of the result stands for a page.
    let mut statement = db.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    let mut released = 0;
    while rows.next()?.is_some() {
        released += 1;
    }
    Ok(released)
}
