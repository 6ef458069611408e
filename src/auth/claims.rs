//! The claims of a token, and the checks of its times.

use serde_json::{Map, Value};

use crate::model::{LEEWAY_SECONDS, SessionId, Timestamp};

/// The claims of a verified token.
#[derive(Debug)]
pub struct Claims {
    /// `sub`: the username of the account.
    pub username: String,
    /// `sid`: the session. Tokens of the Flask app have none.
    pub session: Option<SessionId>,
    /// `jti`: the id of the token.
    pub id: Option<String>,
    /// `iat`: when the token was issued, in seconds since 1970.
    pub issued_at: Option<f64>,
    /// `exp`: when the token expires.
    pub expires_at: Timestamp,
    /// The time claims, which are checked at each use.
    pub times: TimeClaims,
}

impl Claims {
    /// Checks what the clock alone decides: the expiry and, for a token without a session, its start.
    pub fn check_times(&self, now: Timestamp) -> Result<(), &'static str> {
        self.times.check_expiry(now)?;
        match self.session {
            None => self.times.check_start(now),
            Some(_) => Ok(()),
        }
    }
}

/// The time claims (RFC 7519, 4.1.4 to 4.1.6), in seconds since 1970.
#[derive(Debug)]
pub struct TimeClaims {
    /// `exp`.
    pub expires: f64,
    not_before: Option<f64>,
    /// `iat`.
    pub issued: Option<f64>,
}

impl TimeClaims {
    /// Reads the time claims; `exp` is required.
    pub fn read(claims: &Map<String, Value>) -> Result<TimeClaims, &'static str> {
        let read = |name: &str, wrong: &'static str| match claims.get(name) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                // Up to the year 9999: greater numbers could overflow later calculations.
                Some(time) if (0.0..253_402_300_800.0).contains(&time) => Ok(Some(time)),
                _ => Err(wrong),
            },
        };
        let expires = read("exp", "Expiration Time claim (exp) must be an integer.")?;
        let not_before = read("nbf", "Not Before claim (nbf) must be an integer.")?;
        let issued = read("iat", "Issued At claim (iat) must be an integer.")?;
        Ok(TimeClaims {
            expires: expires.ok_or("Missing claim: exp")?,
            not_before,
            issued,
        })
    }

    /// Checks that the token has not expired: `exp` must be in the future, exact to the microsecond and without
    /// leeway, as in PyJWT.
    pub fn check_expiry(&self, now: Timestamp) -> Result<(), &'static str> {
        if self.expires <= seconds(now) {
            return Err("Token has expired");
        }
        Ok(())
    }

    /// Checks that the token is valid already: `iat` and `nbf` must not be after `latest`, with a leeway of
    /// [`LEEWAY_SECONDS`]. For a token of a session, `latest` is the last use of the session if that is later than
    /// the clock: this program has issued the token, and the clock has been set back since.
    pub fn check_start(&self, latest: Timestamp) -> Result<(), &'static str> {
        let latest = seconds(latest) + LEEWAY_SECONDS as f64;
        if self.issued.is_some_and(|issued| issued > latest) {
            return Err("The token is not yet valid (iat)");
        }
        if self
            .not_before
            .is_some_and(|not_before| not_before > latest)
        {
            return Err("The token is not yet valid (nbf)");
        }
        Ok(())
    }
}

fn seconds(moment: Timestamp) -> f64 {
    moment.unix_micros() as f64 / 1e6
}
