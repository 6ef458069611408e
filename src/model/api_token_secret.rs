//! The secret of a token for scripts.

use std::fmt;

use serde::Serialize;

use crate::crypto::{random_token, sha256_hex};
use crate::error::Error;

/// The start of each secret, by which people and secret scanners recognise it. A JSON Web Token starts with the
/// base64url form of `{`.
const PREFIX: &str = "tapi_";

/// The secret of a token for scripts: a prefix and 256 random bits in base64url. The database has only its SHA-256, and
/// its `Debug` form does not contain it, so that it cannot get into a log.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ApiTokenSecret(String);

impl ApiTokenSecret {
    /// Generates the secret of a new token: the prefix and 43 characters of base64url.
    ///
    /// # Errors
    /// [`Error::Internal`] if the operating system has no random numbers.
    pub fn random() -> Result<ApiTokenSecret, Error> {
        random_token().map(|token| ApiTokenSecret(format!("{PREFIX}{token}")))
    }

    /// The secret in a bearer token; `None` if its start is another one, as that of a JSON Web Token.
    pub fn from_bearer(bearer: &str) -> Option<ApiTokenSecret> {
        bearer
            .starts_with(PREFIX)
            .then(|| ApiTokenSecret(bearer.to_owned()))
    }

    /// The secret in the example of the OpenAPI document. It belongs to no token.
    pub fn example() -> ApiTokenSecret {
        ApiTokenSecret(format!(
            "{PREFIX}Zm9ydHktdGhyZWUgY2hhcmFjdGVycyBvZiBiYXNlNjR1cmw"
        ))
    }

    /// The SHA-256 of the secret, in hex. A slow hash is not needed: 256 random bits cannot be guessed.
    pub fn digest(&self) -> String {
        sha256_hex(&self.0)
    }
}

impl fmt::Debug for ApiTokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiTokenSecret")
    }
}
