//! Every statement about the table `idempotency`.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::model::Timestamp;

/// For how long a request is known again, in seconds.
const KNOWN_FOR: i64 = 24 * 60 * 60;

/// By what a request is known again.
#[derive(Debug)]
pub struct Fingerprint {
    /// Of its `Idempotency-Key`, its route and its caller.
    pub key: [u8; 32],
    /// Of these and its body.
    pub body: [u8; 32],
}

/// What a request has made.
#[derive(Debug)]
pub struct StoredResponse {
    /// The account or task, as it was when it was made.
    pub body: Value,
    /// Whether that was when the request came before.
    pub is_replay: bool,
}

/// Makes what a request asks for, unless it has come before; one without a fingerprint never has. What
/// is made and what is known of it are written in one transaction, so a crash leaves both or neither.
///
/// # Errors
/// Those of `make`, after which the request is not known, and those of [`find`].
pub fn run_once<T: Serialize>(
    db: &Transaction,
    fingerprint: Option<&Fingerprint>,
    now: Timestamp,
    make: impl FnOnce() -> Result<T, Error>,
) -> Result<StoredResponse, Error> {
    if let Some(made) = find(db, fingerprint, now)? {
        return Ok(made);
    }
    let body = json!(make()?);
    if let Some(fingerprint) = fingerprint {
        insert(db, fingerprint, &body, now)?;
    }
    Ok(StoredResponse {
        body,
        is_replay: false,
    })
}

/// What the request made when it came before, if it did within the last 24 hours.
///
/// # Errors
/// [`Error::IdempotencyKeyReused`] where it had another body then.
pub fn find(
    db: &Connection,
    fingerprint: Option<&Fingerprint>,
    now: Timestamp,
) -> Result<Option<StoredResponse>, Error> {
    let Some(fingerprint) = fingerprint else {
        return Ok(None);
    };
    let sql = "SELECT body, shown FROM idempotency WHERE key = ?1 AND expires_at > ?2";
    let values = params![fingerprint.key, now.unix_seconds()];
    let found: Option<([u8; 32], String)> = db
        .prepare_cached(sql)?
        .query_row(values, |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
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
    // A row of the same key is an expired one that nobody has removed yet.
    let sql = "INSERT INTO idempotency (key, body, shown, expires_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (key) DO UPDATE SET body = ?2, shown = ?3, expires_at = ?4";
    let expires_at = now.unix_seconds() + KNOWN_FOR;
    let values = params![
        fingerprint.key,
        fingerprint.body,
        shown.to_string(),
        expires_at
    ];
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

/// Removes what has expired, `limit` rows at most, and says how many it were.
pub fn delete_expired(db: &Connection, now: Timestamp, limit: u32) -> Result<usize, Error> {
    let sql = "DELETE FROM idempotency WHERE key IN
        (SELECT key FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    let values = params![now.unix_seconds(), limit];
    Ok(db.prepare_cached(sql)?.execute(values)?)
}
