//! Shapes of JSON values (JSON Schema 2020-12), for the description of the API.

use strum::VariantArray;
use utoipa::openapi::schema::{AnyOf, Schema as JsonSchema, SchemaType};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Type};

use super::open_enum::texts;

/// The shape of a value, or where the description has it.
pub type Schema = RefOr<JsonSchema>;

/// Text without what [`is_control`](crate::model::is_control) refuses.
pub const NO_CONTROL: &str =
    r"^[^\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]*$";

/// The same, with something to see in it.
pub const LINE: &str =
    r"^(?=.*\S)[^\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]*$";

/// Lines of text, without control characters other than line breaks and tabs.
pub const LINES: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";

/// Text of so many characters.
pub fn text(min: usize, max: usize) -> ObjectBuilder {
    Object::builder()
        .schema_type(Type::String)
        .min_length((min > 0).then_some(min))
        .max_length(Some(max))
}

/// Text of a form.
pub fn text_like(pattern: &str) -> ObjectBuilder {
    Object::builder()
        .schema_type(Type::String)
        .pattern(Some(pattern))
}

/// One of these words.
pub fn string_enum(words: impl IntoIterator<Item = &'static str>) -> ObjectBuilder {
    Object::builder()
        .schema_type(Type::String)
        .enum_values(Some(words))
}

/// One of these words as a rule, but any text, or none, where another program has written it.
pub fn open_enum(what: &str, words: ObjectBuilder) -> Schema {
    AnyOf::builder()
        .description(Some(what))
        .item(words)
        .item(or_null(Object::builder().schema_type(Type::String).into()))
        .into()
}

/// The same, or `null`.
pub fn or_null(schema: Schema) -> Schema {
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

/// The texts of a closed set.
pub fn closed_enum<T: VariantArray + Copy + Into<&'static str>>() -> ObjectBuilder {
    string_enum(texts::<T>())
}
