//! `task-api openapi`: prints the OpenAPI document without a server.

use super::terminal::{explain, print_text};
use crate::router;

/// Runs the command.
pub fn run() -> Result<(), String> {
    print_text(&router::openapi_json().map_err(explain)?)
}
