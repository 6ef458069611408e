//! The OpenAPI 3.1 document, generated from the route table. For each endpoint it combines two sources: the
//! [`Operation`](operation_builder::Operation) in `operations.rs`, which describes the handler, and the access
//! level ([`Caller`]), from which the security requirement and the 401, 403 and 429 responses follow.
//!
//! [`to_json`] receives the endpoints as an argument, so this module does not import the router.

mod caller;
mod components;
mod document;
mod error_responses;
pub(crate) mod operation_builder;
pub(crate) mod operations;
mod tags;

pub use self::caller::Caller;
pub use self::document::{Endpoint, to_json};
