//! Hashing and checking passwords, in the forms that Werkzeug reads and writes.

use std::str::FromStr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use scrypt::Params;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::concurrency::Bulkhead;
use crate::config::concurrency::BulkheadSize;
use crate::crypto::random_bytes;
use crate::error::Error;
use crate::model::{Id, Password, PasswordAttempt};

/// What a stored PBKDF2 hash may cost at most: a row must not be able to keep a core busy for long.
const MAX_ITERATIONS: u32 = 10_000_000;

/// The same for scrypt, N times r times p: the strongest that OWASP names, which takes 128 MiB.
const MAX_SCRYPT_WORK: u32 = 1 << 20;

/// Hashes passwords, as many at once as there are cores. A hash takes a tenth of a second of a core
/// by intention; without a bound, sign-ins alone would take the whole machine.
#[derive(Debug)]
pub struct PasswordHasher {
    iterations: u32,
    bulkhead: Bulkhead,
    dummy: Hash,
}

impl PasswordHasher {
    /// New hashes get this many iterations; `size` bounds how many are computed at a time.
    ///
    /// # Errors
    /// [`Error::Internal`] where the system has no random numbers.
    pub fn new(iterations: u32, size: BulkheadSize) -> Result<PasswordHasher, Error> {
        let method = Method::Pbkdf2(Digest::Sha256, iterations);
        let dummy = Hash {
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

    /// How many hashes are made at a time.
    pub fn bulkhead(&self) -> &Bulkhead {
        &self.bulkhead
    }

    /// Hashes a password with a new salt: `pbkdf2:sha256:600000$SALT$HEX`.
    ///
    /// # Errors
    /// [`Error::Busy`] where too many hashes are waiting already.
    pub fn hash(&self, password: &Password) -> Result<String, Error> {
        self.hash_text(password.normal())
    }

    /// Today's hash of a password that was right, where the stored one is of another kind, of fewer
    /// rounds, or of another form of it.
    ///
    /// # Errors
    /// [`Error::Busy`] where too many hashes are waiting already.
    pub fn renew(&self, verified: &Verified) -> Result<Option<String>, Error> {
        match verified.is_outdated {
            true => self.hash_text(verified.password.normal()).map(Some),
            false => Ok(None),
        }
    }

    fn hash_text(&self, password: &str) -> Result<String, Error> {
        let salt = random_salt()?;
        let _permit = self.bulkhead.acquire()?;
        let key = Method::Pbkdf2(Digest::Sha256, self.iterations).derive(password, &salt)?;
        let key = HEXLOWER.encode(&key);
        Ok(format!("pbkdf2:sha256:{}${salt}${key}", self.iterations))
    }

    /// Whether the password, in one of its forms, is the one that was hashed; `stored` is an account's
    /// id, for the log, and the hash. `None`, for an account that does not exist, takes as long as a
    /// wrong password (OWASP ASVS 5.0, 6.3.8), and so does what is no hash; only one of another kind or
    /// of more rounds than today's takes its own time.
    ///
    /// # Errors
    /// [`Error::Busy`] where too many hashes are waiting already.
    pub fn verify<'a>(
        &self,
        password: &'a PasswordAttempt,
        stored: Option<(Id, &str)>,
    ) -> Result<Option<Verified<'a>>, Error> {
        let known = stored.and_then(|(id, stored)| {
            let hash = stored.parse::<Hash>();
            if hash.is_err() {
                log::warn!("nobody can sign in to account {id}: its password hash is unreadable");
            }
            hash.ok()
        });
        let hash = known.as_ref().unwrap_or(&self.dummy);
        let _permit = self.bulkhead.acquire()?;
        for form in password.forms() {
            if self.matches(hash, form)? && known.is_some() {
                let is_todays = form == password.normal() && self.is_todays(&hash.method);
                return Ok(Some(Verified {
                    password,
                    is_outdated: !is_todays,
                }));
            }
        }
        Ok(None)
    }

    /// Whether the hash was made from this form of a password. If not, that takes as long as with a hash
    /// of today's: one of fewer rounds than an account that does not exist "has" would tell them apart.
    fn matches(&self, hash: &Hash, password: &str) -> Result<bool, Error> {
        let key = hash.method.derive(password, &hash.salt)?;
        let right = ct_codecs::verify(&key, &hash.key);
        if let (false, Some(missing)) = (right, hash.method.rounds_below(self.iterations)) {
            let rest = Method::Pbkdf2(Digest::Sha256, missing);
            // Not the password again, of which a long one costs more.
            std::hint::black_box(rest.derive("", &hash.salt)?);
        }
        Ok(right)
    }

    fn is_todays(&self, method: &Method) -> bool {
        matches!(method, Method::Pbkdf2(Digest::Sha256, rounds) if *rounds >= self.iterations)
    }
}

/// Proof that a password was right.
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

/// A hash, taken apart.
#[derive(Debug)]
struct Hash {
    method: Method,
    /// Its characters are the salt.
    salt: String,
    key: Vec<u8>,
}

/// How a key comes from a password.
#[derive(Debug)]
enum Method {
    /// RFC 8018, 5.2, with so many rounds.
    Pbkdf2(Digest, u32),
    /// RFC 7914.
    Scrypt(Params),
}

/// What PBKDF2's HMAC is made of; older Werkzeugs wrote others than today's.
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

    /// In bytes: the digest's own, and Werkzeug's choice for scrypt.
    fn key_length(&self) -> usize {
        match self {
            Method::Pbkdf2(Digest::Sha1, _) => 20,
            Method::Pbkdf2(Digest::Sha256, _) => 32,
            Method::Pbkdf2(Digest::Sha512, _) | Method::Scrypt(_) => 64,
        }
    }

    /// How many rounds of today's kind this one is short of.
    fn rounds_below(&self, iterations: u32) -> Option<u32> {
        match self {
            Method::Pbkdf2(Digest::Sha256, own) => iterations.checked_sub(*own).filter(|n| *n > 0),
            _ => None,
        }
    }
}

/// `METHOD$SALT$HEX`.
impl FromStr for Hash {
    type Err = ();

    fn from_str(stored: &str) -> Result<Hash, ()> {
        let (method, rest) = stored.split_once('$').ok_or(())?;
        let (salt, hex) = rest.split_once('$').ok_or(())?;
        let method: Method = method.parse()?;
        let key = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| ())?;
        match key.len() == method.key_length() {
            true => Ok(Hash {
                method,
                salt: salt.to_owned(),
                key,
            }),
            false => Err(()),
        }
    }
}

/// `pbkdf2:DIGEST:ROUNDS` or `scrypt:N:r:p`, if it costs no more than a row may ask for.
impl FromStr for Method {
    type Err = ();

    fn from_str(text: &str) -> Result<Method, ()> {
        let words: Vec<&str> = text.split(':').collect();
        let number = |text: &str| text.parse::<u32>().map_err(|_| ());
        match words[..] {
            ["pbkdf2", digest, rounds] => {
                let digest = match digest {
                    "sha1" => Digest::Sha1,
                    "sha256" => Digest::Sha256,
                    "sha512" => Digest::Sha512,
                    _ => return Err(()),
                };
                match number(rounds)? {
                    rounds @ 1..=MAX_ITERATIONS => Ok(Method::Pbkdf2(digest, rounds)),
                    _ => Err(()),
                }
            }
            ["scrypt", n, r, p] => {
                let (n, r, p) = (number(n)?, number(r)?, number(p)?);
                let work = n.checked_mul(r).and_then(|work| work.checked_mul(p));
                if !n.is_power_of_two() || work.is_none_or(|work| work > MAX_SCRYPT_WORK) {
                    return Err(());
                }
                let params = Params::new(n.trailing_zeros() as u8, r, p);
                Ok(Method::Scrypt(params.map_err(|_| ())?))
            }
            _ => Err(()),
        }
    }
}
