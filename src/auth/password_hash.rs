//! Password hashing, in Werkzeug's formats, so that the Flask app and this program read each other's hashes.
//!
//! New hashes are PBKDF2-HMAC-SHA256 (`pbkdf2:sha256:ITERATIONS$SALT$HEX`). Hashes with SHA-1, SHA-512 or scrypt
//! are verified, and replaced at the next sign-in. A bulkhead limits how many hashes are computed at once. A
//! wrong password and an account that does not exist take the same time (timing equalisation), so an attacker
//! cannot find out by measuring which accounts exist.

use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use scrypt::Params;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::concurrency::bulkhead::{Bulkhead, BulkheadSize};
use crate::crypto::random_bytes;
use crate::error::Error;
use crate::model::{Id, Password, PasswordAttempt};

/// The most iterations that a stored PBKDF2 hash may have: no row of the database can keep a core busy for long.
const MAX_ITERATIONS: u32 = 10_000_000;

/// The most work that a stored scrypt hash may take, N × r × p: the strongest parameters that OWASP lists. They
/// need 128 MiB of memory.
const MAX_SCRYPT_WORK: u32 = 1 << 20;

/// Hashes and verifies passwords, as many at a time as there are cores. A hash takes a tenth of a second of a
/// core on purpose; without a limit, sign-ins alone could occupy the whole machine.
#[derive(Debug)]
pub struct PasswordHasher {
    iterations: u32,
    bulkhead: Bulkhead,
    /// Verified if there is no stored hash, so that the response takes the same time. Never counts as a match.
    dummy: StoredHash,
}

impl PasswordHasher {
    /// Creates a hasher; new hashes get this many iterations.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system provides no random bytes.
    pub fn new(iterations: u32, size: BulkheadSize) -> Result<PasswordHasher, Error> {
        let method = Method::Pbkdf2(Digest::Sha256, iterations);
        let dummy = StoredHash {
            key: vec![0; method.key_length()],
            method,
            salt: random_salt()?,
        };
        Ok(PasswordHasher {
            iterations,
            bulkhead: Bulkhead::new("password hashes", size),
            dummy,
        })
    }

    /// The bulkhead, for its metrics.
    pub fn bulkhead(&self) -> &Bulkhead {
        &self.bulkhead
    }

    /// Hashes a password with a new random salt.
    ///
    /// # Errors
    /// [`Error::Busy`] if the bulkhead is full.
    pub fn hash(&self, password: &Password) -> Result<String, Error> {
        self.hash_text(password.normal())
    }

    /// Computes a new hash of a verified password if its stored hash is outdated: made by another method, with
    /// fewer iterations, or from another Unicode form of the password.
    ///
    /// # Errors
    /// [`Error::Busy`] if the bulkhead is full.
    pub fn renew(&self, verified: &Verified) -> Result<Option<String>, Error> {
        if verified.is_outdated {
            self.hash_text(verified.password.normal()).map(Some)
        } else {
            Ok(None)
        }
    }

    fn hash_text(&self, password: &str) -> Result<String, Error> {
        let salt = random_salt()?;
        let _permit = self.bulkhead.acquire()?;
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
    /// [`Error::Busy`] if the bulkhead is full.
    pub fn verify<'a>(
        &self,
        password: &'a PasswordAttempt,
        stored: Option<(Id, &str)>,
    ) -> Result<Option<Verified<'a>>, Error> {
        let known = stored.and_then(|(id, text)| parse_or_warn(id, text));
        let hash = known.as_ref().unwrap_or(&self.dummy);
        let _permit = self.bulkhead.acquire()?;
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

fn parse_or_warn(account: Id, text: &str) -> Option<StoredHash> {
    let hash = text.parse().ok();
    if hash.is_none() {
        log::warn!("account {account} cannot sign in: its password hash is invalid");
    }
    hash
}

/// Proof that a password has been verified.
#[derive(Debug)]
pub struct Verified<'a> {
    password: &'a PasswordAttempt,
    is_outdated: bool,
}

fn internal(why: impl std::fmt::Display) -> Error {
    Error::Internal(format!("hashing a password: {why}"))
}

fn random_salt() -> Result<String, Error> {
    let bytes: [u8; 16] = random_bytes()?;
    Ok(HEXLOWER.encode(&bytes))
}

// ---- Werkzeug's formats -------------------------------------------------------------------------

/// A parsed hash.
#[derive(Debug)]
struct StoredHash {
    method: Method,
    /// The salt is this text itself; it is not decoded.
    salt: String,
    key: Vec<u8>,
}

/// A key derivation function with its parameters.
#[derive(Debug)]
enum Method {
    /// RFC 8018, 5.2, with the number of iterations.
    Pbkdf2(Digest, u32),
    /// RFC 7914.
    Scrypt(Params),
}

/// The hash function of PBKDF2's HMAC. Older versions of Werkzeug used others than SHA-256.
#[derive(Debug, Clone, Copy)]
enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Method {
    fn derive(&self, password: &str, salt: &str) -> Result<Vec<u8>, Error> {
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
                scrypt::scrypt(password, salt, params, out).map_err(internal)?;
            }
        }
        Ok(key)
    }

    /// In bytes: the length of the digest, and Werkzeug's choice for scrypt.
    fn key_length(&self) -> usize {
        match self {
            Method::Pbkdf2(Digest::Sha1, _) => 20,
            Method::Pbkdf2(Digest::Sha256, _) => 32,
            Method::Pbkdf2(Digest::Sha512, _) | Method::Scrypt(_) => 64,
        }
    }

    /// The iterations that PBKDF2-HMAC-SHA256, the method of new hashes, lacks up to `target`. `None` if it has
    /// enough, and for other methods.
    fn missing_iterations(&self, target: u32) -> Option<u32> {
        match self {
            Method::Pbkdf2(Digest::Sha256, iterations) => {
                target.checked_sub(*iterations).filter(|n| *n > 0)
            }
            _ => None,
        }
    }
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
