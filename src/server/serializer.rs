//! Answers become bytes (RFC 9112).

use std::io::{self, Read};
use std::time::SystemTime;

use ::http::StatusCode;
use rouille::Response;

use super::parser::Version;

/// What a request settles about the form of its answer.
#[derive(Debug, Clone, Copy)]
pub struct ResponseFraming {
    /// The client's version of HTTP.
    pub version: Version,
    /// HEAD is answered without the body, but with its length.
    pub is_head: bool,
    /// Whether the connection stays open behind this answer.
    pub keeps_alive: bool,
}

/// The whole answer as it goes over the line: one buffer, so that it can be one segment.
///
/// # Errors
/// Those of the body's reader.
pub fn to_bytes(response: Response, framing: ResponseFraming) -> io::Result<Vec<u8>> {
    let status = response.status_code;
    let (mut reader, size) = response.data.into_reader_and_size();
    let mut body = Vec::with_capacity(size.unwrap_or_default());
    reader.read_to_end(&mut body)?;

    let mut bytes = Vec::with_capacity(HEAD_SIZE + body.len());
    let mut put = |parts: &[&str]| parts.iter().for_each(|part| bytes.extend(part.bytes()));
    put(&[
        "HTTP/1.1 ",
        &status.to_string(),
        " ",
        reason(status),
        "\r\n",
    ]);
    put(&["Server: task-api\r\n"]);
    put(&[
        "Date: ",
        &httpdate::fmt_http_date(SystemTime::now()),
        "\r\n",
    ]);
    match (framing.version, framing.keeps_alive) {
        (_, false) => put(&["Connection: close\r\n"]),
        (Version::Http10, true) => put(&["Connection: keep-alive\r\n"]),
        (Version::Http11, true) => {}
    }
    for (name, value) in &response.headers {
        if !is_the_servers(name) && is_sound(name, value) {
            put(&[name, ": ", value, "\r\n"]);
        }
    }
    // RFC 9110, 8.6: these have no body, and no length either; that of a 304 would be the 200's.
    let has_body = status >= 200 && status != 204 && status != 304;
    if has_body {
        put(&["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    put(&["\r\n"]);
    if has_body && !framing.is_head {
        bytes.append(&mut body);
    }
    Ok(bytes)
}

/// What the head of an answer comes to, generously.
const HEAD_SIZE: usize = 1024;

/// Fields about the connection, which only the server knows.
fn is_the_servers(name: &str) -> bool {
    [
        "Connection",
        "Content-Length",
        "Date",
        "Server",
        "Transfer-Encoding",
    ]
    .iter()
    .any(|own| name.eq_ignore_ascii_case(own))
}

/// A line break in a field would begin another field, or another answer (RFC 9110, 5.5; OWASP ASVS
/// 5.0, 1.2.1). No handler makes one; should one ever, the field is missing and the log says so.
fn is_sound(name: &str, value: &str) -> bool {
    let sound = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !value
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t');
    if !sound {
        log::error!("left out of an answer, as it could split it: {name:?}: {value:?}");
    }
    sound
}

/// The reason phrase, for people (RFC 9110, 15); programs go by the number.
fn reason(status: u16) -> &'static str {
    let status = StatusCode::from_u16(status).ok();
    status
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default()
}
