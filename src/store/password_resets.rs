//! The statements for the table `password_reset`.

use super::engine::{Connection, values};
use super::one_time_links::is_valid;
use super::{audit, users};
use crate::error::Error;
use crate::model::{Action, Actor, Id, Timestamp, User};

/// The condition that the link's account is the one that it was made for: the Flask app may have deleted it and
/// reused its id.
const IS_OF_ACCOUNT: &str = r#"EXISTS (SELECT 1 FROM "user" WHERE "user".id = password_reset.user_id
    AND "user".created_at IS NOT DISTINCT FROM user_created_at)"#;

/// The values of a new row.
#[derive(Debug)]
pub struct NewRow<'a> {
    /// The account that gets a new password.
    pub user: &'a User,
    /// The SHA-256 of the token.
    pub digest: &'a str,
    /// The end of its validity.
    pub expires_at: Timestamp,
}

/// Creates the link of an account, in place of an earlier one, and records it in the audit log. The account of `actor` is
/// the admin who makes the link; without one it is the operator's.
pub fn replace(db: &Connection, new: &NewRow, actor: &Actor) -> Result<(), Error> {
    let sql = "INSERT INTO password_reset
            (user_id, user_created_at, digest, made_by, maker_created_at, created_at, expires_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (user_id) DO UPDATE SET user_created_at = ?2, digest = ?3, made_by = ?4,
            maker_created_at = ?5, created_at = ?6, expires_at = ?7";
    let created_at = |user: &User| user.created_at;
    let values = values![
        new.user.id,
        created_at(new.user),
        new.digest,
        actor.account.map(|maker| maker.id),
        actor.account.and_then(created_at),
        actor.at,
        new.expires_at,
    ];
    db.execute(sql, values)?;
    audit::record(db, actor, Action::ResetLinkMade, Some(new.user), None)
}

/// Reads the account of the valid link whose token has this digest.
///
/// # Errors
/// [`Error::LinkUsedOrExpired`].
pub fn user(db: &Connection, digest: &str, now: Timestamp) -> Result<User, Error> {
    let is_valid = is_valid("?2");
    let sql = format!(
        "SELECT user_id FROM password_reset WHERE digest = ?1 AND {is_valid} AND {IS_OF_ACCOUNT}"
    );
    find_user(db, &sql, digest, now)
}

/// Uses the valid link whose token has this digest up, and returns its account. Of several uses at the same time one
/// finds the row.
///
/// # Errors
/// [`Error::LinkUsedOrExpired`].
pub fn consume(db: &Connection, digest: &str, now: Timestamp) -> Result<User, Error> {
    let is_valid = is_valid("?2");
    let sql = format!(
        "DELETE FROM password_reset WHERE digest = ?1 AND {is_valid} AND {IS_OF_ACCOUNT}
         RETURNING user_id"
    );
    find_user(db, &sql, digest, now)
}

fn find_user(db: &Connection, sql: &str, digest: &str, now: Timestamp) -> Result<User, Error> {
    let id: i64 = db
        .query_optional(sql, values![digest, now], |row| row.get(0))?
        .ok_or(Error::LinkUsedOrExpired)?;
    users::by_id(db, Id::try_from(id).map_err(Error::Internal)?)
}

/// Deletes expired rows, at most `limit`. Returns the number of deleted rows.
pub fn delete_expired(db: &Connection, now: Timestamp, limit: u32) -> Result<usize, Error> {
    let sql = "DELETE FROM password_reset WHERE user_id IN
        (SELECT user_id FROM password_reset WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    let values = values![now, limit];
    Ok(db.execute(sql, values)?)
}
