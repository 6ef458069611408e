//! Building blocks for JSON Schema (2020-12), the schema language of OpenAPI 3.1. Each type of the model
//! describes its JSON form with them.
//!
//! The regular expressions use no escape beyond `\uXXXX`, `\s` and `\p{..}`, which ECMA-262, Rust and
//! Schemathesis read alike; characters above U+FFFF are written as themselves. A test compares each pattern
//! with its type's parser, for every character.

use utoipa::openapi::schema::{AdditionalProperties, AnyOf, Schema as JsonSchema, SchemaType};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Type};

/// A schema, or a reference to one among the document's components.
pub type Schema = RefOr<JsonSchema>;

/// The pattern of lines of text with a visible character: a lookahead for a character that is neither white
/// space nor default ignorable, then characters outside the class `$forbidden`.
macro_rules! visible_line {
    ($forbidden:literal) => {
        concat!(
            r"^(?=.*[^\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e",
            r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8",
            "\u{1107f}\u{13441}\u{13442}\u{16fe4}\u{1bca0}-\u{1bca3}\u{1d159}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}])",
            "[^",
            $forbidden,
            "]*$"
        )
    };
}
pub(super) use visible_line;

/// The pattern of text without invisible characters: a negative lookahead for the letters, marks and symbols that show
/// nothing, and for line separators. Of the other categories, `$rest` must allow white space at most.
macro_rules! without_invisible {
    ($($rest:literal)+) => {
        concat!(
            r"^(?!.*[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2028\u2029\u2800\u3164\ufe00-\ufe0f\uffa0",
            "\u{1107f}\u{13441}\u{13442}\u{16fe4}\u{1d159}\u{e0100}-\u{e01ef}])",
            $($rest),+
        )
    };
}
pub(super) use without_invisible;

/// A string of `min` to `max` characters.
pub fn string_of_length(min: usize, max: usize) -> ObjectBuilder {
    Object::builder()
        .schema_type(Type::String)
        .min_length((min > 0).then_some(min))
        .max_length(Some(max))
}

/// A string that matches a regular expression.
pub fn string_matching(pattern: &str) -> ObjectBuilder {
    Object::builder()
        .schema_type(Type::String)
        .pattern(Some(pattern))
}

/// A string that is one of `values`.
pub fn string_enum(values: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    Object::builder()
        .schema_type(Type::String)
        .enum_values(Some(values))
}

/// The schema that allows `null` in addition.
pub fn nullable(schema: Schema) -> Schema {
    match schema {
        RefOr::T(JsonSchema::Object(mut object)) => {
            if let SchemaType::Type(only) = object.schema_type {
                object.schema_type = SchemaType::from_iter([only, Type::Null]);
            }
            object.into()
        }
        other => AnyOf::builder()
            .item(other)
            .item(Object::with_type(Type::Null))
            .into(),
    }
}

/// The specification of a field, from which the OpenAPI document is generated.
pub struct FieldSpec {
    /// The name of the JSON member or the query parameter.
    pub name: String,
    /// The schema of its value.
    pub schema: Schema,
    /// Whether a request without it is refused.
    pub is_required: bool,
}

/// An object with these members and no others.
pub fn object(fields: Vec<FieldSpec>) -> Schema {
    let closed = AdditionalProperties::FreeForm(false);
    let mut object = Object::builder()
        .schema_type(Type::Object)
        .additional_properties(Some(closed));
    for field in fields {
        object = object.property(&field.name, field.schema);
        if field.is_required {
            object = object.required(field.name);
        }
    }
    object.into()
}
