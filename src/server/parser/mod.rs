//! Bytes become requests (RFC 9112), however they are cut on their way.
//!
//! Nothing here knows of sockets or time: [`RequestParser`] is given bytes and gives requests. It is
//! strict, since two programs that read the same bytes differently, a proxy and this one, are how a
//! request is smuggled past the first (RFC 9112, 11.2): what is not exactly HTTP/1.1 ends the
//! connection.

mod body;
mod buffer;
mod head;

use std::mem;

use self::body::Body;
use self::buffer::{CRLF, ReadBuffer};
use self::head::NO_REQUEST_LINE;
pub use self::head::{Head, Version};
use crate::config::limits::ServerLimits;
use crate::error::Error;

/// A request that has arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedRequest {
    /// Request line and header fields.
    pub head: Head,
    /// The body, its chunks put together; empty where there is none.
    pub body: Vec<u8>,
}

/// Why nothing more is read from a client.
#[derive(Debug)]
pub struct ParseFailure {
    /// What the client is told.
    pub error: Error,
    /// The head of the request, where it was understood.
    pub head: Option<Head>,
}

/// What a client is in the middle of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Nothing: the last request, if there was one, has arrived whole.
    Nothing,
    /// A request line and header fields.
    Head,
    /// A body.
    Body,
}

/// Takes bytes as they come and gives requests as they are whole.
///
/// After a [`ParseFailure`] nobody can tell where the next request begins: the connection has to close.
#[derive(Debug)]
pub struct RequestParser {
    limits: ServerLimits,
    buffer: ReadBuffer,
    /// Line empty_lines that came instead of a request.
    empty_lines: u8,
    partial: Option<PartialRequest>,
}

/// A request whose head has arrived.
#[derive(Debug)]
struct PartialRequest {
    head: Head,
    body: Body,
    /// Whether the client waits for `100 Continue`.
    expects_continue: bool,
}

impl RequestParser {
    const MAX_EMPTY_LINES: u8 = 8;

    /// A reader for one connection.
    pub fn new(limits: &ServerLimits) -> RequestParser {
        RequestParser {
            limits: *limits,
            buffer: ReadBuffer::default(),
            empty_lines: 0,
            partial: None,
        }
    }

    /// Takes what has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.append(bytes);
    }

    /// The next request, or `None` until more has come.
    ///
    /// # Errors
    /// A [`ParseFailure`], after which nothing more is read.
    pub fn next_request(&mut self) -> Result<Option<ParsedRequest>, ParseFailure> {
        let partial = match self.partial.take() {
            Some(partial) => Some(partial),
            None => self.begin()?,
        };
        let Some(mut partial) = partial else {
            return Ok(None);
        };
        match partial.body.read(&mut self.buffer, &self.limits) {
            Ok(Some(body)) => {
                self.buffer.shrink();
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

    /// What the client is in the middle of sending.
    pub fn part(&self) -> Part {
        match self.partial {
            Some(_) => Part::Body,
            // The first half of a line break is no request yet.
            None if self.buffer.is_empty() || self.buffer.is(b"\r") => Part::Nothing,
            None => Part::Head,
        }
    }

    /// How much memory is taken up by what has come, in bytes.
    pub fn held(&self) -> usize {
        let decoded = match &self.partial {
            Some(partial) => partial.body.capacity(),
            None => 0,
        };
        self.buffer.capacity() + decoded
    }

    /// Whether the client holds its body back until it is told to go on with `100 Continue`
    /// (RFC 9110, 10.1.1). It is told once.
    pub fn take_expectation(&mut self) -> bool {
        let nothing_came = self.buffer.is_empty();
        match &mut self.partial {
            Some(partial) => mem::take(&mut partial.expects_continue) && nothing_came,
            None => false,
        }
    }

    /// The head of the request whose body is on its way.
    pub fn take_head(&mut self) -> Option<Head> {
        self.partial.take().map(|partial| partial.head)
    }

    fn begin(&mut self) -> Result<Option<PartialRequest>, ParseFailure> {
        let head = self.read_head();
        let Some(head) = head.map_err(|error| ParseFailure { error, head: None })? else {
            return Ok(None);
        };
        let read_fields = || {
            Ok((
                Body::from_head(&head, &self.limits)?,
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

    fn read_head(&mut self) -> Result<Option<Head>, Error> {
        loop {
            // Whoever speaks TLS, say, sends no line end and would wait for an answer.
            if self
                .buffer
                .first()
                .is_some_and(|byte| !byte.is_ascii_graphic() && byte != b'\r')
            {
                return Err(NO_REQUEST_LINE);
            }
            let length = match self.buffer.section(&self.limits) {
                Err(Error::HeaderTooLarge(_)) if self.buffer.is_in_its_first_line() => {
                    return Err(Error::TargetTooLong(self.limits.max_head_bytes));
                }
                found => found?,
            };
            let Some(length) = length else {
                return Ok(None);
            };
            let section = self.buffer.take(length);
            if section != CRLF {
                self.empty_lines = 0;
                return Head::parse(section, &self.limits).map(Some);
            }
            // Some clients send a line break too many behind a body (RFC 9112, 2.2), but nobody sends
            // them without an end.
            self.empty_lines += 1;
            if self.empty_lines > Self::MAX_EMPTY_LINES {
                return Err(NO_REQUEST_LINE);
            }
            self.buffer.shrink();
        }
    }
}
