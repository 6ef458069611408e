//! Descriptions of tasks.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::json_schema::{self, Schema};
use super::text_rules::nfc_of_at_most;

/// A task's description: any number of lines, at most 10,000 characters in Unicode's form NFC. Nothing else
/// about the text is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// The pattern of a task's description: control characters are refused except tabs and line breaks.
    pub const PATTERN: &str = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$";

    const MAX_CHARS: usize = 10_000;

    /// The description in NFC, as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = String;

    fn from_str(text: &str) -> Result<Description, String> {
        if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(
                "must not contain control characters other than line breaks and tabs".to_owned(),
            );
        }
        nfc_of_at_most(text, Self::MAX_CHARS).map(Description)
    }
}

impl PartialSchema for Description {
    fn schema() -> Schema {
        json_schema::string_of_length(0, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .description(Some(
                "Stored in Unicode's form NFC, in which its length is counted.",
            ))
            .into()
    }
}
