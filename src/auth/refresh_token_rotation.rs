//! Refresh token rotation: each refresh token is valid for one exchange, in which the client receives the next
//! one (RFC 9700, 4.14.2). This file computes the id of the next token; [`crate::store::sessions::exchange`]
//! replaces the token and detects reuse.

use pbkdf2::hmac::Mac;

use crate::crypto::{self, HmacSha256};
use crate::model::RefreshId;

/// Computes the id of the refresh token that follows another one.
#[derive(Debug)]
pub struct RefreshTokenChain {
    mac: HmacSha256,
}

impl RefreshTokenChain {
    /// Derives the HMAC key from the key that signs tokens.
    pub fn new(signing_key: &[u8]) -> RefreshTokenChain {
        let mac = crypto::derive_hmac(signing_key, "task-api: successors of refresh tokens");
        RefreshTokenChain { mac }
    }

    /// The id of the token that follows `id`: an HMAC of `id`. So two requests with the same token, such as from
    /// two browser tabs, get the same next token, although the database stores no token.
    pub fn next_id(&self, id: &RefreshId) -> RefreshId {
        let full = self.mac.clone().chain_update(id.as_str()).finalize();
        RefreshId::from_bytes(full.into_bytes().into())
    }
}
