//! Authentication of a request: the `Authorization` header has an access token or a token for scripts, and the token
//! names an account. The rate limit of these requests is checked here too, since its key depends on the token.

use crate::app::App;
use crate::auth::claims::Claims;
use crate::auth::jwt::TokenKind;
use crate::crypto::sha256_hex;
use crate::error::Error;
use crate::http::rate_limit::Limit;
use crate::http::rate_limit_key::RateLimitKey;
use crate::http::request::RequestContext;
use crate::model::{ApiTokenSecret, Credential, SessionId, SignInToken, SignedIn, Timestamp, User};
use crate::store::api_tokens::{self, FoundToken};
use crate::store::{Connection, sessions, users};

/// Where the account of a session may be taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// From memory, as this server has last read it. The query of the handler confirms it, see [`assume_known`].
    LastRead,
    /// From the database only.
    Database,
}

/// Returns the account whose token the request carries. `username` receives its name, for the access log. The rate
/// limit counts a request per account or token for scripts, or per session if `limit` is that of own sessions, and a
/// request without a valid token per network.
///
/// # Errors
/// Those of [`authenticate`]; [`Error::TooManyRequests`], which takes precedence.
pub fn caller(
    app: &App,
    context: &RequestContext,
    limit: Limit,
    username: &mut Option<String>,
    trust: Trust,
) -> Result<SignedIn, Error> {
    let caller = authenticate(app, context, trust);
    let (limit, key) = match &caller {
        Ok(caller) if limit == Limit::OwnSessions => (limit, RateLimitKey::of_session(caller)),
        Ok(caller) => (limit, RateLimitKey::of_caller(caller)),
        Err(_) => (
            Limit::RequestsWithoutToken,
            RateLimitKey::of_network(context.client.address),
        ),
    };
    let user = caller.as_ref().ok().map(|caller| &caller.user);
    count_request(app, context, limit, key, user, username)?;
    caller
}

/// Counts a request of this account, or of none, and writes its name to `username` for the access log.
///
/// # Errors
/// [`Error::TooManyRequests`].
pub(super) fn count_request(
    app: &App,
    context: &RequestContext,
    limit: Limit,
    key: RateLimitKey,
    user: Option<&User>,
    username: &mut Option<String>,
) -> Result<(), Error> {
    *username = user.map(|user| user.username.clone());
    let checked = app
        .rate_limits
        .check_request(context, limit, key, app.now());
    checked.map_err(|refused| refused.of_account(user.map(|user| user.id.get())))
}

/// Verifies the token, which names the account. The session, role and approval are read from the database for each
/// request, or checked by its first query (see `store/assumption.rs`), so that a change takes effect with the next
/// request.
///
/// # Errors
/// [`Error::NoCredentials`] and [`Error::InvalidToken`], with flask-jwt-extended's messages.
fn authenticate(app: &App, context: &RequestContext, trust: Trust) -> Result<SignedIn, Error> {
    let (token, now) = (context.bearer_token()?, app.now());
    if let Some(secret) = ApiTokenSecret::from_bearer(token) {
        return by_api_token(app, &secret, now);
    }
    let claims = app.jwt.verify(token, TokenKind::Access, now)?;
    let Some(session) = claims.session else {
        app.flask_tokens.check(&claims, now)?;
        return app.store.read(|db| by_flask_token(app, db, token, &claims));
    };
    let user = match trust {
        Trust::LastRead => assume_known(app, context, session, &claims, now),
        Trust::Database => None,
    };
    let user = match user {
        Some(user) => user,
        None => read_account(app, session, &claims, now)?,
    };
    app.sign_outs.check_session(session)?;
    app.session_activity.record(session, now);
    let credential = Credential::SignIn(SignInToken::Session(session));
    Ok(SignedIn { user, credential })
}

/// The account of a session, from the database.
fn read_account(
    app: &App,
    session: SessionId,
    claims: &Claims,
    now: Timestamp,
) -> Result<User, Error> {
    let user = app
        .store
        .read_one(|db| in_session(db, session, claims, now))?;
    if app.store.is_remote() {
        app.session_accounts.insert(session, &user);
    }
    Ok(user)
}

/// The account of a session as it was last read, if the request only reads and the database is a round trip away. The
/// handler's query confirms it, see [`Store::assume`](crate::store::Store::assume).
fn assume_known(
    app: &App,
    context: &RequestContext,
    session: SessionId,
    claims: &Claims,
    now: Timestamp,
) -> Option<User> {
    if !app.store.is_remote() || context.method() != "GET" || claims.times.check_start(now).is_err()
    {
        return None;
    }
    let user = app.session_accounts.get(session)?;
    let condition = sessions::is_unchanged(session, &user)?;
    if user.username != claims.username {
        return None;
    }
    app.store.assume(condition);
    Some(user)
}

/// Reads a token for scripts with its account, and checks that it has neither expired nor been revoked.
fn by_api_token(app: &App, secret: &ApiTokenSecret, now: Timestamp) -> Result<SignedIn, Error> {
    let digest = secret.digest();
    let found = app
        .store
        .read_one(|db| api_tokens::by_digest(db, &digest))?;
    let FoundToken {
        id,
        scope,
        expires_at,
        owner: user,
    } = found.ok_or_else(|| {
        Error::InvalidToken("Token is incomplete, or has been revoked".to_owned())
    })?;
    if expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Error::InvalidToken("Token has expired".to_owned()));
    }
    app.sign_outs.check_api_token(id)?;
    app.api_token_activity.record(id, now);
    let credential = Credential::ApiToken { id, scope };
    Ok(SignedIn { user, credential })
}

/// Reads the account of a session, and checks that the token is valid already. If there is no account, the session has
/// ended or the account does not exist; the second case has a message of its own.
pub fn in_session(
    db: &Connection,
    session: SessionId,
    claims: &Claims,
    now: Timestamp,
) -> Result<User, Error> {
    let Some(user) = sessions::user(db, session, &claims.username)? else {
        return by_name(db, claims).and(Err(Error::revoked()));
    };
    if claims.times.check_start(now).is_err() {
        // This program has issued the token, so the clock may have been set back since.
        let latest = sessions::last_used_at(db, session)?;
        let start = claims.times.check_start(latest);
        start.map_err(|why| Error::InvalidToken(why.to_owned()))?;
    }
    Ok(user)
}

fn by_name(db: &Connection, claims: &Claims) -> Result<User, Error> {
    let name = &claims.username;
    users::by_username(db, name)?
        .ok_or_else(|| Error::InvalidToken(format!("Error loading the user {name}")))
}

/// Reads the account of a token of the Flask app, which names no session. The token is valid until it
/// expires, unless it has been revoked. A token that is older than the account belongs to an earlier account
/// of the same name; one without `iat` counts as issued in 1970.
fn by_flask_token(
    app: &App,
    db: &Connection,
    token: &str,
    claims: &Claims,
) -> Result<SignedIn, Error> {
    let user = by_name(db, claims)?;
    let digest = sha256_hex(token);
    let issued_at = claims.issued_at.unwrap_or(0.0);
    let created_at = user.created_at.map_or(0, |created| created.unix_seconds());
    if issued_at < created_at as f64 || sessions::is_ended(db, &user, &digest, issued_at)? {
        return Err(Error::revoked());
    }
    app.sign_outs
        .check_flask_token(&digest, user.id, issued_at)?;
    let expires_at = claims.expires_at;
    let credential = Credential::SignIn(SignInToken::Flask { digest, expires_at });
    Ok(SignedIn { user, credential })
}
