//! Entity tags and conditional requests (RFC 9110, 8.8.3 and 13).
//!
//! Reads use them for revalidation: 304 if `If-None-Match` names the current version. Writes use them for
//! optimistic concurrency: 412 if `If-Match` names another version, so that a client cannot overwrite a
//! change that it has not seen (a lost update).
//!
//! Both headers are compared in one way, by [`Tag::names`]. RFC 9110, 13.1.1 asks for the strong comparison in `If-Match`,
//! in which a weak tag matches nothing. A proxy that compresses makes tags weak (nginx) or appends the coding (Apache,
//! Caddy), since the bytes have changed; behind it the strong comparison would refuse every change. The purpose of
//! the strong comparison is met: the tag of a resource that can be changed is the hash of its state, this server
//! makes none of them weak, and what a proxy adds does not change the hash. So a tag that names another state never
//! matches, and no update is lost. A static file has a tag for each form that this server sends, and none of them is the
//! other with a suffix.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Bytes of the hash in a tag. With 128 bits, two versions do not get the same tag in practice.
const LENGTH: usize = 16;

/// The entity tag of a representation: a truncated SHA-256, so equal bytes have equal tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag {
    opaque: String,
    is_weak: bool,
}

impl ETag {
    /// Computes the tag of a value from its JSON.
    ///
    /// # Errors
    /// [`Error::Internal`] if the value cannot be serialized.
    pub fn of(value: &impl Serialize) -> Result<ETag, Error> {
        match serde_json::to_vec(value) {
            Ok(json) => Ok(ETag::of_bytes(&json)),
            Err(why) => Err(Error::Internal(format!("serializing for an ETag: {why}"))),
        }
    }

    /// Computes the weak tag of a value: responses with this tag may differ in bytes.
    ///
    /// # Errors
    /// Those of [`ETag::of`].
    pub fn weak(value: &impl Serialize) -> Result<ETag, Error> {
        let ETag { opaque, .. } = ETag::of(value)?;
        Ok(ETag {
            opaque,
            is_weak: true,
        })
    }

    /// Computes the tag of bytes.
    pub fn of_bytes(bytes: &[u8]) -> ETag {
        ETag {
            opaque: BASE64URL_NOPAD.encode(&Sha256::digest(bytes)[..LENGTH]),
            is_weak: false,
        }
    }
}

/// Writes the tag as the `ETag` header has it: in quotes, and with `W/` if it is weak.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_weak { "W/" } else { "" };
        write!(f, "{mark}\"{}\"", self.opaque)
    }
}

/// The preconditions of a request: `If-Match` and `If-None-Match`, both optional.
#[derive(Debug)]
pub struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

impl Preconditions {
    /// Parses the two headers. Each argument yields the values of all lines of one header.
    ///
    /// # Errors
    /// [`Error::BadRequest`] if a header is neither `*` nor a list of entity tags.
    pub fn parse<'a>(
        if_match: impl Iterator<Item = &'a str>,
        if_none_match: impl Iterator<Item = &'a str>,
    ) -> Result<Preconditions, Error> {
        Ok(Preconditions {
            if_match: Tags::from_lines(
                if_match,
                "its If-Match must be * or a list of entity tags in quotes",
            )?,
            if_none_match: Tags::from_lines(
                if_none_match,
                "its If-None-Match must be * or a list of entity tags in quotes",
            )?,
        })
    }

    /// Whether the request has no precondition.
    pub fn is_empty(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    /// For a read: whether `If-None-Match` names the current version, which makes the response a 304.
    /// `If-Match` is evaluated first (RFC 9110, 13.2.2).
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`] if `If-Match` does not name the current version.
    pub fn is_not_modified(&self, current: &ETag) -> Result<bool, Error> {
        let if_match = self.if_match.as_ref();
        if if_match.is_some_and(|tags| !tags.contains(current)) {
            return Err(Error::PreconditionFailed);
        }
        let if_none_match = self.if_none_match.as_ref();
        Ok(if_none_match.is_some_and(|tags| tags.contains(current)))
    }

    /// For a write: checks both preconditions against `before`, the resource before the change. Callers call
    /// it inside the transaction of the change, so that no other write can happen between the check and the
    /// change (RFC 9110, 13.2.1).
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`] if `If-Match` does not name the version of `before`, or if `If-None-Match`
    /// names it.
    pub fn check_before_write(&self, before: &impl Serialize) -> Result<(), Error> {
        if self.is_not_modified(&ETag::of(before)?)? {
            Err(Error::PreconditionFailed)
        } else {
            Ok(())
        }
    }
}

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug)]
enum Tags {
    /// `*`, which matches every version.
    Any,
    /// Entity tags; at least one.
    Listed(Vec<Tag>),
}

impl Tags {
    /// Parses the values of all lines of a header as one list (RFC 9110, 5.3). `problem` is the text of the
    /// error.
    fn from_lines<'a>(
        values: impl Iterator<Item = &'a str>,
        problem: &'static str,
    ) -> Result<Option<Tags>, Error> {
        let values: Vec<&str> = values.collect();
        if values.is_empty() {
            return Ok(None);
        }
        Tags::parse(&values.join(","))
            .map(Some)
            .ok_or(Error::BadRequest(problem))
    }

    fn parse(text: &str) -> Option<Tags> {
        if text.trim_matches(BLANKS) == "*" {
            return Some(Tags::Any);
        }
        let (mut tags, mut rest) = (Vec::new(), text);
        loop {
            // A list may have empty elements (RFC 9110, 5.6.1).
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (tag, after) = Tag::split_first(rest)?;
            tags.push(tag);
            rest = after.trim_start_matches(BLANKS);
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
        }
        (!tags.is_empty()).then_some(Tags::Listed(tags))
    }

    /// Whether one of the tags names the current version.
    fn contains(&self, current: &ETag) -> bool {
        match self {
            Tags::Any => true,
            Tags::Listed(tags) => tags.iter().any(|tag| tag.names(current)),
        }
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// What proxies append to a tag when they compress the response.
const CODING_SUFFIXES: [&str; 4] = ["-gzip", "-br", "-zstd", "-deflate"];

/// An entity tag as a client sends it, without the mark of a weak one: `"abc"` and `W/"abc"` are `abc`.
#[derive(Debug)]
struct Tag(String);

impl Tag {
    /// Splits the text into its first tag and the rest. Tags have no escaping: the next quote ends them.
    fn split_first(text: &str) -> Option<(Tag, &str)> {
        let quoted = text.strip_prefix("W/").unwrap_or(text);
        let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
        let is_valid = !opaque.contains(|c: char| c == ' ' || c.is_ascii_control());
        is_valid.then(|| (Tag(opaque.to_owned()), rest))
    }

    /// Whether this is the tag of the version, with or without the suffix of a content coding.
    fn names(&self, version: &ETag) -> bool {
        let suffix = self.0.strip_prefix(&version.opaque);
        suffix.is_some_and(|suffix| suffix.is_empty() || CODING_SUFFIXES.contains(&suffix))
    }
}
