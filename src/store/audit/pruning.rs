//! Pruning of the audit log: old rows are removed from its old end, and the log stays verifiable.
//!
//! A row says how much goes, before it goes. `audit_start` holds the number and the hash of the last removed row, from
//! which the chain continues. The rows of whole epochs are removed, so the start of the chain is the head of a seal:
//! seals stay for ever, and a start with another hash does not fit them.

use serde_json::json;

use super::entries::{self, ChainHead};
use crate::error::Error;
use crate::model::{Action, Actor, Timestamp};
use crate::store::engine::{Connection, DatabaseError, Row, values};

/// How much older than the limit the oldest row has to be, in seconds: once a day is enough, and each pruning adds a
/// row that says so.
const SLACK: i64 = 24 * 60 * 60;

/// Reads the start of the chain: the number and the hash of the last row that was removed.
pub(in crate::store) fn start(db: &Connection) -> Result<ChainHead, Error> {
    let sql = "SELECT count, hash FROM audit_start WHERE id = 1";
    let start = db.query_optional(sql, &[], read_head)?;
    Ok(start.unwrap_or_default())
}

fn read_head(row: &Row) -> Result<ChainHead, DatabaseError> {
    Ok(ChainHead {
        count: row.get(0)?,
        hash: row.get(1)?,
    })
}

/// Returns the last row of those that are to be removed now: all rows of ended epochs that are older than `limit`.
/// Returns nothing as long as the oldest row is not a day older.
///
/// A row with a later time, perhaps because the clock was wrong, keeps the rows after it: a clock that runs wrong for
/// a moment must not cost the log.
pub fn find_end(db: &Connection, limit: Timestamp) -> Result<Option<ChainHead>, Error> {
    let sql = "SELECT at FROM audit ORDER BY id LIMIT 1";
    let oldest: Option<String> = db.query_optional(sql, &[], |row| row.get(0))?;
    let is_due = |at: String| at < limit.plus_seconds(-SLACK).to_stored();
    if !oldest.is_some_and(is_due) {
        return Ok(None);
    }
    let sql = "SELECT count, hash FROM audit_seal
        WHERE epoch < (SELECT max(epoch) FROM audit_seal) AND count > ?1
        AND count < coalesce((SELECT id FROM audit WHERE at >= ?2 ORDER BY id LIMIT 1), 9223372036854775807)
        ORDER BY epoch DESC LIMIT 1";
    let values = values![start(db)?.count, limit];
    Ok(db.query_optional(sql, values, read_head)?)
}

/// Writes the row that says which rows are about to be removed.
pub fn announce(db: &Connection, actor: &Actor, end: &ChainHead) -> Result<(), Error> {
    let detail = json!({ "count": end.count, "hash": end.hash });
    entries::record(db, actor, Action::AuditPruned, None, Some(detail))
}

/// Removes up to `limit` rows, up to the row `end`. Returns the number of removed rows.
pub fn remove_batch(db: &Connection, end: &ChainHead, limit: u32) -> Result<usize, Error> {
    let last = end.count.min(start(db)?.count + i64::from(limit));
    let sql =
        "INSERT INTO audit_start (id, count, hash) SELECT 1, id, hash FROM audit WHERE id = ?1
        ON CONFLICT (id) DO UPDATE SET count = excluded.count, hash = excluded.hash";
    if db.execute(sql, values![last])? == 0 {
        // The row is missing. What is left shows how the log was changed.
        return Ok(0);
    }
    let sql = "DELETE FROM audit WHERE id <= ?1";
    Ok(db.execute(sql, values![last])?)
}
