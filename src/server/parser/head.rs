//! The request line and the header fields (RFC 9112, 2 to 5).

use std::mem::MaybeUninit;

use httparse::Status;

use crate::config::limits::{MAX_HEADER_FIELDS, ServerLimits};
use crate::error::Error;

/// The error for a first line that is no request line.
pub const NO_REQUEST_LINE: Error =
    Error::BadRequest("its first line is not METHOD TARGET HTTP/1.1");

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

impl Head {
    /// `section` ends with the empty line.
    pub fn parse(section: &[u8], limits: &ServerLimits) -> Result<Head, Error> {
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
        head.normalize_target()?;
        Ok(head)
    }

    /// Makes the target a path or `*`, and `Host` say where to.
    fn normalize_target(&mut self) -> Result<(), Error> {
        if !self.target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::BadRequest(
                "its target is not ASCII: percent-encode it (RFC 3986, 2.1)",
            ));
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
    pub fn expects_continue(&self) -> Result<bool, Error> {
        let mut expectations = self.values("Expect").peekable();
        if self.version == Version::Http10 || expectations.peek().is_none() {
            return Ok(false);
        }
        match expectations.all(|value| value.eq_ignore_ascii_case("100-continue")) {
            true => Ok(true),
            false => Err(Error::ExpectationFailed),
        }
    }

    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
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
