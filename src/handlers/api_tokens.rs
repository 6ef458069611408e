//! The tokens for scripts of the caller's account: create, list, revoke.

use super::audit_actor::actor;
use super::concurrent_changes::recheck_session;
use super::current_password::with_current_password;
use crate::app::App;
use crate::app::sign_outs::{Ended, SignOut};
use crate::error::Error;
use crate::http::json_body::parse_json;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{
    Action, ApiTokenSecret, CreatedApiToken, Id, InSession, NewApiToken, OwnApiTokens,
};
use crate::store::{api_tokens, audit, users};

/// Creates a token for a caller who knows the current password. Its secret is in this response only.
pub fn create(app: &App, context: &RequestContext, caller: &InSession) -> HandlerResult {
    let new = parse_json(context, NewApiToken::from_fields)?;
    let given = &new.current_password;
    let created = with_current_password(app, context, caller, given, |current| {
        insert(app, context, caller, &new, current)
    })?;
    Ok(response::json(&created).with_status_code(201))
}

/// Writes the token if `current_hash` is still the account's password hash.
fn insert(
    app: &App,
    context: &RequestContext,
    caller: &InSession,
    new: &NewApiToken,
    current_hash: &str,
) -> Result<CreatedApiToken, Error> {
    let (token, now) = (ApiTokenSecret::random()?, app.now());
    let row = api_tokens::NewRow {
        owner: caller,
        name: &new.name,
        scope: new.scope,
        digest: &token.digest(),
        now,
        expires_at: new.expires_in.map(|time| now.plus_seconds(time.seconds())),
    };
    let api_token = app.store.write(|db| {
        recheck_session(db, caller)?;
        users::confirm_password(db, caller.id, current_hash, None)?;
        let api_token = api_tokens::insert(db, &row)?;
        let (actor, detail) = (actor(app, context, caller), audit::token_detail(&api_token));
        audit::record(db, &actor, Action::TokenMade, Some(caller), Some(detail))?;
        Ok(api_token)
    })?;
    Ok(CreatedApiToken { api_token, token })
}

/// Lists the account's tokens, without their secrets.
pub fn list(app: &App, _: &RequestContext, caller: &InSession) -> HandlerResult {
    let items = app
        .store
        .read(|db| api_tokens::list(db, caller.id, app.now()))?;
    Ok(response::json(&OwnApiTokens { items }))
}

/// Revokes one of the account's tokens.
pub fn revoke(app: &App, context: &RequestContext, caller: &InSession, id: Id) -> HandlerResult {
    let own = app
        .store
        .read(|db| api_tokens::list(db, caller.id, app.now()))?;
    let token = own.into_iter().find(|token| token.id == id);
    let ended = Ended::ApiToken(token.ok_or(Error::NotFound)?);
    let sign_out = SignOut::new(ended, caller, caller, context, app.now());
    app.sign_outs.run(&app.store, sign_out)?;
    Ok(response::no_content())
}
