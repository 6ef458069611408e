//! One's own account and its sessions.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::call::Call;
use crate::error::Error;
use crate::etag::Preconditions;
use crate::model::{Action, ProfilePatch, Session, SessionId, SignedIn, User};
use crate::reply::{self, Reply};
use crate::store::{audit, sessions, users};

/// Shows the caller's account.
pub fn show(_: &App, call: &Call, caller: &SignedIn) -> Reply {
    reply::current(call, &caller.user)
}

/// Changes e-mail or password of whoever knows the current password. A new password ends the account's
/// other sessions (OWASP ASVS 5.0, 7.4.3).
pub fn update(app: &App, call: &Call, user: &SignedIn) -> Reply {
    let patch = call.body(app.config.limits.max_body_bytes, |fields| {
        ProfilePatch::from_fields(fields, user)
    })?;
    let preconditions = call.preconditions()?;
    // Whoever has found a token can guess here as well.
    let attempt = app
        .limits
        .login(call.client.address, &user.email, app.now())?;
    let changed = super::once_more(|| change(app, call, user, &patch, &preconditions))?;
    app.limits.signed_in(attempt);
    reply::versioned(&changed)
}

fn change(
    app: &App,
    call: &Call,
    user: &SignedIn,
    patch: &ProfilePatch,
    preconditions: &Preconditions,
) -> Result<User, Error> {
    let hash = app.store.read(|db| users::password_hash(db, user.id))?;
    let stored = hash.as_deref().map(|hash| (user.id, hash));
    let right = app.passwords.verify(&patch.current_password, stored)?;
    let Some((verified, _)) = hash.zip(right) else {
        app.store.write(|db| {
            let by = super::by(app, call, user);
            audit::record(db, &by, Action::SignInRefused, Some(user), None)
        })?;
        return Err(Error::WrongPassword);
    };
    let new = match &patch.password {
        Some(password) => Some(app.passwords.hash(password)?),
        None => None,
    };
    app.store.write(|db| {
        let before = users::by_id(db, user.id)?;
        if !before.is_the_account(user) {
            return Err(Error::NotFound);
        }
        let (email, hash) = (patch.email.as_ref(), new.as_deref());
        let changed = users::change_profile(db, user.id, &verified, email, hash)?;
        preconditions.permit_change(&before)?;
        let by = super::by(app, call, user);
        audit::record_changes(db, &by, &before, &changed)?;
        if new.is_some() {
            sessions::end_all(db, user.id, user.session(), by.at)?;
            audit::record(db, &by, Action::PasswordChanged, Some(&changed), None)?;
        }
        Ok(changed)
    })
}

/// Lists the account's sessions, and tells which of them asks.
pub fn sessions(app: &App, _: &Call, caller: &SignedIn) -> Reply {
    let found = app
        .store
        .read(|db| sessions::list(db, caller.id, app.now()))?;
    let items = found
        .into_iter()
        .map(|session| OwnSession {
            current: caller.session() == Some(session.id),
            session,
        })
        .collect();
    Ok(reply::ok(&OwnSessions { items }))
}

/// The sessions of the account.
#[derive(Serialize, ToSchema)]
pub struct OwnSessions {
    /// All of them.
    pub items: Vec<OwnSession>,
}

/// A session in the list of its owner's.
#[derive(Serialize, ToSchema)]
pub struct OwnSession {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Ends one of the account's sessions.
pub fn end_session(app: &App, call: &Call, caller: &SignedIn) -> Reply {
    let id: SessionId = call.id()?;
    app.store.write(|db| {
        sessions::end_own(db, caller.id, id)?;
        let by = super::by(app, call, caller);
        audit::record(db, &by, Action::SessionEnded, Some(caller), None)
    })?;
    Ok(reply::no_content())
}

/// Signs the account out everywhere, here too.
pub fn end_sessions(app: &App, call: &Call, caller: &SignedIn) -> Reply {
    app.store.write(|db| {
        sessions::end_all(db, caller.id, None, app.now())?;
        let by = super::by(app, call, caller);
        audit::record(db, &by, Action::SessionsEnded, Some(caller), None)
    })?;
    Ok(reply::no_content())
}
