//! Usernames.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::schema::{self, Schema};
use super::text::{checked_line, is_control};

/// A name for an account: 1 to 80 characters, no control characters, no white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    const MAX_CHARS: usize = 80;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = String;

    fn from_str(text: &str) -> Result<Username, String> {
        checked_line(text, Self::MAX_CHARS, is_control).map(Username)
    }
}

impl PartialSchema for Username {
    fn schema() -> Schema {
        schema::text(1, Self::MAX_CHARS)
            .pattern(Some(schema::LINE))
            .into()
    }
}
