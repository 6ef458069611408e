//! The history of a task: who did what, and when.

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::account_name::AccountName;
use super::closed_enum::{self, must_be_one_of};
use super::id::Id;
use super::json_fields::Fields;
use super::json_schema::Schema;
use super::page::PageSize;
use super::role::Role;
use super::status::Status;
use super::time::Timestamp;

/// What was done to a task.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray, Serialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = String, parse_err_fn = must_be_one_of::<TaskAction>)]
#[allow(missing_docs)]
pub enum TaskAction {
    Created,
    Changed,
}

impl TaskAction {
    /// The text in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl PartialSchema for TaskAction {
    fn schema() -> Schema {
        closed_enum::schema::<TaskAction>()
    }
}

impl ToSchema for TaskAction {}

/// A field of a task that can change.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray, Serialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = String, parse_err_fn = must_be_one_of::<TaskField>)]
#[allow(missing_docs)]
pub enum TaskField {
    Title,
    Description,
    Status,
    Deadline,
    AssignedUserId,
}

impl PartialSchema for TaskField {
    fn schema() -> Schema {
        closed_enum::schema::<TaskField>()
    }
}

impl ToSchema for TaskField {}

/// An entry of a task's history. Names and roles are those of that time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// The number of the entry. It grows, with gaps.
    pub id: Id,
    /// The time of the change.
    #[schema(required)]
    pub at: Option<Timestamp>,
    /// What was done.
    pub action: TaskAction,
    /// The fields that have changed; empty unless `action` is `changed`.
    pub changed: Vec<TaskField>,
    /// The new status, if `changed` has `status`, and the first one of a new task.
    #[schema(required)]
    pub status: Option<Status>,
    /// The new assignee, if `changed` has `assigned_user_id`, and the first one of a new task. Null too if the task was
    /// assigned to no account, and for an employee if it was assigned to another account.
    #[schema(required)]
    pub assignee: Option<AccountName>,
    /// The account that made the change. Null if the server or its command line made it; for an employee also if another
    /// employee made it.
    #[schema(required)]
    pub actor: Option<AccountName>,
    /// The role of that account; null if no account made the change.
    #[schema(required)]
    pub actor_role: Option<Role>,
}

/// The query of a task's history.
#[derive(Debug, Default)]
pub struct HistoryQuery {
    /// The maximum number of entries in a page.
    pub page_size: PageSize,
}

impl HistoryQuery {
    /// Reads the parameters of `GET /tasks/{id}/history`.
    pub fn from_query(query: &mut Fields<String>) -> HistoryQuery {
        HistoryQuery {
            page_size: query.parameter("limit").unwrap_or_default(),
        }
    }
}
