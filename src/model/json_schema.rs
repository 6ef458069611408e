//! Building blocks for JSON Schema (2020-12), the schema language of OpenAPI 3.1. Each type of the model
//! describes its JSON form with them.
//!
//! The patterns are regular expressions that ECMAScript (with and without the flag `u`), Python, RE2 and Rust read alike,
//! since generated clients use all of them (compare I-Regexp, RFC 9485): ASCII characters, groups, repetitions, classes,
//! and no escape but `\xHH`. A class of the other scripts is written as the negation of an ASCII one. So a pattern
//! accepts every text that the type's parser accepts, and some that it refuses; a test lists which.

use utoipa::openapi::schema::{AdditionalProperties, AnyOf, Schema as JsonSchema, SchemaType};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Type};

/// A schema, or a reference to one among the document's components.
pub type Schema = RefOr<JsonSchema>;

/// White space, which parsers remove from both ends of a line. White space beyond ASCII has no name that all regular
/// expressions know, so every character from U+00A0 on is allowed in its place.
macro_rules! white_space {
    () => {
        r"[^\x00-\x08\x0e-\x1f!-\x84\x86-\x9f]*"
    };
}
pub(super) use white_space;

/// The pattern of a line of text with a visible character. `$inner` is the class of the characters between the first and
/// the last visible character of ASCII.
macro_rules! line {
    ($inner:literal) => {
        concat!(
            "^",
            white_space!(),
            r"[^\x00-\x20\x7f-\xa0]",
            "(",
            $inner,
            "*[!-~])?",
            white_space!(),
            "$"
        )
    };
}
pub(super) use line;

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
