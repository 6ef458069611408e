//! Numbers in variables that a service manager sets.

use std::env;
use std::str::FromStr;

/// The number in this environment variable, if it is set.
///
/// # Errors
/// One line for the operator: the value is not such a number.
pub fn number<T: FromStr>(name: &str) -> Result<Option<T>, String> {
    let Some(text) = env::var_os(name) else {
        return Ok(None);
    };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number
        .map(Some)
        .ok_or(format!("{name}: {text:?} is not valid"))
}
