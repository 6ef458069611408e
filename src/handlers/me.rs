//! One's own account.

use crate::app::App;
use crate::call::Call;
use crate::error::Error;
use crate::model::{ProfilePatch, User};
use crate::reply::{self, Reply};
use crate::store::users;

/// Shows the caller's account.
pub fn show(_: &App, _: &Call, user: &User) -> Reply {
    Ok(reply::ok(user))
}

/// Changes e-mail or password of whoever knows the current password.
pub fn update(app: &App, call: &Call, user: &User) -> Reply {
    let patch = call.body(app.config.max_body_bytes, ProfilePatch::from_fields)?;
    let stored = app.store.read(|db| users::password_hash(db, user.id))?;
    if !app
        .passwords
        .verify(&patch.current_password, Some(&stored))?
    {
        return Err(Error::WrongPassword);
    }
    let new_hash = patch
        .password
        .as_ref()
        .map(|password| app.passwords.hash(password))
        .transpose()?;
    let user = app.store.write(|db| {
        if let Some(email) = &patch.email {
            users::set_email(db, user.id, email)?;
        }
        if let Some(hash) = &new_hash {
            users::set_password_hash(db, user.id, hash)?;
        }
        users::by_id(db, user.id)
    })?;
    Ok(reply::ok(&user))
}
