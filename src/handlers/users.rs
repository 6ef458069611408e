//! Accounts: list, show, change, delete. Managers and admins may read them, only admins may change them.

use super::audit_actor::actor;
use super::concurrent_changes::recheck_permissions;
use super::pagination::paginate;
use crate::app::App;
use crate::app::sign_outs::{Ended, SignOut};
use crate::error::Error;
use crate::http::json_body::parse_json;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{Action, Actor, Admin, Id, Manager, User, UserPatch, UserQuery};
use crate::store::{Connection, audit, credentials, users};

/// Lists accounts.
pub fn list(app: &App, context: &RequestContext, _: &Manager) -> HandlerResult {
    paginate(
        app,
        context,
        UserQuery::from_query,
        |store, filter, after| store.read_one(|db| users::list(db, filter, after)),
    )
}

/// Shows an account.
pub fn show(app: &App, context: &RequestContext, _: &Manager, id: Id) -> HandlerResult {
    let user = app.store.read_one(|db| users::by_id(db, id))?;
    response::json_or_304(context, &user)
}

/// Changes the role of an account, approves it, or withdraws the approval, which signs the account out everywhere.
pub fn update(app: &App, context: &RequestContext, admin: &Admin, id: Id) -> HandlerResult {
    let patch = parse_json(context, UserPatch::from_fields)?;
    let preconditions = context.preconditions()?;
    let user = app.store.write(|db| {
        recheck_permissions(db, admin)?;
        let before = users::by_id(db, id)?;
        preconditions.check_before_write(&before)?;
        let user = users::update(db, id, patch)?;
        let actor = actor(app, context, admin);
        audit::record_changes(db, &actor, &before, &user)?;
        if before.is_approved && !user.is_approved {
            end_sign_ins(db, &actor, &user)?;
        }
        Ok(user)
    })?;
    response::json_with_etag(&user)
}

/// Ends the sessions and the tokens of an account whose approval is withdrawn.
fn end_sign_ins(db: &Connection, actor: &Actor, user: &User) -> Result<(), Error> {
    credentials::end_all(db, user.id, None, actor.at)?;
    audit::record(db, actor, Action::SessionsEnded, Some(user), None)
}

/// Signs an account out everywhere: ends its sessions and its tokens.
pub fn end_sessions(app: &App, context: &RequestContext, admin: &Admin, id: Id) -> HandlerResult {
    let preconditions = context.preconditions()?;
    // A sign-out may take effect in memory only, so everything is checked before its transaction.
    let (account, ended) = app.store.read(|db| {
        recheck_permissions(db, admin)?;
        let account = users::by_id(db, id)?;
        preconditions.check_before_write(&account)?;
        let ended = Ended::everything(db, &account, app.now())?;
        Ok((account, ended))
    })?;
    let sign_out = SignOut::new(ended, &account, admin, context, app.now());
    app.sign_outs.run(&app.store, sign_out)?;
    Ok(response::no_content())
}

/// Deletes an account. Its tasks stay and become unassigned.
pub fn delete(app: &App, context: &RequestContext, admin: &Admin, id: Id) -> HandlerResult {
    let preconditions = context.preconditions()?;
    app.store.write(|db| {
        recheck_permissions(db, admin)?;
        let before = users::by_id(db, id)?;
        preconditions.check_before_write(&before)?;
        let actor = actor(app, context, admin);
        users::delete(db, id, &actor)?;
        audit::record(db, &actor, Action::AccountDeleted, Some(&before), None)
    })?;
    Ok(response::no_content())
}
