//! Ids that are never given out twice, for tables whose rows are deleted.

use super::engine::{Connection, values};
use crate::error::Error;
use crate::model::Id;

/// The tables whose ids come from a sequence.
#[derive(Debug, Clone, Copy, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Sequence {
    /// `"user"`.
    User,
    /// `invitation`.
    Invitation,
    /// `api_token`.
    ApiToken,
}

/// Returns the next id of a table. It is greater than each id that this program has given to a row of the table, and
/// than `highest_used`: 0 unless the Flask app writes the table too, which numbers its rows itself.
///
/// # Errors
/// [`Error::Internal`] if the sequence has reached the largest id.
pub fn next_id(db: &Connection, sequence: Sequence, highest_used: i64) -> Result<Id, Error> {
    let name: &'static str = sequence.into();
    let sql = "INSERT INTO id_sequence (name, last) VALUES (?1, ?2 + 1)
        ON CONFLICT (name) DO UPDATE SET last =
            CASE WHEN id_sequence.last < ?2 THEN ?2 ELSE id_sequence.last END + 1
        RETURNING last";
    let next: i64 = db.query_one(sql, values![name, highest_used], |row| row.get(0))?;
    Id::try_from(next).map_err(|_| Error::Internal(format!("no id is left for the table {name}")))
}

/// Makes sure that PostgreSQL's own sequence, from which the Flask app's rows get their ids, continues after this one.
/// SQLite has none.
pub fn skip_to(db: &Connection, table: &str, id: Id) -> Result<(), Error> {
    if db.is_remote() {
        let sql = "SELECT setval(pg_get_serial_sequence(?1, 'id'), ?2)";
        db.query_one(sql, values![table, id], |_| Ok(()))?;
    }
    Ok(())
}
