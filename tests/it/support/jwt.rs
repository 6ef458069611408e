//! Signs and decodes JSON Web Tokens without the code under test.

use ct_codecs::{Base64UrlSafeNoPadding, Decoder, Encoder};
use pbkdf2::hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// Base64url without padding, the encoding of a token's segments (RFC 7515, 2).
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlSafeNoPadding::encode_to_string(bytes).unwrap()
}

/// HMAC-SHA256 of a text: the signature algorithm HS256 (RFC 7518, 3.2).
pub fn hs256(key: &[u8], text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key)
        .unwrap()
        .chain_update(text);
    mac.finalize().into_bytes().to_vec()
}

/// A token with exactly this header and this payload, which need not be JSON.
pub fn signed_with(key: &[u8], header: &str, payload: &str) -> String {
    let text = format!("{}.{}", base64(header), base64(payload));
    let signature = base64(hs256(key, &text));
    format!("{text}.{signature}")
}

/// A token with these claims and the usual header.
pub fn signed(key: &[u8], claims: &Value) -> String {
    signed_with(key, r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

/// Decodes one segment of a token.
fn decoded(segment: &str) -> Value {
    let bytes = Base64UrlSafeNoPadding::decode_to_vec(segment, None).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The claims of a token.
pub fn payload(token: &str) -> Value {
    decoded(token.split('.').nth(1).unwrap())
}

/// The claims of an access token as flask-jwt-extended issues it, in the same order.
pub fn flask_claims(sub: &str, iat: i64) -> Value {
    json!({
        "fresh": false,
        "iat": iat,
        "jti": "5c8b2d0e-9f0a-4a53-8f4c-0d6d2f9a7b11",
        "type": "access",
        "sub": sub,
        "nbf": iat,
        "csrf": "f2a1b0c9-1111-4222-8333-944455566677",
        "exp": iat + 86_400,
    })
}
