//! Sessions: what a sign-in begins, and a proof of who is signed in.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use utoipa::{PartialSchema, ToSchema};

use super::schema::{self, Schema};
use super::time::Timestamp;
use super::user::User;
use crate::crypto::{random_bytes, sha256_hex};
use crate::error::Error;

/// Names a session: sixteen hexadecimal digits, of a random number that does not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct SessionId(i64);

impl SessionId {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Internal`] where the system gives out no random numbers.
    pub fn random() -> Result<SessionId, Error> {
        // SQLite's integers, and so its primary keys, have a sign.
        random_bytes().map(|bytes| SessionId(i64::from_be_bytes(bytes) & i64::MAX))
    }

    /// The number, for a statement.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl From<i64> for SessionId {
    fn from(stored: i64) -> SessionId {
        SessionId(stored)
    }
}

/// The one spelling that [`fmt::Display`] writes.
impl FromStr for SessionId {
    type Err = String;

    fn from_str(text: &str) -> Result<SessionId, String> {
        match i64::from_str_radix(text, 16).map(SessionId) {
            Ok(id) if id.to_string() == text => Ok(id),
            _ => Err("must be the id of a session".to_owned()),
        }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl PartialSchema for SessionId {
    fn schema() -> Schema {
        schema::text_like("^[0-7][0-9a-f]{15}$").into()
    }
}

impl ToSchema for SessionId {}

impl From<SessionId> for String {
    fn from(id: SessionId) -> String {
        id.to_string()
    }
}

/// Names a refresh token, its `jti`: 256 bits, where 128 are beyond guessing (OWASP ASVS 5.0, 7.2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshId(String);

impl RefreshId {
    /// The id of a session's first refresh token.
    ///
    /// # Errors
    /// [`Error::Internal`] where the system gives out no random numbers.
    pub fn random() -> Result<RefreshId, Error> {
        random_bytes().map(RefreshId::from_bytes)
    }

    /// The id that these bytes make.
    pub fn from_bytes(bytes: [u8; 32]) -> RefreshId {
        RefreshId(BASE64URL_NOPAD.encode(&bytes))
    }

    /// The text in a token.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the database keeps of it.
    pub fn digest(&self) -> String {
        sha256_hex(&self.0)
    }
}

impl From<String> for RefreshId {
    fn from(jti: String) -> RefreshId {
        RefreshId(jti)
    }
}

/// A session as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// When its owner signed in.
    pub created_at: Timestamp,
    /// When it was last seen, to the minute.
    pub last_used_at: Timestamp,
    /// When it ends if nobody refreshes it.
    pub expires_at: Timestamp,
    /// Where its owner signed in from.
    pub address: String,
    /// What the client said it was, if it did.
    #[schema(required)]
    pub user_agent: Option<String>,
}

/// What lets a request in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token of this session.
    Session(SessionId),
    /// A token of the Flask app, which knows no sessions.
    Flask {
        /// SHA-256 of the token, in hex.
        digest: String,
        /// The moment of its claim `exp`.
        expires_at: Timestamp,
    },
}

/// Proof of a refresh token that one of the keys signed and whose session is there.
#[derive(Debug)]
pub struct RefreshToken {
    /// The account.
    pub user: User,
    /// The session.
    pub session: SessionId,
    /// The token's own name.
    pub id: RefreshId,
}

/// Proof of an account that is signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The account.
    pub user: User,
    /// What it is signed in by.
    pub credential: Credential,
}

impl SignedIn {
    /// The session, if it is one.
    pub fn session(&self) -> Option<SessionId> {
        match self.credential {
            Credential::Session(id) => Some(id),
            Credential::Flask { .. } => None,
        }
    }
}

impl Deref for SignedIn {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}
