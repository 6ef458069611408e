//! The claims of a token, and the checks of its times.

use serde_json::{Map, Value};

use crate::model::{SessionId, Timestamp};

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

    /// Checks the times: `exp` must be in the future; `nbf` and `iat` must not be. Exact to the microsecond and
    /// without leeway, as in PyJWT.
    pub fn check(&self, now: Timestamp) -> Result<(), &'static str> {
        let now = now.unix_micros() as f64 / 1e6;
        if self.expires <= now {
            return Err("Token has expired");
        }
        if self.issued.is_some_and(|issued| issued > now) {
            return Err("The token is not yet valid (iat)");
        }
        if self.not_before.is_some_and(|not_before| not_before > now) {
            return Err("The token is not yet valid (nbf)");
        }
        Ok(())
    }
}
