//! `RUST_LOG`: which log entries are written.

use std::str::FromStr;

/// A valid filter in env_logger's syntax, such as `warn,access=info`. env_logger itself would ignore an invalid
/// one with a warning; here it is an error at the start.
#[derive(Debug, Clone)]
pub struct LogFilter(String);

impl LogFilter {
    /// The text of the filter.
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
