//! Authentication by a refresh token, which names a session and its account. It is in the `Authorization` header or, for a
//! page of this server, in the refresh cookie.

use super::authenticate::{Trust, caller, count_request, in_session};
use crate::app::App;
use crate::auth::jwt::TokenKind;
use crate::error::Error;
use crate::http::rate_limit::Limit;
use crate::http::rate_limit_key::RateLimitKey;
use crate::http::request::RequestContext;
use crate::model::{Credential, RefreshId, RefreshToken, SignInToken, SignedIn};

/// Returns the account and the session whose refresh token the request carries; `None` for a page of this server
/// without a cookie: it asks at each start whether it is signed in. `username` receives the name of the account, for the
/// access log. The rate limit counts a request per session, and one without a valid refresh token per network.
///
/// # Errors
/// [`Error::NotOwnPage`], [`Error::BadRequest`], [`Error::NoCredentials`] and [`Error::InvalidToken`];
/// [`Error::TooManyRequests`], which takes precedence over the last two.
pub fn refresh_caller(
    app: &App,
    context: &RequestContext,
    username: &mut Option<String>,
) -> Result<Option<RefreshToken>, Error> {
    let token = match app.refresh_cookies.page(context)? {
        Some(page) => page.refresh_token().transpose(),
        None => Some(context.bearer_token()),
    };
    token
        .map(|token| session_of(app, context, token, username))
        .transpose()
}

/// Returns the caller who signs out: by the access token or, for a page of this server whose access token is missing or
/// no longer valid, by the refresh cookie.
///
/// # Errors
/// Those of [`refresh_caller`].
pub fn sign_out_caller(
    app: &App,
    context: &RequestContext,
    limit: Limit,
    username: &mut Option<String>,
    trust: Trust,
) -> Result<SignedIn, Error> {
    let page = app.refresh_cookies.page(context)?;
    let by_access_token = caller(app, context, limit, username, trust);
    let (Some(page), Err(Error::NoCredentials(_) | Error::InvalidToken(_))) =
        (page, &by_access_token)
    else {
        return by_access_token;
    };
    let Some(token) = page.refresh_token().transpose() else {
        return by_access_token;
    };
    let RefreshToken { user, session, .. } = session_of(app, context, token, username)?;
    let credential = Credential::SignIn(SignInToken::Session(session));
    Ok(SignedIn { user, credential })
}

/// Returns the account and the session of a refresh token, and counts the request.
fn session_of(
    app: &App,
    context: &RequestContext,
    token: Result<&str, Error>,
    username: &mut Option<String>,
) -> Result<RefreshToken, Error> {
    let caller = token.and_then(|token| verify_refresh_token(app, token));
    let key = match &caller {
        Ok(caller) => RateLimitKey::Session(caller.session),
        Err(_) => RateLimitKey::of_network(context.client.address),
    };
    let user = caller.as_ref().ok().map(|caller| &caller.user);
    count_request(app, context, Limit::Refresh, key, user, username)?;
    caller
}

/// Verifies the refresh token and reads its account. Whether the token has been exchanged before is checked
/// by [`crate::store::sessions::exchange`], in the transaction that replaces it.
fn verify_refresh_token(app: &App, token: &str) -> Result<RefreshToken, Error> {
    let now = app.now();
    let claims = app.jwt.verify(token, TokenKind::Refresh, now)?;
    let (Some(session), Some(id)) = (claims.session, &claims.id) else {
        return Err(Error::revoked());
    };
    let id = RefreshId::from(id.clone());
    let user = app
        .store
        .read_one(|db| in_session(db, session, &claims, now))?;
    app.sign_outs.check_session(session)?;
    Ok(RefreshToken { user, session, id })
}
