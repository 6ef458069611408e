//! Usernames.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::json_schema::{self, Schema, visible_line};
use super::text_rules::{is_control, parse_line};

/// The unique name of an account: one line of 1 to 80 characters, of which at least one is visible, without
/// control characters and without white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    /// The JSON Schema pattern of a username. A test compares it with the parser.
    pub const PATTERN: &str = visible_line!(
        r"\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    );

    const MAX_CHARS: usize = 80;

    /// The name as it is stored and as tokens carry it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = String;

    fn from_str(text: &str) -> Result<Username, String> {
        parse_line(text, Self::MAX_CHARS, is_control).map(Username)
    }
}

impl PartialSchema for Username {
    fn schema() -> Schema {
        json_schema::string_of_length(1, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .into()
    }
}
