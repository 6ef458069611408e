//! Invitations: make one, list the open ones, withdraw one, and sign up with one.

use super::audit_actor::actor;
use super::concurrent_changes::recheck_permissions;
use crate::app::App;
use crate::config::accounts::SignUps;
use crate::error::Error;
use crate::http::json_body::parse_json;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{
    Action, AdminInSession, Id, Invitation, Invitations, LinkToken, MadeInvitation, NewInvitation,
    NewUser,
};
use crate::store::{Connection, audit, invitations};

/// Makes an invitation. The response is the only one that shows its token.
pub fn create(app: &App, context: &RequestContext, admin: &AdminInSession) -> HandlerResult {
    let new = parse_json(context, NewInvitation::from_fields)?;
    let token = LinkToken::random()?;
    let invitation = app.store.write(|db| {
        recheck_permissions(db, admin)?;
        let actor = actor(app, context, admin);
        let row = invitations::NewRow {
            digest: &token.digest(),
            role: new.role,
            email: new.email.as_ref(),
            first_only: false,
            expires_at: app.config.links.expiry(actor.at),
        };
        invitations::insert(db, &row, &actor)
    })?;
    let made = MadeInvitation { invitation, token };
    Ok(response::json(&made).with_status_code(201))
}

/// Lists the open invitations.
pub fn list(app: &App, _: &RequestContext, _: &AdminInSession) -> HandlerResult {
    let items = app.store.read(|db| invitations::list(db, app.now()))?;
    Ok(response::json(&Invitations { items }))
}

/// Withdraws an invitation: it can no longer be used.
pub fn withdraw(
    app: &App,
    context: &RequestContext,
    admin: &AdminInSession,
    id: Id,
) -> HandlerResult {
    app.store.write(|db| {
        recheck_permissions(db, admin)?;
        let withdrawn = invitations::withdraw(db, id, app.now())?;
        let (actor, detail) = (actor(app, context, admin), withdrawn.audit_detail());
        audit::record(db, &actor, Action::InvitationWithdrawn, None, Some(detail))
    })?;
    Ok(response::no_content())
}

/// Checks whether this account may sign up: with an invitation, which must be valid for it, or without one if sign-ups
/// are open and one more account may await approval. This check is cheap and comes before the password hash;
/// [`use_invitation`] repeats it in the transaction.
///
/// # Errors
/// [`Error::SignUpsClosed`], [`Error::TooManyPendingAccounts`], [`Error::LinkUsedOrExpired`], and a 422 for the field
/// `email`.
pub(super) fn check_sign_up(app: &App, db: &Connection, new: &NewUser) -> Result<(), Error> {
    match &new.invitation {
        Some(token) => {
            invitations::by_digest(db, &token.digest(), app.now())?.check_email(&new.email)
        }
        None if app.config.accounts.signups == SignUps::Closed => Err(Error::SignUpsClosed),
        None => app.pending_accounts.check_room(db),
    }
}

/// Uses the invitation of a sign-up up, if it has one. If the transaction fails, for example because the username is
/// taken, the invitation stays.
///
/// # Errors
/// [`Error::TooManyPendingAccounts`], [`Error::LinkUsedOrExpired`], and a 422 for the field `email`.
pub(super) fn use_invitation(
    app: &App,
    db: &Connection,
    new: &NewUser,
) -> Result<Option<Invitation>, Error> {
    let Some(token) = &new.invitation else {
        app.pending_accounts.check_room(db)?;
        return Ok(None);
    };
    let invitation = invitations::consume(db, &token.digest(), app.now())?;
    invitation.check_email(&new.email)?;
    Ok(Some(invitation))
}
