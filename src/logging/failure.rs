//! The records that are always written.

/// The target of records that no setting filters out: the causes of responses 5xx, panics, and dropped lines.
pub const FAILURE: &str = "failure";
