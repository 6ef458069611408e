//! The statements for the table `api_token`: tokens for scripts.
//!
//! As with sessions, a token belongs to the account with its `user_id` and `user_created_at` together: the Flask app
//! deletes an account without its tokens, and reuses its id.

use super::engine::{Connection, DatabaseError, Row, values};
use super::id_sequence::{Sequence, next_id};
use super::users;
use crate::error::Error;
use crate::model::{ApiToken, Id, Timestamp, TokenName, TokenScope, User};

/// The most tokens of one account that have not expired.
pub const MAX_PER_ACCOUNT: u32 = 20;

const COLUMNS: &str = "id, name, scope, created_at, expires_at, last_used_at";

/// Decodes a row of [`COLUMNS`].
fn from_row(row: &Row) -> Result<ApiToken, DatabaseError> {
    Ok(ApiToken {
        id: row.id(0)?,
        name: row.get(1)?,
        scope: scope(row, 2)?,
        created_at: row.or_null::<Timestamp>(3).unwrap_or(Timestamp::EPOCH),
        expires_at: expiry(row, 4)?,
        last_used_at: row.or_null::<Timestamp>(5),
    })
}

fn scope(row: &Row, column: usize) -> Result<TokenScope, DatabaseError> {
    let text: String = row.get(column)?;
    text.parse().map_err(DatabaseError::invalid)
}

/// A value that is not a timestamp counts as 1970: the token has expired.
fn expiry(row: &Row, column: usize) -> Result<Option<Timestamp>, DatabaseError> {
    match row.or_null::<String>(column) {
        None => Ok(None),
        Some(text) => Ok(Some(
            Timestamp::from_stored(&text).unwrap_or(Timestamp::EPOCH),
        )),
    }
}

/// The values of a new token.
#[derive(Debug)]
pub struct NewRow<'a> {
    /// The account that it belongs to.
    pub owner: &'a User,
    /// What the owner calls it.
    pub name: &'a TokenName,
    /// What it permits.
    pub scope: TokenScope,
    /// The digest of its secret.
    pub digest: &'a str,
    /// The present time.
    pub now: Timestamp,
    /// When it expires; `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// Creates a token.
///
/// # Errors
/// [`Error::TooManyTokens`] if the account has [`MAX_PER_ACCOUNT`] already.
pub fn insert(db: &Connection, new: &NewRow) -> Result<ApiToken, Error> {
    if list(db, new.owner.id, new.now)?.len() >= MAX_PER_ACCOUNT as usize {
        return Err(Error::TooManyTokens(MAX_PER_ACCOUNT));
    }
    let sql = format!(
        r#"INSERT INTO api_token (id, user_id, user_created_at, name, scope, digest, created_at, expires_at)
           SELECT ?1, id, created_at, ?3, ?4, ?5, ?6, ?7 FROM "user" WHERE id = ?2 RETURNING {COLUMNS}"#
    );
    let values = values![
        next_id(db, Sequence::ApiToken, 0)?,
        new.owner.id,
        new.name.as_str(),
        new.scope.as_str(),
        new.digest,
        new.now,
        new.expires_at,
    ];
    Ok(db.query_one(&sql, values, from_row)?)
}

/// A token with its owner, as authentication needs them.
#[derive(Debug)]
pub struct FoundToken {
    /// The token's id.
    pub id: Id,
    /// What it permits.
    pub scope: TokenScope,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// The account that it belongs to.
    pub owner: User,
}

/// Reads the token with this digest, and its account.
pub fn by_digest(db: &Connection, digest: &str) -> Result<Option<FoundToken>, Error> {
    let sql = format!(
        r#"SELECT {columns}, api_token.id, scope, expires_at
           FROM api_token JOIN "user" ON "user".id = api_token.user_id
           WHERE digest = ?1 AND user_created_at IS NOT DISTINCT FROM "user".created_at"#,
        columns = users::QUALIFIED_COLUMNS
    );
    let found = db.query_optional(&sql, values![digest], |row| {
        Ok(FoundToken {
            owner: users::from_row(row)?,
            id: row.id(6)?,
            scope: scope(row, 7)?,
            expires_at: expiry(row, 8)?,
        })
    });
    Ok(found?)
}

/// Reads the tokens of an account that have not expired, the oldest first.
pub fn list(db: &Connection, user_id: Id, now: Timestamp) -> Result<Vec<ApiToken>, Error> {
    let sql = format!(
        r#"SELECT {COLUMNS} FROM api_token
           WHERE user_id = ?1 AND (expires_at IS NULL OR expires_at > ?2)
           AND user_created_at IS NOT DISTINCT FROM (SELECT created_at FROM "user" WHERE id = ?1)
           ORDER BY id"#
    );
    Ok(db.query_all(&sql, values![user_id, now], from_row)?)
}

/// Revokes a token. Returns whether it existed.
pub fn end(db: &Connection, id: Id) -> Result<bool, Error> {
    let ended = db.execute("DELETE FROM api_token WHERE id = ?1", values![id])?;
    Ok(ended > 0)
}

/// Revokes all tokens of an account.
pub(super) fn end_all(db: &Connection, user_id: Id) -> Result<(), Error> {
    db.execute("DELETE FROM api_token WHERE user_id = ?1", values![user_id])?;
    Ok(())
}

/// Revokes the tokens of an account that were created until this time. Returns whether there were any.
pub fn end_until(db: &Connection, user_id: Id, until: Timestamp) -> Result<bool, Error> {
    let ended = db.execute(
        "DELETE FROM api_token WHERE user_id = ?1 AND created_at <= ?2",
        values![user_id, until],
    )?;
    Ok(ended > 0)
}

/// Writes the times at which tokens were last used.
pub fn record_uses(db: &Connection, uses: &[(Id, Timestamp)]) -> Result<(), Error> {
    let sql = "UPDATE api_token SET last_used_at = ?2 WHERE id = ?1
        AND (last_used_at IS NULL OR last_used_at < ?2)";
    for &(id, at) in uses {
        db.execute(sql, values![id, at])?;
    }
    Ok(())
}

/// Deletes expired tokens, at most `limit`. Returns their number.
pub fn delete_expired(db: &Connection, now: Timestamp, limit: u32) -> Result<usize, Error> {
    let sql = "DELETE FROM api_token WHERE id IN
        (SELECT id FROM api_token WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    let removed = db.execute(sql, values![now, limit])?;
    Ok(removed)
}
