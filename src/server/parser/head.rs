//! The head of a request: request line and header fields (RFC 9112, 2 to 5). The crate `httparse` checks the
//! grammar and splits the head. This file checks the rest: `Host`, the request target, `Expect`.

use std::mem::{self, MaybeUninit};

use httparse::Status;

use crate::config::server_limits::{MAX_HEADER_FIELDS, ServerLimits};
use crate::error::Error;

/// The error for a first line that is not a request line.
pub const INVALID_REQUEST_LINE: Error =
    Error::BadRequest("its first line is not METHOD TARGET HTTP/1.1");

/// The request line and the header fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// As sent; methods are case-sensitive.
    pub method: String,
    /// A path with its query, or `*`. [`Head::parse`] reduces a target in absolute form to one of these and
    /// replaces the value of `Host` by the target's authority (RFC 9112, 3.2.2).
    pub target: String,
    /// Names and values in the order in which they arrived.
    pub fields: Vec<(String, String)>,
    /// The client's version of HTTP.
    pub version: Version,
}

/// The supported versions of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Version {
    Http10,
    Http11,
}

/// The memory of a header field besides its text, in bytes.
const FIELD_SIZE: usize = mem::size_of::<(String, String)>();

impl Head {
    /// A placeholder for a head that could not be parsed; the access log shows it as `-`.
    pub fn unknown() -> Head {
        Head {
            method: "-".to_owned(),
            target: "-".to_owned(),
            fields: Vec::new(),
            version: Version::Http11,
        }
    }

    /// The memory of the texts in bytes.
    pub fn size(&self) -> usize {
        let fields = self.fields.iter();
        let fields: usize = fields
            .map(|(name, value)| name.len() + value.len() + FIELD_SIZE)
            .sum();
        self.method.len() + self.target.len() + fields
    }

    /// Parses and checks a complete head. `section` includes the empty line at its end.
    pub fn parse(section: &[u8], limits: &ServerLimits) -> Result<Head, Error> {
        // Uninitialized, so that a small request does not pay for clearing room for the most fields.
        let mut storage = [const { MaybeUninit::uninit() }; MAX_HEADER_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let limit = usize::from(limits.max_header_fields);
        match request.parse_with_uninit_headers(section, &mut storage[..limit]) {
            Ok(Status::Complete(length)) if length == section.len() => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Error::HeaderTooLarge(format!("{limit} fields")));
            }
            Err(httparse::Error::Version) if names_http_version(section) => {
                return Err(Error::HttpVersion);
            }
            Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => {
                return Err(Error::BadRequest("a header field is malformed"));
            }
            _ => return Err(INVALID_REQUEST_LINE),
        }
        let (Some(method), Some(target)) = (request.method, request.path) else {
            return Err(INVALID_REQUEST_LINE);
        };
        let mut head = Head {
            method: method.to_owned(),
            target: target.to_owned(),
            version: match request.version {
                Some(0) => Version::Http10,
                _ => Version::Http11,
            },
            fields: request.headers.iter().map(owned_field).collect(),
        };
        head.check_host()?;
        head.normalize_target()?;
        Ok(head)
    }

    /// Reduces the target to a path or `*`. The authority of an absolute form replaces the value of `Host`.
    fn normalize_target(&mut self) -> Result<(), Error> {
        if !self.target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::BadRequest(
                "its target is not ASCII: percent-encode it (RFC 3986, 2.1)",
            ));
        }
        if self.target.starts_with('/') || (self.target == "*" && self.method == "OPTIONS") {
            return Ok(());
        }
        let (authority, path) = split_absolute_form(&self.target).ok_or(Error::BadRequest(
            "its target is neither a path nor an http URL",
        ))?;
        let authority = authority.to_owned();
        self.target = match path {
            "" if self.method == "OPTIONS" => "*".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            // Empty, or a query without a path.
            query => format!("/{query}"),
        };
        for (name, value) in &mut self.fields {
            if name.eq_ignore_ascii_case("Host") {
                value.clone_from(&authority);
            }
        }
        Ok(())
    }

    /// Requires exactly one valid `Host`; in HTTP/1.0 it may be missing (RFC 9112, 3.2).
    fn check_host(&self) -> Result<(), Error> {
        let mut hosts = self.values("Host");
        match (hosts.next(), hosts.next()) {
            (None, _) if self.version == Version::Http10 => Ok(()),
            (None, _) => Err(Error::BadRequest("it has no Host header")),
            (Some(_), Some(_)) => Err(Error::BadRequest("it has more than one Host header")),
            (Some(host), None) if is_authority(host) => Ok(()),
            (Some(_), None) => Err(Error::BadRequest("its Host header is malformed")),
        }
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110, 10.1.1).
    ///
    /// `Expect` in an HTTP/1.0 request is ignored. `100-continue` is the only expectation that the RFC defines;
    /// any other one is rejected with 417.
    pub fn expects_continue(&self) -> Result<bool, Error> {
        let mut expectations = self.values("Expect").peekable();
        if self.version == Version::Http10 || expectations.peek().is_none() {
            return Ok(false);
        }
        if expectations.all(|value| value.eq_ignore_ascii_case("100-continue")) {
            Ok(true)
        } else {
            Err(Error::ExpectationFailed)
        }
    }

    /// The values of every header field with this name. Names are case-insensitive (RFC 9110, 5.1).
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the client wants a persistent connection (RFC 9112, 9.3): the default in HTTP/1.1, on request in
    /// HTTP/1.0.
    pub fn wants_keep_alive(&self) -> bool {
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

/// Whether the third word of the first line is a version of HTTP. If it is, the version is unsupported (505);
/// otherwise the line is malformed (400).
fn names_http_version(section: &[u8]) -> bool {
    let mut words = section.split(|byte| *byte == b' ');
    words.nth(2).is_some_and(|word| word.starts_with(b"HTTP/"))
}

/// Copies a field. UTF-8 in the value is kept. Other bytes above ASCII are replaced by U+FFFD, since no header
/// that the API reads has a meaning for them.
fn owned_field(field: &httparse::Header) -> (String, String) {
    let value = field.value.trim_ascii();
    (
        field.name.to_owned(),
        String::from_utf8_lossy(value).into_owned(),
    )
}

/// Splits an `http` or `https` URL into its authority, and its path with the query.
fn split_absolute_form(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    (!authority.is_empty() && is_authority(authority)).then_some((authority, path))
}

/// Whether the text consists of the characters of `uri-host [":" port]` (RFC 9110, 7.2). User names, paths and
/// lists are rejected.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (text, ""),
    };
    let is_host_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte);
    let ip_literal = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_valid_host = match ip_literal {
        Some(address) => address
            .bytes()
            .all(|byte| is_host_byte(byte) || byte == b':'),
        None => host.bytes().all(is_host_byte),
    };
    is_valid_host && port.bytes().all(|byte| byte.is_ascii_digit())
}
