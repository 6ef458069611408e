//! Refresh token rotation: which token follows each refresh token.

use pbkdf2::hmac::Mac;

use crate::crypto::{self, HmacSha256};
use crate::model::RefreshId;

/// Computes the id of the refresh token that follows another one.
#[derive(Debug)]
pub struct RefreshTokenChain {
    mac: HmacSha256,
}

impl RefreshTokenChain {
    /// Derives the key from the one that signs tokens.
    pub fn new(signing_key: &[u8]) -> RefreshTokenChain {
        let mac = crypto::derive_hmac(signing_key, "task-api: successors of refresh tokens");
        RefreshTokenChain { mac }
    }

    /// The id of the token that follows `id`. It is an HMAC of `id`: two requests with the same token, such
    /// as those of two browser tabs, get the same next token, and no token has to be stored for that.
    pub fn next_id(&self, id: &RefreshId) -> RefreshId {
        let full = self.mac.clone().chain_update(id.as_str()).finalize();
        RefreshId::from_bytes(full.into_bytes().into())
    }
}
