//! Signing up, signing in, and the tutorial's protected resource.

use serde_json::json;

use crate::app::App;
use crate::auth::password::Verified;
use crate::call::Call;
use crate::error::Error;
use crate::model::{Credentials, Id, NewUser, Role, User};
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
    let stored = found.as_ref().map(|(user, hash)| (user.id, hash.as_str()));
    let verified = app.passwords.verify(&given.password, stored)?;
    let ((user, hash), verified) = found.zip(verified).ok_or(Error::WrongEmailOrPassword)?;
    call.note_user(&user.username);
    if let Err(why) = renew_hash(app, user.id, &verified, &hash) {
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
fn renew_hash(app: &App, id: Id, verified: &Verified, stored: &str) -> Result<(), Error> {
    match app.passwords.renew(verified)? {
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
