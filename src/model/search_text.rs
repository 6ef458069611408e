//! The search text of lists.

use std::str::FromStr;

use memchr::memmem::Finder;
use utoipa::PartialSchema;

use super::json_schema::{self, Schema};
use super::text_rules::{check_characters, fold_case, is_unsafe_in_line, nfc_of_at_most};

/// The search text of a list (`?q=`): matches any part of a text, in upper or lower case. A tab becomes a space,
/// as in a title.
#[derive(Debug)]
pub struct SearchText {
    /// Finds the text with [`fold_case`] applied.
    finder: Finder<'static>,
}

impl SearchText {
    /// The JSON Schema pattern of a search text. It may be blank. A test compares it with the parser.
    pub const PATTERN: &str = r"^[^\x00-\x08\x0a-\x1f\x7f-\x9f]*$";

    const MAX_CHARS: usize = 200;

    /// Whether `text` contains the search text. The time is linear in the length of `text`: `memmem` searches by
    /// the two-way algorithm, where LIKE compares the pattern anew at each position.
    pub fn is_in(&self, text: &str) -> bool {
        self.finder.find(fold_case(text).as_bytes()).is_some()
    }
}

impl FromStr for SearchText {
    type Err = String;

    fn from_str(text: &str) -> Result<SearchText, String> {
        let text = nfc_of_at_most(&text.replace('\t', " "), Self::MAX_CHARS)?;
        check_characters(&text, is_unsafe_in_line)?;
        let finder = Finder::new(&fold_case(&text)).into_owned();
        Ok(SearchText { finder })
    }
}

impl PartialSchema for SearchText {
    fn schema() -> Schema {
        json_schema::string_of_length(0, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .into()
    }
}
