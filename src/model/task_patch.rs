//! The body of a change to a task.

use super::description::Description;
use super::id::Id;
use super::json_fields::{Fields, Scalar, integer, string};
use super::status::Status;
use super::time::Timestamp;
use super::title::Title;

/// The body of `PATCH /tasks/{id}`, with the semantics of JSON Merge Patch (RFC 7396). A field that can be
/// null has three states: `None` (absent) keeps the stored value, `Some(None)` (null) clears it, and
/// `Some(Some(value))` replaces it.
#[derive(Debug, Default)]
pub struct TaskPatch {
    /// Replaces the title.
    pub title: Option<Title>,
    /// Replaces or clears the description.
    pub description: Option<Option<Description>>,
    /// Replaces the status.
    pub status: Option<Status>,
    /// Replaces or clears the deadline.
    pub deadline: Option<Option<Timestamp>>,
    /// Assigns the task to another account or to none. The store checks that the account exists.
    pub assigned_user_id: Option<Option<Id>>,
}

impl TaskPatch {
    /// Reads `{title?, description?, status?, deadline?, assigned_user_id?}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<TaskPatch> {
        Some(TaskPatch {
            title: fields.optional("title", string),
            description: fields.nullable("description", string),
            status: fields.optional("status", string),
            deadline: fields.nullable("deadline", string),
            assigned_user_id: fields.nullable("assigned_user_id", integer),
        })
    }
}
