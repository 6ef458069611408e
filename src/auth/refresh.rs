//! The ids of refresh tokens: random ones, and the successor of each.

use ct_codecs::{Base64UrlSafeNoPadding, Encoder, Hex};
use pbkdf2::hmac::Mac;
use pbkdf2::hmac::digest::InvalidLength;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::mac::{self, HmacSha256};
use crate::model::random_bytes;

/// Bytes of an id: 128 bits, far beyond guessing (OWASP ASVS 5.0, 7.2.3).
const LENGTH: usize = 16;

/// Knows the successor of each refresh token.
#[derive(Debug)]
pub struct RefreshIds {
    mac: HmacSha256,
}

/// The `jti` of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshId(String);

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
        let full = self.mac.clone().chain_update(&id.0).finalize();
        RefreshId::of(&full.into_bytes()[..LENGTH])
    }
}

impl RefreshId {
    /// The id of a session's first refresh token.
    ///
    /// # Errors
    /// [`Error::Internal`] where the system gives out no random numbers.
    pub fn random() -> Result<RefreshId, Error> {
        random_bytes::<LENGTH>().map(|bytes| RefreshId::of(&bytes))
    }

    fn of(bytes: &[u8]) -> RefreshId {
        RefreshId(Base64UrlSafeNoPadding::encode_to_string(bytes).unwrap_or_default())
    }

    /// The text in a token.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the database keeps of it: SHA-256 in hex.
    pub fn digest(&self) -> String {
        sha256_hex(&self.0)
    }
}

impl From<String> for RefreshId {
    fn from(jti: String) -> RefreshId {
        RefreshId(jti)
    }
}

/// SHA-256 in hex.
pub fn sha256_hex(text: &str) -> String {
    Hex::encode_to_string(Sha256::digest(text)).unwrap_or_default()
}
