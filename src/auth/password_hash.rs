//! Password hashing, in Werkzeug's formats, so that the Flask app and this program read each other's hashes.
//!
//! New hashes are PBKDF2-HMAC-SHA256 (`pbkdf2:sha256:ITERATIONS$SALT$HEX`). Hashes with SHA-1, SHA-512 or scrypt
//! are verified, and replaced at the next sign-in. A
//! wrong password and an account that does not exist take the same time (timing equalisation), so an attacker
//! cannot find out by measuring which accounts exist.

use data_encoding::HEXLOWER;

use super::stored_password_hash::{Digest, Method, StoredHash, parse_or_warn};
use crate::crypto::random_bytes;
use crate::error::Error;
use crate::model::{Id, Password, PasswordAttempt};

/// Hashes and verifies passwords. A hash takes a tenth of a second of a core on purpose; the server limits how
/// many are computed at once ([`crate::concurrency::Work::PasswordHash`]).
#[derive(Debug)]
pub struct PasswordHasher {
    iterations: u32,
    /// Verified if there is no stored hash, so that the response takes the same time. Never counts as a match.
    dummy: StoredHash,
}

impl PasswordHasher {
    /// Creates a hasher; new hashes get this many iterations.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system provides no random bytes.
    pub fn new(iterations: u32) -> Result<PasswordHasher, Error> {
        let method = Method::Pbkdf2(Digest::Sha256, iterations);
        let dummy = StoredHash {
            key: vec![0; method.key_length()],
            method,
            salt: random_salt()?,
        };
        Ok(PasswordHasher { iterations, dummy })
    }

    /// Hashes a password with a new random salt.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system provides no random bytes or the hash cannot be computed.
    pub fn hash(&self, password: &Password) -> Result<String, Error> {
        self.hash_text(password.normal())
    }

    /// Computes a new hash of a verified password if its stored hash is outdated: made by another method, with
    /// fewer iterations, or from another Unicode form of the password.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system provides no random bytes or the hash cannot be computed.
    pub fn renew(&self, verified: &Verified) -> Result<Option<String>, Error> {
        if verified.is_outdated {
            self.hash_text(verified.password.normal()).map(Some)
        } else {
            Ok(None)
        }
    }

    fn hash_text(&self, password: &str) -> Result<String, Error> {
        let salt = random_salt()?;
        let key = Method::Pbkdf2(Digest::Sha256, self.iterations).derive(password, &salt)?;
        let key = HEXLOWER.encode(&key);
        Ok(format!("pbkdf2:sha256:{}${salt}${key}", self.iterations))
    }

    /// Verifies a password against a stored hash, in each Unicode form that it may have been hashed in. `stored`
    /// is the account's id, for the log, and its hash. Returns `None` if the password is wrong.
    ///
    /// Timing equalisation: if the account does not exist or its hash is invalid, this takes as long as a wrong
    /// password does (OWASP ASVS 5.0, 6.3.8). The time differs only for a hash of another method, or one with
    /// more iterations than new hashes have.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system provides no random bytes or the hash cannot be computed.
    pub fn verify<'a>(
        &self,
        password: &'a PasswordAttempt,
        stored: Option<(Id, &str)>,
    ) -> Result<Option<Verified<'a>>, Error> {
        let known = stored.and_then(|(id, text)| parse_or_warn(id, text));
        let hash = known.as_ref().unwrap_or(&self.dummy);
        for form in password.forms() {
            if self.matches(hash, form)? && known.is_some() {
                let is_current = form == password.normal() && self.is_current(&hash.method);
                return Ok(Some(Verified {
                    password,
                    is_outdated: !is_current,
                }));
            }
        }
        Ok(None)
    }

    /// Compares in constant time. On a mismatch, a hash with fewer iterations than new ones takes as long as a
    /// new one: the missing iterations are computed in addition, because otherwise a faster response would show
    /// that the account exists.
    fn matches(&self, hash: &StoredHash, password: &str) -> Result<bool, Error> {
        let key = hash.method.derive(password, &hash.salt)?;
        let is_match = ct_codecs::verify(&key, &hash.key);
        if !is_match && let Some(missing) = hash.method.missing_iterations(self.iterations) {
            let padding = Method::Pbkdf2(Digest::Sha256, missing);
            // With an empty password: HMAC hashes a long one first, which `derive` above has already cost.
            std::hint::black_box(padding.derive("", &hash.salt)?);
        }
        Ok(is_match)
    }

    /// Whether a hash by this method is as strong as a new one: the same method, and at least as many iterations.
    fn is_current(&self, method: &Method) -> bool {
        matches!(method, Method::Pbkdf2(Digest::Sha256, iterations) if *iterations >= self.iterations)
    }
}

/// Proof that a password has been verified.
#[derive(Debug)]
pub struct Verified<'a> {
    password: &'a PasswordAttempt,
    is_outdated: bool,
}

fn random_salt() -> Result<String, Error> {
    let bytes: [u8; 16] = random_bytes()?;
    Ok(HEXLOWER.encode(&bytes))
}
