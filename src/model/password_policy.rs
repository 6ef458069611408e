//! The password policy (OWASP ASVS 5.0, 6.2).

use utoipa::PartialSchema;

use super::context_words::consists_of_context_words;
use super::email::with_unicode_domain;
use super::json_fields::{Scalar, string};
use super::json_schema::{self, Schema};
use super::password_attempt::{MAX_CHARS, PasswordAttempt};
use super::text_rules::fold_case;

/// The minimum length, in characters (code points) of the form NFC.
const MIN_CHARS: usize = 8;

/// The 3,000 most common passwords of 8 characters or more, in lower case, the most common one first. Taken
/// in order from the list of 20,000 by Royce Williams that Django 5.2 (PyPI) contains, without entries that
/// are broken text.
const COMMON: &str = include_str!("common_passwords.txt");

/// The error for a password that is easy to guess for an attacker who knows the account or this program.
const CONTEXT_WORDS_ONLY: &str = "must not consist only of the account's name or e-mail, or of words such as task, \
                                  api, admin, manager and employee, with digits or signs";

/// A new password that satisfies the policy: 8 to 128 characters of any kind, none of them dropped, and not
/// one of those that attackers try first.
#[derive(Debug, Clone)]
pub struct Password(PasswordAttempt);

impl Password {
    /// Checks a text by the password policy. `names` are the account's username and e-mail address. This is the
    /// only constructor.
    ///
    /// # Errors
    /// The text of the error: the length is wrong (OWASP ASVS 5.0, 6.2.1 and 6.2.9), or the password is one of
    /// the most common ones (6.2.4) or one of the names, or consists of context-specific words (6.2.11). Upper and
    /// lower case count as equal.
    pub fn for_account<'a>(
        text: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Password, String> {
        let password: PasswordAttempt = text.parse()?;
        if !(MIN_CHARS..=MAX_CHARS).contains(&password.normal().chars().count()) {
            return Err(format!("must be {MIN_CHARS} to {MAX_CHARS} characters"));
        }
        let folded = fold_case(password.normal());
        if COMMON.lines().any(|common| common == folded) {
            return Err("is one of the most common passwords".to_owned());
        }
        // A person types the domain of an e-mail address in Unicode, not in ASCII.
        let spellings = names.into_iter();
        let spellings = spellings.flat_map(|name| [name.to_owned(), with_unicode_domain(name)]);
        let spellings: Vec<String> = spellings.collect();
        let names: Vec<&str> = spellings.iter().map(String::as_str).collect();
        if names.iter().any(|name| fold_case(name) == folded) {
            return Err("must not be the account's name or e-mail".to_owned());
        }
        if consists_of_context_words(password.normal(), &names) {
            return Err(CONTEXT_WORDS_ONLY.to_owned());
        }
        Ok(Password(password))
    }

    /// The password in NFC, which is hashed.
    pub fn normal(&self) -> &str {
        self.0.normal()
    }
}

impl PartialSchema for Password {
    fn schema() -> Schema {
        json_schema::string_of_length(MIN_CHARS, MAX_CHARS)
            .description(Some(
                "The length is counted in Unicode's form NFC. Must not be one of the 3,000 most common \
                 passwords, nor the account's username or e-mail address. Must not consist only of these names and of \
                 words such as `task`, `api`, `admin`, `manager` and `employee`, in any spelling (`T4sk-4pi`), with \
                 or without digits and signs.",
            ))
            .into()
    }
}

/// Parses a new password and checks it by the policy. `names` are the account's username and e-mail address, as
/// far as they are valid.
pub fn new_password<'a>(
    value: Scalar,
    names: impl IntoIterator<Item = Option<&'a str>>,
) -> Result<Password, String> {
    let text: String = string(value)?;
    Password::for_account(&text, names.into_iter().flatten())
}
