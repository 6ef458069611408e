//! What comes behind each refresh token.

use pbkdf2::hmac::Mac;
use pbkdf2::hmac::digest::InvalidLength;

use crate::mac::{self, HmacSha256};
use crate::model::RefreshId;

/// Knows the successor of each refresh token.
#[derive(Debug)]
pub struct RefreshIds {
    mac: HmacSha256,
}

impl RefreshIds {
    /// The key is derived from the one that signs tokens.
    ///
    /// # Errors
    /// Those of [`mac::derived`].
    pub fn new(signing_key: &[u8]) -> Result<RefreshIds, InvalidLength> {
        let mac = mac::derived(signing_key, "task-api: successors of refresh tokens")?;
        Ok(RefreshIds { mac })
    }

    /// The id that comes behind this one. It follows from the key, so that who asks twice is given the
    /// same, and no token has to be kept for that.
    pub fn successor(&self, id: &RefreshId) -> RefreshId {
        let full = self.mac.clone().chain_update(id.as_str()).finalize();
        RefreshId::of(full.into_bytes().into())
    }
}
