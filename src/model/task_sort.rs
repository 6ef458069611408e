//! The order of lists of tasks.

use std::str::FromStr;

use utoipa::PartialSchema;

use super::json_schema::{self, Schema};

/// The column that a list of tasks is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// The time of creation.
    CreatedAt,
    /// The deadline.
    Deadline,
    /// The title, compared by code point: capitals come before small letters.
    Title,
}

/// The order of a list of tasks. Tasks with equal keys are ordered by id in the same direction, so that the
/// order is total. Tasks without a key come last in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// The column to sort by.
    pub key: SortKey,
    /// Whether the greatest key comes first.
    pub descending: bool,
}

impl Default for Sort {
    fn default() -> Sort {
        Sort {
            key: SortKey::CreatedAt,
            descending: true,
        }
    }
}

impl Sort {
    /// Each value of the parameter `sort`, with its column and whether the order is descending.
    const PARAMETERS: [(&str, SortKey, bool); 6] = [
        ("created_at", SortKey::CreatedAt, false),
        ("-created_at", SortKey::CreatedAt, true),
        ("deadline", SortKey::Deadline, false),
        ("-deadline", SortKey::Deadline, true),
        ("title", SortKey::Title, false),
        ("-title", SortKey::Title, true),
    ];
}

impl FromStr for Sort {
    type Err = String;

    fn from_str(text: &str) -> Result<Sort, String> {
        let mut known = Sort::PARAMETERS.into_iter();
        let found = known.find(|(value, ..)| *value == text);
        let (_, key, descending) = found.ok_or_else(|| {
            "must be created_at, deadline or title, with - in front for descending".to_owned()
        })?;
        Ok(Sort { key, descending })
    }
}

impl PartialSchema for Sort {
    fn schema() -> Schema {
        json_schema::string_enum(Sort::PARAMETERS.map(|(value, ..)| value))
            .default(Some("-created_at".into()))
            .into()
    }
}
