//! `task-api openapi`: what the API says of itself, without a server.

use std::io::{ErrorKind, Write, stdout};

use super::accounts::explain;
use crate::openapi;

/// Prints the description. That nobody reads on, as behind `| head`, is no failure.
pub fn run() -> Result<(), String> {
    let json = openapi::json().map_err(explain)?;
    match stdout().write_all(json.as_bytes()) {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => Err(format!("cannot print: {why}")),
        _ => Ok(()),
    }
}
