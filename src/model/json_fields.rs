//! Named values from a client, read one by one; what is wrong with any of them is told all at once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use utoipa::PartialSchema;

use super::schema::{self, Schema};
use crate::error::{Error, FieldErrors};

/// The members of a JSON body (`Fields<Scalar>`) or the parameters of a query (`Fields<String>`).
///
/// A reader takes the fields that it knows and calls [`Fields::finish`]: whatever is left by then
/// is a name that nobody knows and is refused, so `"role": "admin"` in a sign-up is an error and a
/// mistyped filter does not list everything.
///
/// What a reader takes is also what the API's description says that it takes: see [`Fields::describe`].
pub struct Fields<V> {
    given: BTreeMap<String, V>,
    errors: FieldErrors,
    recorded: Option<Vec<FieldSpec>>,
}

/// A field that a reader takes.
pub struct FieldSpec {
    /// Its name.
    pub name: String,
    /// What its value looks like.
    pub schema: Schema,
    /// Whether it must be there.
    pub is_required: bool,
}

impl<V> Fields<V> {
    /// Fields as they were given, none of them read yet.
    pub fn new(given: BTreeMap<String, V>) -> Self {
        Fields {
            given,
            errors: FieldErrors::new(),
            recorded: None,
        }
    }

    /// Every field that `read` takes, in its order. It is let loose on nothing, and watched.
    pub fn describe<T>(read: impl FnOnce(&mut Fields<V>) -> T) -> Vec<FieldSpec> {
        let mut fields = Fields::new(BTreeMap::new());
        fields.recorded = Some(Vec::new());
        read(&mut fields);
        fields.recorded.unwrap_or_default()
    }

    /// Notes a field for the description. Of a field that is taken twice the first time counts.
    fn note(&mut self, name: &str, is_required: bool, schema: impl FnOnce() -> Schema) {
        let Some(recorded) = &mut self.recorded else {
            return;
        };
        if recorded.iter().all(|field| field.name != name) {
            recorded.push(FieldSpec {
                name: name.to_owned(),
                schema: schema(),
                is_required,
            });
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
            // A client's own text goes back to it, but not at any length.
            let name = name.chars().take(100).collect();
            self.errors.insert(name, "is not known here".to_owned());
        }
        match read {
            Some(read) if self.errors.is_empty() => Ok(read),
            _ => Err(Error::Invalid(self.errors)),
        }
    }
}

impl Fields<Scalar> {
    /// A field that must be there. `read` turns the JSON value into what the field holds: [`text`],
    /// [`whole_number`], [`flag`]. Its reason for a refusal does not repeat the value, which may be a
    /// password.
    pub fn required<T: PartialSchema>(
        &mut self,
        name: &str,
        read: impl FnOnce(Scalar) -> Result<T, String>,
    ) -> Option<T> {
        self.note(name, true, T::schema);
        if !self.given.contains_key(name) {
            self.refuse(name, "is required");
        }
        self.optional(name, read)
    }

    /// A field that may be absent, but not `null`.
    pub fn optional<T: PartialSchema>(
        &mut self,
        name: &str,
        read: impl FnOnce(Scalar) -> Result<T, String>,
    ) -> Option<T> {
        self.note(name, false, T::schema);
        let value = self.given.remove(name)?;
        read(value).map_err(|why| self.refuse(name, why)).ok()
    }

    /// A field that may be absent (`None`) or `null` (`Some(None)`).
    pub fn nullable<T: PartialSchema>(
        &mut self,
        name: &str,
        read: impl FnOnce(Scalar) -> Result<T, String>,
    ) -> Option<Option<T>> {
        self.note(name, false, || schema::or_null(T::schema()));
        match self.given.get(name) {
            Some(Scalar::Null) => self.given.remove(name).map(|_| None),
            _ => self.optional(name, read).map(Some),
        }
    }
}

/// A JSON value, as far as any field can hold it. What is inside of arrays and objects is read past
/// and not kept: a small body cannot become a large tree.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `null`
    Null,
    /// `true` or `false`
    Flag(bool),
    /// A number without a fraction.
    Whole(i64),
    /// A string.
    Text(String),
    /// Anything else.
    Other,
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Whole(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Whole))
    }

    /// `1.0` is the number 1, and an integer of JSON Schema (2020-12 Validation, 6.1.1).
    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        const BEYOND: f64 = 9_223_372_036_854_775_808.0;
        let is_whole = number.fract() == 0.0 && (-BEYOND..BEYOND).contains(&number);
        Ok(if is_whole {
            Scalar::Whole(number as i64)
        } else {
            Scalar::Other
        })
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Scalar, A::Error> {
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Scalar, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// Reads a JSON string.
pub fn text<T: FromStr<Err: ToString>>(value: Scalar) -> Result<T, String> {
    match value {
        Scalar::Text(text) => text.parse().map_err(|why: T::Err| why.to_string()),
        _ => Err("must be a string".to_owned()),
    }
}

/// Reads a JSON number without a fraction.
pub fn whole_number<T: TryFrom<i64, Error = String>>(value: Scalar) -> Result<T, String> {
    match value {
        Scalar::Whole(number) => number.try_into(),
        _ => Err("must be a whole number".to_owned()),
    }
}

/// Reads `true` or `false`.
pub fn flag(value: Scalar) -> Result<bool, String> {
    match value {
        Scalar::Flag(flag) => Ok(flag),
        _ => Err("must be true or false".to_owned()),
    }
}

impl Fields<String> {
    /// A parameter that may be absent. A blank value counts as absent: HTML forms send every field.
    pub fn parameter<T: FromStr<Err: ToString> + PartialSchema>(
        &mut self,
        name: &str,
    ) -> Option<T> {
        self.note(name, false, T::schema);
        let text = self.given.remove(name)?;
        if text.trim().is_empty() {
            return None;
        }
        text.parse()
            .map_err(|why: T::Err| self.refuse(name, why.to_string()))
            .ok()
    }
}
