//! An advisory lock for the file of the audit key: servers that share `KEYS_PATH` must not replace it at the same time,
//! and a serializable transaction does not wait for another one.

use super::session::DatabaseSession;
use crate::error::Error;
use crate::store::engine::{Connection, values};

/// The key of the advisory lock: "auditkey" in ASCII.
const LOCK: i64 = i64::from_be_bytes(*b"auditkey");

/// Waits for the lock, which ends with the transaction.
///
/// # Errors
/// Why the database cannot lock.
pub fn lock_key_file(session: &DatabaseSession) -> Result<(), Error> {
    let sql = "SELECT pg_advisory_xact_lock(?1)";
    Connection::Postgres(session).query_one(sql, values![LOCK], |_| Ok(()))?;
    Ok(())
}
