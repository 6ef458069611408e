//! A password that a client sends to be verified, and its Unicode normalisation.

use std::fmt;
use std::str::FromStr;

use utoipa::PartialSchema;

use super::json_schema::Schema;
use super::text_rules::nfc;

/// The maximum length of a new password, in characters of the form NFC.
pub const MAX_CHARS: usize = 128;

/// The longest text that is normalised, in characters, so that the work is bounded. Longer text cannot be a
/// password that this program has accepted, since one character in NFC replaces four at most.
const MAX_NORMALISED_CHARS: usize = 4 * MAX_CHARS;

/// A password that a client sent to be verified. Its `Debug` form does not contain it, so that it cannot
/// get into a log.
///
/// The same password can arrive as different code points: an `é` is one code point from one keyboard and
/// two from another. This program hashes the form NFC (RFC 8265, 4.2); the Flask app has hashed the text as
/// it was sent.
#[derive(Clone)]
pub struct PasswordAttempt {
    typed: String,
    normal: String,
}

impl PasswordAttempt {
    /// The password as it was sent.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// The password in NFC (text of more than 512 characters: as it was sent).
    pub fn normal(&self) -> &str {
        &self.normal
    }
}

impl FromStr for PasswordAttempt {
    type Err = String;

    fn from_str(text: &str) -> Result<PasswordAttempt, String> {
        let typed = text.to_owned();
        let normal = match text.chars().nth(MAX_NORMALISED_CHARS) {
            None => nfc(text).into_owned(),
            Some(_) => typed.clone(),
        };
        Ok(PasswordAttempt { typed, normal })
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
