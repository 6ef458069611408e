//! The statements for the table `flask_takeover`: whether the Flask app has created the database, and since when it is
//! this program's.

use rusqlite::{Connection, OptionalExtension};

use super::decode;
use crate::error::Error;
use crate::model::Timestamp;

/// How `schema.sql` creates the table of accounts. The Flask app leaves the name unquoted, and SQLite keeps the text.
const OWN_TABLE: &str = r#"CREATE TABLE "user""#;

/// Whether the Flask app has created the database: it has a table of accounts, and this program has not created it.
pub fn is_made_by_flask(db: &Connection) -> Result<bool, Error> {
    let sql = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'user' COLLATE NOCASE";
    let table: Option<String> = db.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(table.is_some_and(|sql| !sql.starts_with(OWN_TABLE)))
}

/// Records the time of the take-over.
pub fn record(db: &Connection, now: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO flask_takeover (id, at) VALUES (1, ?1) ON CONFLICT DO NOTHING";
    db.execute(sql, [now.to_stored()])?;
    Ok(())
}

/// Reads the time of the take-over; `None` if this program has created the database. A value that is not a timestamp
/// counts as 1970: long past.
pub fn time(db: &Connection) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT at FROM flask_takeover WHERE id = 1";
    let found = db.query_row(sql, [], |row| decode::timestamp(row, 0));
    let found = found.optional()?;
    Ok(found.map(|at| at.unwrap_or(Timestamp::EPOCH)))
}
