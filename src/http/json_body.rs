//! JSON request bodies. The size and the number of members are bounded, nested values are not stored, and
//! duplicate names are rejected.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::error::Error;
use crate::model::json_fields::{Fields, Scalar};

/// A request body that is declared as JSON.
pub struct JsonBody(pub(super) Vec<u8>);

impl JsonBody {
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

fn malformed(why: serde_json::Error) -> Error {
    Error::Malformed(why.to_string())
}

/// The members of a JSON object. The map of serde_json would silently keep the last of two members with one
/// name, so this type rejects duplicates.
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

/// More members than any object of this API has. Without the bound a body of names alone would take many
/// times its size in memory.
const MAX_MEMBERS: usize = 20;
