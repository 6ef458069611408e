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
    let claims = app.tokens.verify(call.bearer()?, app.now())?;
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
