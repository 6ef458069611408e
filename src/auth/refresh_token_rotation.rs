//! Refresh token rotation: each refresh token is valid for one exchange, in which the client receives the next
//! one (RFC 9700, 4.14.2). This file has the times and computes the id of the next token, and
//! [`crate::store::sessions::exchange`] replaces the token and detects reuse.

use std::time::Duration;

use pbkdf2::hmac::Mac;

use super::signing_key::{SigningKey, SigningKeys};
use crate::crypto::{self, HmacSha256};
use crate::model::{RefreshId, RotationTimes, Successors};

/// For a token in the `Authorization` header, whose client keeps the next token itself.
pub const OF_CLIENTS: RotationTimes = RotationTimes {
    min_age: Duration::ZERO,
    grace: Duration::from_secs(10),
};

/// For a token in the refresh cookie. Only the response brings the next one into the browser, and a page may have no
/// network meanwhile: its time limit, a minute without network, and its retries.
///
/// All tabs share the cookie. The request of a slow tab has the token that was current when it was sent, and other tabs
/// may refresh several times before it arrives. The minimum age is as long as the grace, so they replace the token at most
/// once in that time: the slow request has the current token or the one before.
pub const OF_PAGES: RotationTimes = RotationTimes {
    min_age: Duration::from_secs(120),
    grace: Duration::from_secs(120),
};

/// Computes the id of the refresh token that follows another one: an HMAC of its id. So two requests with the same token,
/// such as from two browser tabs, get the same next token, although the database stores no token.
#[derive(Debug)]
pub struct RefreshTokenChain {
    current: HmacSha256,
    previous: Vec<HmacSha256>,
}

impl RefreshTokenChain {
    /// Derives the HMAC keys from the keys that sign tokens.
    pub fn new(keys: &SigningKeys) -> RefreshTokenChain {
        let hmac = |key: &SigningKey| {
            crypto::derive_hmac(&key.bytes, "task-api: successors of refresh tokens")
        };
        RefreshTokenChain {
            current: hmac(&keys.current),
            previous: keys.previous.iter().map(hmac).collect(),
        }
    }

    /// The ids that can follow `id`.
    pub fn successors(&self, id: &RefreshId) -> Successors {
        let next = |hmac: &HmacSha256| {
            let full = hmac.clone().chain_update(id.as_str()).finalize();
            RefreshId::from_bytes(full.into_bytes().into())
        };
        Successors {
            current: next(&self.current),
            previous: self.previous.iter().map(next).collect(),
        }
    }
}
