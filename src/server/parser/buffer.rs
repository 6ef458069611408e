//! The read buffer of a connection: bytes that have been received and not parsed yet.

use memchr::memchr;

use crate::config::server_limits::ServerLimits;
use crate::error::Error;

pub const CRLF: &[u8] = b"\r\n";

/// RFC 9112, 2.2 permits a recipient to accept a bare LF as a line end. Some recipients do and some do not, and
/// such a difference enables request smuggling.
const BARE_LF: Error = Error::BadRequest("a line ends with LF instead of CRLF");

/// Appends to a vector and grows it by no more than needed, or by [`GROWTH_STEP`]. The usual doubling would
/// waste memory budget, because the whole capacity is counted as used.
pub fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    if buffer.capacity() - buffer.len() < bytes.len() {
        buffer.reserve_exact(bytes.len().max(GROWTH_STEP));
    }
    buffer.extend_from_slice(bytes);
}

const GROWTH_STEP: usize = 1024;

#[derive(Debug, Default)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    /// Start of the bytes that are not consumed yet.
    start: usize,
    /// Start of the first line whose end has not been found. The search for an empty line resumes here;
    /// otherwise a client that sends single bytes would make every read search the whole head again.
    line_start: usize,
}

impl ReadBuffer {
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.line_start -= self.start;
        self.start = 0;
        append(&mut self.bytes, bytes);
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// The allocated memory in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn equals(&self, bytes: &[u8]) -> bool {
        self.bytes[self.start..] == *bytes
    }

    pub fn first(&self) -> Option<u8> {
        self.bytes.get(self.start).copied()
    }

    /// Consumes the next `length` bytes. Panics if `length` is greater than [`ReadBuffer::len`].
    pub fn take(&mut self, length: usize) -> &[u8] {
        let begin = self.start;
        self.start += length;
        self.line_start = self.start;
        &self.bytes[begin..self.start]
    }

    /// Frees the memory if no bytes are left: most connections are idle most of the time.
    pub fn release_if_empty(&mut self) {
        if self.is_empty() {
            *self = ReadBuffer::default();
        }
    }

    /// Consumes a line of a chunked body and returns it without its CRLF, or `None` until it is complete.
    /// `limit` bounds the line with its CRLF.
    pub fn take_line(&mut self, limit: usize) -> Result<Option<&[u8]>, Error> {
        let end = self.bytes.len().min(self.start + limit);
        match memchr(b'\n', &self.bytes[self.start..end]) {
            Some(at) => {
                let line = self.take(at + 1).strip_suffix(CRLF);
                Ok(Some(line.ok_or(BARE_LF)?))
            }
            None if self.len() >= limit => Err(Error::BadRequest(
                "the line with a chunk's size is too long",
            )),
            None => Ok(None),
        }
    }

    /// Searches for the empty line that ends a head or the trailers of a chunked body. Returns the number of
    /// bytes up to and including it, or `None` until it has arrived.
    pub fn find_empty_line(&mut self, limits: &ServerLimits) -> Result<Option<usize>, Error> {
        let limit = limits.max_head_bytes as usize;
        let end = self.bytes.len().min(self.start + limit);
        while let Some(length) = memchr(b'\n', &self.bytes[self.line_start..end]) {
            let line = &self.bytes[self.line_start..=self.line_start + length];
            if !line.ends_with(CRLF) {
                return Err(BARE_LF);
            }
            self.line_start += line.len();
            if line == CRLF {
                return Ok(Some(self.line_start - self.start));
            }
        }
        if self.len() > limit {
            Err(Error::HeaderTooLarge(format!("{limit} bytes")))
        } else {
            Ok(None)
        }
    }

    /// Whether [`ReadBuffer::find_empty_line`] has found no line end yet.
    pub fn has_no_complete_line(&self) -> bool {
        self.line_start == self.start
    }
}
