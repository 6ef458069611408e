//! The statements for the table `storage_mark`: a generation number that tells an older copy of the database file from
//! the file to which the write-ahead log belongs.
//!
//! SQLite does not notice when a copy of the database is put beside a newer log: it applies the log to the wrong
//! pages. So the first write after each checkpoint counts the number up and notes the number that the file alone
//! has at that time. From then on the file's own number is never lower.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::file_alone::open_alone;

/// The row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageMark {
    /// Counted up at the first write after each checkpoint.
    pub number: i64,
    /// The number in the file alone at that time.
    pub in_file: i64,
}

impl StorageMark {
    /// The mark of a database without the table: of an earlier version, or no database of this program.
    const NO_TABLE: StorageMark = StorageMark {
        number: -1,
        in_file: -1,
    };

    /// The mark before the first write.
    const NO_ROW: StorageMark = StorageMark {
        number: 0,
        in_file: -1,
    };
}

/// Counts the number up. `in_file` is the number that the file alone has, see [`number_in_file`].
pub fn advance(db: &Connection, in_file: i64) -> rusqlite::Result<()> {
    let sql = "INSERT INTO storage_mark (id, number, in_file) VALUES (1, 1, ?1)
        ON CONFLICT (id) DO UPDATE SET number = storage_mark.number + 1, in_file = excluded.in_file";
    db.prepare_cached(sql)?.execute(params![in_file]).map(drop)
}

/// Reads the row.
pub fn read(db: &Connection) -> rusqlite::Result<StorageMark> {
    let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'storage_mark')";
    if !db.query_row(exists, [], |row| row.get::<_, bool>(0))? {
        return Ok(StorageMark::NO_TABLE);
    }
    let sql = "SELECT number, in_file FROM storage_mark WHERE id = 1";
    let row = db.query_row(sql, [], |row| {
        Ok(StorageMark {
            number: row.get(0)?,
            in_file: row.get(1)?,
        })
    });
    Ok(row.optional()?.unwrap_or(StorageMark::NO_ROW))
}

/// Reads the number from the database file alone, without the write-ahead log. `None` if the file alone is not
/// consistent: after a checkpoint that was interrupted it has some pages of the log, and not others.
pub fn number_in_file(path: &Path) -> rusqlite::Result<Option<i64>> {
    match read(&open_alone(path)?) {
        Err(why) if why.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => Ok(None),
        result => Ok(Some(result?.number)),
    }
}
