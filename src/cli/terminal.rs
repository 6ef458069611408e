//! Output to the operator's terminal.

use std::fmt;
use std::io::{ErrorKind, Write, stdout};

use crate::error::Error;
use crate::logging::{self, one_line};

/// Prints one line to standard output, with control characters escaped: the Flask app may have stored any text.
/// A closed pipe, such as with `| head`, is not an error; `println!` would panic.
pub fn print(line: fmt::Arguments) -> Result<(), String> {
    print_text(&(one_line(&line.to_string()) + "\n"))
}

/// Prints text unchanged. It must not contain text from a client or from the database.
pub fn print_text(text: &str) -> Result<(), String> {
    match stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => Err(format!("cannot print: {why}")),
        _ => Ok(()),
    }
}

/// Prints one line to standard error, with control characters escaped.
pub fn print_to_stderr(line: fmt::Arguments) {
    logging::print(&line.to_string());
}

/// The text of an error for the operator. Unlike the error response to a client it contains the cause.
pub fn explain(why: Error) -> String {
    why.to_string()
}
