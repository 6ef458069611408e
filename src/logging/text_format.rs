//! The text form of a log line: `[2026-11-28T04:06:53.407Z INFO  access] method=GET path=/hello status=200`.

use std::fmt::Display;
use std::io::{self, Write};

use log::kv::{Error, Key, Value, VisitSource, VisitValue};
use log::{Level, Record};

use super::log_text::{cut, is_plain_word, one_line};

/// Writes a record as one line: its message, and each field as `name=value`.
///
/// # Errors
/// Those of `line`.
pub fn write(
    line: &mut impl Write,
    timestamp: impl Display,
    has_colors: bool,
    record: &Record,
) -> io::Result<()> {
    let (level, target) = (record.level(), record.target());
    let (color, reset) = match has_colors {
        true => (color(level), "\x1b[0m"),
        false => ("", ""),
    };
    write!(line, "[{timestamp} {color}{level:<5}{reset} {target}]")?;
    if record.args().as_str() != Some("") {
        write!(line, " {}", one_line(&record.args().to_string()))?;
    }
    let visited = record.key_values().visit(&mut Fields(line));
    visited.map_err(io::Error::other)?;
    line.write_all(b"\n")
}

/// The escape sequence of the level's colour: that of env_logger.
fn color(level: Level) -> &'static str {
    match level {
        Level::Error => "\x1b[1m\x1b[31m",
        Level::Warn => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Debug => "\x1b[34m",
        Level::Trace => "\x1b[36m",
    }
}

/// Writes fields.
struct Fields<'a, W>(&'a mut W);

impl<'kv, W: Write> VisitSource<'kv> for Fields<'_, W> {
    fn visit_pair(&mut self, name: Key<'kv>, value: Value<'kv>) -> Result<(), Error> {
        self.put(format_args!(" {name}="))?;
        value.visit(self)
    }
}

impl<W: Write> Fields<'_, W> {
    fn put(&mut self, text: impl Display) -> Result<(), Error> {
        write!(self.0, "{text}").map_err(Error::boxed)
    }
}

impl<W: Write> VisitValue<'_> for &mut Fields<'_, W> {
    fn visit_any(&mut self, value: Value) -> Result<(), Error> {
        self.visit_str(&value.to_string())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.put("-")
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.put(value)
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.put(format_args!("{value:.3}"))
    }

    fn visit_str(&mut self, text: &str) -> Result<(), Error> {
        let text = cut(text);
        if is_plain_word(&text) {
            self.put(text)
        } else {
            self.put(format_args!("{text:?}"))
        }
    }
}
