//! Sign-in, refresh token rotation and sign-out.

use rouille::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::audit_actor::anonymous_actor;
use super::concurrent_changes::retry_on_conflict;
use super::count_sign_in_attempt::count_sign_in_attempt;
use super::refused_sign_in::record_refused_sign_in;
use crate::app::App;
use crate::app::sign_outs::{Ended, SignOut};
use crate::auth::device_token::DeviceId;
use crate::auth::password_hash::Verified;
use crate::auth::refresh_token_rotation::{OF_CLIENTS, OF_PAGES};
use crate::error::Error;
use crate::http::json_body::parse_json;
use crate::http::refresh_cookie::OwnPage;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult, with_cookies};
use crate::model::{
    Action, Credentials, InSession, RefreshId, RefreshToken, SessionId, Timestamp, User, email_key,
};
use crate::store::sessions::{self, Exchange, NewSession};
use crate::store::{audit, users};

/// The account that signs in, and the response.
pub type SignInResult = Result<(User, Response), Error>;

/// Starts a session. An unknown e-mail and a wrong password get the same response after the same time (OWASP
/// ASVS 5.0, 6.3.8). Returns the account too, for the access log.
pub fn log_in(app: &App, context: &RequestContext) -> SignInResult {
    // Refuses pages of other origins before a password is checked.
    app.refresh_cookies.page(context)?;
    let given = parse_json(context, Credentials::from_fields)?;
    let device = known_device(app, &given);
    count_sign_in_attempt(app, context, &given.email, device)?;
    let tokens = retry_on_conflict(|| sign_in(app, context, &given))?;
    let device_token = device_token(app, &given.email, device)?;
    let signed_in = SignInResponse {
        tokens,
        device_token,
    };
    let response = with_cookies(response::json(&signed_in), signed_in.tokens.cookie);
    Ok((signed_in.tokens.user, response))
}

/// The device that the client proves to have signed in to this account before. Any other device token counts as
/// none, without an error, so that the response does not say whether the account exists.
fn known_device(app: &App, given: &Credentials) -> Option<DeviceId> {
    let token = given.device_token.as_deref()?;
    app.device_tokens
        .verify(token, &email_key(&given.email), app.now())
}

/// Issues the device token for the next sign-in, with which a known device keeps its id.
fn device_token(app: &App, email: &str, known: Option<DeviceId>) -> Result<String, Error> {
    let device = match known {
        Some(device) => device,
        None => DeviceId::random()?,
    };
    Ok(app
        .device_tokens
        .issue(device, &email_key(email), app.now()))
}

/// Verifies the password and starts a session.
///
/// # Errors
/// [`Error::WriteConflict`] if the password has changed between its verification and the write.
fn sign_in(
    app: &App,
    context: &RequestContext,
    given: &Credentials,
) -> Result<TokenResponse, Error> {
    let found = app.store.read(|db| users::by_email(db, &given.email))?;
    let stored = found.as_ref().map(|(user, hash)| (user.id, hash.as_str()));
    let verified = app.passwords.verify(&given.password, stored)?;
    let (Some((user, hash)), Some(verified)) = (&found, verified) else {
        record_refused_sign_in(app, context, None, found.as_ref().map(|(user, _)| user))?;
        return Err(Error::WrongEmailOrPassword);
    };
    let renewed = renewed_hash(app, context, &verified);
    start_session(app, context, user, hash, renewed.as_deref())
}

/// Hashes the password again if the stored hash was written by the Flask app or has fewer iterations than the
/// setting. If that fails, for example because the server is busy, the next sign-in tries again.
fn renewed_hash(app: &App, context: &RequestContext, verified: &Verified) -> Option<String> {
    app.passwords.renew(verified).unwrap_or_else(|why| {
        let request_id = &context.request_id;
        log::warn!(request_id, error:% = why; "keeping the outdated password hash");
        None
    })
}

/// Starts a session if `verified_hash` is still the hash of the account's password. Replaces that hash by
/// `renewed` if there is one.
fn start_session(
    app: &App,
    context: &RequestContext,
    user: &User,
    verified_hash: &str,
    renewed: Option<&str>,
) -> Result<TokenResponse, Error> {
    let (now, refresh_id) = (app.now(), RefreshId::random()?);
    let (address, agent) = (context.client.address.to_string(), context.user_agent());
    let session = NewSession {
        id: SessionId::random()?,
        user_id: user.id,
        refresh_digest: &refresh_id.digest(),
        now,
        expires_at: app.session_expiry(now, now),
        address: &address,
        user_agent: agent.as_deref(),
    };
    app.store.write(|db| {
        users::confirm_password(db, user.id, verified_hash, renewed)?;
        sessions::insert(db, &session)?;
        let actor = anonymous_actor(app, context);
        audit::record(db, &actor, Action::SignIn, Some(user), None)
    })?;
    let validity = (now, session.expires_at);
    TokenResponse::issue(app, context, user, session.id, &refresh_id, validity)
}

/// Refresh token rotation: exchanges a refresh token for new tokens. A token is valid for one exchange. If it
/// is used again, two clients hold it, so its session ends (RFC 9700, 4.14.2). The exceptions are
/// those of [`crate::model::RotationTimes`].
pub fn refresh(app: &App, context: &RequestContext, presented: &RefreshToken) -> HandlerResult {
    match exchange(app, context, presented)? {
        Exchange::Next(next, from, until) => {
            let RefreshToken { user, session, .. } = presented;
            let tokens = TokenResponse::issue(app, context, user, *session, &next, (from, until))?;
            Ok(with_cookies(response::json(&tokens), tokens.cookie))
        }
        Exchange::Reused | Exchange::Unknown => Err(Error::revoked()),
    }
}

/// Finds the refresh token that the client gets. The reuse of an old token goes to the audit log.
fn exchange(
    app: &App,
    context: &RequestContext,
    RefreshToken { user, session, id }: &RefreshToken,
) -> Result<Exchange, Error> {
    let now = app.now();
    let times = match app.refresh_cookies.page(context)? {
        Some(_) => OF_PAGES,
        None => OF_CLIENTS,
    };
    let successors = app.refresh_tokens.successors(id);
    app.store.write(|db| {
        let expiry = |began| app.session_expiry(began, now);
        let exchange = sessions::exchange(db, *session, id, &successors, now, times, expiry)?;
        if exchange == Exchange::Reused {
            let actor = anonymous_actor(app, context);
            audit::record(db, &actor, Action::RefreshReused, Some(user), None)?;
        }
        Ok(exchange)
    })
}

/// Ends the session of the request; its access tokens and its refresh token are invalid from then on.
pub fn log_out(app: &App, context: &RequestContext, caller: &InSession) -> HandlerResult {
    let ended = Ended::This(caller.token().clone());
    let sign_out = SignOut::new(ended, caller, caller, context, app.now());
    app.sign_outs.run(&app.store, sign_out)?;
    Ok(response::no_content())
}

/// The response to a sign-in.
#[derive(Serialize, ToSchema)]
pub struct SignInResponse {
    /// The tokens of the new session.
    #[serde(flatten)]
    pub tokens: TokenResponse,
    /// Send it with the next sign-in to this account: a known device gets in while others guess the password from the
    /// same network. It is valid for one year, and does not sign in.
    pub device_token: String,
}

/// The tokens of a session (RFC 6749, 5.1, with the tutorial's names).
#[derive(Serialize, ToSchema)]
pub struct TokenResponse {
    msg: &'static str,
    /// The access token.
    token: String,
    token_type: &'static str,
    /// How long the access token is valid, in seconds.
    expires_in: i64,
    /// Valid for one POST /refresh. Absent with `Refresh-Cookie`: the cookie has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = String)]
    refresh_token: Option<String>,
    user: User,
    /// The `Set-Cookie` with the refresh token of a page of this server.
    #[serde(skip)]
    cookie: Option<String>,
}

impl TokenResponse {
    /// Signs a new access token, and the refresh token with this id, which is valid from `from` until
    /// `until`, the end of the session. The access token expires then at the latest. A page of this server gets the
    /// refresh token in its cookie.
    fn issue(
        app: &App,
        context: &RequestContext,
        user: &User,
        session: SessionId,
        refresh_id: &RefreshId,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<TokenResponse, Error> {
        let now = app.now();
        let expires_at = app.jwt.access_expiry(now).min(until);
        let token = app.jwt.access(user, session, now, expires_at)?;
        let refresh_token = app.jwt.refresh(user, session, refresh_id, from, until)?;
        let expires_in = expires_at.unix_seconds() - now.unix_seconds();
        let tokens = TokenResponse::new(token, refresh_token, expires_in, user.clone());
        let page = app.refresh_cookies.page(context)?;
        Ok(match page {
            Some(page) => tokens.in_cookie(page, until.unix_seconds() - now.unix_seconds()),
            None => tokens,
        })
    }

    /// The response with these tokens.
    pub fn new(token: String, refresh_token: String, expires_in: i64, user: User) -> TokenResponse {
        TokenResponse {
            msg: "successfully logged in",
            token,
            token_type: "Bearer",
            expires_in,
            refresh_token: Some(refresh_token),
            user,
            cookie: None,
        }
    }

    /// Moves the refresh token from the body to the page's cookie.
    fn in_cookie(mut self, page: OwnPage, seconds: i64) -> TokenResponse {
        let token = self.refresh_token.take();
        self.cookie = token.map(|token| page.keep(&token, seconds));
        self
    }
}
