//! JSON request bodies. The size and the number of members are bounded, nested values are not stored, and
//! duplicate names are rejected. [`Fields`] then reads the members and collects every invalid one.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::request::RequestContext;
use crate::error::Error;
use crate::model::json_fields::{Fields, Scalar};

/// The bytes of a request body whose `Content-Type` is JSON.
pub struct JsonBody(Vec<u8>);

impl JsonBody {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`Error::NotJson`], [`Error::ContentCoding`], [`Error::BodyTooLarge`], [`Error::Malformed`], in this
    /// order.
    pub fn read(context: &RequestContext) -> Result<JsonBody, Error> {
        let max_bytes = context.max_body_bytes;
        if !context.header("Content-Type").is_some_and(is_json) {
            return Err(Error::NotJson);
        }
        if !context.headers("Content-Encoding").all(is_identity) {
            return Err(Error::ContentCoding);
        }
        let declared = context
            .header("Content-Length")
            .and_then(|length| length.trim().parse::<u64>().ok());
        if declared.is_some_and(|length| length > max_bytes) {
            return Err(Error::BodyTooLarge(max_bytes));
        }
        let bytes = read_at_most(context.body()?, max_bytes)?;
        // If the connection breaks, the part that has arrived can be valid JSON by chance.
        if declared.is_some_and(|declared| (bytes.len() as u64) < declared) {
            return Err(Error::Malformed(
                "it is shorter than Content-Length".to_owned(),
            ));
        }
        Ok(JsonBody(bytes))
    }

    /// The bytes as sent.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Parses a JSON object with `read`, such as `NewTask::from_fields`. A leading UTF-8 byte order mark is
    /// skipped (RFC 8259, 8.1 permits that).
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Invalid`], in this order.
    pub fn parse<T>(
        &self,
        read: impl FnOnce(&mut Fields<Scalar>) -> Option<T>,
    ) -> Result<T, Error> {
        let text = str::from_utf8(&self.0).map_err(|why| Error::Malformed(why.to_string()))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
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

/// Reads the body of a request and parses the JSON object in it with `read_fields`, such as
/// `TaskPatch::from_fields`.
///
/// # Errors
/// Those of [`JsonBody::read`] and of [`JsonBody::parse`], in this order.
pub fn parse_json<T>(
    context: &RequestContext,
    read_fields: impl FnOnce(&mut Fields<Scalar>) -> Option<T>,
) -> Result<T, Error> {
    JsonBody::read(context)?.parse(read_fields)
}

fn read_at_most(body: impl Read, max_bytes: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    body.take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|_| Error::Malformed("it could not be read completely".to_owned()))?;
    if bytes.len() as u64 > max_bytes {
        return Err(Error::BodyTooLarge(max_bytes));
    }
    Ok(bytes)
}

/// `application/json`, in any case and with any parameters (RFC 9110, 8.3.1).
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// Whether a `Content-Encoding` names no coding but `identity` (RFC 9110, 8.4).
fn is_identity(codings: &str) -> bool {
    let mut codings = codings.split(',').map(str::trim);
    codings.all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
}

fn malformed(why: serde_json::Error) -> Error {
    Error::Malformed(why.to_string())
}

/// The members of a JSON object. Rejects duplicate names, of which a map of serde_json would silently keep
/// the last one.
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

/// More members than any object of this API has. Without the bound, a body that consists of names would take
/// many times its size in memory.
const MAX_MEMBERS: usize = 20;
