//! The search text of lists.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::json_schema::{self, Schema};
use super::text_rules::{check_characters, fold_case, is_unsafe_in_line, nfc_of_at_most};

/// The search text of a list (`?q=`): matches any part of a text, in upper or lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText(String);

impl SearchText {
    /// The JSON Schema pattern of a search text. It may be blank. A test compares it with the parser.
    pub const PATTERN: &str =
        r"^[^\u0000-\u001f\u007f-\u009f\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff]*$";

    const MAX_CHARS: usize = 200;

    /// The text with [`fold_case`] applied.
    pub fn folded(&self) -> String {
        fold_case(&self.0)
    }
}

impl FromStr for SearchText {
    type Err = String;

    fn from_str(text: &str) -> Result<SearchText, String> {
        let text = nfc_of_at_most(text, Self::MAX_CHARS)?;
        check_characters(&text, is_unsafe_in_line)?;
        Ok(SearchText(text))
    }
}

impl PartialSchema for SearchText {
    fn schema() -> Schema {
        json_schema::string_of_length(0, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .into()
    }
}
