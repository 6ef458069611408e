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
    let patch = call.body(app.config.limits.max_body_bytes, |fields| {
        ProfilePatch::from_fields(fields, user)
    })?;
    let hash = app.store.read(|db| users::password_hash(db, user.id))?;
    let stored = hash.as_deref().map(|hash| (user.id, hash));
    let right = app.passwords.verify(&patch.current_password, stored)?;
    let (verified, _) = hash.zip(right).ok_or(Error::WrongPassword)?;
    let new = patch
        .password
        .map(|password| app.passwords.hash(&password))
        .transpose()?;
    let user = app.store.write(|db| {
        users::change_profile(db, user.id, &verified, patch.email.as_ref(), new.as_deref())
    })?;
    Ok(reply::ok(&user))
}
