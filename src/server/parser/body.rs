//! Message bodies (RFC 9112, 6 and 7).

use std::mem;

use httparse::Status;

use super::buffer::{CRLF, ReadBuffer, append};
use super::head::{Head, Version};
use crate::config::limits::{MAX_HEADER_FIELDS, ServerLimits};
use crate::error::Error;

/// A body that is on its way, by how its end is told.
#[derive(Debug)]
pub enum Body {
    Sized(usize),
    Chunked(Chunked),
}

impl Body {
    /// How the body's end is told (RFC 9112, 6.3). Whatever leaves room for two opinions is refused.
    pub fn from_head(head: &Head, limits: &ServerLimits) -> Result<Body, Error> {
        let mut codings = head.values("Transfer-Encoding");
        let mut lengths = head.values("Content-Length");
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(Body::Sized(0)),
            (Some(_), Some(_)) => Err(Error::BadRequest(
                "it has both Content-Length and Transfer-Encoding",
            )),
            (None, Some(length)) if lengths.next().is_none() => sized(length, limits),
            (None, Some(_)) => Err(Error::BadRequest("it has more than one Content-Length")),
            (Some(coding), None)
                if coding.eq_ignore_ascii_case("chunked")
                    && codings.next().is_none()
                    && head.version == Version::Http11 =>
            {
                Ok(Body::Chunked(Chunked::default()))
            }
            (Some(_), None) => Err(Error::BadRequest(
                "its Transfer-Encoding is not chunked alone, in HTTP/1.1",
            )),
        }
    }

    /// The memory that the decoded part of the body takes, in bytes.
    pub fn capacity(&self) -> usize {
        match self {
            Body::Sized(_) => 0,
            Body::Chunked(chunked) => chunked.content.capacity(),
        }
    }

    /// The body, once it is whole.
    pub fn read(
        &mut self,
        buffer: &mut ReadBuffer,
        limits: &ServerLimits,
    ) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Body::Sized(length) if buffer.len() < *length => Ok(None),
            Body::Sized(length) => Ok(Some(buffer.take(*length).to_owned())),
            Body::Chunked(chunked) => chunked.read(buffer, limits),
        }
    }
}

fn sized(length: &str, limits: &ServerLimits) -> Result<Body, Error> {
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::BadRequest("its Content-Length is not a number"));
    }
    match length.parse() {
        Ok(length) if length as u64 <= limits.max_body_bytes => Ok(Body::Sized(length)),
        // More than a machine word holds is more than the limit too.
        _ => Err(Error::BodyTooLarge(limits.max_body_bytes)),
    }
}

/// A chunked body (RFC 9112, 7.1). Extensions and trailers are checked and left out.
#[derive(Debug, Default)]
pub struct Chunked {
    content: Vec<u8>,
    next: Chunk,
}

#[derive(Debug, Default)]
enum Chunk {
    /// The line that gives a chunk's size.
    #[default]
    Size,
    /// As many bytes, and a line break.
    Data(usize),
    /// Behind the chunk of size 0.
    Trailers,
}

impl Chunked {
    /// The longest line that gives a chunk's size, with its extensions.
    const MAX_SIZE_LINE: usize = 1024;

    /// The chunks put together, once the last one has come.
    fn read(
        &mut self,
        buffer: &mut ReadBuffer,
        limits: &ServerLimits,
    ) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match self.next {
                Chunk::Size => {
                    let Some(line) = buffer.take_line(Self::MAX_SIZE_LINE)? else {
                        return Ok(None);
                    };
                    let size = chunk_size(line).ok_or(Error::BadRequest(
                        "the size of a chunk is not a hexadecimal number",
                    ))?;
                    let total = self.content.len().saturating_add(size);
                    if total as u64 > limits.max_body_bytes {
                        return Err(Error::BodyTooLarge(limits.max_body_bytes));
                    }
                    self.next = match size {
                        0 => Chunk::Trailers,
                        _ => Chunk::Data(size),
                    };
                }
                Chunk::Data(0) if buffer.len() < CRLF.len() => return Ok(None),
                Chunk::Data(0) => {
                    if buffer.take(CRLF.len()) != CRLF {
                        return Err(Error::BadRequest("a chunk is longer than its size"));
                    }
                    self.next = Chunk::Size;
                }
                Chunk::Data(_) if buffer.is_empty() => return Ok(None),
                Chunk::Data(size) => {
                    let part = buffer.take(size.min(buffer.len()));
                    append(&mut self.content, part);
                    self.next = Chunk::Data(size - part.len());
                }
                Chunk::Trailers => {
                    let Some(length) = buffer.section(limits)? else {
                        return Ok(None);
                    };
                    check_trailers(buffer.take(length), limits)?;
                    return Ok(Some(mem::take(&mut self.content)));
                }
            }
        }
    }
}

/// `1*HEXDIG`, and extensions behind a semicolon.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let (digits, extensions) = line.split_at(digits.count());
    let is_text = |byte: &u8| !byte.is_ascii_control() || *byte == b'\t';
    let is_sane = extensions.is_empty() || extensions.trim_ascii_start().starts_with(b";");
    if !is_sane || !extensions.iter().all(is_text) {
        return None;
    }
    usize::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

fn check_trailers(section: &[u8], limits: &ServerLimits) -> Result<(), Error> {
    let mut storage = [httparse::EMPTY_HEADER; MAX_HEADER_FIELDS];
    let limit = usize::from(limits.max_header_fields);
    match httparse::parse_headers(section, &mut storage[..limit]) {
        Ok(Status::Complete((length, _))) if length == section.len() => Ok(()),
        _ => Err(Error::BadRequest("a trailer field is malformed")),
    }
}
