//! Invariants of the HTTP request parser, for any input. The property tests and the fuzz target share them.

use task_api::config::server_limits::ServerLimits;
use task_api::server::parser::{ParsedRequest, ParserState, RequestParser, Version};

/// Limits so low that short inputs reach them.
pub fn limits() -> ServerLimits {
    ServerLimits {
        max_body_bytes: 100,
        max_head_bytes: 300,
        max_header_fields: 8,
        head_timeout: "1s".parse().unwrap(),
        body_timeout: "1s".parse().unwrap(),
        queue_timeout: "1s".parse().unwrap(),
        idle_timeout: "1s".parse().unwrap(),
        response_timeout: "1s".parse().unwrap(),
        max_connections: 1,
        max_buffered_bytes: 1 << 20,
    }
}

/// The result of parsing a stream of bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct ParseOutcome {
    pub requests: Vec<ParsedRequest>,
    /// Status and `msg` of the error that ended the stream.
    pub failure: Option<(u16, String)>,
    /// The parser's state at the end of the stream; `None` after a failure.
    pub unfinished: Option<ParserState>,
}

/// Parses a stream that arrives in these pieces.
pub fn read<'a>(limits: &ServerLimits, pieces: impl IntoIterator<Item = &'a [u8]>) -> ParseOutcome {
    let mut parser = RequestParser::new(limits);
    let mut requests = Vec::new();
    for piece in pieces {
        parser.push(piece);
        loop {
            match parser.next_request() {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(failure) => {
                    let public = failure.error.public();
                    return ParseOutcome {
                        requests,
                        failure: Some((public.status.as_u16(), public.msg.into_owned())),
                        unfinished: None,
                    };
                }
            }
        }
        // Memory per client: the two limits, and in each of the two buffers the last piece or one growth
        // step.
        let limits = limits.max_head_bytes as usize + limits.max_body_bytes as usize;
        let most = limits + 2 * piece.len().max(1024);
        assert!(
            parser.allocated_bytes() <= most,
            "{} of {most}",
            parser.allocated_bytes()
        );
    }
    ParseOutcome {
        requests,
        failure: None,
        unfinished: Some(parser.state()),
    }
}

/// Checks that the bytes give the same outcome in one piece and in pieces of these sizes (used in turn),
/// that each parsed request keeps the limits, and that it parses to the same request again after
/// serialization.
pub fn check(bytes: &[u8], sizes: &[u8]) -> ParseOutcome {
    let limits = limits();
    let whole = read(&limits, [bytes]);
    assert_eq!(read(&limits, pieces(bytes, sizes)), whole);
    let mut serialized = Vec::new();
    for request in &whole.requests {
        check_limits(request, &limits);
        serialized.extend(to_bytes(request));
    }
    // Higher limits: invalid UTF-8 became longer when it was replaced, and each request now has a
    // Content-Length.
    let higher_limits = ServerLimits {
        max_head_bytes: 3 * limits.max_head_bytes + 64,
        max_header_fields: limits.max_header_fields + 1,
        ..limits
    };
    let mut second = read(&higher_limits, [serialized.as_slice()]);
    assert_eq!(
        (second.failure.take(), second.unfinished),
        (None, Some(ParserState::BetweenRequests))
    );
    let unframed =
        |requests: &[ParsedRequest]| requests.iter().map(without_framing).collect::<Vec<_>>();
    assert_eq!(unframed(&second.requests), unframed(&whole.requests));
    whole
}

fn pieces<'a>(mut bytes: &'a [u8], sizes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let size = sizes
            .next()
            .map_or(bytes.len(), |size| usize::from(*size) + 1);
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        bytes = rest;
        Some(piece)
    })
}

fn check_limits(request: &ParsedRequest, limits: &ServerLimits) {
    let head = &request.head;
    assert!(request.body.len() as u64 <= limits.max_body_bytes);
    assert!(head.fields.len() <= usize::from(limits.max_header_fields));
    assert!(head.target.starts_with('/') || head.target == "*");
    let count = |wanted: &str| {
        let names = head.fields.iter().map(|(name, _)| name);
        names
            .filter(|name| name.eq_ignore_ascii_case(wanted))
            .count()
    };
    assert_eq!(
        count("Host").max(usize::from(head.version == Version::Http10)),
        1
    );
    assert!(count("Content-Length") + count("Transfer-Encoding") <= 1);
    for (name, value) in &head.fields {
        let is_control = |c: char| c.is_ascii_control() && c != '\t';
        assert!(!name.is_empty() && !name.contains([' ', ':']) && !name.contains(is_control));
        assert!(!value.contains(is_control) && value.trim_matches([' ', '\t']) == value);
    }
}

/// Serializes a request with `Content-Length` framing, whatever framing it arrived with.
pub fn to_bytes(request: &ParsedRequest) -> Vec<u8> {
    let head = &request.head;
    let version = match head.version {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
    };
    let mut text = format!("{} {} {version}\r\n", head.method, head.target);
    for (name, value) in without_framing(request).head.fields {
        text += &format!("{name}: {value}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n", request.body.len());
    [text.into_bytes(), request.body.clone()].concat()
}

fn without_framing(request: &ParsedRequest) -> ParsedRequest {
    let mut request = request.clone();
    let framing = ["content-length", "transfer-encoding"];
    request
        .head
        .fields
        .retain(|(name, _)| !framing.contains(&name.to_ascii_lowercase().as_str()));
    request
}
