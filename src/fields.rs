//! Named values from a client, read one by one; what is wrong with any of them is told all at once.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;

use crate::error::{Error, FieldErrors};

/// The members of a JSON body (`Fields<Value>`) or the parameters of a query (`Fields<String>`).
///
/// A reader takes the fields that it knows and calls [`Fields::finish`]: whatever is left by then
/// is a name that nobody knows and is refused, so `"role": "admin"` in a sign-up is an error and a
/// mistyped filter does not list everything.
#[derive(Debug)]
pub struct Fields<V> {
    given: BTreeMap<String, V>,
    errors: FieldErrors,
}

impl<V> Fields<V> {
    /// Fields as they were given, none of them read yet.
    pub fn new(given: BTreeMap<String, V>) -> Self {
        Fields {
            given,
            errors: FieldErrors::new(),
        }
    }

    /// Notes that a field is refused.
    pub fn refuse(&mut self, name: &str, why: impl Into<String>) {
        self.errors.insert(name.to_owned(), why.into());
    }

    /// Hands out `read` if every field was accepted and none was left over.
    ///
    /// # Errors
    /// [`Error::Invalid`] with each refused, missing and unknown field.
    pub fn finish<T>(mut self, read: Option<T>) -> Result<T, Error> {
        for name in self.given.into_keys() {
            self.errors.insert(name, "is not known here".to_owned());
        }
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            _ => Err(Error::Invalid(self.errors)),
        }
    }
}

impl Fields<Value> {
    /// A field that must be there. `read` is [`text`], [`whole_number`] or [`flag`].
    pub fn required<T>(&mut self, name: &str, read: Reader<T>) -> Option<T> {
        if !self.given.contains_key(name) {
            self.refuse(name, "is required");
        }
        self.optional(name, read)
    }

    /// A field that may be absent, but not `null`.
    pub fn optional<T>(&mut self, name: &str, read: Reader<T>) -> Option<T> {
        let value = self.given.remove(name)?;
        read(value).map_err(|why| self.refuse(name, why)).ok()
    }

    /// A field that may be absent (`None`) or `null` (`Some(None)`).
    pub fn nullable<T>(&mut self, name: &str, read: Reader<T>) -> Option<Option<T>> {
        match self.given.get(name) {
            Some(Value::Null) => self.given.remove(name).map(|_| None),
            _ => self.optional(name, read).map(Some),
        }
    }
}

/// Turns a JSON value into what a field holds. The reason for a refusal does not repeat the value,
/// which may be a password.
pub type Reader<T> = fn(Value) -> Result<T, String>;

/// Reads a JSON string.
pub fn text<T: FromStr<Err: ToString>>(value: Value) -> Result<T, String> {
    match value {
        Value::String(text) => text.parse().map_err(|why: T::Err| why.to_string()),
        _ => Err("must be a string".to_owned()),
    }
}

/// Reads a JSON number without a fraction.
pub fn whole_number<T: TryFrom<i64, Error = String>>(value: Value) -> Result<T, String> {
    match value.as_i64() {
        Some(number) => number.try_into(),
        None => Err("must be a whole number".to_owned()),
    }
}

/// Reads `true` or `false`.
pub fn flag(value: Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| "must be true or false".to_owned())
}

impl Fields<String> {
    /// A parameter that may be absent.
    pub fn parameter<T: FromStr<Err: ToString>>(&mut self, name: &str) -> Option<T> {
        let text = self.given.remove(name)?;
        text.parse()
            .map_err(|why: T::Err| self.refuse(name, why.to_string()))
            .ok()
    }
}
