//! The statements for the table `flask_takeover`: whether the Flask app has created the database, and since when it is
//! this program's.

use super::engine::{Connection, values};
use crate::error::Error;
use crate::model::Timestamp;

/// Records the time of the take-over.
pub fn record(db: &Connection, now: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO flask_takeover (id, at) VALUES (1, ?1) ON CONFLICT DO NOTHING";
    db.execute(sql, values![now])?;
    Ok(())
}

/// Reads the time of the take-over; `None` if this program has created the database. A value that is not a timestamp
/// counts as 1970: long past.
pub fn time(db: &Connection) -> Result<Option<Timestamp>, Error> {
    let sql = "SELECT at FROM flask_takeover WHERE id = 1";
    let found = db.query_optional(sql, &[], |row| Ok(row.or_null(0)))?;
    Ok(found.map(|at| at.unwrap_or(Timestamp::EPOCH)))
}
