//! Accounts: list, show, change, delete. Managers and admins may read them, only admins may change them.

use super::audit_actor::actor;
use super::concurrent_changes::recheck_permissions;
use super::pagination::paginate;
use crate::app::App;
use crate::http::json_body::parse_json;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{Action, Admin, Id, Manager, UserPatch, UserQuery};
use crate::store::{audit, users};

/// Lists accounts.
pub fn list(app: &App, context: &RequestContext, _: &Manager) -> HandlerResult {
    paginate(
        app,
        context,
        UserQuery::from_query,
        |store, filter, after| store.read(|db| users::list(db, filter, after)),
    )
}

/// Shows an account.
pub fn show(app: &App, context: &RequestContext, _: &Manager, id: Id) -> HandlerResult {
    let user = app.store.read(|db| users::by_id(db, id))?;
    response::json_or_304(context, &user)
}

/// Changes the role of an account, or approves it.
pub fn update(app: &App, context: &RequestContext, admin: &Admin, id: Id) -> HandlerResult {
    let patch = parse_json(context, UserPatch::from_fields)?;
    let preconditions = context.preconditions()?;
    let user = app.store.write(|db| {
        recheck_permissions(db, admin)?;
        let before = users::by_id(db, id)?;
        preconditions.check_before_write(&before)?;
        let user = users::update(db, id, patch)?;
        audit::record_changes(db, &actor(app, context, admin), &before, &user)?;
        Ok(user)
    })?;
    response::json_with_etag(&user)
}

/// Deletes an account. Its tasks stay and become unassigned.
pub fn delete(app: &App, context: &RequestContext, admin: &Admin, id: Id) -> HandlerResult {
    let preconditions = context.preconditions()?;
    app.store.write(|db| {
        recheck_permissions(db, admin)?;
        let before = users::by_id(db, id)?;
        preconditions.check_before_write(&before)?;
        users::delete(db, id)?;
        let actor = actor(app, context, admin);
        audit::record(db, &actor, Action::AccountDeleted, Some(&before), None)
    })?;
    Ok(response::no_content())
}
