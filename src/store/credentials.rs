//! The credentials of an account together: its password, its sessions, its tokens of the Flask app and its tokens for
//! scripts.

use rusqlite::Connection;

use super::{api_tokens, audit, sessions, users};
use crate::error::Error;
use crate::model::{Action, Actor, Id, SessionId, Timestamp, User};

/// Ends all sessions of an account except `keep`, all tokens that the Flask app has issued to it until now, and all its
/// tokens for scripts.
pub fn end_all(
    db: &Connection,
    user_id: Id,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<(), Error> {
    sessions::end_all(db, user_id, keep, now)?;
    api_tokens::end_all(db, user_id)
}

/// Replaces the password hash of an account without a check of the old one, and ends all its sessions and tokens, since
/// another person may know the old password. The audit log records it as `action`.
pub fn replace_password(
    db: &Connection,
    user: &User,
    hash: &str,
    actor: &Actor,
    action: Action,
) -> Result<(), Error> {
    users::set_password_hash(db, user.id, hash)?;
    end_all(db, user.id, None, actor.at)?;
    audit::record(db, actor, action, Some(user), None)
}
