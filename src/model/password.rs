//! Passwords: what somebody types, and which of it may be an account's.

use std::fmt;
use std::str::FromStr;

use super::value::fold_case;

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

/// The 3,000 most common passwords that have 8 characters or more, the most common one first: what a
/// guesser tries before all others. In lower case, in the order of the list `passwords` in
/// zxcvbn 4.5.0 (PyPI), which counts how often each one was seen in leaks.
const COMMON: &str = include_str!("common_passwords.txt");

/// A password to set (OWASP ASVS 5.0, 6.2): 8 to 128 characters of any kind, none of them changed or
/// cut, that are not easy to guess.
#[derive(Debug, Clone)]
pub struct Password(TriedPassword);

impl Password {
    /// The only door. `names` are what the account is known by: its name, its e-mail.
    ///
    /// # Errors
    /// Why not: the length (6.2.1, 6.2.9), one of the most common passwords (6.2.4), one of the names
    /// (6.2.11), in any case.
    pub fn for_account<'a>(
        text: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Password, String> {
        let folded = fold_case(text);
        if !(8..=128).contains(&text.chars().count()) {
            return Err("must be 8 to 128 characters".to_owned());
        }
        if COMMON.lines().any(|common| common == folded) {
            return Err("is one of the most common passwords".to_owned());
        }
        if names.into_iter().any(|name| fold_case(name) == folded) {
            return Err("must not be the account's name or e-mail".to_owned());
        }
        Ok(Password(text.parse()?))
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
