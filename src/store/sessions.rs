//! Every statement about the tables `session`, `ended_token` and `token_cutoff`.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{columns, users};
use crate::error::Error;
use crate::model::{Id, Session, SessionId, Timestamp, User};

/// An account with more has its longest unused one ended: what can be made by signing in has an end.
pub const MAX_PER_ACCOUNT: u32 = 100;

/// For how long a refresh token that was just exchanged gets the same successor again, in seconds: two
/// tabs of a browser, and a retry after a lost answer, are no theft.
const GRACE_SECONDS: i64 = 10;

/// A session to begin.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: Id,
    /// The digest of its first refresh token.
    pub refresh_digest: &'a str,
    /// Now.
    pub now: Timestamp,
    /// When it ends, if nobody refreshes it.
    pub expires_at: Timestamp,
    /// Where its owner signs in from.
    pub address: &'a str,
    /// What the client says it is.
    pub user_agent: Option<&'a str>,
}

/// Begins a session of an account that is there.
pub fn insert(db: &Connection, new: &NewSession) -> Result<(), Error> {
    let sql = r#"INSERT INTO session
        (id, user_id, user_created_at, created_at, last_used_at, refreshed_at, expires_at,
         refresh_digest, address, user_agent)
        SELECT ?1, id, created_at, ?3, ?3, ?3, ?4, ?5, ?6, ?7 FROM "user" WHERE id = ?2"#;
    let values = params![
        new.id.get(),
        new.user_id.get(),
        new.now.to_stored(),
        new.expires_at.to_stored(),
        new.refresh_digest,
        new.address,
        new.user_agent,
    ];
    db.prepare_cached(sql)?.execute(values)?;
    // The new one stays, whatever the clock has been at when the others were used.
    let sql = "DELETE FROM session WHERE user_id = ?1 AND id <> ?2 AND id NOT IN
        (SELECT id FROM session WHERE user_id = ?1 AND id <> ?2
         ORDER BY last_used_at DESC, id LIMIT ?3)";
    db.prepare_cached(sql)?.execute(params![
        new.user_id.get(),
        new.id.get(),
        MAX_PER_ACCOUNT - 1
    ])?;
    Ok(())
}

/// The account of this name, if the session is its own, and not that of an earlier one with the same id,
/// which the Flask app has removed without a look at its sessions.
pub fn user(db: &Connection, id: SessionId, username: &str) -> Result<Option<User>, Error> {
    let sql = format!(
        r#"SELECT {columns} FROM session JOIN "user" ON "user".id = session.user_id
           WHERE session.id = ?1 AND "user".username = ?2
           AND session.user_created_at IS NOT DISTINCT FROM "user".created_at"#,
        columns = users::QUALIFIED_COLUMNS
    );
    Ok(db
        .prepare_cached(&sql)?
        .query_row(params![id.get(), username], users::from_row)
        .optional()?)
}

/// Whether a token of the Flask app, issued to this account at `issued_at` (seconds since 1970), has
/// been signed out.
pub fn is_ended(db: &Connection, user: &User, digest: &str, issued_at: f64) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM ended_token WHERE digest = ?1)
        OR EXISTS (SELECT 1 FROM token_cutoff WHERE user_id = ?2 AND ?3 <= issued_before)";
    Ok(db
        .prepare_cached(sql)?
        .query_row(params![digest, user.id.get(), issued_at], |row| row.get(0))?)
}

/// What became of a refresh token.
#[derive(Debug, PartialEq, Eq)]
pub enum Exchange {
    /// It has this successor, which is good from the first moment to the second.
    Next(Timestamp, Timestamp),
    /// It had one already, so it is in two hands: the session has ended (RFC 9700, 4.14.2).
    Reused,
    /// There is no such session.
    Unknown,
}

/// Puts a refresh token in the place of the one that is presented; the digests are of both, in the order
/// of time. The token that was exchanged last can be presented again for a short time.
pub fn exchange(
    db: &Connection,
    id: SessionId,
    (presented, next): &(String, String),
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<Exchange, Error> {
    let sql = "SELECT refresh_digest, previous_digest, refreshed_at, expires_at FROM session
        WHERE id = ?1 AND expires_at > ?2";
    let found = db
        .prepare_cached(sql)?
        .query_row(params![id.get(), now.to_stored()], |row| {
            let current: String = row.get(0)?;
            let previous: Option<String> = row.get(1)?;
            Ok((current, previous, moment(row, 2)?, moment(row, 3)?))
        })
        .optional()?;
    let Some((current, previous, refreshed_at, expires)) = found else {
        return Ok(Exchange::Unknown);
    };
    if *presented == current {
        let sql = "UPDATE session SET refresh_digest = ?2, previous_digest = ?3, refreshed_at = ?4,
            last_used_at = ?4, expires_at = ?5 WHERE id = ?1";
        let (from, until) = (now.to_stored(), expires_at.to_stored());
        db.prepare_cached(sql)?
            .execute(params![id.get(), next, presented, from, until])?;
        return Ok(Exchange::Next(now, expires_at));
    }
    let age = now.unix_micros() - refreshed_at.unix_micros();
    let again = previous.as_ref() == Some(presented) && *next == current;
    if again && age <= GRACE_SECONDS * 1_000_000 {
        return Ok(Exchange::Next(refreshed_at, expires));
    }
    end(db, id)?;
    Ok(Exchange::Reused)
}

/// This program has written it; whatever else it may be is a time long gone.
fn moment(row: &Row, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(columns::timestamp(row, column)?.unwrap_or(Timestamp::EPOCH))
}

/// The sessions of an account that have not expired, the last used first.
pub fn list(db: &Connection, user_id: Id, now: Timestamp) -> Result<Vec<Session>, Error> {
    let sql = r#"SELECT id, created_at, last_used_at, expires_at, address, user_agent FROM session
        WHERE user_id = ?1 AND expires_at > ?2
        AND user_created_at IS NOT DISTINCT FROM (SELECT created_at FROM "user" WHERE id = ?1)
        ORDER BY last_used_at DESC, id"#;
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![user_id.get(), now.to_stored()], |row| {
        Ok(Session {
            id: SessionId::from(row.get::<_, i64>(0)?),
            created_at: moment(row, 1)?,
            last_used_at: moment(row, 2)?,
            expires_at: moment(row, 3)?,
            address: row.get(4)?,
            user_agent: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ends a session, and its tokens with it.
pub fn end(db: &Connection, id: SessionId) -> Result<(), Error> {
    db.prepare_cached("DELETE FROM session WHERE id = ?1")?
        .execute([id.get()])?;
    Ok(())
}

/// Ends a session of this account.
///
/// # Errors
/// [`Error::NotFound`], also for somebody else's.
pub fn end_own(db: &Connection, user_id: Id, id: SessionId) -> Result<(), Error> {
    let sql = r#"DELETE FROM session WHERE id = ?1 AND user_id = ?2
        AND user_created_at IS NOT DISTINCT FROM (SELECT created_at FROM "user" WHERE id = ?2)"#;
    match db.prepare_cached(sql)?.execute([id.get(), user_id.get()])? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Ends every session of an account but the one to keep, and the Flask app's tokens that it was given
/// until now.
pub fn end_all(
    db: &Connection,
    user_id: Id,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<(), Error> {
    let keep = keep.map(SessionId::get);
    db.prepare_cached("DELETE FROM session WHERE user_id = ?1 AND id IS DISTINCT FROM ?2")?
        .execute(params![user_id.get(), keep])?;
    let sql = "INSERT INTO token_cutoff (user_id, issued_before) VALUES (?1, ?2)
        ON CONFLICT (user_id) DO UPDATE SET issued_before = excluded.issued_before
        WHERE token_cutoff.issued_before < excluded.issued_before";
    db.prepare_cached(sql)?
        .execute(params![user_id.get(), now.unix_seconds()])?;
    Ok(())
}

/// Ends a token of the Flask app. It is remembered for as long as it would be good.
pub fn end_token(db: &Connection, digest: &str, expires_at: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO ended_token (digest, expires_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    db.prepare_cached(sql)?
        .execute(params![digest, expires_at.to_stored()])?;
    Ok(())
}

/// Notes when sessions were last used.
pub fn record_uses(db: &Connection, uses: &[(SessionId, Timestamp)]) -> Result<(), Error> {
    let sql = "UPDATE session SET last_used_at = ?2 WHERE id = ?1 AND last_used_at < ?2";
    let mut statement = db.prepare_cached(sql)?;
    for (id, at) in uses {
        statement.execute(params![id.get(), at.to_stored()])?;
    }
    Ok(())
}

/// Removes what has expired, `limit` rows of each table at most, and says how many it were.
pub fn delete_expired(db: &Connection, now: Timestamp, limit: u32) -> Result<usize, Error> {
    let mut removed = 0;
    for sql in [
        "DELETE FROM session WHERE id IN
            (SELECT id FROM session WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        "DELETE FROM ended_token WHERE digest IN
            (SELECT digest FROM ended_token WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    ] {
        removed += db
            .prepare_cached(sql)?
            .execute(params![now.to_stored(), limit])?;
    }
    Ok(removed)
}
