//! Titles of tasks.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::json_schema::{self, Schema, visible_line};
use super::text_rules::parse_nfc_line;

/// A task's title: one line of 1 to 255 characters in Unicode's form NFC, without white space around it. A
/// tab becomes a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// The pattern of a task's title: a tab and the directional marks are allowed.
    pub const PATTERN: &str = visible_line!(
        r"\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff"
    );

    const MAX_CHARS: usize = 255;

    /// The title in NFC, as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Title {
    type Err = String;

    fn from_str(text: &str) -> Result<Title, String> {
        parse_nfc_line(text, Self::MAX_CHARS).map(Title)
    }
}

impl PartialSchema for Title {
    fn schema() -> Schema {
        json_schema::string_of_length(1, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .description(Some(
                "Stored in Unicode's form NFC, in which its length is counted.",
            ))
            .into()
    }
}
