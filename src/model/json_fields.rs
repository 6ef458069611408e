//! Reads the members of a JSON object or the parameters of a query by name. Only the fields that a reader asks
//! for are accepted (allow list), and all errors are collected, so that one 422 names every refused field.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use utoipa::PartialSchema;

use super::json_schema::{self, FieldSpec, Schema};
use crate::error::{Error, FieldErrors};

/// The members of a JSON object (`Fields<Scalar>`) or the parameters of a query (`Fields<String>`).
///
/// A reader function takes the fields that it knows and then calls [`Fields::finish`]. Fields that are left
/// by then are unknown and refused: `"role": "admin"` in a sign-up is an error (OWASP API3:2023, mass
/// assignment), and a mistyped filter does not list every row.
///
/// The same reader function generates the OpenAPI schema: see [`Fields::describe`].
pub struct Fields<V> {
    values: BTreeMap<String, V>,
    errors: FieldErrors,
    /// `Some` while [`Fields::describe`] runs.
    specs: Option<Vec<FieldSpec>>,
}

impl<V> Fields<V> {
    /// Creates the fields of a request.
    pub fn new(values: BTreeMap<String, V>) -> Self {
        Fields {
            values,
            errors: FieldErrors::default(),
            specs: None,
        }
    }

    /// Runs the reader function on empty input and records which fields it asks for, in that order. The OpenAPI
    /// document is generated from this, so it cannot differ from what the program reads.
    pub fn describe<T>(read: impl FnOnce(&mut Fields<V>) -> T) -> Vec<FieldSpec> {
        let mut fields = Fields::new(BTreeMap::new());
        fields.specs = Some(Vec::new());
        read(&mut fields);
        fields.specs.unwrap_or_default()
    }

    /// Records a field for [`Fields::describe`]. If a reader takes a field twice, the first specification counts.
    fn record_spec(&mut self, name: &str, is_required: bool, schema: impl FnOnce() -> Schema) {
        let Some(specs) = &mut self.specs else {
            return;
        };
        if specs.iter().all(|spec| spec.name != name) {
            specs.push(FieldSpec {
                name: name.to_owned(),
                schema: schema(),
                is_required,
            });
        }
    }

    fn refuse(&mut self, name: &str, reason: impl Into<String>) {
        self.errors.insert(name.to_owned(), reason.into());
    }

    /// Returns `value`, which the reader function has built, if every field was accepted and none is left.
    ///
    /// # Errors
    /// [`Error::Invalid`] with each refused, missing and unknown field.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Error> {
        for name in self.values.into_keys() {
            // The response repeats a name that the client chose, so its length is limited.
            let name = name.chars().take(100).collect();
            self.errors.insert(name, "is not known here".to_owned());
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Error::Invalid(self.errors)),
        }
    }
}

impl Fields<Scalar> {
    /// Takes a field that must be present. `parse` converts the JSON value: [`string`], [`integer`] or
    /// [`boolean`]. Its error text must not repeat the value, which may be a password.
    pub fn required<T: PartialSchema>(
        &mut self,
        name: &str,
        parse: impl FnOnce(Scalar) -> Result<T, String>,
    ) -> Option<T> {
        self.record_spec(name, true, T::schema);
        if !self.values.contains_key(name) {
            self.refuse(name, "is required");
        }
        self.optional(name, parse)
    }

    /// Takes a field that may be absent, but not `null`.
    pub fn optional<T: PartialSchema>(
        &mut self,
        name: &str,
        parse: impl FnOnce(Scalar) -> Result<T, String>,
    ) -> Option<T> {
        self.record_spec(name, false, T::schema);
        let value = self.values.remove(name)?;
        parse(value)
            .map_err(|reason| self.refuse(name, reason))
            .ok()
    }

    /// Takes a field that may be absent (`None`) or `null` (`Some(None)`).
    pub fn nullable<T: PartialSchema>(
        &mut self,
        name: &str,
        parse: impl FnOnce(Scalar) -> Result<T, String>,
    ) -> Option<Option<T>> {
        self.record_spec(name, false, || json_schema::nullable(T::schema()));
        match self.values.get(name) {
            Some(Scalar::Null) => self.values.remove(name).map(|_| None),
            _ => self.optional(name, parse).map(Some),
        }
    }
}

impl Fields<String> {
    /// Takes a query parameter, which may always be absent. A blank value counts as absent, since an HTML
    /// form sends every field.
    pub fn parameter<T: FromStr<Err: ToString> + PartialSchema>(
        &mut self,
        name: &str,
    ) -> Option<T> {
        self.record_spec(name, false, T::schema);
        let text = self.values.remove(name)?;
        if text.trim().is_empty() {
            return None;
        }
        text.parse()
            .map_err(|reason: T::Err| self.refuse(name, reason.to_string()))
            .ok()
    }
}

/// The JSON value of a field. No field is an array or an object, so their contents are parsed but not
/// stored, and a small body cannot become a large tree in memory.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number without a fraction that fits 64 bits.
    Integer(i64),
    /// A string.
    String(String),
    /// Any other number, an array or an object: every field refuses it.
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

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Boolean(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
        Ok(i64::try_from(number).map_or(Scalar::Other, Scalar::Integer))
    }

    /// `1.0` is an integer too (JSON Schema 2020-12 Validation, 6.1.1).
    fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
        // 2^63, the first number above the range of an `i64`.
        const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
        let is_integer = number.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(&number);
        Ok(if is_integer {
            Scalar::Integer(number as i64)
        } else {
            Scalar::Other
        })
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::String(text.to_owned()))
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

/// Parses a JSON string.
pub fn string<T: FromStr<Err: ToString>>(value: Scalar) -> Result<T, String> {
    match value {
        Scalar::String(text) => text.parse().map_err(|reason: T::Err| reason.to_string()),
        _ => Err("must be a string".to_owned()),
    }
}

/// Parses a JSON number without a fraction.
pub fn integer<T: TryFrom<i64, Error = String>>(value: Scalar) -> Result<T, String> {
    match value {
        Scalar::Integer(number) => number.try_into(),
        _ => Err("must be a whole number".to_owned()),
    }
}

/// Parses `true` or `false`.
pub fn boolean(value: Scalar) -> Result<bool, String> {
    match value {
        Scalar::Boolean(value) => Ok(value),
        _ => Err("must be true or false".to_owned()),
    }
}
