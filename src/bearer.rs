//! Who is calling: from the `Authorization` header by way of a token to an account.

use crate::app::App;
use crate::auth::token::{Claims, Kind};
use crate::call::Call;
use crate::digest::sha256_hex;
use crate::error::Error;
use crate::model::{Credential, RefreshId, RefreshToken, SessionId, SignedIn, User};
use crate::store::{Connection, sessions, users};

/// Finds the account whose access token the request carries.
///
/// The token says who; role and approval are the database's at this moment, so a change to them
/// counts from the next request on, and so does the end of the session.
///
/// # Errors
/// [`Error::NoCredentials`] and [`Error::InvalidToken`], in flask-jwt-extended's words.
pub fn authenticate(app: &App, call: &Call) -> Result<SignedIn, Error> {
    let (token, now) = (call.bearer()?, app.now());
    let claims = app.tokens.verify(token, Kind::Access, now)?;
    let caller = match claims.session {
        Some(session) => {
            let user = app.store.read(|db| in_session(db, session, &claims))?;
            app.uses.note(session, now);
            let credential = Credential::Session(session);
            SignedIn { user, credential }
        }
        None => app.store.read(|db| by_flask_token(db, token, &claims))?,
    };
    call.note_user(&caller.username);
    Ok(caller)
}

/// Finds the session whose refresh token the request carries, in the same place as an access token.
///
/// # Errors
/// As above.
pub fn refresh_token(app: &App, call: &Call) -> Result<RefreshToken, Error> {
    let claims = app
        .tokens
        .verify(call.bearer()?, Kind::Refresh, app.now())?;
    let (Some(session), Some(id)) = (claims.session, &claims.id) else {
        return Err(Error::revoked());
    };
    let id = RefreshId::from(id.clone());
    let user = app.store.read(|db| in_session(db, session, &claims))?;
    call.note_user(&user.username);
    Ok(RefreshToken { user, session, id })
}

fn in_session(db: &Connection, session: SessionId, claims: &Claims) -> Result<User, Error> {
    match sessions::user(db, session, &claims.username)? {
        Some(user) => Ok(user),
        None => by_name(db, claims).and(Err(Error::revoked())),
    }
}

fn by_name(db: &Connection, claims: &Claims) -> Result<User, Error> {
    let name = &claims.username;
    users::by_username(db, name)?
        .ok_or_else(|| Error::InvalidToken(format!("Error loading the user {name}")))
}

/// The Flask app's tokens name no session. They count until they expire, unless they have been signed
/// out, or are older than the account, and so an earlier one's of the same name.
fn by_flask_token(db: &Connection, token: &str, claims: &Claims) -> Result<SignedIn, Error> {
    let user = by_name(db, claims)?;
    let digest = sha256_hex(token);
    let issued_at = claims.issued_at.unwrap_or(0.0);
    let made_at = user.created_at.map_or(0, |made| made.unix_seconds());
    if issued_at < made_at as f64 || sessions::is_ended(db, &user, &digest, issued_at)? {
        return Err(Error::revoked());
    }
    let expires_at = claims.expires_at;
    let credential = Credential::Flask { digest, expires_at };
    Ok(SignedIn { user, credential })
}
