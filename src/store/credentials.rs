//! The credentials of an account together: its password, its sessions, its tokens of the Flask app, its tokens for
//! scripts, and the one-time links.

use super::engine::Connection;
use super::{api_tokens, audit, one_time_links, sessions, users};
use crate::error::Error;
use crate::model::{Action, Actor, Id, SessionId, Timestamp, User};

/// Ends all sessions of an account except `keep`, all tokens that the Flask app has issued to it until now, all its
/// tokens for scripts, its reset link, and all links that it has made.
pub fn end_all(
    db: &Connection,
    user_id: Id,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<(), Error> {
    sessions::end_all(db, user_id, keep, now)?;
    api_tokens::end_all(db, user_id)?;
    one_time_links::end_all(db, user_id).map(drop)
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
