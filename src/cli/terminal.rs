//! Output for the operator's terminal.

use std::fmt;
use std::io::{ErrorKind, Write, stdout};

use crate::error::Error;
use crate::model::is_control;

/// Prints one line to standard output. Control characters are escaped, since a row of the Flask app may
/// hold any text. A closed pipe, as after `| head`, is not an error; `println!` would panic.
pub fn print(line: fmt::Arguments) -> Result<(), String> {
    print_text(&(one_line(&line.to_string()) + "\n"))
}

/// Prints text of this program as it is.
pub fn print_text(text: &str) -> Result<(), String> {
    match stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() != ErrorKind::BrokenPipe => Err(format!("cannot print: {why}")),
        _ => Ok(()),
    }
}

/// Text in one line: escapes control characters, which could act on a terminal or forge a second line.
pub fn one_line(text: &str) -> String {
    let escape = |c: char| {
        if is_control(c) {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    text.chars().map(escape).collect()
}

/// The text of an error with its cause, which only the operator may see.
pub fn explain(why: Error) -> String {
    why.to_string()
}
