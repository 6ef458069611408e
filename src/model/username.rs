//! Usernames.

use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;
use utoipa::PartialSchema;

use super::json_schema::{self, Schema, line, white_space};
use super::text_rules::{fold_case, is_visible_or_space, nfc_of_at_most, parse_line};

/// The unique name of an account: one line of 1 to 80 characters in NFC, without white space around it. Control,
/// invisible and directional characters are no part of a name, since two names that differ only in them look the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// The JSON Schema pattern of a username.
    pub const PATTERN: &str = line!(r"[^\x00-\x1f\x7f-\x9f]");

    const MAX_CHARS: usize = 80;

    /// The name as it is stored and as tokens carry it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = String;

    fn from_str(text: &str) -> Result<Username, String> {
        let text = nfc_of_at_most(text.trim(), Self::MAX_CHARS)?;
        let name = parse_line(&text, Self::MAX_CHARS, char::is_control)?;
        if name.chars().all(is_visible_or_space) {
            Ok(Username(name))
        } else {
            Err(
                "must not contain control characters, nor invisible, directional, unassigned or private-use ones"
                    .to_owned(),
            )
        }
    }
}

impl PartialSchema for Username {
    fn schema() -> Schema {
        json_schema::string_of_length(1, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .description(Some(
                "One line of visible characters and spaces. White space around it is removed. Control, invisible and \
                 directional characters are refused, and private-use and unassigned ones. \
                 Stored in Unicode's form NFC, in which its length is counted. Two accounts cannot have names \
                 that look alike (UTS 39) or differ only in upper and lower case.",
            ))
            .into()
    }
}

/// The forms by which names are compared: two names look alike if they have one in common. Any text has such forms,
/// since the Flask app may have stored any.
#[derive(Debug, PartialEq, Eq)]
pub struct NameKeys {
    /// The skeleton (UTS 39) of the name in lower case: equal for names that differ only in case.
    pub folded: String,
    /// The skeleton of the name as it is written. In lower case, letters that look alike in upper case often do not:
    /// the Cyrillic `В` looks like a `B`, and `в` does not look like a `b`.
    pub written: String,
}

impl NameKeys {
    /// Computes the forms of a name.
    pub fn of(name: &str) -> NameKeys {
        let name: String = name.nfkc().collect();
        NameKeys {
            // The lower case of the Turkish `İ` is an `i` with a second dot, which is drawn on the first.
            folded: folded_skeleton(&fold_case(&name).replace("i\u{307}", "i")),
            written: folded_skeleton(&name),
        }
    }
}

/// The skeleton in lower case, since that of a `0` is a capital `O`, with one space for any white space.
fn folded_skeleton(text: &str) -> String {
    let skeleton: String = skeleton(text).collect();
    let words: Vec<&str> = skeleton.split_whitespace().collect();
    fold_case(&words.join(" "))
}
