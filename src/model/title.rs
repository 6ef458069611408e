//! Titles of tasks.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::json_schema::{self, Schema, line, white_space};
use super::text_rules::parse_nfc_line;

/// A task's title: one line of 1 to 255 characters in Unicode's form NFC, without white space around it. A
/// tab becomes a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// The pattern of a task's title: a tab is allowed.
    pub const PATTERN: &str = line!(r"[^\x00-\x08\x0a-\x1f\x7f-\x9f]");

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
                "One line. White space around it is removed, and a tab becomes a space. Must have a visible \
                 character, and none of the control characters, line breaks, zero-width spaces and invisible format \
                 characters. Stored in Unicode's form NFC, in which its length is counted.",
            ))
            .into()
    }
}
