//! Enums whose variants each have a text: the list of the texts, for error messages and JSON Schemas.

use strum::VariantArray;
use utoipa::openapi::ObjectBuilder;

use super::json_schema;

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

/// A string that is one of the texts of a Rust enum.
pub fn schema<T: VariantArray + Copy + Into<&'static str>>() -> ObjectBuilder {
    json_schema::string_enum(texts::<T>())
}
