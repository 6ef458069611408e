//! The statements for the table `idempotency`. It stores the first response to each request with an
//! `Idempotency-Key`, so that a retry creates nothing a second time and gets the same response
//! (draft-ietf-httpapi-idempotency-key-header).

use serde::Serialize;
use serde_json::{Value, json};

use super::engine::{Connection, values};
use crate::error::Error;
use crate::model::Timestamp;

/// How long a response is stored, in seconds.
const LIFETIME_SECONDS: i64 = 24 * 60 * 60;

/// Identifies a request and its retries. Both values are HMACs.
#[derive(Debug)]
pub struct Fingerprint {
    /// Of the `Idempotency-Key`, the route and the caller.
    pub key: [u8; 32],
    /// Of these and the request body.
    pub body: [u8; 32],
}

/// The response to a request that creates an account or a task.
#[derive(Debug)]
pub struct StoredResponse {
    /// The account or task as it was created.
    pub body: Value,
    /// Whether it is the stored response to an earlier request.
    pub is_replay: bool,
}

/// Returns the stored response if there is one. Otherwise runs `create` and stores its result as the response.
/// Without a fingerprint (a request without an `Idempotency-Key`) `create` always runs and nothing is stored. The
/// new row and the stored response are written in one transaction, so a crash leaves both or neither.
///
/// # Errors
/// Those of `create`, after which no response is stored, and those of [`find`].
pub fn run_once<T: Serialize>(
    db: &Connection,
    fingerprint: Option<&Fingerprint>,
    now: Timestamp,
    create: impl FnOnce() -> Result<T, Error>,
) -> Result<StoredResponse, Error> {
    if let Some(stored) = find(db, fingerprint, now)? {
        return Ok(stored);
    }
    let body = json!(create()?);
    if let Some(fingerprint) = fingerprint {
        insert(db, fingerprint, &body, now)?;
    }
    Ok(StoredResponse {
        body,
        is_replay: false,
    })
}

/// Reads the stored response to an earlier request with this fingerprint, if there is one from the last 24
/// hours.
///
/// # Errors
/// [`Error::IdempotencyKeyReused`] if the earlier request had another body.
pub fn find(
    db: &Connection,
    fingerprint: Option<&Fingerprint>,
    now: Timestamp,
) -> Result<Option<StoredResponse>, Error> {
    let Some(fingerprint) = fingerprint else {
        return Ok(None);
    };
    let sql = "SELECT body, shown FROM idempotency WHERE key = ?1 AND expires_at > ?2";
    let values = values![&fingerprint.key, now.unix_seconds()];
    let found: Option<([u8; 32], String)> =
        db.query_optional(sql, values, |row| Ok((row.get(0)?, row.get(1)?)))?;
    match found {
        None => Ok(None),
        Some((body, _)) if body != fingerprint.body => Err(Error::IdempotencyKeyReused),
        Some((_, shown)) => Ok(Some(StoredResponse {
            body: serde_json::from_str(&shown)
                .map_err(|why| Error::Internal(format!("idempotency.shown: {why}")))?,
            is_replay: true,
        })),
    }
}

fn insert(
    db: &Connection,
    fingerprint: &Fingerprint,
    shown: &Value,
    now: Timestamp,
) -> Result<(), Error> {
    // On a conflict, the row has expired and maintenance has not deleted it yet: `find` returned nothing.
    let sql = "INSERT INTO idempotency (key, body, shown, expires_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (key) DO UPDATE SET body = ?2, shown = ?3, expires_at = ?4";
    let expires_at = now.unix_seconds() + LIFETIME_SECONDS;
    let values = values![
        &fingerprint.key,
        &fingerprint.body,
        shown.to_string(),
        expires_at
    ];
    db.execute(sql, values)?;
    Ok(())
}

/// Deletes expired rows, at most `limit`. Returns the number of deleted rows.
pub fn delete_expired(db: &Connection, now: Timestamp, limit: u32) -> Result<usize, Error> {
    let sql = "DELETE FROM idempotency WHERE key IN
        (SELECT key FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    let values = values![now.unix_seconds(), limit];
    Ok(db.execute(sql, values)?)
}
