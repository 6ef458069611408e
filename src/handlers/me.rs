//! The caller's own account: show, change the e-mail or the password.

use super::audit_actor::actor;
use super::concurrent_changes::recheck_session;
use super::current_password::with_current_password;
use crate::app::App;
use crate::error::Error;
use crate::http::etag::Preconditions;
use crate::http::json_body::parse_json;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{Action, InSession, ProfilePatch, SignedIn, User};
use crate::store::{audit, credentials, users};

/// Shows the caller's account.
pub fn show(_: &App, context: &RequestContext, caller: &SignedIn) -> HandlerResult {
    response::json_or_304(context, &caller.user)
}

/// Changes the e-mail or the password of a caller who knows the current password. A new password ends the
/// account's other sessions (OWASP ASVS 5.0, 7.4.3) and its tokens for scripts: the reason may be that a thief has
/// made one.
pub fn update(app: &App, context: &RequestContext, caller: &InSession) -> HandlerResult {
    let patch = parse_json(context, |fields| ProfilePatch::from_fields(fields, caller))?;
    let preconditions = context.preconditions()?;
    // Checked first, so that a request with a stale version neither hashes a password nor counts as an
    // attempt.
    preconditions.check_before_write(caller.user())?;
    let given = &patch.current_password;
    let changed = with_current_password(app, context, caller, given, |current| {
        change(app, context, caller, &patch, current, &preconditions)
    })?;
    response::json_with_etag(&changed)
}

/// Writes the change if `current_hash` is still the account's password hash.
///
/// # Errors
/// [`Error::WriteConflict`] if it is not, so that the caller of this function can retry.
fn change(
    app: &App,
    context: &RequestContext,
    caller: &InSession,
    patch: &ProfilePatch,
    current_hash: &str,
    preconditions: &Preconditions,
) -> Result<User, Error> {
    let new_hash = match &patch.password {
        Some(password) => Some(app.passwords.hash(password)?),
        None => None,
    };
    app.store.write(|db| {
        recheck_session(db, caller)?;
        let before = users::by_id(db, caller.id)?;
        if !before.is_same_account(caller) {
            return Err(Error::NotFound);
        }
        preconditions.check_before_write(&before)?;
        let (email, hash) = (patch.email.as_ref(), new_hash.as_deref());
        let changed = users::change_profile(db, caller.id, current_hash, email, hash)?;
        let actor = actor(app, context, caller);
        audit::record_changes(db, &actor, &before, &changed)?;
        if new_hash.is_some() {
            credentials::end_all(db, caller.id, caller.session(), actor.at)?;
            audit::record(db, &actor, Action::PasswordChanged, Some(&changed), None)?;
        }
        Ok(changed)
    })
}
