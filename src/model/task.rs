//! Tasks: the JSON form.

use serde::Serialize;
use utoipa::ToSchema;

use super::account_name::AccountName;
use super::id::Id;
use super::json_schema::Schema;
use super::open_enum::{self, OpenEnum};
use super::status::Status;
use super::time::Timestamp;

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Task {
    /// The task's id.
    pub id: Id,
    /// The work to do, in one line.
    pub title: String,
    /// The work in detail.
    #[schema(required)]
    pub description: Option<String>,
    /// The progress.
    #[schema(schema_with = stored_status)]
    pub status: OpenEnum<Status>,
    /// When the task is due.
    #[schema(required)]
    pub deadline: Option<Timestamp>,
    /// When the task was created; null if that is unknown.
    #[schema(required)]
    pub created_at: Option<Timestamp>,
    /// The id of the account that the task is assigned to.
    #[schema(required)]
    pub assigned_user_id: Option<Id>,
    /// The account that the task is assigned to. Only in the response to a request with `expand=assignee`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub assignee: Option<AccountName>,
}

fn stored_status() -> Schema {
    open_enum::schema::<Status>(
        "The progress. A task that another program has written may have any text, or null.",
    )
}
