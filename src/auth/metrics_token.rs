//! The bearer token for `/metrics`. It is separate from the accounts' tokens, since a monitoring system has no
//! account.

use sha2::{Digest, Sha256};

use crate::config::secrets::Secret;

/// The minimum length: 128 bits if each character is a random byte, and 96 bits for random base64 text, which is
/// still beyond guessing.
const MIN_BYTES: usize = 16;

/// The SHA-256 digest of the token. Digests have the same length, so a comparison in constant time does not
/// reveal the token's length, and a digest may appear in debug output.
#[derive(Debug)]
pub struct MetricsToken([u8; 32]);

impl MetricsToken {
    /// Validates the token that the operator has set.
    ///
    /// # Errors
    /// One line for the operator: the token is too short, or contains characters that a client cannot send in a
    /// header.
    pub fn new(Secret { text, source }: &Secret) -> Result<MetricsToken, String> {
        if text.len() < MIN_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{source} must be at least {MIN_BYTES} characters, ASCII without spaces, such as the output \
                 of `openssl rand -base64 32`"
            ));
        }
        Ok(MetricsToken(digest(text)))
    }

    /// Compares `given` with the token in constant time.
    pub fn matches(&self, given: &str) -> bool {
        ct_codecs::verify(&self.0, &digest(given))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
