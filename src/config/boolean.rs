//! Settings that are true or false.

/// Parses a setting that is true or false, in the spellings of clap's `BoolishValueParser`, whose error does not say
/// what is expected.
///
/// # Errors
/// The text of the error.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => Err("expected one of: true, false, yes, no, on, off, 1, 0".to_owned()),
    }
}
