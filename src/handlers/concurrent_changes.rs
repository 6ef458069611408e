//! Changes that another request makes while this one runs: what was checked before the write transaction is checked
//! again inside it.

use crate::error::Error;
use crate::model::{InSession, User};
use crate::store::{Connection, sessions, users};

/// Runs the attempt again, once, if another request has changed the row between its read and its write
/// (optimistic concurrency).
pub fn retry_on_conflict<T>(attempt: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    match attempt() {
        Err(Error::WriteConflict) => attempt(),
        done => done,
    }
}

/// Checks inside the write transaction that the caller still has the rights that the router found. Without
/// this check the role could change between the router's check and the write (time-of-check to time-of-use,
/// OWASP ASVS 5.0, 15.4.2).
pub fn recheck_permissions(db: &Connection, caller: &User) -> Result<(), Error> {
    match users::by_username(db, &caller.username)? {
        Some(user) if user.has_rights_of(caller) => Ok(()),
        _ => Err(Error::InsufficientRole),
    }
}

/// Checks inside the write transaction that the caller's session has not ended since the router found it. The hash of a
/// password takes long enough for a sign-out or a withdrawn approval.
pub fn recheck_session(db: &Connection, caller: &InSession) -> Result<(), Error> {
    match caller.session() {
        Some(session) if sessions::user(db, session, &caller.username)?.is_none() => {
            Err(Error::revoked())
        }
        _ => Ok(()),
    }
}
