//! Enums whose variants each have a text: the list of the texts, for error messages and JSON Schemas.

use strum::VariantArray;
use utoipa::ToSchema;
use utoipa::openapi::Ref;

use super::json_schema::{self, Schema};

/// The texts of all variants, in the order of declaration.
pub fn texts<T: VariantArray + Copy + Into<&'static str>>() -> impl Iterator<Item = &'static str> {
    T::VARIANTS.iter().map(|variant| (*variant).into())
}

/// The error text for a text that is not one of the enum's.
pub fn must_be_one_of<T: VariantArray + Copy + Into<&'static str>>(_: &str) -> String {
    format!(
        "must be one of {}",
        texts::<T>().collect::<Vec<_>>().join(", ")
    )
}

/// A reference to the [`component`] of an enum, so that a generated client has one type for all uses of it.
pub fn schema<T: ToSchema>() -> Schema {
    Ref::from_schema_name(T::name()).into()
}

/// The name and the schema of the component: a string that is one of the texts.
pub fn component<T: ToSchema + VariantArray + Copy + Into<&'static str>>() -> (String, Schema) {
    let schema = json_schema::string_enum(texts::<T>());
    (T::name().into_owned(), schema.into())
}
