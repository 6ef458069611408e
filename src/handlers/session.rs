//! Signing up, signing in, and the tutorial's protected resource.

use serde_json::json;

use crate::app::App;
use crate::call::Call;
use crate::error::Error;
use crate::model::{Credentials, NewUser, Role, User};
use crate::reply::{self, Reply};
use crate::store::users;

/// Makes an account: an employee that awaits approval.
pub fn signup(app: &App, call: &Call) -> Reply {
    let new = call.body(app.config.limits.max_body_bytes, NewUser::from_fields)?;
    let password_hash = app.passwords.hash(&new.password)?;
    let row = users::NewRow {
        username: &new.username,
        email: &new.email,
        password_hash: &password_hash,
        role: Role::default(),
        is_approved: false,
        created_at: app.now(),
    };
    let user = app.store.write(|db| users::insert(db, &row))?;
    Ok(reply::created(&user))
}

/// Gives out a token. An unknown e-mail and a wrong password get the same answer in the same time.
pub fn login(app: &App, call: &Call) -> Reply {
    let given = call.body(app.config.limits.max_body_bytes, Credentials::from_fields)?;
    let found = app
        .store
        .read(|db| users::by_email(db, given.email.trim()))?;
    let (user, hash) = found.unzip();
    let right = app.passwords.verify(&given.password, hash.as_deref())?;
    let user = user.filter(|_| right).ok_or(Error::WrongEmailOrPassword)?;
    call.note_user(&user.username);
    Ok(reply::ok(&json!({
        "msg": "successfully logged in",
        "token": app.tokens.issue(&user, app.now())?,
        "token_type": "Bearer",
        "expires_in": app.tokens.lifetime_seconds(),
        "user": user,
    })))
}

/// Greets whoever is signed in.
pub fn hello(_: &App, _: &Call, user: &User) -> Reply {
    Ok(reply::ok(
        &json!({ "msg": "hello world! from rouille", "user_name": user.username }),
    ))
}
