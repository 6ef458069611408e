//! The bytes of a connection that are not parsed yet.

use memchr::memchr;

use crate::config::limits::ServerLimits;
use crate::error::Error;

pub const CRLF: &[u8] = b"\r\n";

/// Appends to a buffer that does not double, as they usually do: whatever it reserves counts as held.
pub fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    const STEP: usize = 1024;
    if buffer.capacity() - buffer.len() < bytes.len() {
        buffer.reserve_exact(bytes.len().max(STEP));
    }
    buffer.extend_from_slice(bytes);
}

/// What has come and is not part of a request yet.
#[derive(Debug, Default)]
pub struct ReadBuffer {
    bytes: Vec<u8>,
    /// Where the unread bytes begin.
    start: usize,
    /// Where the first line begins whose end has not been seen: what was looked through before
    /// is not looked through again for every byte that somebody sends.
    line: usize,
}

impl ReadBuffer {
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.line -= self.start;
        self.start = 0;
        append(&mut self.bytes, bytes);
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// The memory that it takes, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is(&self, bytes: &[u8]) -> bool {
        self.bytes[self.start..] == *bytes
    }

    pub fn first(&self) -> Option<u8> {
        self.bytes.get(self.start).copied()
    }

    /// `length` is at most [`ReadBuffer::len`].
    pub fn take(&mut self, length: usize) -> &[u8] {
        let begin = self.start;
        self.start += length;
        self.line = self.start;
        &self.bytes[begin..self.start]
    }

    /// Gives the memory back where nothing is left: most connections are idle most of the time.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            *self = ReadBuffer::default();
        }
    }

    /// A line without its end.
    pub fn take_line(&mut self, limit: usize) -> Result<Option<&[u8]>, Error> {
        let within = self.bytes.len().min(self.start + limit);
        match memchr(b'\n', &self.bytes[self.start..within]) {
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

    /// How many bytes the lines up to the first empty one are, and this one.
    pub fn section(&mut self, limits: &ServerLimits) -> Result<Option<usize>, Error> {
        let limit = limits.max_head_bytes as usize;
        let within = self.bytes.len().min(self.start + limit);
        while let Some(length) = memchr(b'\n', &self.bytes[self.line..within]) {
            let line = &self.bytes[self.line..=self.line + length];
            if !line.ends_with(CRLF) {
                return Err(BARE_LF);
            }
            self.line += line.len();
            if line == CRLF {
                return Ok(Some(self.line - self.start));
            }
        }
        match self.len() > limit {
            true => Err(Error::HeaderTooLarge(format!("{limit} bytes"))),
            false => Ok(None),
        }
    }

    pub fn is_in_its_first_line(&self) -> bool {
        self.line == self.start
    }
}

const BARE_LF: Error = Error::BadRequest("a line ends with LF alone");
