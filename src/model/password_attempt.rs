//! A password that a client sends to be verified, and its Unicode normalisation.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;
use utoipa::PartialSchema;

use super::json_schema::Schema;
use super::text_rules::nfc;

/// The maximum length of a new password, in characters of the form NFC.
pub const MAX_CHARS: usize = 128;

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
