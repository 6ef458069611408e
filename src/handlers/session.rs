//! Signing up, signing in, and the tutorial's protected resource.

use serde_json::json;

use crate::app::App;
use crate::call::Call;
use crate::error::Error;
use crate::model::{Credentials, Id, NewUser, Role, TriedPassword, User};
use crate::reply::{self, Reply};
use crate::store::{idempotency, users};

/// Makes an account: an employee that awaits approval.
pub fn signup(app: &App, call: &Call) -> Reply {
    let body = call.json(app.config.limits.max_body_bytes)?;
    let new = body.read(NewUser::from_fields)?;
    let fingerprint = super::fingerprint(app, call, "POST /signup", None, &body)?;
    // A retry need not wait for a hash.
    let before = app
        .store
        .read(|db| idempotency::find(db, fingerprint.as_ref(), app.now()))?;
    if let Some(made) = before {
        return super::created(&made);
    }
    let password_hash = app.passwords.hash(&new.password)?;
    let row = users::NewRow {
        username: &new.username,
        email: &new.email,
        password_hash: &password_hash,
        role: Role::default(),
        is_approved: false,
        created_at: app.now(),
    };
    let made = app.store.write(|db| {
        let make = || users::insert(db, &row);
        idempotency::once(db, fingerprint.as_ref(), app.now(), make)
    })?;
    super::created(&made)
}

/// Gives out a token. An unknown e-mail and a wrong password get the same answer in the same time.
pub fn login(app: &App, call: &Call) -> Reply {
    let given = call.body(app.config.limits.max_body_bytes, Credentials::from_fields)?;
    let found = app
        .store
        .read(|db| users::by_email(db, given.email.trim()))?;
    let stored = found.as_ref().map(|(user, hash)| (user.id, hash.as_str()));
    let right = app.passwords.verify(&given.password, stored)?;
    let (user, hash) = found.filter(|_| right).ok_or(Error::WrongEmailOrPassword)?;
    call.note_user(&user.username);
    if let Err(why) = renew_hash(app, user.id, &given.password, &hash) {
        log::warn!(
            "request_id={} the password's old hash stays: {why}",
            call.request_id
        );
    }
    Ok(reply::ok(&json!({
        "msg": "successfully logged in",
        "token": app.tokens.issue(&user, app.now())?,
        "token_type": "Bearer",
        "expires_in": app.tokens.lifetime_seconds(),
        "user": user,
    })))
}

/// Puts today's hash in the place of one that the Flask app has written, or this program at a time of
/// fewer rounds. The next sign-in tries again where this one could not.
fn renew_hash(app: &App, id: Id, password: &TriedPassword, stored: &str) -> Result<(), Error> {
    match app.passwords.renew(password, stored)? {
        Some(new) => app
            .store
            .write(|db| users::replace_password_hash(db, id, stored, &new)),
        None => Ok(()),
    }
}

/// Greets whoever is signed in.
pub fn hello(_: &App, _: &Call, user: &User) -> Reply {
    Ok(reply::ok(
        &json!({ "msg": "hello world! from rouille", "user_name": user.username }),
    ))
}
