//! The query parameters of lists of tasks.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::closed_enum::{self, must_be_one_of};
use super::id::Id;
use super::json_fields::Fields;
use super::json_schema::Schema;
use super::page::PageSize;
use super::search_text::SearchText;
use super::status::Status;
use super::task_sort::Sort;
use super::time::Timestamp;
use super::user::User;

/// A range of deadlines. Both bounds are exclusive.
#[derive(Debug, Default)]
pub struct Deadlines {
    /// The lower bound.
    pub after: Option<Timestamp>,
    /// The upper bound.
    pub before: Option<Timestamp>,
}

impl Deadlines {
    /// Whether there is no bound. Only then are tasks without a deadline in the range.
    pub fn is_everything(&self) -> bool {
        self.after.is_none() && self.before.is_none()
    }
}

/// The filter of a list of tasks by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = String, parse_err_fn = must_be_one_of::<StatusFilter>)]
pub enum StatusFilter {
    /// Not started.
    Pending,
    /// Started.
    InProgress,
    /// Done.
    Completed,
    /// Another text than these, or none: rows that another program has written.
    Unknown,
}

impl StatusFilter {
    /// The status that the tasks have, unless it is unknown.
    pub fn status(self) -> Option<Status> {
        match self {
            StatusFilter::Pending => Some(Status::Pending),
            StatusFilter::InProgress => Some(Status::InProgress),
            StatusFilter::Completed => Some(Status::Completed),
            StatusFilter::Unknown => None,
        }
    }
}

impl PartialSchema for StatusFilter {
    fn schema() -> Schema {
        closed_enum::schema::<StatusFilter>()
    }
}

impl ToSchema for StatusFilter {}

/// What a response contains in addition, so that a client need not ask for each item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = String, parse_err_fn = must_be_one_of::<Expand>)]
pub enum Expand {
    /// The name of the account that a task is assigned to.
    Assignee,
}

impl Expand {
    /// Reads the parameter `expand`.
    pub fn from_query(query: &mut Fields<String>) -> Option<Expand> {
        query.parameter("expand")
    }
}

impl PartialSchema for Expand {
    fn schema() -> Schema {
        closed_enum::schema::<Expand>()
    }
}

impl ToSchema for Expand {}

/// The query of a list of tasks: filter, order and page size. A filter that is `None` matches every task.
#[derive(Debug, Default)]
pub struct TaskQuery {
    /// Tasks assigned to this account, for an employee, who may see no others. It applies in addition to
    /// `assigned_user_id`.
    pub visible_to: Option<Id>,
    /// Tasks assigned to this account.
    pub assigned_user_id: Option<Id>,
    /// Tasks with this status.
    pub status: Option<StatusFilter>,
    /// Tasks whose title or description contains this text.
    pub q: Option<SearchText>,
    /// Tasks with a deadline in this range.
    pub deadlines: Deadlines,
    /// The order of the list.
    pub sort: Sort,
    /// The maximum number of tasks in a page.
    pub page_size: PageSize,
    /// What each task comes with.
    pub expand: Option<Expand>,
}

impl TaskQuery {
    /// Reads the parameters of `GET /tasks`. The caller's permissions decide [`TaskQuery::visible_to`].
    pub fn from_query(query: &mut Fields<String>, user: &User) -> TaskQuery {
        TaskQuery {
            visible_to: user.task_visibility(),
            assigned_user_id: query.parameter("assigned_user_id"),
            status: query.parameter("status"),
            q: query.parameter("q"),
            deadlines: Deadlines {
                after: query.parameter("deadline_after"),
                before: query.parameter("deadline_before"),
            },
            sort: query.parameter("sort").unwrap_or_default(),
            page_size: query.parameter("limit").unwrap_or_default(),
            expand: Expand::from_query(query),
        }
    }

    /// The account whose tasks are listed, if the list is of one account.
    pub fn assignee(&self) -> Option<Id> {
        self.visible_to.or(self.assigned_user_id)
    }

    /// Whether no task can match: an employee asks for the tasks of another account.
    pub fn matches_nothing(&self) -> bool {
        let both = self.visible_to.zip(self.assigned_user_id);
        both.is_some_and(|(visible, assigned)| visible != assigned)
    }
}
