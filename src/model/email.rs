//! E-mail addresses.

use std::str::FromStr;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use utoipa::PartialSchema;

use super::json_schema::{self, Schema, white_space};
use super::text_rules::{
    fold_case, is_control, is_letter_mark_or_number, nfc_of_at_most, parse_line,
};

/// The pattern of a label of a domain: letters, digits and hyphens, with no hyphen at its ends.
macro_rules! label {
    () => {
        concat!(
            r"[^\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x9f]",
            r"([^\x00-\x2c\x2e\x2f\x3a-\x40\x5b-\x60\x7b-\x9f]*[^\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x9f])?"
        )
    };
}

/// An e-mail address in its canonical form: at most 120 characters, the part before the `@` in lower case and in
/// NFC, the domain in ASCII (UTS 46). So one mailbox cannot have two accounts, and an address that a browser
/// sends as `zoe@xn--bcher-kva.example` is the one that another client sends as `zoe@bücher.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    const MAX_CHARS: usize = 120;

    /// The pattern in the JSON Schema. The schema does not use `format: email`, which refuses addresses that
    /// the parser accepts, such as `.a.@example.com` and addresses with an `é`. No pattern can tell whether a domain
    /// is valid by UTS 46. Of ASCII, the first class has the characters of an atom, the last two those of a label.
    pub const PATTERN: &str = concat!(
        "^",
        white_space!(),
        r"[^\x00-\x20\x22\x28\x29\x2c\x3a-\x3c\x3e\x40\x5b-\x5d\x7f-\x9f]+",
        "@",
        label!(),
        "([.]",
        label!(),
        ")*",
        white_space!(),
        "$"
    );

    /// The address in its canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Applies the rule of HTML's `<input type="email">` (HTML Living Standard, 4.10.5.1.5), so that a
/// browser's form and this program agree, extended to letters, digits and marks of every script.
impl FromStr for Email {
    type Err = String;

    fn from_str(text: &str) -> Result<Email, String> {
        let text = nfc_of_at_most(text.trim(), Self::MAX_CHARS)?;
        let text = parse_line(&text, Self::MAX_CHARS, is_control)?;
        let (local, domain) = text.split_once('@').unwrap_or_default();
        let is_atom = |c: char| is_letter_mark_or_number(c) || ".!#$%&'*+/=?^_`{|}~-".contains(c);
        if local.is_empty() || !local.chars().all(is_atom) || !domain.split('.').all(is_label) {
            return Err("must be an e-mail address".to_owned());
        }
        if ascii_domain(domain).is_none() {
            return Err("must have a valid domain".to_owned());
        }
        // The ASCII form of a domain is longer.
        nfc_of_at_most(&email_key(&text), Self::MAX_CHARS).map(Email)
    }
}

/// Whether a text has the form of a label of a domain, in any script.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.chars().count())
        && label
            .chars()
            .all(|c| is_letter_mark_or_number(c) || c == '-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The form by which e-mail addresses are compared, looked up and counted: that of [`Email`] for each valid one. Any
/// text has such a form, since clients may type any, and the Flask app may have stored any.
pub fn email_key(text: &str) -> String {
    match text.trim().rsplit_once('@') {
        Some((local, domain)) => {
            let domain = ascii_domain(domain).unwrap_or_else(|| fold_case(domain));
            format!("{}@{domain}", fold_case(local))
        }
        None => fold_case(text.trim()),
    }
}

/// The spelling of an e-mail address with its domain in Unicode: `zoe@bücher.example`. Any other text is unchanged.
pub fn with_unicode_domain(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", idna::domain_to_unicode(domain).0),
        None => text.to_owned(),
    }
}

/// The ASCII form of a domain by UTS 46, non-transitional as in browsers: `xn--bcher-kva.example` for
/// `bücher.example`. `None` if the domain is not valid.
fn ascii_domain(domain: &str) -> Option<String> {
    /// A domain has at most 253 characters, of at most 4 bytes each.
    const MAX_BYTES: usize = 4 * 253;
    if domain.len() > MAX_BYTES {
        return None;
    }
    let (deny, hyphens) = (AsciiDenyList::STD3, Hyphens::Allow);
    let ascii = Uts46::new().to_ascii(domain.as_bytes(), deny, hyphens, DnsLength::Verify);
    ascii.ok().map(Into::into)
}

impl PartialSchema for Email {
    fn schema() -> Schema {
        json_schema::string_of_length(3, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .description(Some(
                "White space around it is removed. Before the `@` letters, digits and marks of every script and \
                 ``.!#$%&'*+/=?^_`{|}~-`` are allowed; then follows a valid domain (UTS 46), with labels of at most 63 \
                 characters. Stored in lower case, in Unicode's form NFC, and with the domain in its ASCII form \
                 (`bücher.example` as `xn--bcher-kva.example`), which has at most 120 characters too.",
            ))
            .into()
    }
}
