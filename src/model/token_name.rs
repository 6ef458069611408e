//! Names of tokens for scripts.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::json_schema::{self, Schema};
use super::text_rules::parse_nfc_line;
use super::title::Title;

/// The name of a token for scripts: one line of 1 to 80 characters, by the rules of a [`Title`]. Names of one account
/// may be equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenName(String);

impl TokenName {
    /// The pattern of a name.
    pub const PATTERN: &str = Title::PATTERN;

    const MAX_CHARS: usize = 80;

    /// The name in NFC, as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenName {
    type Err = String;

    fn from_str(text: &str) -> Result<TokenName, String> {
        parse_nfc_line(text, Self::MAX_CHARS).map(TokenName)
    }
}

impl PartialSchema for TokenName {
    fn schema() -> Schema {
        json_schema::string_of_length(1, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .description(Some("One line, by the rules of a task's title."))
            .into()
    }
}
