//! Which version of an account, a task or a file an answer shows, and which one a request demands (RFC 9110, 8.8.3
//! and 13): so that nobody overwrites what they have not seen.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Bytes of a tag: 128 bits of a hash, so that no two versions ever share one.
const LENGTH: usize = 16;

/// The strong entity tag of a representation: the same JSON has the same tag, any other JSON another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of what is shown as this JSON.
    ///
    /// # Errors
    /// [`Error::Internal`] for what cannot be shown as JSON.
    pub fn of(shown: &impl Serialize) -> Result<ETag, Error> {
        match serde_json::to_vec(shown) {
            Ok(json) => Ok(ETag::of_bytes(&json)),
            Err(why) => Err(Error::Internal(format!("serializing for an ETag: {why}"))),
        }
    }

    /// The tag of these bytes.
    pub fn of_bytes(bytes: &[u8]) -> ETag {
        ETag(BASE64URL_NOPAD.encode(&Sha256::digest(bytes)[..LENGTH]))
    }
}

/// As the header has it, in quotes.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// What a request demands of the version that it meets: `If-Match` and `If-None-Match`, or nothing.
#[derive(Debug)]
pub struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
}

impl Preconditions {
    /// Reads all that was sent of each of the two headers.
    ///
    /// # Errors
    /// [`Error::BadRequest`] where one of them holds anything but `*` or entity tags.
    pub fn parse<'a>(
        if_match: impl Iterator<Item = &'a str>,
        if_none_match: impl Iterator<Item = &'a str>,
    ) -> Result<Preconditions, Error> {
        Ok(Preconditions {
            if_match: Tags::from_lines(
                if_match,
                "its If-Match is neither * nor entity tags in quotes",
            )?,
            if_none_match: Tags::from_lines(
                if_none_match,
                "its If-None-Match is neither * nor entity tags in quotes",
            )?,
        })
    }

    /// For a request that reads: whether its client has the current version already.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`] where `If-Match` asks for another (RFC 9110, 13.2.2).
    pub fn is_known(&self, current: &ETag) -> Result<bool, Error> {
        let wanted = self.if_match.as_ref();
        if wanted.is_some_and(|tags| !tags.name(current, Tag::is)) {
            return Err(Error::PreconditionFailed);
        }
        let known = self.if_none_match.as_ref();
        Ok(known.is_some_and(|tags| tags.name(current, Tag::is_like)))
    }

    /// For a request that changes a resource, `before` the change. Called before the change, in its
    /// transaction, so that no other write can happen between check and change (RFC 9110, 13.2.1).
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`].
    pub fn check_before_write(&self, before: &impl Serialize) -> Result<(), Error> {
        if self.is_known(&ETag::of(before)?)? {
            Err(Error::PreconditionFailed)
        } else {
            Ok(())
        }
    }
}

/// The tags that a header names.
#[derive(Debug)]
enum Tags {
    /// `*`: whatever the current one is.
    Any,
    /// These.
    Listed(Vec<Tag>),
}

impl Tags {
    /// The values of several lines are one list (RFC 9110, 5.3).
    fn from_lines<'a>(
        values: impl Iterator<Item = &'a str>,
        wrong: &'static str,
    ) -> Result<Option<Tags>, Error> {
        let values: Vec<&str> = values.collect();
        if values.is_empty() {
            return Ok(None);
        }
        Tags::parse(&values.join(","))
            .map(Some)
            .ok_or(Error::BadRequest(wrong))
    }

    fn parse(text: &str) -> Option<Tags> {
        if text.trim_matches(BLANKS) == "*" {
            return Some(Tags::Any);
        }
        let (mut tags, mut rest) = (Vec::new(), text);
        loop {
            // Elements of a list may be empty (RFC 9110, 5.6.1).
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (tag, behind) = Tag::split_off(rest)?;
            tags.push(tag);
            rest = behind.trim_start_matches(BLANKS);
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
        }
        (!tags.is_empty()).then_some(Tags::Listed(tags))
    }

    /// Whether the current version is among them, by [`Tag::is`] or by [`Tag::is_like`].
    fn name(&self, current: &ETag, compare: fn(&Tag, &ETag) -> bool) -> bool {
        match self {
            Tags::Any => true,
            Tags::Listed(tags) => tags.iter().any(|tag| compare(tag, current)),
        }
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// One tag: `"abc"`, or `W/"abc"`.
#[derive(Debug)]
struct Tag {
    is_weak: bool,
    opaque: String,
}

impl Tag {
    /// The tag that the text begins with, and what is behind it. There is no escaping: a quote ends it.
    fn split_off(text: &str) -> Option<(Tag, &str)> {
        let quoted = text.strip_prefix("W/").unwrap_or(text);
        let (opaque, behind) = quoted.strip_prefix('"')?.split_once('"')?;
        let is_sound = !opaque.contains(|c: char| c == ' ' || c.is_ascii_control());
        let tag = Tag {
            is_weak: quoted.len() < text.len(),
            opaque: opaque.to_owned(),
        };
        is_sound.then_some((tag, behind))
    }

    /// The strong comparison (RFC 9110, 8.8.3.2): what is weak may be another version.
    fn is(&self, version: &ETag) -> bool {
        !self.is_weak && self.is_like(version)
    }

    /// The weak comparison, for who reads.
    fn is_like(&self, version: &ETag) -> bool {
        self.opaque == version.0
    }
}
