//! Passwords: what somebody types, and which of it may be an account's.

use std::fmt;
use std::str::FromStr;

/// A password as a client sent it; shows itself to nobody, so that it cannot get into a log.
#[derive(Clone)]
pub struct TriedPassword(String);

impl TriedPassword {
    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for TriedPassword {
    type Err = String;

    fn from_str(text: &str) -> Result<TriedPassword, String> {
        Ok(TriedPassword(text.to_owned()))
    }
}

impl fmt::Debug for TriedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TriedPassword")
    }
}

/// A password to set: 8 to 128 characters of any kind, none of them changed or cut
/// (OWASP ASVS 5.0, 6.2).
#[derive(Debug, Clone)]
pub struct Password(TriedPassword);

impl Password {
    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for Password {
    type Err = String;

    fn from_str(text: &str) -> Result<Password, String> {
        match text.chars().count() {
            8..=128 => Ok(Password(TriedPassword(text.to_owned()))),
            _ => Err("must be 8 to 128 characters".to_owned()),
        }
    }
}
