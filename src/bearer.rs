//! Who is calling: from the `Authorization` header by way of a token to an account.

use crate::app::App;
use crate::call::Call;
use crate::error::Error;
use crate::model::User;
use crate::store::users;

/// Finds the account whose token the request carries.
///
/// The token says who; role and approval are the database's at this moment, so a change to them
/// counts from the next request on.
///
/// # Errors
/// [`Error::NoCredentials`] and [`Error::InvalidToken`], in flask-jwt-extended's words.
pub fn authenticate(app: &App, call: &Call) -> Result<User, Error> {
    let claims = app.tokens.verify(bearer(call)?, app.now())?;
    let user = app
        .store
        .read(|db| users::by_username(db, &claims.username))?
        .ok_or_else(|| {
            Error::InvalidToken(format!("Error loading the user {}", claims.username))
        })?;
    if !claims.issued_to(&user) {
        return Err(Error::InvalidToken("Token has been revoked".to_owned()));
    }
    call.note_user(&user.username);
    Ok(user)
}

/// The token of `Authorization: Bearer <token>` (RFC 6750, 2.1); the scheme counts in any case
/// (RFC 9110, 11.1). No other place is looked at.
fn bearer<'a>(call: &'a Call) -> Result<&'a str, Error> {
    const BAD_HEADER: &str = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'";
    let mut headers = call.headers("Authorization");
    let value = headers.next().unwrap_or_default();
    if headers.next().is_some() {
        return Err(Error::InvalidToken(BAD_HEADER.to_owned()));
    }
    let mut words = value.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Err(Error::NoCredentials("Missing Authorization Header")),
        (Some(scheme), ..) if !scheme.eq_ignore_ascii_case("Bearer") => Err(Error::NoCredentials(
            "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'",
        )),
        (_, Some(token), None) => Ok(token),
        _ => Err(Error::InvalidToken(BAD_HEADER.to_owned())),
    }
}
