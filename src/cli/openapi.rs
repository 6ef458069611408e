//! `task-api openapi`: prints the OpenAPI document, which is generated from the code, without a server.

use super::terminal::{explain, print_text};
use crate::config::links::PublicUrlArgs;
use crate::router;

/// Prints the document.
pub fn run(address: &PublicUrlArgs) -> Result<(), String> {
    let json = router::openapi_json(address.path_prefix());
    print_text(&json.map_err(explain)?)
}
