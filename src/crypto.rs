//! Small cryptographic building blocks: random bytes, SHA-256 in hex, and one HMAC key per purpose.

use std::io::{self, ErrorKind, Read, Write};

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use pbkdf2::hmac::digest::Key;
use pbkdf2::hmac::digest::common::KeyInit;
use pbkdf2::hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::error::Error;

/// HMAC-SHA256 that already holds its key.
pub type HmacSha256 = Hmac<Sha256>;

/// Derives the HMAC key for one purpose from another key (domain separation): a value that is
/// authenticated for one purpose is not valid for another.
pub fn derive_hmac(key: &[u8], purpose: &str) -> HmacSha256 {
    keyed_hmac(&derive_key(key, purpose))
}

/// Derives a key for one purpose from another key: the HMAC of the purpose.
pub fn derive_key(key: &[u8], purpose: &str) -> [u8; 32] {
    let derived = keyed_hmac(key).chain_update(purpose).finalize();
    derived.into_bytes().into()
}

/// Creates an HMAC with a key of any length. A key longer than HMAC's block is hashed, a shorter one is padded
/// with zeros (RFC 2104, 2). That is done here because the library's constructor for any length returns a
/// `Result`, and the one for a whole block cannot fail.
fn keyed_hmac(key: &[u8]) -> HmacSha256 {
    let mut block = Key::<HmacSha256>::default();
    if key.len() <= block.len() {
        block[..key.len()].copy_from_slice(key);
    } else {
        let digest = Sha256::digest(key);
        block[..digest.len()].copy_from_slice(&digest);
    }
    HmacSha256::new(&block)
}

/// SHA-256 of a text, in lower-case hex. The database stores it in place of a random secret, and the audit log
/// chains its rows with it. Not for passwords, which need a slow hash.
pub fn sha256_hex(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text))
}

/// Copies all bytes, and returns their number and their SHA-256 in lower-case hex.
pub fn copy_with_sha256(from: &mut impl Read, to: &mut impl Write) -> io::Result<(u64, String)> {
    let (mut hash, mut length) = (Sha256::new(), 0);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok((length, HEXLOWER.encode(&hash.finalize()))),
            Ok(count) => {
                hash.update(&buffer[..count]);
                to.write_all(&buffer[..count])?;
                length += count as u64;
            }
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
}

/// Generates a secret that cannot be guessed: 256 random bits in base64url, 43 characters.
///
/// # Errors
/// [`Error::Internal`] if the system has no random numbers.
pub fn random_token() -> Result<String, Error> {
    random_bytes::<32>().map(|bytes| BASE64URL_NOPAD.encode(&bytes))
}

/// Unpredictable bytes from the operating system's random number generator.
///
/// # Errors
/// [`Error::Internal`] if the system provides none.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|why| Error::Internal(format!("randomness: {why}")))?;
    Ok(bytes)
}
