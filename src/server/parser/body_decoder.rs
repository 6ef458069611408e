//! The body of a request: of fixed length (`Content-Length`) or in chunks (`Transfer-Encoding: chunked`), as
//! RFC 9112, 6 and 7 define them. A body above `MAX_BODY_BYTES` is rejected before the excess is stored.

use std::mem;

use httparse::Status;

use super::buffer::{CRLF, ReadBuffer, append};
use super::head::{Head, Version};
use crate::config::server_limits::{MAX_HEADER_FIELDS, ServerLimits};
use crate::error::Error;

/// Decodes the body of one request.
#[derive(Debug)]
pub enum BodyDecoder {
    /// As many bytes as `Content-Length` says; 0 without that header.
    Sized(usize),
    /// Chunked transfer coding.
    Chunked(ChunkedDecoder),
}

impl BodyDecoder {
    /// Chooses the decoder from the header fields (RFC 9112, 6.3).
    ///
    /// A request is rejected where a proxy could determine another length (request smuggling): with both
    /// headers, with a repeated `Content-Length`, with any coding other than `chunked`.
    pub fn for_request(head: &Head, limits: &ServerLimits) -> Result<BodyDecoder, Error> {
        let mut codings = head.values("Transfer-Encoding");
        let mut lengths = head.values("Content-Length");
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(BodyDecoder::Sized(0)),
            (Some(_), Some(_)) => Err(Error::BadRequest(
                "it has both Content-Length and Transfer-Encoding",
            )),
            (None, Some(length)) if lengths.next().is_none() => {
                content_length(length, limits).map(BodyDecoder::Sized)
            }
            (None, Some(_)) => Err(Error::BadRequest("it has more than one Content-Length")),
            (Some(coding), None)
                if coding.eq_ignore_ascii_case("chunked")
                    && codings.next().is_none()
                    && head.version == Version::Http11 =>
            {
                Ok(BodyDecoder::Chunked(ChunkedDecoder::default()))
            }
            (Some(_), None) => Err(Error::BadRequest(
                "the only supported Transfer-Encoding is chunked, in HTTP/1.1",
            )),
        }
    }

    /// The memory allocated for the decoded part of the body, in bytes.
    pub fn capacity(&self) -> usize {
        match self {
            BodyDecoder::Sized(_) => 0,
            BodyDecoder::Chunked(chunked) => chunked.content.capacity(),
        }
    }

    /// Consumes bytes of the body. Returns the decoded body once it is complete.
    pub fn decode(
        &mut self,
        buffer: &mut ReadBuffer,
        limits: &ServerLimits,
    ) -> Result<Option<Vec<u8>>, Error> {
        match self {
            BodyDecoder::Sized(length) if buffer.len() < *length => Ok(None),
            BodyDecoder::Sized(length) => Ok(Some(buffer.take(*length).to_owned())),
            BodyDecoder::Chunked(chunked) => chunked.decode(buffer, limits),
        }
    }
}

fn content_length(text: &str, limits: &ServerLimits) -> Result<usize, Error> {
    // `parse` alone would accept a sign.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::BadRequest("its Content-Length is not a number"));
    }
    match text.parse() {
        Ok(length) if length as u64 <= limits.max_body_bytes => Ok(length),
        // A number that overflows `usize` exceeds the limit too.
        _ => Err(Error::BodyTooLarge(limits.max_body_bytes)),
    }
}

/// A state machine for chunked transfer coding (RFC 9112, 7.1). Chunk extensions and trailer fields are
/// checked and dropped.
#[derive(Debug, Default)]
pub struct ChunkedDecoder {
    content: Vec<u8>,
    state: ChunkState,
}

/// What the decoder expects next.
#[derive(Debug, Default)]
enum ChunkState {
    /// The line with a chunk's size.
    #[default]
    Size,
    /// This many bytes of data, then CRLF.
    Data(usize),
    /// The trailer fields after the last chunk, which has the size 0, and an empty line.
    Trailers,
}

impl ChunkedDecoder {
    /// The longest size line, with its extensions and its CRLF, in bytes.
    const MAX_SIZE_LINE: usize = 1024;

    fn decode(
        &mut self,
        buffer: &mut ReadBuffer,
        limits: &ServerLimits,
    ) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match self.state {
                ChunkState::Size => {
                    let Some(line) = buffer.take_line(Self::MAX_SIZE_LINE)? else {
                        return Ok(None);
                    };
                    self.state = self.start_chunk(chunk_size(line)?, limits)?;
                }
                ChunkState::Data(0) if buffer.len() < CRLF.len() => return Ok(None),
                ChunkState::Data(0) => {
                    if buffer.take(CRLF.len()) != CRLF {
                        return Err(Error::BadRequest("a chunk is longer than its size"));
                    }
                    self.state = ChunkState::Size;
                }
                ChunkState::Data(_) if buffer.is_empty() => return Ok(None),
                ChunkState::Data(remaining) => {
                    let data = buffer.take(remaining.min(buffer.len()));
                    append(&mut self.content, data);
                    self.state = ChunkState::Data(remaining - data.len());
                }
                ChunkState::Trailers => {
                    let Some(length) = buffer.find_empty_line(limits)? else {
                        return Ok(None);
                    };
                    check_trailers(buffer.take(length), limits)?;
                    return Ok(Some(mem::take(&mut self.content)));
                }
            }
        }
    }

    /// The state after a size line. Checks the limit before any data of the chunk is stored.
    fn start_chunk(&self, size: usize, limits: &ServerLimits) -> Result<ChunkState, Error> {
        let total = self.content.len().saturating_add(size);
        if total as u64 > limits.max_body_bytes {
            return Err(Error::BodyTooLarge(limits.max_body_bytes));
        }
        Ok(match size {
            0 => ChunkState::Trailers,
            _ => ChunkState::Data(size),
        })
    }
}

/// Parses a size line: `1*HEXDIG`, then optional extensions, which begin with a semicolon.
fn chunk_size(line: &[u8]) -> Result<usize, Error> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let (digits, extensions) = line.split_at(digits.count());
    let is_text = |byte: &u8| !byte.is_ascii_control() || *byte == b'\t';
    let is_valid = extensions.iter().all(is_text)
        && (extensions.is_empty() || extensions.trim_ascii_start().starts_with(b";"));
    let digits = str::from_utf8(digits).ok().filter(|_| is_valid);
    digits
        .and_then(|digits| usize::from_str_radix(digits, 16).ok())
        .ok_or(Error::BadRequest(
            "the size of a chunk is not a hexadecimal number",
        ))
}

fn check_trailers(section: &[u8], limits: &ServerLimits) -> Result<(), Error> {
    let mut storage = [httparse::EMPTY_HEADER; MAX_HEADER_FIELDS];
    let limit = usize::from(limits.max_header_fields);
    match httparse::parse_headers(section, &mut storage[..limit]) {
        Ok(Status::Complete((length, _))) if length == section.len() => Ok(()),
        _ => Err(Error::BadRequest("a trailer field is malformed")),
    }
}
