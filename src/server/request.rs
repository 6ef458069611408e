//! Bytes become requests (RFC 9112), however they are cut on their way.
//!
//! Nothing here knows of sockets or time: [`RequestReader`] is given bytes and gives requests. It is
//! strict, since two programs that read the same bytes differently, a proxy and this one, are how a
//! request is smuggled past the first (RFC 9112, 11.2): what is not exactly HTTP/1.1 ends the
//! connection.

use std::mem::{self, MaybeUninit};

use httparse::Status;
use memchr::memchr;

use crate::config::{LimitArgs, MAX_HEADER_FIELDS};
use crate::error::Error;

/// A request that has arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Request line and header fields.
    pub head: Head,
    /// The body, its chunks put together; empty where there is none.
    pub body: Vec<u8>,
}

/// The request line and the header fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// As sent.
    pub method: String,
    /// A path with its query, or `*`. An absolute-form target has become one of these, and its
    /// authority the value of `Host` (RFC 9112, 3.2.2).
    pub target: String,
    /// Names and values in the order in which they came.
    pub fields: Vec<(String, String)>,
    /// The client's version of HTTP.
    pub version: Version,
}

/// The versions of HTTP that are spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Version {
    Http10,
    Http11,
}

/// Why nothing more is read from a client.
#[derive(Debug)]
pub struct Refusal {
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
/// After a [`Refusal`] nobody can tell where the next request begins: the connection has to close.
#[derive(Debug)]
pub struct RequestReader {
    limits: LimitArgs,
    unread: Unread,
    /// Line breaks that came instead of a request.
    breaks: u8,
    begun: Option<Begun>,
}

/// A request whose head has arrived.
#[derive(Debug)]
struct Begun {
    head: Head,
    body: Body,
    /// Whether the client waits for `100 Continue`.
    is_held_back: bool,
}

/// A body that is on its way, by how its end is told.
#[derive(Debug)]
enum Body {
    Sized(usize),
    Chunked(Chunked),
}

impl RequestReader {
    const MAX_BREAKS: u8 = 8;

    /// A reader for one connection.
    pub fn new(limits: &LimitArgs) -> RequestReader {
        RequestReader {
            limits: *limits,
            unread: Unread::default(),
            breaks: 0,
            begun: None,
        }
    }

    /// Takes what has come.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.unread.append(bytes);
    }

    /// The next request, or `None` until more has come.
    ///
    /// # Errors
    /// A [`Refusal`], after which nothing more is read.
    pub fn next_request(&mut self) -> Result<Option<Incoming>, Refusal> {
        let begun = match self.begun.take() {
            Some(begun) => Some(begun),
            None => self.begin()?,
        };
        let Some(mut begun) = begun else {
            return Ok(None);
        };
        match begun.body.read(&mut self.unread, &self.limits) {
            Ok(Some(body)) => {
                self.unread.shrink();
                let head = begun.head;
                Ok(Some(Incoming { head, body }))
            }
            Ok(None) => {
                self.begun = Some(begun);
                Ok(None)
            }
            Err(error) => Err(Refusal {
                error,
                head: Some(begun.head),
            }),
        }
    }

    /// What the client is in the middle of sending.
    pub fn part(&self) -> Part {
        match self.begun {
            Some(_) => Part::Body,
            // The first half of a line break is no request yet.
            None if self.unread.is_empty() || self.unread.is(b"\r") => Part::Nothing,
            None => Part::Head,
        }
    }

    /// How much memory is taken up by what has come, in bytes.
    pub fn held(&self) -> usize {
        let decoded = match &self.begun {
            Some(Begun {
                body: Body::Chunked(chunked),
                ..
            }) => chunked.content.capacity(),
            _ => 0,
        };
        self.unread.bytes.capacity() + decoded
    }

    /// Whether the client holds its body back until it is told to go on with `100 Continue`
    /// (RFC 9110, 10.1.1). It is told once.
    pub fn take_expectation(&mut self) -> bool {
        let nothing_came = self.unread.is_empty();
        match &mut self.begun {
            Some(begun) => mem::take(&mut begun.is_held_back) && nothing_came,
            None => false,
        }
    }

    /// The head of the request whose body is on its way.
    pub fn take_head(&mut self) -> Option<Head> {
        self.begun.take().map(|begun| begun.head)
    }

    fn begin(&mut self) -> Result<Option<Begun>, Refusal> {
        let head = self.read_head();
        let Some(head) = head.map_err(|error| Refusal { error, head: None })? else {
            return Ok(None);
        };
        let announced = || {
            Ok((
                Body::announced_by(&head, &self.limits)?,
                head.is_held_back()?,
            ))
        };
        match announced() {
            Ok((body, is_held_back)) => Ok(Some(Begun {
                head,
                body,
                is_held_back,
            })),
            Err(error) => Err(Refusal {
                error,
                head: Some(head),
            }),
        }
    }

    fn read_head(&mut self) -> Result<Option<Head>, Error> {
        loop {
            // Whoever speaks TLS, say, sends no line end and would wait for an answer.
            if self
                .unread
                .first()
                .is_some_and(|byte| !byte.is_ascii_graphic() && byte != b'\r')
            {
                return Err(NO_REQUEST_LINE);
            }
            let length = match self.unread.section(&self.limits) {
                Err(Error::HeaderTooLarge(_)) if self.unread.is_in_its_first_line() => {
                    return Err(Error::TargetTooLong(self.limits.max_head_bytes));
                }
                found => found?,
            };
            let Some(length) = length else {
                return Ok(None);
            };
            let section = self.unread.take(length);
            if section != CRLF {
                self.breaks = 0;
                return Head::parse(section, &self.limits).map(Some);
            }
            // Some clients send a line break too many behind a body (RFC 9112, 2.2), but nobody sends
            // them without an end.
            self.breaks += 1;
            if self.breaks > Self::MAX_BREAKS {
                return Err(NO_REQUEST_LINE);
            }
            self.unread.shrink();
        }
    }
}

// ---- the head -----------------------------------------------------------------------------------

impl Head {
    /// `section` ends with the empty line.
    fn parse(section: &[u8], limits: &LimitArgs) -> Result<Head, Error> {
        let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADER_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let limit = usize::from(limits.max_header_fields);
        match request.parse_with_uninit_headers(section, &mut storage[..limit]) {
            Ok(Status::Complete(length)) if length == section.len() => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Error::HeaderTooLarge(format!("{limit} fields")));
            }
            Err(httparse::Error::Version) if names_a_version(section) => {
                return Err(Error::HttpVersion);
            }
            Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => {
                return Err(Error::BadRequest("a header field is malformed"));
            }
            _ => return Err(NO_REQUEST_LINE),
        }
        let mut head = Head {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            version: match request.version {
                Some(0) => Version::Http10,
                _ => Version::Http11,
            },
            fields: request.headers.iter().map(field).collect(),
        };
        head.check_host()?;
        head.route()?;
        Ok(head)
    }

    /// Makes the target a path or `*`, and `Host` say where to.
    fn route(&mut self) -> Result<(), Error> {
        if !self.target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::BadRequest("its target is not ASCII"));
        }
        if self.target.starts_with('/') || (self.target == "*" && self.method == "OPTIONS") {
            return Ok(());
        }
        let (authority, path) = absolute_form(&self.target).ok_or(Error::BadRequest(
            "its target is neither a path nor an http URL",
        ))?;
        let authority = authority.to_owned();
        self.target = match path {
            "" if self.method == "OPTIONS" => "*".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            query => format!("/{query}"),
        };
        for (name, value) in &mut self.fields {
            if name.eq_ignore_ascii_case("Host") {
                value.clone_from(&authority);
            }
        }
        Ok(())
    }

    /// Exactly one `Host`, but none will do in HTTP/1.0 (RFC 9112, 3.2).
    fn check_host(&self) -> Result<(), Error> {
        let mut hosts = self.values("Host");
        match (hosts.next(), hosts.next()) {
            (None, _) if self.version == Version::Http10 => Ok(()),
            (None, _) => Err(Error::BadRequest("it has no Host")),
            (Some(_), Some(_)) => Err(Error::BadRequest("it has more than one Host")),
            (Some(host), None) if is_authority(host) => Ok(()),
            (Some(_), None) => Err(Error::BadRequest("its Host is malformed")),
        }
    }

    /// Whether the body comes only after `100 Continue`. HTTP/1.0 knows no such thing, and nobody
    /// knows any other expectation (RFC 9110, 10.1.1).
    fn is_held_back(&self) -> Result<bool, Error> {
        let mut expectations = self.values("Expect").peekable();
        if self.version == Version::Http10 || expectations.peek().is_none() {
            return Ok(false);
        }
        match expectations.all(|value| value.eq_ignore_ascii_case("100-continue")) {
            true => Ok(true),
            false => Err(Error::ExpectationFailed),
        }
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the client wants the connection to stay open (RFC 9112, 9.3).
    pub fn keeps_alive(&self) -> bool {
        let has = |option: &str| {
            self.values("Connection")
                .flat_map(|value| value.split(','))
                .any(|given| given.trim().eq_ignore_ascii_case(option))
        };
        match self.version {
            Version::Http11 => !has("close"),
            Version::Http10 => has("keep-alive") && !has("close"),
        }
    }
}

/// Whether the third word of the first line is some version of HTTP.
fn names_a_version(section: &[u8]) -> bool {
    let mut words = section.split(|byte| *byte == b' ');
    words.nth(2).is_some_and(|word| word.starts_with(b"HTTP/"))
}

/// A value keeps its meaning where it is UTF-8; other bytes mean nothing to anybody here.
fn field(field: &httparse::Header) -> (String, String) {
    let value = field.value.trim_ascii();
    (
        field.name.to_owned(),
        String::from_utf8_lossy(value).into_owned(),
    )
}

/// Authority and path, with the query, of an `http` or `https` URL.
fn absolute_form(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    (!authority.is_empty() && is_authority(authority)).then_some((authority, path))
}

/// The characters of `uri-host [":" port]` (RFC 9110, 7.2): no user name, no path, no list.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, ""),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte);
    let literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_sane = match literal {
        Some(address) => address.bytes().all(|byte| is_host(byte) || byte == b':'),
        None => host.bytes().all(is_host),
    };
    is_sane && port.bytes().all(|byte| byte.is_ascii_digit())
}

// ---- the body -----------------------------------------------------------------------------------

impl Body {
    /// How the body's end is told (RFC 9112, 6.3). Whatever leaves room for two opinions is refused.
    fn announced_by(head: &Head, limits: &LimitArgs) -> Result<Body, Error> {
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

    /// The body, once it is whole.
    fn read(&mut self, unread: &mut Unread, limits: &LimitArgs) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Body::Sized(length) if unread.len() < *length => Ok(None),
            Body::Sized(length) => Ok(Some(unread.take(*length).to_owned())),
            Body::Chunked(chunked) => chunked.read(unread, limits),
        }
    }
}

fn sized(length: &str, limits: &LimitArgs) -> Result<Body, Error> {
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
struct Chunked {
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
    fn read(&mut self, unread: &mut Unread, limits: &LimitArgs) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match self.next {
                Chunk::Size => {
                    let Some(line) = unread.take_line(Self::MAX_SIZE_LINE)? else {
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
                Chunk::Data(0) if unread.len() < CRLF.len() => return Ok(None),
                Chunk::Data(0) => {
                    if unread.take(CRLF.len()) != CRLF {
                        return Err(Error::BadRequest("a chunk is longer than its size"));
                    }
                    self.next = Chunk::Size;
                }
                Chunk::Data(_) if unread.is_empty() => return Ok(None),
                Chunk::Data(size) => {
                    let part = unread.take(size.min(unread.len()));
                    append(&mut self.content, part);
                    self.next = Chunk::Data(size - part.len());
                }
                Chunk::Trailers => {
                    let Some(length) = unread.section(limits)? else {
                        return Ok(None);
                    };
                    check_trailers(unread.take(length), limits)?;
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

fn check_trailers(section: &[u8], limits: &LimitArgs) -> Result<(), Error> {
    let mut storage = [httparse::EMPTY_HEADER; MAX_HEADER_FIELDS];
    let limit = usize::from(limits.max_header_fields);
    match httparse::parse_headers(section, &mut storage[..limit]) {
        Ok(Status::Complete((length, _))) if length == section.len() => Ok(()),
        _ => Err(Error::BadRequest("a trailer field is malformed")),
    }
}

// ---- bytes --------------------------------------------------------------------------------------

const CRLF: &[u8] = b"\r\n";

/// Appends to a buffer that does not double, as they usually do: whatever it reserves counts as held.
fn append(buffer: &mut Vec<u8>, bytes: &[u8]) {
    const STEP: usize = 1024;
    if buffer.capacity() - buffer.len() < bytes.len() {
        buffer.reserve_exact(bytes.len().max(STEP));
    }
    buffer.extend_from_slice(bytes);
}

/// What has come and is not part of a request yet.
#[derive(Debug, Default)]
struct Unread {
    bytes: Vec<u8>,
    /// Where the unread bytes begin.
    start: usize,
    /// Where the first line begins whose end has not been seen: what was looked through before
    /// is not looked through again for every byte that somebody sends.
    line: usize,
}

impl Unread {
    fn append(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.line -= self.start;
        self.start = 0;
        append(&mut self.bytes, bytes);
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is(&self, bytes: &[u8]) -> bool {
        self.bytes[self.start..] == *bytes
    }

    fn first(&self) -> Option<u8> {
        self.bytes.get(self.start).copied()
    }

    /// `length` is at most [`Unread::len`].
    fn take(&mut self, length: usize) -> &[u8] {
        let begin = self.start;
        self.start += length;
        self.line = self.start;
        &self.bytes[begin..self.start]
    }

    /// Gives the memory back where nothing is left: most connections are idle most of the time.
    fn shrink(&mut self) {
        if self.is_empty() {
            *self = Unread::default();
        }
    }

    /// A line without its end.
    fn take_line(&mut self, limit: usize) -> Result<Option<&[u8]>, Error> {
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
    fn section(&mut self, limits: &LimitArgs) -> Result<Option<usize>, Error> {
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

    fn is_in_its_first_line(&self) -> bool {
        self.line == self.start
    }
}

const NO_REQUEST_LINE: Error = Error::BadRequest("its first line is not METHOD TARGET HTTP/1.1");
const BARE_LF: Error = Error::BadRequest("a line ends with LF alone");
