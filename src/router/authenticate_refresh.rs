//! Authentication of a request for new tokens: the `Authorization` header has a refresh token, and the token names a
//! session and its account.

use super::authenticate::in_session;
use crate::app::App;
use crate::auth::jwt::TokenKind;
use crate::error::Error;
use crate::http::rate_limit::Limit;
use crate::http::rate_limit_key::RateLimitKey;
use crate::http::request::RequestContext;
use crate::model::{RefreshId, RefreshToken};

/// Returns the account and the session whose refresh token the request carries. `username` and the rate limit
/// are as in [`caller`](super::authenticate::caller).
///
/// # Errors
/// Those of [`caller`](super::authenticate::caller).
pub fn refresh_caller(
    app: &App,
    context: &RequestContext,
    username: &mut Option<String>,
) -> Result<RefreshToken, Error> {
    let caller = verify_refresh_token(app, context);
    let key = match &caller {
        Ok(caller) => RateLimitKey::Session(caller.session),
        Err(_) => RateLimitKey::of_network(context.client.address),
    };
    let known = caller.as_ref().ok();
    *username = known.map(|caller| caller.user.username.clone());
    let account = known.map(|caller| caller.user.id.get());
    let checked = app
        .rate_limits
        .check_request(context, Limit::Refresh, key, app.now());
    checked.map_err(|refused| refused.of_account(account))?;
    caller
}

/// Verifies the refresh token and reads its account. Whether the token has been exchanged before is checked
/// by [`crate::store::sessions::exchange`], in the transaction that replaces it.
fn verify_refresh_token(app: &App, context: &RequestContext) -> Result<RefreshToken, Error> {
    let (token, now) = (context.bearer_token()?, app.now());
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
