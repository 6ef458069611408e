//! Keys for one purpose each, all of them derived from the key that signs tokens.

use pbkdf2::hmac::digest::InvalidLength;
use pbkdf2::hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA256, which already has its key.
pub type HmacSha256 = Hmac<Sha256>;

/// The HMAC for a purpose: what it makes counts for no other.
///
/// # Errors
/// None in practice: HMAC takes a key of any length.
pub fn derived(signing_key: &[u8], purpose: &str) -> Result<HmacSha256, InvalidLength> {
    let key = HmacSha256::new_from_slice(signing_key)?.chain_update(purpose);
    HmacSha256::new_from_slice(&key.finalize().into_bytes())
}
