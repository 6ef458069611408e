//! Rules of text: normal form, case, and characters that are refused.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::schema::{self, Schema};

/// What `?q=` looks for: a part of a text, in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchText(String);

impl SearchText {
    const MAX_CHARS: usize = 200;

    /// The text with its case folded away.
    pub fn folded(&self) -> String {
        fold_case(&self.0)
    }
}

impl FromStr for SearchText {
    type Err = String;

    fn from_str(text: &str) -> Result<SearchText, String> {
        if text.contains(is_control) {
            return Err("must not contain control characters".to_owned());
        }
        if text.chars().count() > Self::MAX_CHARS {
            return Err(format!("must be at most {} characters", Self::MAX_CHARS));
        }
        Ok(SearchText(text.to_owned()))
    }
}

impl PartialSchema for SearchText {
    fn schema() -> Schema {
        schema::text(0, Self::MAX_CHARS)
            .pattern(Some(schema::NO_CONTROL))
            .into()
    }
}

/// Text with its case folded away, letter by letter, so that a part of a word folds as it does in the
/// word: `str::to_lowercase` makes another letter of a sigma at the end.
pub fn fold_case(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

/// Text without the white space around it, of `1..=max` characters, none of them in `forbidden`.
pub fn checked_line(text: &str, max: usize, forbidden: fn(char) -> bool) -> Result<String, String> {
    let text = text.trim();
    if text.contains(forbidden) {
        return Err("must not contain control characters".to_owned());
    }
    match text.chars().count() {
        0 => Err("must not be empty".to_owned()),
        n if n > max => Err(format!("must be at most {max} characters")),
        _ => Ok(text.to_owned()),
    }
}

/// What does not belong in one line of text, since it could forge another: NUL, line breaks and the
/// like, Unicode's own separators of lines, and what is invisible or turns the direction of writing.
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
