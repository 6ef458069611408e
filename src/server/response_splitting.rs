//! The check of response headers against response splitting.

/// Prevents response splitting (RFC 9110, 5.5; OWASP ASVS 5.0, 1.2.1): a line break in a header would begin
/// another header, or another response. No handler produces one. If one ever does, the header is left out and
/// an error is logged.
pub fn is_safe(name: &str, value: &str) -> bool {
    let is_safe = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !value
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t');
    if !is_safe {
        log::error!(
            name, value;
            "left a header out of a response, as it could split the response"
        );
    }
    is_safe
}
