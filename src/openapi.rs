//! The description of the API in OpenAPI 3.1, made from the table of routes.

/// The description as JSON.
pub fn json() -> String {
    "{}".to_owned()
}
