//! The bearer token for `/metrics`.

use sha2::{Digest, Sha256};

use crate::config::secrets::Secret;

/// The least length: 128 bits where each character carries a byte, and beyond guessing for base64 text.
const MIN_BYTES: usize = 16;

/// SHA-256 of the token. Digests have one length, so the comparison takes the same time for every input,
/// and a digest may appear in debug output.
#[derive(Debug)]
pub struct MetricsToken([u8; 32]);

impl MetricsToken {
    /// Checks the token that the operator has set.
    ///
    /// # Errors
    /// One line for the operator: the token is short, or holds characters that no client can send.
    pub fn new(Secret { text, source }: &Secret) -> Result<MetricsToken, String> {
        if text.len() < MIN_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{source} must be {MIN_BYTES} characters or more, ASCII without spaces, such as \
                 `openssl rand -base64 32` prints"
            ));
        }
        Ok(MetricsToken(digest(text)))
    }

    /// Whether `given` is this token; compared in constant time.
    pub fn matches(&self, given: &str) -> bool {
        ct_codecs::verify(&self.0, &digest(given))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}
