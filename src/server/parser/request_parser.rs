//! The parser of one connection: collects bytes until a request is complete. It uses `buffer.rs` for the bytes,
//! `head.rs` for the request line and the header fields, and `body_decoder.rs` for the body.

use std::mem;

use super::body_decoder::BodyDecoder;
use super::buffer::{CRLF, ReadBuffer};
use super::head::{Head, INVALID_REQUEST_LINE};
use crate::config::server_limits::ServerLimits;
use crate::error::Error;

/// A request that has arrived completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedRequest {
    /// Request line and header fields.
    pub head: Head,
    /// The decoded body (chunks are joined); empty if the request has none.
    pub body: Vec<u8>,
}

/// Why the parser stopped. The connection has to be closed.
#[derive(Debug)]
pub struct ParseFailure {
    /// Determines the error response.
    pub error: Error,
    /// The head of the request, if it was parsed before the error.
    pub head: Option<Head>,
}

/// Which part of a request the parser is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParserState {
    /// No request has begun since the last complete one.
    BetweenRequests,
    /// The request line or the header fields have arrived in part.
    Head,
    /// The head is complete and the body is not.
    Body,
}

/// Parses the requests of one connection, one after the other.
///
/// After a [`ParseFailure`] the start of the next request is unknown: the connection has to be closed.
#[derive(Debug)]
pub struct RequestParser {
    limits: ServerLimits,
    buffer: ReadBuffer,
    /// Empty lines in a row that arrived where a request line was expected.
    empty_lines: u8,
    partial: Option<PartialRequest>,
}

/// A request whose head has arrived and whose body has not.
#[derive(Debug)]
struct PartialRequest {
    head: Head,
    body: BodyDecoder,
    /// Whether the client may be waiting for `100 Continue` before it sends the body.
    expects_continue: bool,
}

impl RequestParser {
    /// The most empty lines before a request. Some clients send an extra CRLF after a body, which RFC 9112, 2.2
    /// asks a server to skip. The bound stops an endless stream of them.
    const MAX_EMPTY_LINES: u8 = 8;

    /// A parser for a new connection.
    pub fn new(limits: &ServerLimits) -> RequestParser {
        RequestParser {
            limits: *limits,
            buffer: ReadBuffer::default(),
            empty_lines: 0,
            partial: None,
        }
    }

    /// Appends received bytes to the read buffer. [`RequestParser::next_request`] parses them.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.append(bytes);
    }

    /// Returns the next complete request, or `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`ParseFailure`]: the bytes are not a valid request or exceed a limit.
    pub fn next_request(&mut self) -> Result<Option<ParsedRequest>, ParseFailure> {
        let partial = match self.partial.take() {
            Some(partial) => Some(partial),
            None => self.start_request()?,
        };
        let Some(mut partial) = partial else {
            return Ok(None);
        };
        match partial.body.decode(&mut self.buffer, &self.limits) {
            Ok(Some(body)) => {
                self.buffer.release_if_empty();
                let head = partial.head;
                Ok(Some(ParsedRequest { head, body }))
            }
            Ok(None) => {
                self.partial = Some(partial);
                Ok(None)
            }
            Err(error) => Err(ParseFailure {
                error,
                head: Some(partial.head),
            }),
        }
    }

    /// Which part of a request is incomplete at the moment.
    pub fn state(&self) -> ParserState {
        match self.partial {
            Some(_) => ParserState::Body,
            // A lone CR may be the first half of an extra CRLF: no request has begun yet.
            None if self.buffer.is_empty() || self.buffer.equals(b"\r") => {
                ParserState::BetweenRequests
            }
            None => ParserState::Head,
        }
    }

    /// The memory allocated for received bytes, and for the head and the decoded part of the body of an unfinished
    /// request, in bytes.
    pub fn allocated_bytes(&self) -> usize {
        let decoded = match &self.partial {
            Some(partial) => partial.head.size() + partial.body.capacity(),
            None => 0,
        };
        self.buffer.capacity() + decoded
    }

    /// Whether to send `100 Continue` now (RFC 9110, 10.1.1): the client expects it and has not sent any of the
    /// body. Returns true at most once per request.
    pub fn take_continue_request(&mut self) -> bool {
        let no_body_yet = self.buffer.is_empty();
        match &mut self.partial {
            Some(partial) => mem::take(&mut partial.expects_continue) && no_body_yet,
            None => false,
        }
    }

    /// Takes the head of the request whose body is incomplete, so that an error response can refer to it.
    pub fn take_head(&mut self) -> Option<Head> {
        self.partial.take().map(|partial| partial.head)
    }

    /// Parses the next head, and decides from it how the body ends.
    fn start_request(&mut self) -> Result<Option<PartialRequest>, ParseFailure> {
        let head = self.read_head();
        let Some(head) = head.map_err(|error| ParseFailure { error, head: None })? else {
            return Ok(None);
        };
        let read_fields = || {
            Ok((
                BodyDecoder::for_request(&head, &self.limits)?,
                head.expects_continue()?,
            ))
        };
        match read_fields() {
            Ok((body, expects_continue)) => Ok(Some(PartialRequest {
                head,
                body,
                expects_continue,
            })),
            Err(error) => Err(ParseFailure {
                error,
                head: Some(head),
            }),
        }
    }

    /// Skips empty lines and parses the head that follows, once it has arrived completely.
    fn read_head(&mut self) -> Result<Option<Head>, Error> {
        loop {
            self.check_first_byte()?;
            let Some(length) = self.find_head_end()? else {
                return Ok(None);
            };
            let section = self.buffer.take(length);
            if section != CRLF {
                self.empty_lines = 0;
                return Head::parse(section, &self.limits).map(Some);
            }
            self.empty_lines += 1;
            if self.empty_lines > Self::MAX_EMPTY_LINES {
                return Err(INVALID_REQUEST_LINE);
            }
            self.buffer.release_if_empty();
        }
    }

    /// Rejects input whose first byte cannot begin a request line. A TLS ClientHello, for example, may contain
    /// no line end: without this check its client would wait for a response until the timeout.
    fn check_first_byte(&self) -> Result<(), Error> {
        match self.buffer.first() {
            Some(byte) if !byte.is_ascii_graphic() && byte != b'\r' => Err(INVALID_REQUEST_LINE),
            _ => Ok(()),
        }
    }

    /// The length of the head in bytes, or `None` until its empty line has arrived.
    fn find_head_end(&mut self) -> Result<Option<usize>, Error> {
        match self.buffer.find_empty_line(&self.limits) {
            // The request line alone exceeds the limit: 414 instead of 431.
            Err(Error::HeaderTooLarge(_)) if self.buffer.has_no_complete_line() => {
                Err(Error::TargetTooLong(self.limits.max_head_bytes))
            }
            found => found,
        }
    }
}
