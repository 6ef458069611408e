//! The statements for the table `invitation`.

use super::audit;
use super::engine::{Connection, DatabaseError, Row, values};
use super::id_sequence::{Sequence, next_id};
use super::one_time_links::is_valid;
use super::users::IS_APPROVED_ADMIN;
use crate::error::Error;
use crate::model::{Action, Actor, Email, Id, Invitation, Role, Timestamp};

/// The most open invitations. It bounds how many accounts a stolen admin session can prepare, and the list.
pub const MAX_OPEN: u32 = 200;

const COLUMNS: &str = "id, role, email, created_at, expires_at, made_by";

/// The condition under which an account can sign up with an invitation: it is valid, and if it is for the first admin,
/// there is none yet.
fn is_usable(now: &str) -> String {
    let is_valid = is_valid(now);
    format!(
        r#"{is_valid} AND (first_only = FALSE OR NOT EXISTS (
            SELECT 1 FROM "user" WHERE {IS_APPROVED_ADMIN}))"#
    )
}

/// Decodes a row of [`COLUMNS`].
fn from_row(row: &Row) -> Result<Invitation, DatabaseError> {
    Ok(Invitation {
        id: row.id(0)?,
        role: role(row, 1)?,
        email: row.get(2)?,
        created_at: row.or_null::<Timestamp>(3).unwrap_or(Timestamp::EPOCH),
        expires_at: row.or_null::<Timestamp>(4).unwrap_or(Timestamp::EPOCH),
        made_by: row.or_null::<i64>(5).and_then(|id| Id::try_from(id).ok()),
    })
}

/// Only this program writes the table, so another text is an error: the account must not get a wrong role.
fn role(row: &Row, column: usize) -> Result<Role, DatabaseError> {
    let text: String = row.get(column)?;
    text.parse().map_err(DatabaseError::invalid)
}

/// The values of a new row.
#[derive(Debug)]
pub struct NewRow<'a> {
    /// The SHA-256 of the token.
    pub digest: &'a str,
    /// The role of the account that it creates.
    pub role: Role,
    /// The only e-mail address that may use it.
    pub email: Option<&'a Email>,
    /// Whether it is valid only while there is no approved admin.
    pub first_only: bool,
    /// The end of its validity.
    pub expires_at: Timestamp,
}

/// Creates an invitation, and records it in the audit log. The account of `actor` is the admin who makes it; without one
/// it is the operator's.
///
/// # Errors
/// [`Error::TooManyInvitations`] if [`MAX_OPEN`] others are open. One for the first admin does not count: each start
/// must be able to make one.
pub fn insert(db: &Connection, new: &NewRow, actor: &Actor) -> Result<Invitation, Error> {
    if !new.first_only && list(db, actor.at)?.len() >= MAX_OPEN as usize {
        return Err(Error::TooManyInvitations(MAX_OPEN));
    }
    let sql = format!(
        "INSERT INTO invitation (id, digest, role, email, first_only, made_by, maker_created_at, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING {COLUMNS}"
    );
    let maker_created_at = actor.account.and_then(|maker| maker.created_at);
    let values = values![
        next_id(db, Sequence::Invitation, 0)?,
        new.digest,
        new.role.as_str(),
        new.email.map(Email::as_str),
        new.first_only,
        actor.account.map(|maker| maker.id),
        maker_created_at,
        actor.at,
        new.expires_at,
    ];
    let made = db.query_one(&sql, values, from_row)?;
    let detail = Some(made.audit_detail());
    audit::record(db, actor, Action::InvitationMade, None, detail)?;
    Ok(made)
}

/// Reads the invitations that can still be used, except those for the first admin, in the order of their ids.
pub fn list(db: &Connection, now: Timestamp) -> Result<Vec<Invitation>, Error> {
    let is_valid = is_valid("?1");
    let sql = format!(
        "SELECT {COLUMNS} FROM invitation WHERE first_only = FALSE AND {is_valid} ORDER BY id"
    );
    Ok(db.query_all(&sql, values![now], from_row)?)
}

/// Reads the valid invitation whose token has this digest.
///
/// # Errors
/// [`Error::LinkUsedOrExpired`].
pub fn by_digest(db: &Connection, digest: &str, now: Timestamp) -> Result<Invitation, Error> {
    let is_usable = is_usable("?2");
    let sql = format!("SELECT {COLUMNS} FROM invitation WHERE digest = ?1 AND {is_usable}");
    db.query_optional(&sql, values![digest, now], from_row)?
        .ok_or(Error::LinkUsedOrExpired)
}

/// Uses the valid invitation whose token has this digest up, and returns it. Of several uses at the same time one
/// finds the row.
///
/// # Errors
/// [`Error::LinkUsedOrExpired`].
pub fn consume(db: &Connection, digest: &str, now: Timestamp) -> Result<Invitation, Error> {
    let is_usable = is_usable("?2");
    let sql =
        format!("DELETE FROM invitation WHERE digest = ?1 AND {is_usable} RETURNING {COLUMNS}");
    db.query_optional(&sql, values![digest, now], from_row)?
        .ok_or(Error::LinkUsedOrExpired)
}

/// Withdraws an invitation and returns it.
///
/// # Errors
/// [`Error::NotFound`] if it has been used, withdrawn or has expired.
pub fn withdraw(db: &Connection, id: Id, now: Timestamp) -> Result<Invitation, Error> {
    let sql =
        format!("DELETE FROM invitation WHERE id = ?1 AND expires_at > ?2 RETURNING {COLUMNS}");
    db.query_optional(&sql, values![id, now], from_row)?
        .ok_or(Error::NotFound)
}

/// Deletes expired rows, at most `limit`. Returns the number of deleted rows.
pub fn delete_expired(db: &Connection, now: Timestamp, limit: u32) -> Result<usize, Error> {
    let sql = "DELETE FROM invitation WHERE id IN
        (SELECT id FROM invitation WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    let values = values![now, limit];
    Ok(db.execute(sql, values)?)
}
