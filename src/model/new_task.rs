//! The body of a request that creates a task.

use super::description::Description;
use super::id::Id;
use super::json_fields::{Fields, Scalar, string};
use super::status::Status;
use super::task_patch::TaskPatch;
use super::time::Timestamp;
use super::title::Title;

/// The body of `POST /tasks`. Only `title` is required.
#[derive(Debug)]
pub struct NewTask {
    /// The work to do, in one line.
    pub title: Title,
    /// The work in detail.
    pub description: Option<Description>,
    /// [`Status::Pending`] if the client sends none.
    pub status: Status,
    /// When the task is due.
    pub deadline: Option<Timestamp>,
    /// The account that the task is assigned to. The store checks that it exists.
    pub assigned_user_id: Option<Id>,
}

impl NewTask {
    /// Reads `{title, description?, status?, deadline?, assigned_user_id?}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<NewTask> {
        let title = fields.required("title", string);
        // All other fields are read as in a change. `title` has been taken already, so the patch has none.
        let rest = TaskPatch::from_fields(fields)?;
        Some(NewTask {
            title: title?,
            description: rest.description.flatten(),
            status: rest.status.unwrap_or_default(),
            deadline: rest.deadline.flatten(),
            assigned_user_id: rest.assigned_user_id.flatten(),
        })
    }
}
