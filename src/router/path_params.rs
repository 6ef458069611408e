//! Path parameters: the segment of the request's path in the place of `{id}`, and its conversion to an id.

use std::str::FromStr;

use percent_encoding::percent_decode_str;

use crate::error::Error;

/// The path parameters of a request. Handlers use only one: `{id}`.
#[derive(Debug, Default)]
pub struct PathParams {
    /// The segment in the place of `{id}`, percent-decoded; `None` where the route has no `{id}`, and for a segment
    /// that is not UTF-8.
    id: Option<String>,
}

impl PathParams {
    /// The `{id}`, parsed.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the segment is not an id, since no row can have it.
    pub fn id<T: FromStr>(&self) -> Result<T, Error> {
        let id = self.id.as_deref().and_then(|text| text.parse().ok());
        id.ok_or(Error::NotFound)
    }

    /// Picks the parameters out of the segments of a path that matches `pattern`. Each segment is decoded by itself,
    /// so that `%2F` does not split it.
    pub fn read(pattern: &str, segments: &[&str]) -> PathParams {
        let position = pattern.split('/').skip(1).position(|part| part == "{id}");
        let segment = position.and_then(|at| segments.get(at).copied());
        let decoded = segment.and_then(|segment| percent_decode_str(segment).decode_utf8().ok());
        PathParams {
            id: decoded.map(Into::into),
        }
    }
}
