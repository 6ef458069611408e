//! Which tokens of the Flask app are accepted. They belong to no session: before it expires, a token ends only by a
//! sign-out that is sent with it, or by what ends all sessions of its account. The key that signed it may be the
//! tutorial's, which is published. Accepted for 31 days after a take-over, so that users stay signed in during it;
//! `ACCEPT_FLASK_TOKENS` changes that. A token that is valid for more than 31 days is refused in every case.

use std::sync::atomic::{AtomicBool, Ordering};

use super::claims::Claims;
use crate::config::accounts::AcceptFlaskTokens;
use crate::error::Error;
use crate::model::Timestamp;

/// How long after the take-over tokens are accepted, and the longest lifetime of a token, in seconds. Longer than a
/// month, for which flask-jwt-extended's refresh tokens are valid.
const MAX_SECONDS: i64 = 31 * 86_400;

/// The rule for tokens of the Flask app.
#[derive(Debug)]
pub struct FlaskTokens {
    setting: AcceptFlaskTokens,
    /// When the database was taken over from the Flask app, if it was.
    taken_over_at: Option<Timestamp>,
    is_explained: AtomicBool,
}

impl FlaskTokens {
    /// The rule of `ACCEPT_FLASK_TOKENS` for a database that was taken over at this time; `None`: that this program has
    /// created.
    pub fn new(setting: AcceptFlaskTokens, taken_over_at: Option<Timestamp>) -> FlaskTokens {
        FlaskTokens {
            setting,
            taken_over_at,
            is_explained: AtomicBool::new(false),
        }
    }

    /// Checks that a verified token without a session is accepted. The log explains the first refusal.
    ///
    /// # Errors
    /// [`Error::InvalidToken`].
    pub fn check(&self, claims: &Claims, now: Timestamp) -> Result<(), Error> {
        let Some(why) = self.refusal(claims, now) else {
            return Ok(());
        };
        if !self.is_explained.swap(true, Ordering::Relaxed) {
            log::warn!(
                "refused a token without a session, as the Flask app issues them: {why}. Its user has to sign in \
                 again; further refusals are not logged"
            );
        }
        Err(Error::InvalidToken(
            "Tokens without a session are not accepted, sign in again".to_owned(),
        ))
    }

    /// Why a token is refused, for the operator.
    fn refusal(&self, claims: &Claims, now: Timestamp) -> Option<&'static str> {
        let taken_over_until = self.taken_over_at.map(|at| at.plus_seconds(MAX_SECONDS));
        match (self.setting, taken_over_until) {
            (AcceptFlaskTokens::Off, _) => return Some("ACCEPT_FLASK_TOKENS is off"),
            (AcceptFlaskTokens::Auto, None) => {
                return Some(
                    "ACCEPT_FLASK_TOKENS is auto, and this database was not taken over from the Flask app",
                );
            }
            (AcceptFlaskTokens::Auto, Some(until)) if until <= now => {
                return Some(
                    "ACCEPT_FLASK_TOKENS is auto, and the take-over was more than 31 days ago",
                );
            }
            (AcceptFlaskTokens::Auto, Some(_)) | (AcceptFlaskTokens::On, _) => {}
        }
        // Without `iat` the token counts as issued in 1970.
        let lifetime = claims.times.expires - claims.issued_at.unwrap_or(0.0);
        (lifetime > MAX_SECONDS as f64)
            .then_some("it is valid for more than 31 days, or does not say when it was issued")
    }
}
