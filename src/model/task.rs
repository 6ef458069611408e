//! Tasks: the JSON form, creation, changes, and the filter and order of lists.

use std::str::FromStr;

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::closed_enum::{self, must_be_one_of};
use super::id::Id;
use super::json_fields::{Fields, Scalar, integer, string};
use super::json_schema::{self, Schema, visible_line};
use super::open_enum::{self, OpenEnum};
use super::page::PageSize;
use super::search_text::SearchText;
use super::text_rules::{is_unsafe_in_line, nfc_of_at_most, parse_line};
use super::time::Timestamp;
use super::user::User;

/// The progress of a task.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Serialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = String, parse_err_fn = must_be_one_of::<Status>)]
pub enum Status {
    /// Not started.
    #[default]
    Pending,
    /// Started.
    InProgress,
    /// Done.
    Completed,
}

impl Status {
    /// The text in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl PartialSchema for Status {
    fn schema() -> Schema {
        closed_enum::schema::<Status>().into()
    }
}

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
}

fn stored_status() -> Schema {
    open_enum::schema(
        "The progress. A task that another program has written may have any text, or null.",
        closed_enum::schema::<Status>(),
    )
}

/// A task's title: one line of 1 to 255 characters in Unicode's form NFC, without white space around it. A
/// tab becomes a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    /// The pattern of a task's title: a tab and the directional marks are allowed.
    pub const PATTERN: &str = visible_line!(
        r"\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff"
    );

    const MAX_CHARS: usize = 255;

    /// The title in NFC, as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Title {
    type Err = String;

    fn from_str(text: &str) -> Result<Title, String> {
        let line = text.trim().replace('\t', " ");
        let line = nfc_of_at_most(&line, Self::MAX_CHARS)?;
        parse_line(&line, Self::MAX_CHARS, is_unsafe_in_line).map(Title)
    }
}

impl PartialSchema for Title {
    fn schema() -> Schema {
        json_schema::string_of_length(1, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .description(Some(
                "Stored in Unicode's form NFC, in which its length is counted.",
            ))
            .into()
    }
}

/// A task's description: any number of lines, at most 10,000 characters in Unicode's form NFC. Nothing else
/// about the text is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// The pattern of a task's description: control characters are refused except tabs and line breaks.
    pub const PATTERN: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";

    const MAX_CHARS: usize = 10_000;

    /// The description in NFC, as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = String;

    fn from_str(text: &str) -> Result<Description, String> {
        if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return Err(
                "must not contain control characters other than line breaks and tabs".to_owned(),
            );
        }
        nfc_of_at_most(text, Self::MAX_CHARS).map(Description)
    }
}

impl PartialSchema for Description {
    fn schema() -> Schema {
        json_schema::string_of_length(0, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .description(Some(
                "Stored in Unicode's form NFC, in which its length is counted.",
            ))
            .into()
    }
}

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

/// The filter, order and page size of a list of tasks. A filter that is `None` matches every task.
#[derive(Debug, Default)]
pub struct TaskFilter {
    /// Tasks assigned to this account, for an employee, who may see no others. It applies in addition to
    /// `assigned_user_id`.
    pub visible_to: Option<Id>,
    /// Tasks assigned to this account.
    pub assigned_user_id: Option<Id>,
    /// Tasks with this status.
    pub status: Option<Status>,
    /// Tasks whose title or description contains this text.
    pub q: Option<SearchText>,
    /// Tasks with a deadline in this range.
    pub deadlines: Deadlines,
    /// The order of the list.
    pub sort: Sort,
    /// The maximum number of tasks in a page.
    pub page_size: PageSize,
}

impl TaskFilter {
    /// Reads the parameters of `GET /tasks`. The caller's permissions decide [`TaskFilter::visible_to`].
    pub fn from_query(query: &mut Fields<String>, user: &User) -> TaskFilter {
        TaskFilter {
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
        }
    }
}
