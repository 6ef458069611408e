//! Tasks: list, count, create, show, change, delete.

use serde_json::json;

use super::audit_actor::actor;
use super::concurrent_changes::recheck_permissions;
use super::idempotency::{created, fingerprint};
use super::pagination::PageRequest;
use super::revalidation::tagged_or_304;
use crate::app::App;
use crate::error::Error;
use crate::http::etag::ETag;
use crate::http::json_body::{JsonBody, parse_json};
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::json_fields::Fields;
use crate::model::{Action, Approved, Expand, Id, Manager, NewTask, Task, TaskPatch, TaskQuery};
use crate::store::{Store, audit, idempotency, task_summary, tasks, users};

/// Lists the tasks that the caller may see.
pub fn list(app: &App, context: &RequestContext, user: &Approved) -> HandlerResult {
    let request = PageRequest::read(app, context, |query| TaskQuery::from_query(query, user))?;
    tagged_or_304(app, context, user, || {
        request.respond(app, context, |store, filter, after| {
            let mut page = store.read_one(|db| tasks::list(db, filter, after))?;
            expand(store, &mut page.items, filter.expand)?;
            Ok(page)
        })
    })
}

/// Adds to the tasks what the request has asked for.
fn expand(store: &Store, tasks: &mut [Task], wanted: Option<Expand>) -> Result<(), Error> {
    let Some(Expand::Assignee) = wanted else {
        return Ok(());
    };
    let ids = tasks
        .iter()
        .filter_map(|task| task.assigned_user_id)
        .collect();
    let names = store.read_one(|db| users::names(db, &ids))?;
    for task in tasks {
        task.assignee = task.assigned_user_id.and_then(|id| names.get(&id).cloned());
    }
    Ok(())
}

/// Reads the parameter `expand`, and ignores all others.
fn expand_parameter(context: &RequestContext) -> Result<Option<Expand>, Error> {
    let pairs = form_urlencoded::parse(context.raw_query().as_bytes());
    let named = pairs.filter(|(name, _)| name == "expand");
    let mut query = Fields::new(
        named
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
    );
    let wanted = Expand::from_query(&mut query);
    query.finish(Some(wanted))
}

/// Counts the tasks that the caller may see.
pub fn summary(app: &App, context: &RequestContext, user: &Approved) -> HandlerResult {
    tagged_or_304(app, context, user, || {
        let now = app.now();
        let summary = app.store.read_one(|db| match user.task_visibility() {
            Some(own) => task_summary::of_assignee(db, own, now),
            None => task_summary::of_all(db, user.id, now),
        })?;
        Ok(response::json(&summary))
    })
}

/// Creates a task.
pub fn create(app: &App, context: &RequestContext, manager: &Manager) -> HandlerResult {
    let body = JsonBody::read(context)?;
    let new = body.parse(NewTask::from_fields)?;
    let fingerprint = fingerprint(app, context, "POST /tasks", Some(manager), &body)?;
    let actor = actor(app, context, manager);
    let stored = app.store.write(|db| {
        recheck_permissions(db, manager)?;
        let insert = || tasks::insert(db, &new, &actor);
        idempotency::run_once(db, fingerprint.as_ref(), actor.at, insert)
    })?;
    let prefix = app.config.links.address.path_prefix();
    let location = format!("{prefix}/tasks/{}", stored.body["id"]);
    Ok(created(&stored)?.with_additional_header("Location", location))
}

/// Shows a task. An employee gets 404 for a task of another account.
pub fn show(app: &App, context: &RequestContext, user: &Approved, id: Id) -> HandlerResult {
    let wanted = expand_parameter(context)?;
    let mut task = app.store.read_one(|db| tasks::by_id(db, id))?;
    if !task.visible_to(user) {
        return Err(Error::NotFound);
    }
    if wanted.is_none() {
        return response::json_or_304(context, &task);
    }
    // The tag is the version of the task and does not cover the name, so there is no 304.
    let etag = ETag::of(&task)?;
    context.preconditions()?.is_not_modified(&etag)?;
    expand(&app.store, std::slice::from_mut(&mut task), wanted)?;
    Ok(response::with_etag(response::json(&task), &etag))
}

/// Changes a task. An employee may change only the status.
pub fn update(app: &App, context: &RequestContext, user: &Approved, id: Id) -> HandlerResult {
    let patch = parse_json(context, TaskPatch::from_fields)?;
    let preconditions = context.preconditions()?;
    let actor = actor(app, context, user);
    let task = app.store.write(|db| {
        recheck_permissions(db, user)?;
        let before = tasks::by_id(db, id)?;
        if !before.visible_to(user) {
            return Err(Error::NotFound);
        }
        patch.check_permitted(user)?;
        preconditions.check_before_write(&before)?;
        tasks::update(db, &before, &patch, &actor)
    })?;
    response::json_with_etag(&task)
}

/// Deletes a task.
pub fn delete(app: &App, context: &RequestContext, manager: &Manager, id: Id) -> HandlerResult {
    let preconditions = context.preconditions()?;
    let actor = actor(app, context, manager);
    app.store.write(|db| {
        recheck_permissions(db, manager)?;
        let before = tasks::by_id(db, id)?;
        preconditions.check_before_write(&before)?;
        tasks::delete(db, &before, &actor)?;
        let detail = json!({ "task_id": id });
        audit::record(db, &actor, Action::TaskDeleted, None, Some(detail))
    })?;
    Ok(response::no_content())
}
