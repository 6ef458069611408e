//! Tasks: list, create, show, change, delete.

use serde_json::json;

use super::audit_actor::actor;
use super::concurrent_changes::recheck_permissions;
use super::idempotency::{created, fingerprint};
use super::pagination::paginate;
use crate::app::App;
use crate::error::Error;
use crate::http::json_body::{JsonBody, parse_json};
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{Action, Approved, Id, Manager, NewTask, TaskPatch, TaskQuery};
use crate::store::{audit, idempotency, tasks};

/// Lists the tasks that the caller may see.
pub fn list(app: &App, context: &RequestContext, user: &Approved) -> HandlerResult {
    let read_filter = |query: &mut _| TaskQuery::from_query(query, user);
    paginate(app, context, read_filter, |store, filter, after| {
        store.read_one(|db| tasks::list(db, filter, after))
    })
}

/// Creates a task.
pub fn create(app: &App, context: &RequestContext, manager: &Manager) -> HandlerResult {
    let body = JsonBody::read(context)?;
    let new = body.parse(NewTask::from_fields)?;
    let fingerprint = fingerprint(app, context, "POST /tasks", Some(manager), &body)?;
    let stored = app.store.write(|db| {
        recheck_permissions(db, manager)?;
        let insert = || tasks::insert(db, &new, app.now());
        idempotency::run_once(db, fingerprint.as_ref(), app.now(), insert)
    })?;
    let location = format!("/tasks/{}", stored.body["id"]);
    Ok(created(&stored)?.with_additional_header("Location", location))
}

/// Shows a task. An employee gets 404 for a task of another account.
pub fn show(app: &App, context: &RequestContext, user: &Approved, id: Id) -> HandlerResult {
    let task = app.store.read_one(|db| tasks::by_id(db, id))?;
    if !task.visible_to(user) {
        return Err(Error::NotFound);
    }
    response::json_or_304(context, &task)
}

/// Changes a task. An employee may change only the status.
pub fn update(app: &App, context: &RequestContext, user: &Approved, id: Id) -> HandlerResult {
    let patch = parse_json(context, TaskPatch::from_fields)?;
    let preconditions = context.preconditions()?;
    let task = app.store.write(|db| {
        recheck_permissions(db, user)?;
        let before = tasks::by_id(db, id)?;
        if !before.visible_to(user) {
            return Err(Error::NotFound);
        }
        patch.check_permitted(user)?;
        preconditions.check_before_write(&before)?;
        tasks::update(db, id, &patch)
    })?;
    response::json_with_etag(&task)
}

/// Deletes a task.
pub fn delete(app: &App, context: &RequestContext, manager: &Manager, id: Id) -> HandlerResult {
    let preconditions = context.preconditions()?;
    app.store.write(|db| {
        recheck_permissions(db, manager)?;
        preconditions.check_before_write(&tasks::by_id(db, id)?)?;
        tasks::delete(db, id)?;
        let actor = actor(app, context, manager);
        let detail = json!({ "task_id": id });
        audit::record(db, &actor, Action::TaskDeleted, None, Some(detail))
    })?;
    Ok(response::no_content())
}
