//! Reauthentication: a caller who is signed in proves the account's password again before a sensitive change.

use super::concurrent_changes::retry_on_conflict;
use super::count_sign_in_attempt::count_sign_in_attempt;
use super::refused_sign_in::record_refused_sign_in;
use crate::app::App;
use crate::error::Error;
use crate::http::request::RequestContext;
use crate::model::{InSession, PasswordAttempt};
use crate::store::users;

/// Calls `change` with the hash of the caller's password if `given` is that password. `change` compares the hash in its
/// transaction; if the password has been changed meanwhile, both are repeated once.
///
/// # Errors
/// [`Error::TooManyRequests`]: an attempt counts as an attempt to sign in, since a client with a stolen token must not
/// be able to guess the password. [`Error::WrongPassword`], which goes to the audit log. Those of `change`.
pub fn with_current_password<T>(
    app: &App,
    context: &RequestContext,
    caller: &InSession,
    given: &PasswordAttempt,
    change: impl Fn(&str) -> Result<T, Error>,
) -> Result<T, Error> {
    count_sign_in_attempt(app, context, &caller.email, None)?;
    retry_on_conflict(|| change(&verify(app, context, caller, given)?))
}

/// Returns the account's password hash if the password matches it.
fn verify(
    app: &App,
    context: &RequestContext,
    caller: &InSession,
    given: &PasswordAttempt,
) -> Result<String, Error> {
    let hash = app.store.read(|db| users::password_hash(db, caller.id))?;
    let stored = hash.as_deref().map(|hash| (caller.id, hash));
    let verified = app.passwords.verify(given, stored)?;
    if let Some((hash, _)) = hash.zip(verified) {
        return Ok(hash);
    }
    record_refused_sign_in(app, context, Some(caller), Some(caller))?;
    Err(Error::WrongPassword)
}
