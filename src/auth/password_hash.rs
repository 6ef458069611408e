//! Password hashing, in Werkzeug's formats, so that the Flask app and this program read each other's hashes.
//!
//! New hashes are PBKDF2-HMAC-SHA256 (`pbkdf2:sha256:ITERATIONS$SALT$HEX`). Hashes with SHA-1, SHA-512 or scrypt
//! are verified, and replaced at the next sign-in.
//!
//! Timing equalisation: a wrong password takes the same time for every account, and for one that does not exist, so
//! that an attacker cannot find out by measuring which accounts exist (OWASP ASVS 5.0, 6.3.8). It costs one hash, and
//! padding up to the cost of the most expensive method that a stored hash has ([`super::hash_costs`]).

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;

use super::hash_costs::{HashCosts, measure};
use super::stored_password_hash::{Digest, Method, StoredHash, parse_or_warn, random_salt};
use crate::error::Error;
use crate::model::{Id, Password, PasswordAttempt};

/// Hashes and verifies passwords. A hash takes a tenth of a second of a core on purpose; the server limits how
/// many are computed at once ([`crate::concurrency::Work::PasswordHash`]).
#[derive(Debug)]
pub struct PasswordHasher {
    iterations: u32,
    costs: HashCosts,
    /// Verified if there is no stored hash, so that the response takes the same time. Never counts as a match.
    dummy: StoredHash,
}

impl PasswordHasher {
    /// Creates a hasher; new hashes get this many iterations. `methods_in_use` are those of the stored hashes, as
    /// they are stored; those that are not valid are ignored, since no password matches such a hash.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system provides no random bytes, or a method fails.
    pub fn new(
        iterations: u32,
        methods_in_use: &BTreeSet<String>,
    ) -> Result<PasswordHasher, Error> {
        let method = Method::Pbkdf2(Digest::Sha256, iterations);
        let in_use = methods_in_use.iter().filter_map(|text| text.parse().ok());
        let costs = HashCosts::new(iterations, &in_use.collect::<Vec<_>>(), measure)?;
        let dummy = StoredHash {
            key: vec![0; method.key_length()],
            method,
            salt: random_salt()?,
        };
        Ok(PasswordHasher {
            iterations,
            costs,
            dummy,
        })
    }

    /// What each wrong password costs, in iterations of PBKDF2-HMAC-SHA256.
    pub fn cost_of_wrong_password(&self) -> u32 {
        self.costs.most_expensive
    }

    /// Hashes a password with a new random salt.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system provides no random bytes or the hash cannot be computed.
    pub fn hash(&self, password: &Password) -> Result<String, Error> {
        self.hash_text(password.normal())
    }

    /// Computes a new hash of a verified password if its stored hash is outdated: made by another method, with
    /// fewer iterations, or perhaps from another Unicode form of the password.
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

    /// Verifies a password against a stored hash, in the one Unicode form that the hash may be of: NFC for a hash of
    /// this program, the text as it was sent for one of the Flask app. `stored` is the account's id, for the log, and
    /// its hash. Returns `None` if the password is wrong.
    ///
    /// If the account does not exist or its hash is invalid, this takes as long as a wrong password does.
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
        if matches(hash, password)? && known.is_some() {
            let is_outdated = !self.is_current(hash, password);
            return Ok(Some(Verified {
                password,
                is_outdated,
            }));
        }
        self.pad(hash)?;
        Ok(None)
    }

    /// Computes the iterations that the method of a hash lacks up to the most expensive one.
    fn pad(&self, hash: &StoredHash) -> Result<(), Error> {
        let missing = self.costs.padding(&hash.method);
        if missing > 0 {
            let padding = Method::Pbkdf2(Digest::Sha256, missing);
            // With an empty password: HMAC hashes a long one first, which `matches` has already cost.
            std::hint::black_box(padding.derive("", &hash.salt)?);
        }
        Ok(())
    }

    /// Whether a hash is as good as a new one: the same method, at least as many iterations, and of the password's
    /// form NFC. Text in ASCII has only one form.
    fn is_current(&self, hash: &StoredHash, password: &PasswordAttempt) -> bool {
        matches!(hash.method, Method::Pbkdf2(Digest::Sha256, iterations) if iterations >= self.iterations)
            && (hash.is_own() || password.typed().is_ascii())
    }
}

/// Whether the hash is one of this password. Compares in constant time.
fn matches(hash: &StoredHash, password: &PasswordAttempt) -> Result<bool, Error> {
    let form = match hash.is_own() {
        true => password.normal(),
        false => password.typed(),
    };
    let key = hash.method.derive(form, &hash.salt)?;
    Ok(ct_codecs::verify(&key, &hash.key))
}

/// Proof that a password has been verified.
#[derive(Debug)]
pub struct Verified<'a> {
    password: &'a PasswordAttempt,
    is_outdated: bool,
}
