//! `task-api openapi`: prints the OpenAPI document, which is generated from the code, without a server.

use super::terminal::{explain, print_text};
use crate::router;

/// Prints the document.
pub fn run() -> Result<(), String> {
    print_text(&router::openapi_json().map_err(explain)?)
}
