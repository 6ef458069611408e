//! The settings of the log: which records are written, and in which form.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use log::LevelFilter;

/// The log; see [`crate::logging`].
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// Log filter in env_logger's syntax: off, error, warn, info, debug or trace, also per target, such as
    /// warn,access=info; what makes a response 5xx is always logged
    #[arg(long, env, hide_env_values = true, default_value = "info")]
    pub rust_log: LogFilter,

    /// Form of the log lines; json is one JSON object a line
    #[arg(long, env, hide_env_values = true, default_value = "text")]
    pub log_format: LogFormat,
}

/// The form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum LogFormat {
    Text,
    Json,
}

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
        env_filter::Builder::new()
            .try_parse(text)
            .map_err(|why| why.to_string())?;
        let directives = text.split('/').next().unwrap_or_default().split(',');
        let mut words = directives.map(str::trim).filter(|word| !word.is_empty());
        // env_logger takes a word that is no level for a target, and would then log that target only.
        match words.find(|word| !word.contains('=') && LevelFilter::from_str(word).is_err()) {
            None => Ok(LogFilter(text.to_owned())),
            Some(word) => Err(format!(
                "{word} is not a level: off, error, warn, info, debug or trace; for a target give its level \
                 too, such as {word}=debug"
            )),
        }
    }
}
