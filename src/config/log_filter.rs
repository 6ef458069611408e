//! `RUST_LOG`.

use std::str::FromStr;

/// What is logged, in env_logger's syntax.
#[derive(Debug, Clone)]
pub struct LogFilter(String);

impl LogFilter {
    /// The directives.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<LogFilter, String> {
        match env_filter::Builder::new().try_parse(text) {
            Ok(_) => Ok(LogFilter(text.to_owned())),
            Err(why) => Err(why.to_string()),
        }
    }
}
