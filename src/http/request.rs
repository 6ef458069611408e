//! A request as handlers see it: [`RequestContext`] reads headers, query and body, checks them, and bounds
//! their size.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use percent_encoding::percent_decode_str;
use rouille::Request;
use rouille::input::parse_priority_header;
use uuid::Builder;

use super::client_address::{self, Client};
use super::etag::Preconditions;
use super::foreign_website::{is_foreign_website, is_own};
use super::rate_limit::RateLimitCharge;
use crate::config::Config;
use crate::config::proxies::TrustedProxies;
use crate::crypto::random_bytes;
use crate::error::Error;
use crate::model::is_control;

/// A request, together with its request id and the client that sent it.
#[derive(Debug)]
pub struct RequestContext<'a> {
    request: &'a Request,
    /// Identifies this request in the log lines about it and in the response (`X-Request-Id`).
    pub request_id: String,
    /// The client that sent the request.
    pub client: Client,
    /// Whether a foreign website sends it; see [`is_foreign_website`].
    pub is_foreign_website: bool,
    /// The largest body that is read, in bytes.
    pub max_body_bytes: u64,
    /// The rate limits that have counted this request.
    charges: RefCell<Vec<RateLimitCharge>>,
}

impl<'a> RequestContext<'a> {
    /// Keeps the client's `X-Request-Id` if it is safe to log, and generates a random one otherwise. The
    /// headers of trusted proxies determine the client's address.
    pub fn new(request: &'a Request, config: &Config) -> RequestContext<'a> {
        let request_id = match request.header("X-Request-Id") {
            Some(id) if is_safe_request_id(id) => id.to_owned(),
            _ => random_id(),
        };
        let client = Client::of(request, &config.trusted_proxies);
        let allowed = &config.cors.cors_origins;
        RequestContext {
            request,
            request_id,
            client,
            is_foreign_website: is_foreign_website(request, allowed, client.is_proxied),
            max_body_bytes: config.limits.max_body_bytes,
            charges: RefCell::default(),
        }
    }

    /// Notes that rate limits have counted this request.
    pub fn add_charges(&self, charges: Vec<RateLimitCharge>) {
        self.charges.borrow_mut().extend(charges);
    }

    /// Returns the charges of all rate limits, and forgets them.
    pub fn take_charges(&self) -> Vec<RateLimitCharge> {
        self.charges.take()
    }

    /// The method, as sent.
    pub fn method(&self) -> &str {
        self.request.method()
    }

    /// The path, as sent: not decoded, without the query.
    pub fn path(&self) -> &str {
        self.request.raw_url().split('?').next().unwrap_or_default()
    }

    /// The query, as sent: not decoded.
    pub fn raw_query(&self) -> &str {
        self.request.raw_query_string()
    }

    /// The first value of a header. Names are case-insensitive (RFC 9110, 5.1).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    /// Every value of a header.
    pub fn headers(&self, name: &'static str) -> impl Iterator<Item = &str> {
        values(self.request, name)
    }

    /// Whether the client accepts gzip (RFC 9110, 12.5.3). `*` does not count as gzip: browsers list the
    /// codings that they support by name.
    pub fn accepts_gzip(&self) -> bool {
        self.headers("Accept-Encoding")
            .flat_map(parse_priority_header)
            .any(|(coding, weight)| coding.eq_ignore_ascii_case("gzip") && weight > 0.0)
    }

    /// `If-Match` and `If-None-Match`.
    ///
    /// # Errors
    /// Those of [`Preconditions::parse`].
    pub fn preconditions(&self) -> Result<Preconditions, Error> {
        Preconditions::parse(self.headers("If-Match"), self.headers("If-None-Match"))
    }

    /// The `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header). The draft puts the key in quotes,
    /// which few clients do: here quotes are part of the key.
    ///
    /// # Errors
    /// [`Error::BadRequest`] unless it is one key of 1 to 255 visible ASCII characters.
    pub fn idempotency_key(&self) -> Result<Option<&str>, Error> {
        let is_valid =
            |key: &str| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        let mut keys = self.headers("Idempotency-Key");
        match (keys.next(), keys.next()) {
            (None, _) => Ok(None),
            (Some(key), None) if is_valid(key) => Ok(Some(key)),
            _ => Err(Error::BadRequest(
                "its Idempotency-Key must be a single value of 1 to 255 visible ASCII characters",
            )),
        }
    }

    /// The token of the `Authorization` header; see [`bearer_token`].
    ///
    /// # Errors
    /// Those of [`bearer_token`].
    pub fn bearer_token(&self) -> Result<&str, Error> {
        bearer_token(self.request)
    }

    /// Whether an `Origin` is the server's own; see [`is_own`].
    pub fn is_own_origin(&self, origin: &str) -> bool {
        is_own(self.request, origin, self.client.is_proxied)
    }

    /// Whether the request is a preflight (Fetch Standard, 3.2.2): a browser asks before it sends the actual
    /// request.
    pub fn is_preflight(&self) -> bool {
        self.method() == "OPTIONS"
            && self.header("Origin").is_some()
            && self.header("Access-Control-Request-Method").is_some()
    }

    /// Whether the request comes from this machine or from one of these proxies itself; see
    /// [`client_address::is_local`].
    pub fn is_local(&self, trusted: &TrustedProxies) -> bool {
        client_address::is_local(self.request, trusted)
    }

    /// The client's `User-Agent`, cut to one line of at most 255 characters.
    pub fn user_agent(&self) -> Option<String> {
        let agent = self.header("User-Agent")?.chars();
        Some(agent.filter(|c| !is_control(*c)).take(255).collect())
    }

    /// Returns the URL of this path with these parameters, always encoded in the same way.
    pub fn url<'p>(
        &self,
        parameters: impl IntoIterator<Item = (&'p String, &'p String)>,
    ) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        if query.is_empty() {
            self.path().to_owned()
        } else {
            format!("{}?{query}", self.path())
        }
    }

    /// The parameters of the query, form-decoded: `+` is a space.
    ///
    /// # Errors
    /// [`Error::Invalid`] if a parameter is given twice or is not UTF-8.
    pub fn query_parameters(&self) -> Result<BTreeMap<String, String>, Error> {
        let query = self.request.raw_query_string();
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text)
                .decode_utf8()
                .map(String::from)
                .map_err(|_| text.clone())
        };
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).map_err(|name| Error::invalid(&name, "is not known here"))?;
            let value = decode(value).map_err(|_| Error::invalid(&name, "must be UTF-8"))?;
            if parameters.insert(name.clone(), value).is_some() {
                return Err(Error::invalid(&name, "is given twice"));
            }
        }
        Ok(parameters)
    }

    /// The body as a stream. It can be taken only once.
    ///
    /// # Errors
    /// [`Error::Internal`] if it was taken before.
    pub fn body(&self) -> Result<impl Read, Error> {
        let body = self.request.data();
        body.ok_or_else(|| Error::Internal("the body was read twice".to_owned()))
    }
}

/// A random id. Without random bytes, which every sign-in reports as an error, it is a number that no other request
/// of this process has: `Uuid::new_v4` would panic.
fn random_id() -> String {
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    match random_bytes() {
        Ok(bytes) => Builder::from_random_bytes(bytes).into_uuid().to_string(),
        Err(_) => REQUESTS.fetch_add(1, Ordering::Relaxed).to_string(),
    }
}

/// The token of `Authorization: Bearer <token>` (RFC 6750, 2.1). The scheme is case-insensitive (RFC
/// 9110, 11.1). A token in the query or in the body is ignored.
///
/// # Errors
/// [`Error::NoCredentials`] and [`Error::InvalidToken`], with flask-jwt-extended's messages.
pub fn bearer_token(request: &Request) -> Result<&str, Error> {
    const BAD_HEADER: &str = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'";
    let mut headers = values(request, "Authorization");
    let value = headers.next().unwrap_or_default();
    if headers.next().is_some() {
        return Err(Error::InvalidToken(BAD_HEADER.to_owned()));
    }
    let mut words = value.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Err(Error::NoCredentials("Missing Authorization Header")),
        (Some(scheme), ..) if !scheme.eq_ignore_ascii_case("Bearer") => Err(Error::NoCredentials(
            "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'",
        )),
        (_, Some(token), None) => Ok(token),
        _ => Err(Error::InvalidToken(BAD_HEADER.to_owned())),
    }
}

/// Every value of a header.
fn values<'a>(request: &'a Request, name: &'static str) -> impl Iterator<Item = &'a str> {
    request
        .headers()
        .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Whether the id has 1 to 128 letters, digits and common punctuation: nothing that could break out of a log
/// line or a header.
fn is_safe_request_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:=+/@~".contains(&b))
}
