//! The sessions of the caller's account: list, end one, end all.

use super::audit_actor::actor;
use crate::app::App;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{Action, OwnSession, OwnSessions, SessionId, SignedIn};
use crate::store::{audit, sessions};

/// Lists the sessions of the account, and marks the one of this request.
pub fn list(app: &App, _: &RequestContext, caller: &SignedIn) -> HandlerResult {
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
    Ok(response::json(&OwnSessions { items }))
}

/// Ends one of the account's sessions.
pub fn end(app: &App, context: &RequestContext, caller: &SignedIn, id: SessionId) -> HandlerResult {
    app.store.write(|db| {
        sessions::end_own(db, caller.id, id)?;
        let actor = actor(app, context, caller);
        audit::record(db, &actor, Action::SessionEnded, Some(caller), None)
    })?;
    Ok(response::no_content())
}

/// Ends every session of the account, this one included.
pub fn end_all(app: &App, context: &RequestContext, caller: &SignedIn) -> HandlerResult {
    app.store.write(|db| {
        sessions::end_all(db, caller.id, None, app.now())?;
        let actor = actor(app, context, caller);
        audit::record(db, &actor, Action::SessionsEnded, Some(caller), None)
    })?;
    Ok(response::no_content())
}
