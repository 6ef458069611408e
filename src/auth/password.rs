//! Hashing and checking passwords, in the form that Werkzeug reads and writes.

use std::str::FromStr;

use ct_codecs::{Decoder, Encoder, Hex};
use sha2::Sha256;

use crate::config::Bound;
use crate::error::Error;
use crate::gate::Gate;
use crate::model::{Password, TriedPassword};

/// What a stored hash may cost at most: a row must not be able to keep a core busy for long.
const MAX_ITERATIONS: u32 = 10_000_000;

/// Hashes passwords, as many at once as there are cores. A hash takes a tenth of a second of a core
/// by intention; without a bound, sign-ins alone would take the whole machine.
#[derive(Debug)]
pub struct Passwords {
    iterations: u32,
    gate: Gate,
    dummy: Hash,
}

impl Passwords {
    /// New hashes get this many iterations; `bound` is how many are made at a time.
    ///
    /// # Errors
    /// [`Error::Internal`] where the system has no random numbers.
    pub fn new(iterations: u32, bound: Bound) -> Result<Passwords, Error> {
        let dummy = Hash {
            iterations,
            salt: random_salt()?,
            key: [0; 32],
        };
        Ok(Passwords {
            iterations,
            gate: Gate::new("password hashes", bound),
            dummy,
        })
    }

    /// Hashes a password with a new salt: `pbkdf2:sha256:600000$SALT$HEX`.
    ///
    /// # Errors
    /// [`Error::Busy`] where too many hashes are waiting already.
    pub fn hash(&self, password: &Password) -> Result<String, Error> {
        let salt = random_salt()?;
        let _pass = self.gate.enter()?;
        let key = derive(password.as_bytes(), &salt, self.iterations);
        Ok(Hash {
            iterations: self.iterations,
            salt,
            key,
        }
        .to_stored())
    }

    /// Whether the password is the one that was hashed. `None`, for an account that does not exist,
    /// takes as long as a wrong password (OWASP ASVS 5.0, 6.3.8), and so does a hash of another kind;
    /// only one of more rounds than today's takes longer.
    ///
    /// # Errors
    /// [`Error::Busy`] where too many hashes are waiting already.
    pub fn verify(&self, password: &TriedPassword, stored: Option<&str>) -> Result<bool, Error> {
        let known = stored.and_then(|stored| stored.parse::<Hash>().ok());
        let hash = known.as_ref().unwrap_or(&self.dummy);
        let _pass = self.gate.enter()?;
        let key = derive(password.as_bytes(), &hash.salt, hash.iterations);
        let right = ct_codecs::verify(&key, &hash.key) && known.is_some();
        // A hash of fewer rounds than an account that does not exist "has" would tell them apart.
        let missing = self.iterations.saturating_sub(hash.iterations);
        if !right && missing > 0 {
            std::hint::black_box(derive(password.as_bytes(), &hash.salt, missing));
        }
        Ok(right)
    }
}

/// PBKDF2-HMAC-SHA256 (RFC 8018, 5.2). The salt's characters are the salt.
fn derive(password: &[u8], salt: &str, iterations: u32) -> [u8; 32] {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt.as_bytes(), iterations)
}

fn random_salt() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|why| Error::Internal(format!("no random numbers: {why}")))?;
    Hex::encode_to_string(bytes).map_err(|why| Error::Internal(why.to_string()))
}

/// A hash, taken apart.
#[derive(Debug)]
struct Hash {
    iterations: u32,
    salt: String,
    key: [u8; 32],
}

impl Hash {
    fn to_stored(&self) -> String {
        let key = Hex::encode_to_string(self.key).unwrap_or_default();
        format!("pbkdf2:sha256:{}${}${key}", self.iterations, self.salt)
    }
}

impl FromStr for Hash {
    type Err = ();

    fn from_str(stored: &str) -> Result<Hash, ()> {
        let (method, rest) = stored.split_once('$').ok_or(())?;
        let (salt, hex) = rest.split_once('$').ok_or(())?;
        let iterations = method
            .strip_prefix("pbkdf2:sha256:")
            .ok_or(())?
            .parse()
            .map_err(|_| ())?;
        let key = Hex::decode_to_vec(hex, None)
            .ok()
            .and_then(|key| key.try_into().ok())
            .ok_or(())?;
        match iterations {
            1..=MAX_ITERATIONS => Ok(Hash {
                iterations,
                salt: salt.to_owned(),
                key,
            }),
            _ => Err(()),
        }
    }
}
