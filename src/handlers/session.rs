//! Signing up, in and out, and the tutorial's protected resource.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::password::Verified;
use crate::call::Call;
use crate::error::Error;
use crate::model::{
    Action, Credential, Credentials, NewUser, RefreshId, RefreshToken, Role, SessionId, SignedIn,
    Timestamp, User,
};
use crate::reply::{self, Reply};
use crate::store::sessions::{self, Exchange, NewSession};
use crate::store::{audit, idempotency, users};

/// Makes an account: an employee that awaits approval.
pub fn signup(app: &App, call: &Call) -> Reply {
    app.limits.signup(call.client.address, app.now())?;
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
    let by = super::by_nobody(app, call);
    let made = app.store.write(|db| {
        let make = || {
            let user = users::insert(db, &row)?;
            audit::record(db, &by, Action::SignUp, Some(&user), None)?;
            Ok(user)
        };
        idempotency::once(db, fingerprint.as_ref(), app.now(), make)
    })?;
    super::created(&made)
}

/// Begins a session. An unknown e-mail and a wrong password get the same answer in the same time.
pub fn login(app: &App, call: &Call) -> Reply {
    let given = call.body(app.config.limits.max_body_bytes, Credentials::from_fields)?;
    let attempt = app
        .limits
        .login(call.client.address, &given.email, app.now())?;
    let tokens = super::once_more(|| sign_in(app, call, &given))?;
    app.limits.signed_in(attempt);
    Ok(reply::ok(&tokens))
}

fn sign_in(app: &App, call: &Call, given: &Credentials) -> Result<Tokens, Error> {
    let found = app
        .store
        .read(|db| users::by_email(db, given.email.trim()))?;
    let stored = found.as_ref().map(|(user, hash)| (user.id, hash.as_str()));
    let verified = app.passwords.verify(&given.password, stored)?;
    let (Some((user, hash)), Some(verified)) = (&found, verified) else {
        return Err(refused(app, call, found.as_ref().map(|(user, _)| user)));
    };
    call.note_user(&user.username);
    let renewed = renewed_hash(app, call, &verified);
    begin(app, call, user, hash, renewed.as_deref())
}

/// Records a sign-in that is refused; not what was typed, which may be a password in the wrong place.
fn refused(app: &App, call: &Call, user: Option<&User>) -> Error {
    let recorded = app.store.write(|db| {
        let by = super::by_nobody(app, call);
        audit::record(db, &by, Action::SignInRefused, user, None)
    });
    recorded.err().unwrap_or(Error::WrongEmailOrPassword)
}

/// Today's hash for one that the Flask app has written, or this program at a time of fewer rounds. The
/// next sign-in tries again where this one cannot.
fn renewed_hash(app: &App, call: &Call, verified: &Verified) -> Option<String> {
    app.passwords.renew(verified).unwrap_or_else(|why| {
        let id = &call.request_id;
        log::warn!("request_id={id} the password's old hash stays: {why}");
        None
    })
}

/// Begins a session of an account whose hash `verified` is, and puts `renewed` in the hash's place.
fn begin(
    app: &App,
    call: &Call,
    user: &User,
    verified: &str,
    renewed: Option<&str>,
) -> Result<Tokens, Error> {
    let (now, refresh_id) = (app.now(), RefreshId::random()?);
    let (address, agent) = (call.client.address.to_string(), call.user_agent());
    let session = NewSession {
        id: SessionId::random()?,
        user_id: user.id,
        refresh_digest: &refresh_id.digest(),
        now,
        expires_at: app.refresh_expiry(now),
        address: &address,
        user_agent: agent.as_deref(),
    };
    app.store.write(|db| {
        users::confirm_password(db, user.id, verified, renewed)?;
        sessions::begin(db, &session)?;
        let by = super::by_nobody(app, call);
        audit::record(db, &by, Action::SignIn, Some(user), None)
    })?;
    let (from, until) = (session.now, session.expires_at);
    Tokens::of(app, user, session.id, &refresh_id, (from, until))
}

/// Exchanges a refresh token for new tokens. It is good for one exchange: used again, it is in two
/// hands, and its session ends.
pub fn refresh(app: &App, call: &Call, presented: &RefreshToken) -> Reply {
    let RefreshToken { user, session, id } = presented;
    let (next, now) = (app.refresh_ids.successor(id), app.now());
    let exchange = app.store.write(|db| {
        let digests = (id.digest(), next.digest());
        let exchange = sessions::exchange(db, *session, &digests, now, app.refresh_expiry(now))?;
        if exchange == Exchange::Reused {
            let by = super::by_nobody(app, call);
            audit::record(db, &by, Action::RefreshReused, Some(user), None)?;
        }
        Ok(exchange)
    })?;
    match exchange {
        Exchange::Successor(from, until) => {
            let tokens = Tokens::of(app, user, *session, &next, (from, until))?;
            Ok(reply::ok(&tokens))
        }
        Exchange::Reused | Exchange::Unknown => Err(Error::revoked()),
    }
}

/// Ends the session, its access tokens included.
pub fn logout(app: &App, call: &Call, caller: &SignedIn) -> Reply {
    app.store.write(|db| {
        match &caller.credential {
            Credential::Session(id) => sessions::end(db, *id)?,
            Credential::Flask { digest, expires_at } => {
                sessions::end_token(db, digest, *expires_at)?;
            }
        }
        let by = super::by(app, call, caller);
        audit::record(db, &by, Action::SignOut, Some(caller), None)
    })?;
    Ok(reply::no_content())
}

/// Greets whoever is signed in.
pub fn hello(_: &App, _: &Call, caller: &SignedIn) -> Reply {
    Ok(reply::ok(&Greeting::of(&caller.username)))
}

/// The tutorial's greeting.
#[derive(Serialize, ToSchema)]
pub struct Greeting<'a> {
    msg: &'static str,
    user_name: &'a str,
}

impl Greeting<'_> {
    /// The greeting of this account.
    pub fn of(user_name: &str) -> Greeting<'_> {
        Greeting {
            msg: "hello world! from rouille",
            user_name,
        }
    }
}

/// What a client is given of its session (RFC 6749, 5.1, with the tutorial's names).
#[derive(Serialize, ToSchema)]
pub struct Tokens {
    msg: &'static str,
    /// The access token.
    token: String,
    token_type: &'static str,
    /// For how many seconds the access token counts.
    expires_in: i64,
    /// Good for one POST /refresh.
    refresh_token: String,
    user: User,
}

impl Tokens {
    /// A new access token, and the refresh token of this id, which is good from the first moment to the
    /// second.
    fn of(
        app: &App,
        user: &User,
        session: SessionId,
        refresh_id: &RefreshId,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<Tokens, Error> {
        let token = app.tokens.access(user, session, app.now())?;
        let refresh_token = app.tokens.refresh(user, session, refresh_id, from, until)?;
        let expires_in = app.tokens.lifetime_seconds();
        Ok(Tokens::new(token, refresh_token, expires_in, user.clone()))
    }

    /// These tokens, in the form of an answer.
    pub fn new(token: String, refresh_token: String, expires_in: i64, user: User) -> Tokens {
        Tokens {
            msg: "successfully logged in",
            token,
            token_type: "Bearer",
            expires_in,
            refresh_token,
            user,
        }
    }
}
