//! Passwords: what somebody types, and which of it may be an account's.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;
use utoipa::PartialSchema;

use super::schema::{self, Schema};
use super::text::fold_case;

/// How many characters a password has at least.
const MIN_CHARS: usize = 8;

/// How many characters a password has at most.
const MAX_CHARS: usize = 128;

/// Text of more characters than this is no password that was set here, since NFC makes one of four at
/// most. The Flask app may have hashed it as it was typed: that is tried, and nothing that would have to
/// be brought into its form first, at any length.
const MAX_NORMALISED_CHARS: usize = 4 * MAX_CHARS;

/// A password as a client sent it; shows itself to nobody, so that it cannot get into a log.
///
/// Equal text can be typed in several ways: an `é` is one code point on one keyboard, two on another.
/// This program hashes the form NFC (RFC 8265, 4.2); the Flask app has hashed what it was sent.
#[derive(Clone)]
pub struct PasswordAttempt {
    normal: String,
    others: Vec<String>,
}

impl PasswordAttempt {
    /// The form to hash.
    pub fn normal(&self) -> &str {
        &self.normal
    }

    /// Every form that may have been hashed, and none of them twice: [`PasswordAttempt::normal`], as
    /// typed, NFD. For ASCII it is one.
    pub fn forms(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.normal)
            .chain(&self.others)
            .map(String::as_str)
    }
}

impl FromStr for PasswordAttempt {
    type Err = String;

    fn from_str(text: &str) -> Result<PasswordAttempt, String> {
        let (normal, mut others) = match text.chars().nth(MAX_NORMALISED_CHARS) {
            None => (
                text.nfc().collect(),
                vec![text.to_owned(), text.nfd().collect()],
            ),
            Some(_) => (text.to_owned(), Vec::new()),
        };
        others.retain(|other| *other != normal);
        others.dedup();
        Ok(PasswordAttempt { normal, others })
    }
}

/// Any text: what cannot be a password is a wrong one.
impl PartialSchema for PasswordAttempt {
    fn schema() -> Schema {
        String::schema()
    }
}

impl fmt::Debug for PasswordAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordAttempt")
    }
}

/// The 3,000 most common passwords that have 8 characters or more, the most common one first, in lower
/// case: the first of them, in its order, in the list of 20,000 that Django 5.2 (PyPI) has from Royce
/// Williams. Without those that are broken text.
const COMMON: &str = include_str!("common_passwords.txt");

/// A password to set (OWASP ASVS 5.0, 6.2): 8 to 128 characters in NFC, of any kind, none of them cut
/// off, that are not what everybody would guess.
#[derive(Debug, Clone)]
pub struct Password(PasswordAttempt);

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
        let password: PasswordAttempt = text.parse()?;
        if !(MIN_CHARS..=MAX_CHARS).contains(&password.normal().chars().count()) {
            return Err(format!("must be {MIN_CHARS} to {MAX_CHARS} characters"));
        }
        let folded = caseless(password.normal());
        if COMMON.lines().any(|common| common == folded) {
            return Err("is one of the most common passwords".to_owned());
        }
        if names.into_iter().any(|name| caseless(name) == folded) {
            return Err("must not be the account's name or e-mail".to_owned());
        }
        Ok(Password(password))
    }

    /// The form to hash.
    pub fn normal(&self) -> &str {
        self.0.normal()
    }
}

impl PartialSchema for Password {
    fn schema() -> Schema {
        schema::text(MIN_CHARS, MAX_CHARS)
            .description(Some(
                "Counted in Unicode's form NFC. Neither one of the 3,000 most common passwords, nor \
                 the account's name or e-mail.",
            ))
            .into()
    }
}

/// Makes texts the same that differ in case or normal form alone. NFD goes first: a small letter may be
/// one character where its capital is two.
fn caseless(text: &str) -> String {
    fold_case(&text.nfd().collect::<String>())
}
