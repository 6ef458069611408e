//! Response headers that restrict what a browser does with a response.

use rouille::Response;

use crate::http::content_security_policy;
use crate::http::request::RequestContext;

/// Adds security headers for browsers (OWASP ASVS 5.0, 3.4): responses hold personal data and are not pages
/// to display.
///
/// - `Cache-Control: no-store`: no cache stores them.
/// - `X-Content-Type-Options: nosniff`: a browser does not guess another media type.
/// - `Content-Security-Policy`: a browser neither loads anything for them nor shows them in a frame.
/// - `Referrer-Policy`: no other website learns their URL.
/// - `Strict-Transport-Security`: a browser that has used TLS uses only TLS for the next year. The header is
///   sent only over TLS: without TLS RFC 6797 forbids it (7.2), and browsers ignore it (8.1).
///
/// A response that already has one of the first four headers keeps its own value: HTML pages need a wider
/// policy.
pub fn security_headers(context: &RequestContext, next: impl FnOnce() -> Response) -> Response {
    let response = [
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", content_security_policy::API),
        ("Referrer-Policy", "no-referrer"),
    ]
    .into_iter()
    .fold(next(), with_default);
    if context.client.https {
        response.with_unique_header("Strict-Transport-Security", "max-age=31536000")
    } else {
        response
    }
}

/// Adds the header, unless the response already has one of this name.
fn with_default(response: Response, (name, value): (&'static str, &'static str)) -> Response {
    if response.headers.iter().any(|(given, _)| given == name) {
        response
    } else {
        response.with_additional_header(name, value)
    }
}
