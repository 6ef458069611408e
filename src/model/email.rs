//! E-mail addresses.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::schema::{self, Schema};
use super::text::{checked_line, is_control};

/// An e-mail address of at most 120 characters, in lower case: one mailbox is one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    const MAX_CHARS: usize = 120;

    /// For the description: no `format: email`, which knows neither `.a.@example.com` nor `é`.
    const PATTERN: &str = concat!(
        r"^[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]+",
        r"@[\p{L}\p{N}]([\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?",
        r"(\.[\p{L}\p{N}]([\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?)*$",
    );

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rule of HTML's `<input type="email">` (HTML Living Standard, 4.10.5.1.5), so that a browser's
/// form and this program agree, with letters and digits of every script.
impl FromStr for Email {
    type Err = String;

    fn from_str(text: &str) -> Result<Email, String> {
        let text = checked_line(text, Self::MAX_CHARS, is_control)?.to_lowercase();
        let is_atom = |c: char| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
        let is_label = |label: &str| {
            let inside = |c: char| c.is_alphanumeric() || c == '-';
            (1..=63).contains(&label.len())
                && label.chars().all(inside)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        match text.split_once('@') {
            Some((local, domain))
                if !local.is_empty()
                    && local.chars().all(is_atom)
                    && domain.split('.').all(is_label) =>
            {
                Ok(Email(text))
            }
            _ => Err("must be an e-mail address".to_owned()),
        }
    }
}

impl PartialSchema for Email {
    fn schema() -> Schema {
        schema::text(3, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .into()
    }
}
