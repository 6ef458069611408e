//! E-mail addresses.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::json_schema::{self, Schema};
use super::text_rules::{fold_case, is_control, parse_line};

/// An e-mail address of at most 120 characters. It is converted to lower case, so that one mailbox cannot
/// have two accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    const MAX_CHARS: usize = 120;

    /// The pattern in the JSON Schema. The schema does not use `format: email`, which refuses addresses that
    /// the parser accepts, such as `.a.@example.com` and addresses with an `é`.
    const PATTERN: &str = concat!(
        r"^[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]+",
        r"@[\p{L}\p{N}]([\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?",
        r"(\.[\p{L}\p{N}]([\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?)*$",
    );

    /// The address in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Applies the rule of HTML's `<input type="email">` (HTML Living Standard, 4.10.5.1.5), so that a
/// browser's form and this program agree, extended to letters and digits of every script.
impl FromStr for Email {
    type Err = String;

    fn from_str(text: &str) -> Result<Email, String> {
        let text = parse_line(text, Self::MAX_CHARS, is_control)?.to_lowercase();
        let is_atom = |c: char| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
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
        json_schema::string_of_length(3, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .into()
    }
}

/// The canonical form of an e-mail address as typed: addresses with the same form belong to the same account.
pub fn email_key(email: &str) -> String {
    fold_case(email.trim())
}
