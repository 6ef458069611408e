//! Serializes a response to the bytes of HTTP/1.1 (RFC 9112), and adds the headers that only the server knows:
//! `Connection`, `Content-Length`, `Date`, `Server`.

use std::io::{self, Cursor, ErrorKind, Read};
use std::time::SystemTime;

use ::http::StatusCode;
use rouille::{Response, ResponseBody};

use super::parser::Version;
use super::response_splitting::is_safe;

/// The facts about the request and the connection that determine how a response is written.
#[derive(Debug, Clone, Copy)]
pub struct ResponseFraming {
    /// The client's version of HTTP.
    pub version: Version,
    /// Whether the method is HEAD: the body is left out, and `Content-Length` is that of the body.
    pub is_head: bool,
    /// Whether the connection stays open after this response.
    pub keep_alive: bool,
}

/// Bytes reserved for the status line and the header fields; a usual response needs less.
const HEAD_CAPACITY: usize = 1024;

/// Returns the complete response in one buffer, so that head and body can share a TCP segment.
///
/// # Errors
/// Those of the body's reader; [`ErrorKind::UnexpectedEof`] if the body does not have its stated length.
pub fn serialize(response: Response, framing: ResponseFraming) -> io::Result<Vec<u8>> {
    let status = response.status_code;
    let (mut body, length) = with_length(response.data)?;
    // These statuses have no body and no Content-Length (RFC 9110, 8.6). In a 304 it would have to be the
    // length of the 200 response.
    let has_body = status >= 200 && status != 204 && status != 304;
    let sends_body = has_body && !framing.is_head;
    let capacity = HEAD_CAPACITY + if sends_body { length } else { 0 };
    let mut bytes = Vec::with_capacity(capacity);
    let mut put = |parts: &[&str]| {
        for part in parts {
            bytes.extend_from_slice(part.as_bytes());
        }
    };
    put(&[
        "HTTP/1.1 ",
        &status.to_string(),
        " ",
        reason_phrase(status),
        "\r\n",
    ]);
    put(&["Server: task-api\r\n"]);
    put(&[
        "Date: ",
        &httpdate::fmt_http_date(SystemTime::now()),
        "\r\n",
    ]);
    match (framing.version, framing.keep_alive) {
        (_, false) => put(&["Connection: close\r\n"]),
        (Version::Http10, true) => put(&["Connection: keep-alive\r\n"]),
        (Version::Http11, true) => {}
    }
    for (name, value) in &response.headers {
        if !is_set_by_server(name) && is_safe(name, value) {
            put(&[name, ": ", value, "\r\n"]);
        }
    }
    if has_body {
        put(&["Content-Length: ", &length.to_string(), "\r\n"]);
    }
    put(&["\r\n"]);
    if sends_body && body.read_to_end(&mut bytes)? != length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Returns a reader of the body, and its length. Only a body of unknown length is read for that.
fn with_length(body: ResponseBody) -> io::Result<(Box<dyn Read + Send>, usize)> {
    let (mut reader, size) = body.into_reader_and_size();
    if let Some(size) = size {
        return Ok((reader, size));
    }
    let mut bytes = Vec::new();
    let length = reader.read_to_end(&mut bytes)?;
    Ok((Box::new(Cursor::new(bytes)), length))
}

/// Whether a header belongs to the server: a handler knows neither the connection nor the framing.
fn is_set_by_server(name: &str) -> bool {
    [
        "Connection",
        "Content-Length",
        "Date",
        "Server",
        "Transfer-Encoding",
    ]
    .iter()
    .any(|reserved| name.eq_ignore_ascii_case(reserved))
}

/// The reason phrase, for human readers: programs use the status code. Empty for an unregistered status, which
/// RFC 9112, 4 permits.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        // The http crate has the names that RFC 9110 replaced.
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        _ => StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default(),
    }
}
