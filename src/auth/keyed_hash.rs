//! Keyed hashes for other ends than tokens, each with a key of its own.

use pbkdf2::hmac::digest::InvalidLength;
use pbkdf2::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA-256 (RFC 2104), ready for what it is to cover.
pub type KeyedHash = Hmac<Sha256>;

/// Derives the key for one purpose from the key that signs tokens, so that nothing made for it is good
/// for another.
///
/// # Errors
/// None in practice: HMAC takes a key of any length.
pub fn keyed_hash(signing_key: &[u8], purpose: &str) -> Result<KeyedHash, InvalidLength> {
    let derived = KeyedHash::new_from_slice(signing_key)?.chain_update(purpose);
    KeyedHash::new_from_slice(&derived.finalize().into_bytes())
}
