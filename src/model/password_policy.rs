//! The password policy (OWASP ASVS 5.0, 6.2) and the normalisation of passwords.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;
use utoipa::PartialSchema;

use super::json_schema::{self, Schema};
use super::text_rules::{fold_case, nfc};

/// The minimum length, in characters (code points) of the form NFC.
const MIN_CHARS: usize = 8;

/// The maximum length, in characters of the form NFC.
const MAX_CHARS: usize = 128;

/// The longest text that is normalised, in characters, so that the work is bounded. Longer text cannot be a
/// password that this program has accepted, since one character in NFC replaces four at most. The Flask app has
/// no limit and hashes the text as typed, so longer text is tried in that form only.
const MAX_NORMALISED_CHARS: usize = 4 * MAX_CHARS;

/// A password that a client sent to be verified. Its `Debug` form does not contain it, so that it cannot
/// get into a log.
///
/// The same password can arrive as different code points: an `é` is one code point from one keyboard and
/// two from another. This program hashes the form NFC (RFC 8265, 4.2); the Flask app has hashed the text as
/// it was sent.
#[derive(Clone)]
pub struct PasswordAttempt {
    normal: String,
    others: Vec<String>,
}

impl PasswordAttempt {
    /// The password in NFC (text of more than 512 characters: as typed).
    pub fn normal(&self) -> &str {
        &self.normal
    }

    /// Every form that may have been hashed, without duplicates: NFC, as typed, NFD. ASCII text has one.
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
                nfc(text).into_owned(),
                vec![text.to_owned(), text.nfd().collect()],
            ),
            Some(_) => (text.to_owned(), Vec::new()),
        };
        others.retain(|other| *other != normal);
        others.dedup();
        Ok(PasswordAttempt { normal, others })
    }
}

/// Any string: a text that breaks the policy is a wrong password like any other.
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

/// The 3,000 most common passwords of 8 characters or more, in lower case, the most common one first. Taken
/// in order from the list of 20,000 by Royce Williams that Django 5.2 (PyPI) contains, without entries that
/// are broken text.
const COMMON: &str = include_str!("common_passwords.txt");

/// A new password that satisfies the policy: 8 to 128 characters of any kind, none of them dropped, and not
/// one of those that attackers try first.
#[derive(Debug, Clone)]
pub struct Password(PasswordAttempt);

impl Password {
    /// Checks a text by the password policy. `names` are the account's username and e-mail address. This is the
    /// only constructor.
    ///
    /// # Errors
    /// The text of the error: the length is wrong (OWASP ASVS 5.0, 6.2.1 and 6.2.9), or the password is one of
    /// the most common ones (6.2.4) or one of the names (6.2.11). Upper and lower case count as equal.
    pub fn for_account<'a>(
        text: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Password, String> {
        let password: PasswordAttempt = text.parse()?;
        if !(MIN_CHARS..=MAX_CHARS).contains(&password.normal().chars().count()) {
            return Err(format!("must be {MIN_CHARS} to {MAX_CHARS} characters"));
        }
        let folded = fold_case(password.normal());
        if COMMON.lines().any(|common| common == folded) {
            return Err("is one of the most common passwords".to_owned());
        }
        if names.into_iter().any(|name| fold_case(name) == folded) {
            return Err("must not be the account's name or e-mail".to_owned());
        }
        Ok(Password(password))
    }

    /// The password in NFC, which is hashed.
    pub fn normal(&self) -> &str {
        self.0.normal()
    }
}

impl PartialSchema for Password {
    fn schema() -> Schema {
        json_schema::string_of_length(MIN_CHARS, MAX_CHARS)
            .description(Some(
                "The length is counted in Unicode's form NFC. Must not be one of the 3,000 most common \
                 passwords, nor the account's username or e-mail address.",
            ))
            .into()
    }
}
