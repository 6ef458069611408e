//! Text from clients in the log: cut, and escaped against log injection (OWASP ASVS 5.0, 16.4.1).

use std::borrow::Cow;

use crate::model::is_control;

/// The most bytes of one value in a log line. A client can send a path of many kilobytes.
const MAX_VALUE_BYTES: usize = 512;

/// Cuts a value after [`MAX_VALUE_BYTES`], on a character boundary. A cut value ends with `…`.
pub fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_VALUE_BYTES {
        return text.into();
    }
    let is_boundary = |at: &usize| text.is_char_boundary(*at);
    let end = (0..=MAX_VALUE_BYTES).rev().find(is_boundary);
    format!("{}…", &text[..end.unwrap_or_default()]).into()
}

/// Whether the text can stand in a text line as one word. Other text is quoted, so that neither a space nor a line
/// break in it can forge a field or a line.
pub fn is_plain_word(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=');
    !text.is_empty() && text.bytes().all(is_plain)
}

/// Escapes control characters, including line breaks, since they could control the terminal or forge a second
/// line.
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
