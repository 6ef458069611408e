//! The sessions of the caller's account: list, end one, end all.

use crate::app::App;
use crate::app::sign_outs::{Ended, SignOut};
use crate::error::Error;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{InSession, OwnSession, OwnSessions, SessionId};
use crate::store::sessions;

/// Lists the sessions of the account, and marks the one of this request.
pub fn list(app: &App, _: &RequestContext, caller: &InSession) -> HandlerResult {
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
pub fn end(
    app: &App,
    context: &RequestContext,
    caller: &InSession,
    id: SessionId,
) -> HandlerResult {
    let own = ids(app, caller)?;
    if !own.contains(&id) {
        return Err(Error::NotFound);
    }
    sign_out(app, context, caller, Ended::Session(id))
}

/// Ends every session of the account, this one included.
pub fn end_all(app: &App, context: &RequestContext, caller: &InSession) -> HandlerResult {
    let own = ids(app, caller)?;
    sign_out(app, context, caller, Ended::Sessions(own))
}

/// The sessions of the account.
fn ids(app: &App, caller: &InSession) -> Result<Vec<SessionId>, Error> {
    let found = app
        .store
        .read(|db| sessions::list(db, caller.id, app.now()))?;
    Ok(found.into_iter().map(|session| session.id).collect())
}

fn sign_out(
    app: &App,
    context: &RequestContext,
    caller: &InSession,
    ended: Ended,
) -> HandlerResult {
    let sign_out = SignOut::new(ended, caller, caller, context, app.now());
    app.sign_outs.run(&app.store, sign_out)?;
    Ok(response::no_content())
}
