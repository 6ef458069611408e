//! The statements for the tables `session`, `ended_token` and `token_cutoff`.
//!
//! A session belongs to one account, which is identified by its id together with the time of its creation:
//! the Flask app reuses the ids of deleted accounts, and deletes an account without its sessions. So a
//! statement that shows a session or accepts its tokens compares `user_created_at` as well.

use std::iter;
use std::time::Duration;

use super::assumption::Condition;
use super::engine::{Connection, DatabaseError, Row, values};
use super::users;
use crate::error::Error;
use crate::model::{
    Id, OpenEnum, RefreshId, RotationTimes, Session, SessionId, Successors, Timestamp, User,
};

/// The most sessions of one account. A further sign-in ends the least recently used one, so that repeated
/// sign-ins do not fill the database.
pub const MAX_PER_ACCOUNT: u32 = 100;

/// The values of a new session.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// A random id, see [`SessionId::random`].
    pub id: SessionId,
    /// The account that signs in.
    pub user_id: Id,
    /// The digest of the session's first refresh token.
    pub refresh_digest: &'a str,
    /// The present time.
    pub now: Timestamp,
    /// The end of the session, unless it is refreshed before.
    pub expires_at: Timestamp,
    /// The client's address.
    pub address: &'a str,
    /// The request's `User-Agent`.
    pub user_agent: Option<&'a str>,
}

/// Starts a session. Does nothing if the account does not exist.
pub fn insert(db: &Connection, new: &NewSession) -> Result<(), Error> {
    let sql = r#"INSERT INTO session
        (id, user_id, user_created_at, created_at, last_used_at, refreshed_at, expires_at,
         refresh_digest, address, user_agent)
        SELECT ?1, id, created_at, ?3, ?3, ?3, ?4, ?5, ?6, ?7 FROM "user" WHERE id = ?2"#;
    let values = values![
        new.id,
        new.user_id,
        new.now,
        new.expires_at,
        new.refresh_digest,
        new.address,
        new.user_agent,
    ];
    db.execute(sql, values)?;
    // The new session is never the one that is deleted, even if the clock has been set back and the other
    // sessions seem to be used later.
    let sql = "DELETE FROM session WHERE user_id = ?1 AND id <> ?2 AND id NOT IN
        (SELECT id FROM session WHERE user_id = ?1 AND id <> ?2
         ORDER BY last_used_at DESC, id LIMIT ?3)";
    db.execute(sql, values![new.user_id, new.id, MAX_PER_ACCOUNT - 1])?;
    Ok(())
}

/// Reads the account of a session, if it has this username. Returns nothing for a session of an earlier account
/// with the same id.
pub fn user(db: &Connection, id: SessionId, username: &str) -> Result<Option<User>, Error> {
    let sql = format!(
        r#"SELECT {columns} FROM session JOIN "user" ON "user".id = session.user_id
           WHERE session.id = ?1 AND "user".username = ?2
           AND session.user_created_at IS NOT DISTINCT FROM "user".created_at"#,
        columns = users::QUALIFIED_COLUMNS
    );
    Ok(db.query_optional(&sql, values![id, username], users::from_row)?)
}

/// Whether there is a session of any account.
pub fn exist(db: &Connection) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM session)";
    Ok(db.query_one(sql, &[], |row| row.get(0))?)
}

/// The condition that a session still belongs to this account, and that the account is unchanged. `None` if its role is
/// not one of this program's.
pub fn is_unchanged(id: SessionId, user: &User) -> Option<Condition> {
    let OpenEnum::Known(role) = user.role else {
        return None;
    };
    let sql = r#"EXISTS (SELECT 1 FROM session JOIN "user" ON "user".id = session.user_id
        WHERE session.id = ?1 AND session.user_created_at IS NOT DISTINCT FROM "user".created_at
        AND "user".id = ?2 AND username = ?3 AND email = ?4 AND role = ?5
        AND coalesce(is_approved, FALSE) = ?6 AND "user".created_at IS NOT DISTINCT FROM ?7)"#;
    Some(Condition {
        sql: sql.to_owned(),
        values: vec![
            id.into(),
            user.id.into(),
            user.username.clone().into(),
            user.email.clone().into(),
            role.as_str().into(),
            user.is_approved.into(),
            user.created_at.into(),
        ],
    })
}

/// Reads when a session was last used; 1970 if it does not exist.
pub fn last_used_at(db: &Connection, id: SessionId) -> Result<Timestamp, Error> {
    let sql = "SELECT last_used_at FROM session WHERE id = ?1";
    let found = db.query_optional(sql, values![id], |row| timestamp_or_epoch(row, 0))?;
    Ok(found.unwrap_or(Timestamp::EPOCH))
}

/// Whether a token that the Flask app has issued is revoked. `issued_at` is the claim `iat`, in seconds since
/// 1970.
pub fn is_ended(db: &Connection, user: &User, digest: &str, issued_at: f64) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM ended_token WHERE digest = ?1)
        OR EXISTS (SELECT 1 FROM token_cutoff WHERE user_id = ?2 AND ?3 <= issued_before)";
    Ok(db.query_one(sql, values![digest, user.id, issued_at], |row| row.get(0))?)
}

/// The result of [`exchange`].
#[derive(Debug, PartialEq, Eq)]
pub enum Exchange {
    /// The next refresh token has this id, and is valid from the first time to the second.
    Next(RefreshId, Timestamp, Timestamp),
    /// The token has been replaced already, so two clients hold it, and one of them may have stolen it. The
    /// session is deleted (reuse detection, RFC 9700, 4.14.2).
    Reused,
    /// No session has this id, or it has expired or reached its maximum age.
    Unknown,
}

/// Refresh token rotation: prolongs the session, and replaces the presented refresh token by the next one unless it is
/// younger than `times.min_age`. The token that was replaced last is accepted again for `times.grace`, also if the
/// signing key has been changed since. `expiry` returns the new end of a session that began at the given time.
pub fn exchange(
    db: &Connection,
    id: SessionId,
    presented: &RefreshId,
    successors: &Successors,
    now: Timestamp,
    times: RotationTimes,
    expiry: impl Fn(Timestamp) -> Timestamp,
) -> Result<Exchange, Error> {
    let Some(stored) = StoredTokens::find(db, id, now)? else {
        return Ok(Exchange::Unknown);
    };
    let expires_at = expiry(stored.began_at);
    // The maximum age may have been shortened since the session began.
    if expires_at <= now {
        return Ok(Exchange::Unknown);
    }
    let digest = presented.digest();
    if digest == stored.current {
        let (next, previous, from) = if stored.is_younger_than(times.min_age, now) {
            (presented, stored.previous, stored.refreshed_at)
        } else {
            (&successors.current, Some(digest), now)
        };
        // `last_used_at` never goes back, also if the clock does: it shows how late a token of the session can have
        // been issued.
        let sql = "UPDATE session SET refresh_digest = ?2, previous_digest = ?3, refreshed_at = ?4,
            last_used_at = CASE WHEN last_used_at > ?5 THEN last_used_at ELSE ?5 END,
            expires_at = ?6 WHERE id = ?1";
        let values = values![id, next.digest(), &previous, from, now, expires_at];
        db.execute(sql, values)?;
        return Ok(Exchange::Next(next.clone(), from, expires_at));
    }
    if stored.is_younger_than(times.grace, now)
        && let Some(next) = stored.next_of(&digest, successors)
    {
        let (from, until) = (stored.refreshed_at, stored.expires_at);
        return Ok(Exchange::Next(next.clone(), from, until));
    }
    end(db, id)?;
    Ok(Exchange::Reused)
}

/// The rotation state of a session.
struct StoredTokens {
    current: String,
    previous: Option<String>,
    began_at: Timestamp,
    refreshed_at: Timestamp,
    expires_at: Timestamp,
}

impl StoredTokens {
    fn find(db: &Connection, id: SessionId, now: Timestamp) -> Result<Option<StoredTokens>, Error> {
        let sql = "SELECT refresh_digest, previous_digest, created_at, refreshed_at, expires_at
            FROM session
            WHERE id = ?1 AND expires_at > ?2";
        let found = db.query_optional(sql, values![id, now], |row| {
            Ok(StoredTokens {
                current: row.get(0)?,
                previous: row.get(1)?,
                began_at: timestamp_or_epoch(row, 2)?,
                refreshed_at: timestamp_or_epoch(row, 3)?,
                expires_at: timestamp_or_epoch(row, 4)?,
            })
        })?;
        Ok(found)
    }

    /// Whether the current token is younger. The age is negative if the clock has been set back since; without a bound the
    /// token would be kept, and the one before accepted, until the clock has caught up.
    fn is_younger_than(&self, duration: Duration, now: Timestamp) -> bool {
        let age = now.unix_micros() - self.refreshed_at.unix_micros();
        u128::from(age.unsigned_abs()) < duration.as_micros()
    }

    /// The current token, if the presented one is the token before.
    fn next_of<'a>(&self, presented: &str, successors: &'a Successors) -> Option<&'a RefreshId> {
        let is_previous = self.previous.as_deref() == Some(presented);
        iter::once(&successors.current)
            .chain(&successors.previous)
            .find(|next| is_previous && next.digest() == self.current)
    }
}

/// Reads a time that only this program writes. A value that is not a timestamp counts as 1970: long past.
fn timestamp_or_epoch(row: &Row, column: usize) -> Result<Timestamp, DatabaseError> {
    Ok(row.or_null::<Timestamp>(column).unwrap_or(Timestamp::EPOCH))
}

/// Reads the sessions of an account that have not expired, the most recently used first.
pub fn list(db: &Connection, user_id: Id, now: Timestamp) -> Result<Vec<Session>, Error> {
    let sql = r#"SELECT id, created_at, last_used_at, expires_at, address, user_agent FROM session
        WHERE user_id = ?1 AND expires_at > ?2
        AND user_created_at IS NOT DISTINCT FROM (SELECT created_at FROM "user" WHERE id = ?1)
        ORDER BY last_used_at DESC, id"#;
    Ok(db.query_all(sql, values![user_id, now], |row| {
        Ok(Session {
            id: SessionId::from(row.get::<i64>(0)?),
            created_at: timestamp_or_epoch(row, 1)?,
            last_used_at: timestamp_or_epoch(row, 2)?,
            expires_at: timestamp_or_epoch(row, 3)?,
            address: row.get(4)?,
            user_agent: row.get(5)?,
        })
    })?)
}

/// Ends a session: its access tokens and its refresh token are invalid from now on. Returns whether it existed.
pub fn end(db: &Connection, id: SessionId) -> Result<bool, Error> {
    let ended = db.execute("DELETE FROM session WHERE id = ?1", values![id])?;
    Ok(ended > 0)
}

/// Ends all sessions of an account except `keep`, and revokes all tokens that the Flask app has issued to it
/// until now.
pub(super) fn end_all(
    db: &Connection,
    user_id: Id,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<(), Error> {
    db.execute(
        "DELETE FROM session WHERE user_id = ?1 AND id IS DISTINCT FROM ?2",
        values![user_id, keep],
    )?;
    end_flask_tokens(db, user_id, now).map(drop)
}

/// Ends the sessions of an account that began until this time. Returns whether there were any.
pub fn end_until(db: &Connection, user_id: Id, until: Timestamp) -> Result<bool, Error> {
    let ended = db.execute(
        "DELETE FROM session WHERE user_id = ?1 AND created_at <= ?2",
        values![user_id, until],
    )?;
    Ok(ended > 0)
}

/// Revokes all tokens that the Flask app has issued to an account until now. Returns whether that is new.
pub fn end_flask_tokens(db: &Connection, user_id: Id, now: Timestamp) -> Result<bool, Error> {
    let sql = "INSERT INTO token_cutoff (user_id, issued_before) VALUES (?1, ?2)
        ON CONFLICT (user_id) DO UPDATE SET issued_before = excluded.issued_before
        WHERE token_cutoff.issued_before < excluded.issued_before";
    let changed = db.execute(sql, values![user_id, now.unix_seconds()])?;
    Ok(changed > 0)
}

/// Revokes one token that the Flask app has issued. The row is kept until the token expires. Returns whether that is
/// new.
pub fn end_token(db: &Connection, digest: &str, expires_at: Timestamp) -> Result<bool, Error> {
    let sql = "INSERT INTO ended_token (digest, expires_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let changed = db.execute(sql, values![digest, expires_at])?;
    Ok(changed > 0)
}

/// Writes the times at which sessions were last used.
pub fn record_uses(db: &Connection, uses: &[(SessionId, Timestamp)]) -> Result<(), Error> {
    let sql = "UPDATE session SET last_used_at = ?2 WHERE id = ?1 AND last_used_at < ?2";
    for &(id, at) in uses {
        db.execute(sql, values![id, at])?;
    }
    Ok(())
}

/// Deletes expired sessions and revocations, at most `limit` rows of each table. Returns the number of deleted
/// rows.
pub fn delete_expired(db: &Connection, now: Timestamp, limit: u32) -> Result<usize, Error> {
    let mut removed = 0;
    for sql in [
        "DELETE FROM session WHERE id IN
            (SELECT id FROM session WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        "DELETE FROM ended_token WHERE digest IN
            (SELECT digest FROM ended_token WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    ] {
        removed += db.execute(sql, values![now, limit])?;
    }
    Ok(removed)
}
