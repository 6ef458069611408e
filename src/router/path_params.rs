//! Path parameters: the segment of the request's path in the place of `{id}`, and its conversion to an id.

use std::str::FromStr;

use crate::error::Error;

/// The path parameters of a request. Handlers use only one: `{id}`.
#[derive(Debug, Default)]
pub struct PathParams {
    /// The segment in the place of `{id}`, decoded; `None` where the route has no `{id}`.
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

    /// Picks the parameters out of the segments of a path that matches `pattern`.
    pub fn read(pattern: &str, segments: &[String]) -> PathParams {
        let position = pattern.split('/').skip(1).position(|part| part == "{id}");
        PathParams {
            id: position.and_then(|at| segments.get(at).cloned()),
        }
    }
}
