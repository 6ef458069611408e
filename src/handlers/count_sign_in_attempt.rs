//! The rate limit of attempts to prove a password.

use crate::app::App;
use crate::auth::device_token::DeviceId;
use crate::error::Error;
use crate::http::request::RequestContext;
use crate::model::email_key;
use crate::store::users;

/// Counts an attempt to prove the password of the account with this e-mail address; see
/// [`RateLimits::check_sign_in`](crate::http::rate_limit::RateLimits::check_sign_in). The account is looked up only for
/// a line in the log, so that the response takes the same time whether it exists or not.
///
/// # Errors
/// [`Error::TooManyRequests`].
pub fn count_sign_in_attempt(
    app: &App,
    context: &RequestContext,
    email: &str,
    device: Option<DeviceId>,
) -> Result<(), Error> {
    let (key, now) = (email_key(email), app.now());
    match app.rate_limits.check_sign_in(context, &key, device, now) {
        Err(Error::TooManyRequests(refusal)) if refusal.is_logged => {
            let found = app.store.read(|db| users::by_email(db, email))?;
            let account = found.map(|(user, _)| user.id.get());
            Err(Error::TooManyRequests(refusal).of_account(account))
        }
        checked => checked,
    }
}
