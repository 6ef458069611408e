//! A request as handlers see it: path, query and body, each read through a bound and a check.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use rouille::Request;
use rouille::input::parse_priority_header;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use uuid::Uuid;

use crate::client::{self, Client};
use crate::config::TrustedProxies;
use crate::error::Error;
use crate::etag::Preconditions;
use crate::fields::{Fields, Scalar};
use crate::model::is_control;

/// One request on its way through the program.
#[derive(Debug)]
pub struct Call<'a> {
    request: &'a Request,
    /// Names this request in every line of the log and in the answer.
    pub request_id: String,
    /// Where the request comes from.
    pub client: Client,
    route: OnceCell<&'static str>,
    id_segment: OnceCell<String>,
    user: OnceCell<String>,
}

impl<'a> Call<'a> {
    /// Takes over the client's `X-Request-Id` if it is sane, and makes one otherwise; believes `trusted`
    /// about the client's address.
    pub fn new(request: &'a Request, trusted: &TrustedProxies) -> Call<'a> {
        let request_id = match request.header("X-Request-Id") {
            Some(id) if is_sane_request_id(id) => id.to_owned(),
            _ => Uuid::new_v4().to_string(),
        };
        Call {
            request,
            request_id,
            client: Client::of(request, trusted),
            route: OnceCell::new(),
            id_segment: OnceCell::new(),
            user: OnceCell::new(),
        }
    }

    /// The method, as sent.
    pub fn method(&self) -> &str {
        self.request.method()
    }

    /// The path, as sent: not decoded, without the query.
    pub fn path(&self) -> &str {
        self.request.raw_url().split('?').next().unwrap_or_default()
    }

    /// The path's segments, decoded one by one, so that `%2F` does not make two of one. `None` where
    /// one is not UTF-8.
    pub fn segments(&self) -> Option<Vec<String>> {
        let path = self.path().strip_prefix('/')?;
        path.split('/')
            .map(|segment| {
                percent_decode_str(segment)
                    .decode_utf8()
                    .ok()
                    .map(Into::into)
            })
            .collect()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    /// Every value of a header.
    pub fn headers(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.request
            .headers()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Whether the client can decompress gzip (RFC 9110, 12.5.3). `*` is not taken at its word: a browser
    /// names what it knows.
    pub fn accepts_gzip(&self) -> bool {
        self.headers("Accept-Encoding")
            .flat_map(parse_priority_header)
            .any(|(coding, weight)| coding.eq_ignore_ascii_case("gzip") && weight > 0.0)
    }

    /// What the request demands of the version that it meets.
    ///
    /// # Errors
    /// Those of [`Preconditions::read`].
    pub fn preconditions(&self) -> Result<Preconditions, Error> {
        Preconditions::read(self.headers("If-Match"), self.headers("If-None-Match"))
    }

    /// What the client calls this request, so that it is known when it comes again. The specification
    /// (draft-ietf-httpapi-idempotency-key-header) puts it in quotes, which few clients do: here quotes
    /// are a part of it.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for anything but 1 to 255 visible ASCII characters, once.
    pub fn idempotency_key(&self) -> Result<Option<&str>, Error> {
        let is_sane =
            |key: &str| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        let mut keys = self.headers("Idempotency-Key");
        match (keys.next(), keys.next()) {
            (None, _) => Ok(None),
            (Some(key), None) if is_sane(key) => Ok(Some(key)),
            _ => Err(Error::BadRequest(
                "its Idempotency-Key is not 1 to 255 visible ASCII characters, once",
            )),
        }
    }

    /// The token of `Authorization: Bearer <token>` (RFC 6750, 2.1); the scheme counts in any case
    /// (RFC 9110, 11.1). No other place is looked at.
    ///
    /// # Errors
    /// [`Error::NoCredentials`] and [`Error::InvalidToken`], in flask-jwt-extended's words.
    pub fn bearer(&self) -> Result<&str, Error> {
        const BAD_HEADER: &str = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'";
        let mut headers = self.headers("Authorization");
        let value = headers.next().unwrap_or_default();
        if headers.next().is_some() {
            return Err(Error::InvalidToken(BAD_HEADER.to_owned()));
        }
        let mut words = value.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (None, ..) => Err(Error::NoCredentials("Missing Authorization Header")),
            (Some(scheme), ..) if !scheme.eq_ignore_ascii_case("Bearer") => {
                Err(Error::NoCredentials(
                    "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'",
                ))
            }
            (_, Some(token), None) => Ok(token),
            _ => Err(Error::InvalidToken(BAD_HEADER.to_owned())),
        }
    }

    /// Whether the request comes from this machine, or from one of these proxies itself.
    pub fn is_local(&self, trusted: &TrustedProxies) -> bool {
        client::is_local(self.request, trusted)
    }

    /// Notes which line of the route table it is, by its path.
    pub fn note_route(&self, path: &'static str) {
        let _ = self.route.set(path);
    }

    /// The path of the route table that matches, if one does and that is known yet.
    pub fn route(&self) -> Option<&'static str> {
        self.route.get().copied()
    }

    /// Notes who is calling, for the log.
    pub fn note_user(&self, username: &str) {
        let _ = self.user.set(username.to_owned());
    }

    /// Who is calling, if that is known yet.
    pub fn user(&self) -> Option<&str> {
        self.user.get().map(String::as_str)
    }

    /// Notes what stands in the place of `{id}` in the route's path.
    pub fn note_id(&self, id_segment: &str) {
        let _ = self.id_segment.set(id_segment.to_owned());
    }

    /// What the client says it is, as far as it fits a line of text.
    pub fn user_agent(&self) -> Option<String> {
        let agent = self.header("User-Agent")?.chars();
        Some(agent.filter(|c| !is_control(*c)).take(255).collect())
    }

    /// The `{id}` of the path.
    ///
    /// # Errors
    /// [`Error::NotFound`] for what can be no row's id.
    pub fn id<T: FromStr>(&self) -> Result<T, Error> {
        self.id_segment
            .get()
            .and_then(|text| text.parse().ok())
            .ok_or(Error::NotFound)
    }

    /// The URL of this path with these parameters, in one spelling.
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

    /// The query's parameters, form-decoded: `+` is a space.
    ///
    /// # Errors
    /// [`Error::Invalid`] where one is given twice or is not UTF-8.
    pub fn parameters(&self) -> Result<BTreeMap<String, String>, Error> {
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

    /// Reads the JSON object in the body by way of `read`, such as `TaskPatch::from_fields`. `limit`
    /// is in bytes.
    ///
    /// # Errors
    /// Those of [`Call::json`] and of [`Json::read`], in this order.
    pub fn body<T>(
        &self,
        limit: u64,
        read: impl FnOnce(&mut Fields<Scalar>) -> Option<T>,
    ) -> Result<T, Error> {
        self.json(limit)?.read(read)
    }

    /// The body as it was sent. `limit` is in bytes.
    ///
    /// # Errors
    /// [`Error::NotJson`], [`Error::BodyTooLarge`], [`Error::Malformed`], in this order.
    pub fn json(&self, limit: u64) -> Result<Json, Error> {
        if !self.header("Content-Type").is_some_and(is_json) {
            return Err(Error::NotJson);
        }
        self.body_bytes(limit).map(Json)
    }

    fn body_bytes(&self, limit: u64) -> Result<Vec<u8>, Error> {
        let declared = self
            .header("Content-Length")
            .and_then(|length| length.trim().parse::<u64>().ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(Error::BodyTooLarge(limit));
        }
        let Some(body) = self.request.data() else {
            return Err(Error::Internal("the body was read twice".to_owned()));
        };
        let mut bytes = Vec::new();
        body.take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|_| Error::Malformed("it could not be read to its end".to_owned()))?;
        let length = bytes.len() as u64;
        if length > limit {
            return Err(Error::BodyTooLarge(limit));
        }
        // What a broken connection left can be whole JSON by chance: `{"a":1}` of `{"a":1}, ...`.
        if declared.is_some_and(|declared| length < declared) {
            return Err(Error::Malformed("it ended early".to_owned()));
        }
        Ok(bytes)
    }
}

/// A body that is said to be JSON.
pub struct Json(Vec<u8>);

impl Json {
    /// What was sent, byte by byte.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads a JSON object by way of `read`, such as `NewTask::from_fields`.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Invalid`], in this order.
    pub fn read<T>(&self, read: impl FnOnce(&mut Fields<Scalar>) -> Option<T>) -> Result<T, Error> {
        let text = str::from_utf8(&self.0).map_err(|why| Error::Malformed(why.to_string()))?;
        if !text.trim_start().starts_with('{') {
            serde_json::from_str::<IgnoredAny>(text).map_err(malformed)?;
            return Err(Error::invalid("body", "must be a JSON object"));
        }
        let Members(members) = serde_json::from_str(text).map_err(malformed)?;
        let mut fields = Fields::new(members);
        let value = read(&mut fields);
        fields.finish(value)
    }
}

/// Letters, digits and the usual marks: nothing that could break out of a log line or a header.
fn is_sane_request_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:=+/@~".contains(&b))
}

/// `application/json`, in any case and with any parameters (RFC 9110, 8.3.1).
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

fn malformed(why: serde_json::Error) -> Error {
    Error::Malformed(why.to_string())
}

/// The members of a JSON object. serde_json alone would let the last of two equal names win, unseen.
struct Members(BTreeMap<String, Scalar>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = object.next_entry::<String, Scalar>()? {
            if members.len() == MAX_MEMBERS {
                return Err(A::Error::custom(format!("more than {MAX_MEMBERS} names")));
            }
            if members.contains_key(&name) {
                let name: String = name.chars().take(100).collect();
                return Err(A::Error::custom(format!(
                    "the name {name:?} is given twice"
                )));
            }
            members.insert(name, value);
        }
        Ok(Members(members))
    }
}

/// No object of this API has as many; a body of nothing but names would cost many times its size.
const MAX_MEMBERS: usize = 20;
