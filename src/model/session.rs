//! Sessions (one for each sign-in), the ids of sessions and refresh tokens, and the callers that authentication
//! returns.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use utoipa::{PartialSchema, ToSchema};

use super::id::Id;
use super::json_schema::{self, Schema};
use super::time::Timestamp;
use super::token_scope::TokenScope;
use super::user::User;
use crate::crypto::{random_bytes, random_token, sha256_hex};
use crate::error::Error;

/// How far in the future `iat` and `nbf` may be (RFC 7519, 4.1.5): the clock of the program that issued the token may
/// have been ahead, or have been set back since.
pub const LEEWAY_SECONDS: i64 = 60;

/// The id of a session: a random number of 63 bits, written as sixteen hexadecimal digits. Unlike a row
/// number it is not reused, so a token of a deleted session cannot match a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct SessionId(i64);

impl SessionId {
    /// Generates the id of a new session.
    ///
    /// # Errors
    /// [`Error::Internal`] if the operating system has no random numbers.
    pub fn random() -> Result<SessionId, Error> {
        // SQLite's integers are signed, and a negative one would be written with a minus sign.
        random_bytes().map(|bytes| SessionId(i64::from_be_bytes(bytes) & i64::MAX))
    }

    /// The number, to bind to an SQL statement.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl From<i64> for SessionId {
    fn from(stored: i64) -> SessionId {
        SessionId(stored)
    }
}

/// Accepts only the spelling that [`fmt::Display`] writes, so that each session has one URL.
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
        json_schema::string_matching("^[0-7][0-9a-f]{15}$").into()
    }
}

impl ToSchema for SessionId {}

impl From<SessionId> for String {
    fn from(id: SessionId) -> String {
        id.to_string()
    }
}

/// The id of a refresh token, its claim `jti`: 256 random bits, where OWASP ASVS 5.0, 7.2.3 asks for 128.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshId(String);

impl RefreshId {
    /// Generates the id of a session's first refresh token.
    ///
    /// # Errors
    /// [`Error::Internal`] if the operating system has no random numbers.
    pub fn random() -> Result<RefreshId, Error> {
        random_token().map(RefreshId)
    }

    /// Encodes the bytes as base64url, as [`RefreshId::random`] does.
    pub fn from_bytes(bytes: [u8; 32]) -> RefreshId {
        RefreshId(BASE64URL_NOPAD.encode(&bytes))
    }

    /// The value of the claim `jti`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The SHA-256 of the id, in hex. The database stores only this digest, from which no valid token can be
    /// computed.
    pub fn digest(&self) -> String {
        sha256_hex(&self.0)
    }
}

/// The times of refresh token rotation (RFC 9700, 4.14.2).
#[derive(Debug, Clone, Copy)]
pub struct RotationTimes {
    /// How long a token is kept: a client that exchanges it earlier gets its id again, and the session is prolonged.
    pub min_age: Duration,
    /// How long a token is still accepted after its exchange, and gets the same next token: two tabs of a browser, or a
    /// retry after a lost response, send it again, and nothing is stolen. A token that is sent later counts as stolen.
    pub grace: Duration,
}

/// The ids that the token after a refresh token can have: one for each signing key.
#[derive(Debug)]
pub struct Successors {
    /// The id by the current key, for a token that is exchanged now.
    pub current: RefreshId,
    /// The ids by the previous keys, for a token that was exchanged before the key was changed.
    pub previous: Vec<RefreshId>,
}

impl From<String> for RefreshId {
    fn from(jti: String) -> RefreshId {
        RefreshId(jti)
    }
}

/// A session of the current user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Session {
    /// The session's id.
    pub id: SessionId,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When the session was last used, exact to the minute.
    pub last_used_at: Timestamp,
    /// When the session ends unless it is refreshed.
    pub expires_at: Timestamp,
    /// The IP address of the sign-in.
    pub address: String,
    /// The client's `User-Agent` at the sign-in; null if it sent none.
    #[schema(required)]
    pub user_agent: Option<String>,
}

/// The sessions of the caller's account.
#[derive(Serialize, ToSchema)]
pub struct OwnSessions {
    /// Every session that has not ended.
    pub items: Vec<OwnSession>,
}

/// A session in the list of its owner.
#[derive(Serialize, ToSchema)]
pub struct OwnSession {
    /// The session itself.
    #[serde(flatten)]
    pub session: Session,
    /// Whether it is the session of this request.
    pub current: bool,
}

/// The token that authenticated a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The access token of a sign-in by password.
    SignIn(SignInToken),
    /// A token for scripts.
    ApiToken {
        /// The id of the token.
        id: Id,
        /// What the token permits.
        scope: TokenScope,
    },
}

/// The access token of a caller who has signed in by password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInToken {
    /// A token of this session.
    Session(SessionId),
    /// A token of the Flask app, which has no sessions. Sign-out blocks the token itself until it expires.
    Flask {
        /// The SHA-256 of the token, in hex.
        digest: String,
        /// The time in its claim `exp`.
        expires_at: Timestamp,
    },
}

impl SignInToken {
    /// The session of the token. A token of the Flask app has none.
    pub fn session(&self) -> Option<SessionId> {
        match self {
            SignInToken::Session(id) => Some(*id),
            SignInToken::Flask { .. } => None,
        }
    }
}

/// A verified refresh token: one of the keys signed it, it has not expired, and its session exists.
/// [`crate::store::sessions::exchange`] checks whether it has been used before.
#[derive(Debug)]
pub struct RefreshToken {
    /// The account that the session belongs to.
    pub user: User,
    /// The session to refresh.
    pub session: SessionId,
    /// The token's claim `jti`.
    pub id: RefreshId,
}

/// An authenticated caller: an account with a valid token, approved or not.
#[derive(Debug)]
pub struct SignedIn {
    /// The account as the database has it at the start of the request.
    pub user: User,
    /// The token that the request was sent with.
    pub credential: Credential,
}

impl SignedIn {
    /// The session of the token. A token of the Flask app and a token for scripts have none.
    pub fn session(&self) -> Option<SessionId> {
        match &self.credential {
            Credential::SignIn(token) => token.session(),
            Credential::ApiToken { .. } => None,
        }
    }
}

impl Deref for SignedIn {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}
