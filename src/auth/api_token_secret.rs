//! The secret of a token for scripts: 256 random bits behind a prefix by which people and secret scanners recognise it.

use data_encoding::BASE64URL_NOPAD;

use crate::crypto::{random_bytes, sha256_hex};
use crate::error::Error;

/// The start of each secret. A JSON Web Token starts with the base64url form of `{`.
const PREFIX: &str = "tapi_";

/// Whether a bearer token is a token for scripts and not a JSON Web Token.
pub fn is_api_token(bearer: &str) -> bool {
    bearer.starts_with(PREFIX)
}

/// Generates a secret: the prefix and 43 characters of base64url.
///
/// # Errors
/// [`Error::Internal`] if the operating system has no random numbers.
pub fn generate() -> Result<String, Error> {
    let bytes: [u8; 32] = random_bytes()?;
    Ok(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes)))
}

/// The SHA-256 by which the database knows the secret. A fast hash is enough, since the secret cannot be guessed.
pub fn digest(secret: &str) -> String {
    sha256_hex(secret)
}
