//! The stored form of password hashes, in Werkzeug's formats: parses it, and derives the key of a password by the
//! same method.

use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use scrypt::Params;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::crypto::random_bytes;
use crate::error::Error;
use crate::model::Id;

/// The most iterations that a stored PBKDF2 hash may have: no row of the database can keep a core busy for long.
const MAX_ITERATIONS: u32 = 10_000_000;

/// The most work that a stored scrypt hash may take, N × r × p: the strongest parameters that OWASP lists. They
/// need 128 MiB of memory.
const MAX_SCRYPT_WORK: u32 = 1 << 20;

/// The random bytes of a new salt.
const SALT_BYTES: usize = 16;

/// A parsed hash.
#[derive(Debug)]
pub struct StoredHash {
    /// The method by which `key` was derived.
    pub method: Method,
    /// The salt is this text itself; it is not decoded.
    pub salt: String,
    /// The key derived from the password.
    pub key: Vec<u8>,
}

/// A key derivation function with its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// RFC 8018, 5.2, with the number of iterations.
    Pbkdf2(Digest, u32),
    /// RFC 7914.
    Scrypt(Params),
}

/// The hash function of PBKDF2's HMAC. Older versions of Werkzeug used others than SHA-256.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Method {
    /// Derives the key of a password.
    ///
    /// # Errors
    /// [`Error::Internal`] from scrypt, for a length of the key that it does not support.
    pub fn derive(&self, password: &str, salt: &str) -> Result<Vec<u8>, Error> {
        let mut key = vec![0; self.key_length()];
        let (password, salt, out) = (password.as_bytes(), salt.as_bytes(), &mut key[..]);
        match self {
            Method::Pbkdf2(Digest::Sha1, n) => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, *n, out),
            Method::Pbkdf2(Digest::Sha256, n) => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, *n, out);
            }
            Method::Pbkdf2(Digest::Sha512, n) => {
                pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, *n, out);
            }
            Method::Scrypt(params) => {
                scrypt::scrypt(password, salt, params, out)
                    .map_err(|why| Error::Internal(format!("hashing a password: {why}")))?;
            }
        }
        Ok(key)
    }

    /// In bytes: the length of the digest, and Werkzeug's choice for scrypt.
    pub fn key_length(&self) -> usize {
        match self {
            Method::Pbkdf2(Digest::Sha1, _) => 20,
            Method::Pbkdf2(Digest::Sha256, _) => 32,
            Method::Pbkdf2(Digest::Sha512, _) | Method::Scrypt(_) => 64,
        }
    }
}

impl StoredHash {
    /// Whether this program has made the hash, so that it is one of the password's form NFC. Its salts are 32
    /// hexadecimal digits; those of Werkzeug are 8 or 16 letters and digits.
    pub fn is_own(&self) -> bool {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        matches!(self.method, Method::Pbkdf2(Digest::Sha256, _))
            && self.salt.len() == 2 * SALT_BYTES
            && self.salt.bytes().all(is_hex)
    }
}

/// A salt as this program makes it.
///
/// # Errors
/// [`Error::Internal`] if the system provides no random bytes.
pub fn random_salt() -> Result<String, Error> {
    let bytes: [u8; SALT_BYTES] = random_bytes()?;
    Ok(HEXLOWER.encode(&bytes))
}

/// Parses the hash of an account. Logs a warning if it is invalid, since no password matches it then.
pub fn parse_or_warn(account: Id, text: &str) -> Option<StoredHash> {
    let hash = text.parse().ok();
    if hash.is_none() {
        log::warn!("account {account} cannot sign in: its password hash is invalid");
    }
    hash
}

/// `METHOD$SALT$HEX`.
impl FromStr for StoredHash {
    type Err = ();

    fn from_str(stored: &str) -> Result<StoredHash, ()> {
        let (method, rest) = stored.split_once('$').ok_or(())?;
        let (salt, hex) = rest.split_once('$').ok_or(())?;
        let method: Method = method.parse()?;
        let key = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| ())?;
        if key.len() != method.key_length() {
            return Err(());
        }
        Ok(StoredHash {
            method,
            salt: salt.to_owned(),
            key,
        })
    }
}

/// `pbkdf2:DIGEST:ITERATIONS` or `scrypt:N:r:p`, within the limits for stored hashes.
impl FromStr for Method {
    type Err = ();

    fn from_str(text: &str) -> Result<Method, ()> {
        match text.split(':').collect::<Vec<_>>()[..] {
            ["pbkdf2", digest, iterations] => parse_pbkdf2(digest, iterations),
            ["scrypt", n, r, p] => parse_scrypt(number(n)?, number(r)?, number(p)?),
            _ => Err(()),
        }
    }
}

fn number(text: &str) -> Result<u32, ()> {
    text.parse().map_err(|_| ())
}

fn parse_pbkdf2(digest: &str, iterations: &str) -> Result<Method, ()> {
    let digest = match digest {
        "sha1" => Digest::Sha1,
        "sha256" => Digest::Sha256,
        "sha512" => Digest::Sha512,
        _ => return Err(()),
    };
    match number(iterations)? {
        iterations @ 1..=MAX_ITERATIONS => Ok(Method::Pbkdf2(digest, iterations)),
        _ => Err(()),
    }
}

fn parse_scrypt(n: u32, r: u32, p: u32) -> Result<Method, ()> {
    let work = n.checked_mul(r).and_then(|work| work.checked_mul(p));
    if !n.is_power_of_two() || work.is_none_or(|work| work > MAX_SCRYPT_WORK) {
        return Err(());
    }
    let params = Params::new(n.trailing_zeros() as u8, r, p);
    Ok(Method::Scrypt(params.map_err(|_| ())?))
}
