//! Accounts, as managers see and admins change them.

use crate::app::App;
use crate::call::Call;
use crate::model::{Action, Admin, Manager, UserFilter, UserPatch};
use crate::reply::{self, Reply};
use crate::store::{audit, users};

/// Lists accounts.
pub fn list(app: &App, call: &Call, _: &Manager) -> Reply {
    super::paged(app, call, UserFilter::from_query, |store, filter, after| {
        store.read(|db| users::list(db, filter, after))
    })
}

/// Shows an account.
pub fn show(app: &App, call: &Call, _: &Manager) -> Reply {
    let id = call.id()?;
    let user = app.store.read(|db| users::by_id(db, id))?;
    reply::current(call, &user)
}

/// Changes an account's role, or lets it in or out.
pub fn update(app: &App, call: &Call, admin: &Admin) -> Reply {
    let id = call.id()?;
    let patch = call.body(app.config.limits.max_body_bytes, UserPatch::from_fields)?;
    let preconditions = call.preconditions()?;
    let user = app.store.write(|db| {
        super::still(db, admin)?;
        let before = users::by_id(db, id)?;
        let user = users::update(db, id, patch)?;
        preconditions.permit_change(&before)?;
        audit::record_changes(db, &super::by(app, call, admin), &before, &user)?;
        Ok(user)
    })?;
    reply::versioned(&user)
}

/// Removes an account; its tasks stay.
pub fn delete(app: &App, call: &Call, admin: &Admin) -> Reply {
    let id = call.id()?;
    let preconditions = call.preconditions()?;
    app.store.write(|db| {
        super::still(db, admin)?;
        let before = users::by_id(db, id)?;
        users::delete(db, id)?;
        preconditions.permit_change(&before)?;
        let by = super::by(app, call, admin);
        audit::record(db, &by, Action::AccountDeleted, Some(&before), None)
    })?;
    Ok(reply::no_content())
}
