//! One-time links: the secret token in a link, and the two kinds of links.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use utoipa::{PartialSchema, ToSchema};

use super::json_schema::Schema;
use crate::crypto::{random_token, sha256_hex};
use crate::error::Error;

/// The secret token of a one-time link: 256 random bits in base64url, 43 characters. The database has only its SHA-256,
/// and its `Debug` form does not contain it, so that it cannot get into a log.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LinkToken(String);

impl LinkToken {
    /// Generates the token of a new link.
    ///
    /// # Errors
    /// [`Error::Internal`] if the operating system has no random numbers.
    pub fn random() -> Result<LinkToken, Error> {
        random_token().map(LinkToken)
    }

    /// The token as text, for the one response or line that shows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The SHA-256 of the token, in hex. A slow hash is not needed: 256 random bits cannot be guessed.
    pub fn digest(&self) -> String {
        sha256_hex(&self.0)
    }
}

/// Accepts any text: one that is no token belongs to no link, like one that has been used.
impl FromStr for LinkToken {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<LinkToken, Infallible> {
        Ok(LinkToken(text.to_owned()))
    }
}

impl PartialSchema for LinkToken {
    fn schema() -> Schema {
        String::schema()
    }
}

impl ToSchema for LinkToken {}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken")
    }
}

/// The kinds of one-time links, by the name before the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum LinkKind {
    /// Creates an account.
    Invitation,
    /// Sets a new password.
    Reset,
}
