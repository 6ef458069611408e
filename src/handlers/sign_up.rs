//! Sign-up, with or without an invitation.

use super::audit_actor::anonymous_actor;
use super::idempotency::{created, fingerprint};
use super::invitations::{check_sign_up, use_invitation};
use crate::app::App;
use crate::error::Error;
use crate::http::json_body::JsonBody;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::model::{Action, NewUser, User};
use crate::store::idempotency::{Fingerprint, StoredResponse};
use crate::store::{Connection, audit, idempotency, pending_accounts, users};

/// Creates an account: an employee that awaits approval, or with an invitation an approved account of its role.
pub fn sign_up(app: &App, context: &RequestContext) -> HandlerResult {
    let body = JsonBody::read(context)?;
    let new = body.parse(NewUser::from_fields)?;
    // Only after the body is parsed: a foreign website can send a form with a visitor's browser, but not JSON without
    // a preflight request.
    app.rate_limits.check_sign_up(context, app.now())?;
    let fingerprint = fingerprint(app, context, "POST /signup", None, &body)?;
    // The first lookup is before the hash, so that a retry does not hash the password again. It is in one snapshot with
    // the check: the invitation of a request that is retried is used up.
    let earlier =
        app.store.read(
            |db| match idempotency::find(db, fingerprint.as_ref(), app.now())? {
                None => check_sign_up(app, db, &new).map(|()| None),
                stored => Ok(stored),
            },
        )?;
    let stored = match earlier {
        Some(stored) => stored,
        None => create_account(app, context, &new, fingerprint.as_ref())?,
    };
    created(&stored)
}

/// Hashes the password and creates the account. `run_once` looks the retry up again, in the transaction: two
/// retries may arrive at the same time.
fn create_account(
    app: &App,
    context: &RequestContext,
    new: &NewUser,
    fingerprint: Option<&Fingerprint>,
) -> Result<StoredResponse, Error> {
    let password_hash = app.passwords.hash(&new.password)?;
    app.store.write(|db| {
        let insert = || insert_account(app, context, db, new, &password_hash);
        idempotency::run_once(db, fingerprint, app.now(), insert)
    })
}

/// Inserts the account, and uses its invitation up if there is one.
fn insert_account(
    app: &App,
    context: &RequestContext,
    db: &Connection,
    new: &NewUser,
    password_hash: &str,
) -> Result<User, Error> {
    let invitation = use_invitation(app, db, new)?;
    let role = invitation.as_ref().map(|invitation| invitation.role);
    let row = users::NewRow {
        username: &new.username,
        email: &new.email,
        password_hash,
        role: role.unwrap_or_default(),
        is_approved: invitation.is_some(),
        created_at: app.now(),
    };
    let user = users::insert(db, &row)?;
    if invitation.is_none() {
        pending_accounts::insert(db, &user)?;
    }
    let (actor, detail) = (
        anonymous_actor(app, context),
        invitation.map(|used| used.audit_detail()),
    );
    audit::record(db, &actor, Action::SignUp, Some(&user), detail)?;
    Ok(user)
}
