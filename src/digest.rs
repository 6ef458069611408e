//! SHA-256 in hex: what the database keeps in the place of a secret, and what chains the record.

use ct_codecs::{Encoder, Hex};
use sha2::{Digest, Sha256};

/// SHA-256 of a text, in hex.
pub fn sha256_hex(text: &str) -> String {
    Hex::encode_to_string(Sha256::digest(text)).unwrap_or_default()
}
