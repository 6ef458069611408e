//! What the tables of one-time links have in common: the conditions under which a link is valid, and how the links of an
//! account end.

use super::engine::{Connection, values};
use super::users::IS_APPROVED_ADMIN;
use crate::error::Error;
use crate::model::Id;

/// The condition that a link has not expired at the moment `now`, a parameter such as `?2`, and that the admin who made it, if
/// it was not the operator, is still an approved admin and the same account. A link that is used or withdrawn has no
/// row.
pub fn is_valid(now: &str) -> String {
    format!(
        r#"expires_at > {now} AND (made_by IS NULL OR EXISTS (
            SELECT 1 FROM "user" AS maker WHERE maker.id = made_by AND {IS_APPROVED_ADMIN}
            AND maker.created_at IS NOT DISTINCT FROM maker_created_at))"#
    )
}

/// Withdraws the reset link of an account and all links that the account has made: a thief may have made them with its
/// session. Returns whether there were any.
pub fn end_all(db: &Connection, user_id: Id) -> Result<bool, Error> {
    Ok(end_reset_link(db, user_id)? | end_made_by(db, user_id)?)
}

/// Withdraws the reset link of an account. Returns whether there was one.
pub fn end_reset_link(db: &Connection, user_id: Id) -> Result<bool, Error> {
    let ended = db.execute(
        "DELETE FROM password_reset WHERE user_id = ?1",
        values![user_id],
    )?;
    Ok(ended > 0)
}

/// Withdraws all links that an account has made. Returns whether there were any.
pub fn end_made_by(db: &Connection, maker: Id) -> Result<bool, Error> {
    let mut ended = 0;
    for sql in [
        "DELETE FROM invitation WHERE made_by = ?1",
        "DELETE FROM password_reset WHERE made_by = ?1",
    ] {
        ended += db.execute(sql, values![maker])?;
    }
    Ok(ended > 0)
}
