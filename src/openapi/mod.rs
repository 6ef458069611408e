//! The OpenAPI 3.1 document, generated from the route table. For each endpoint it combines the
//! [`Operation`] that describes the handler with what follows from the access level: the security
//! requirement and the 401, 403 and 429 responses.
//!
//! The functions receive the endpoints as an argument, so this module does not import the router.

mod document;
pub(crate) mod operation_builder;
pub(crate) mod operations;

pub use self::document::{Caller, Endpoint, to_json};
