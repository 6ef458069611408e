//! Tasks.

use serde_json::json;

use crate::app::App;
use crate::call::Call;
use crate::error::Error;
use crate::model::{Action, Approved, Manager, NewTask, TaskFilter, TaskPatch};
use crate::reply::{self, Reply};
use crate::store::{audit, idempotency, tasks};

/// Lists the tasks that the caller may see.
pub fn list(app: &App, call: &Call, user: &Approved) -> Reply {
    let read_filter = |query: &mut _| TaskFilter::from_query(query, user);
    super::paged(app, call, read_filter, |store, filter, after| {
        store.read(|db| tasks::list(db, filter, after))
    })
}

/// Makes a task.
pub fn create(app: &App, call: &Call, user: &Manager) -> Reply {
    let body = call.json(app.config.limits.max_body_bytes)?;
    let new = body.read(NewTask::from_fields)?;
    let fingerprint = super::fingerprint(app, call, "POST /tasks", Some(user), &body)?;
    let made = app.store.write(|db| {
        super::still(db, user)?;
        let make = || tasks::insert(db, &new, app.now());
        idempotency::once(db, fingerprint.as_ref(), app.now(), make)
    })?;
    let location = format!("/tasks/{}", made.shown["id"]);
    Ok(super::created(&made)?.with_additional_header("Location", location))
}

/// Shows a task. Somebody else's does not exist for an employee.
pub fn show(app: &App, call: &Call, user: &Approved) -> Reply {
    let id = call.id()?;
    let task = app.store.read(|db| tasks::by_id(db, id))?;
    if !task.visible_to(user) {
        return Err(Error::NotFound);
    }
    reply::current(call, &task)
}

/// Changes a task, as far as the caller may.
pub fn update(app: &App, call: &Call, user: &Approved) -> Reply {
    let id = call.id()?;
    let patch = call.body(app.config.limits.max_body_bytes, TaskPatch::from_fields)?;
    let preconditions = call.preconditions()?;
    let task = app.store.write(|db| {
        super::still(db, user)?;
        let before = tasks::by_id(db, id)?;
        if !before.visible_to(user) {
            return Err(Error::NotFound);
        }
        patch.permitted_to(user)?;
        let task = tasks::update(db, id, &patch)?;
        preconditions.permit_change(&before)?;
        Ok(task)
    })?;
    reply::versioned(&task)
}

/// Removes a task.
pub fn delete(app: &App, call: &Call, manager: &Manager) -> Reply {
    let id = call.id()?;
    let preconditions = call.preconditions()?;
    app.store.write(|db| {
        super::still(db, manager)?;
        let before = tasks::by_id(db, id)?;
        tasks::delete(db, id)?;
        preconditions.permit_change(&before)?;
        let (by, detail) = (super::by(app, call, manager), json!({ "task_id": id }));
        audit::record(db, &by, Action::TaskDeleted, None, Some(detail))
    })?;
    Ok(reply::no_content())
}
