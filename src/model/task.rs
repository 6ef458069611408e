//! Tasks: the row as clients see it, creation, changes, and the filter and order of lists.

use std::str::FromStr;

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::id::Id;
use super::json_fields::{Fields, Scalar, text, whole_number};
use super::open_enum::{OpenEnum, must_be_one_of};
use super::page::PageSize;
use super::schema::{self, Schema};
use super::text::{SearchText, checked_line, is_control};
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
        schema::closed_enum::<Status>().into()
    }
}

/// A task, as it is stored and as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Task {
    /// The row's id.
    pub id: Id,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, at length.
    #[schema(required)]
    pub description: Option<String>,
    /// How far it is.
    #[schema(schema_with = stored_status)]
    pub status: OpenEnum<Status>,
    /// By when.
    #[schema(required)]
    pub deadline: Option<Timestamp>,
    /// Since when it exists, if that is known.
    #[schema(required)]
    pub created_at: Option<Timestamp>,
    /// Whose it is.
    #[schema(required)]
    pub assigned_user_id: Option<Id>,
}

fn stored_status() -> Schema {
    schema::open_enum(
        "How far it is. A task that another program has made may have any text, or null.",
        schema::closed_enum::<Status>(),
    )
}

/// A task's title: one line of 1 to 255 characters, no white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

impl Title {
    const MAX_CHARS: usize = 255;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Title {
    type Err = String;

    fn from_str(text: &str) -> Result<Title, String> {
        checked_line(text, Self::MAX_CHARS, is_control).map(Title)
    }
}

impl PartialSchema for Title {
    fn schema() -> Schema {
        schema::text(1, Self::MAX_CHARS)
            .pattern(Some(schema::LINE))
            .into()
    }
}

/// A task's description: lines of text, 10,000 characters at most, kept as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    const MAX_CHARS: usize = 10_000;

    /// The text.
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
        if text.chars().count() > Self::MAX_CHARS {
            return Err(format!("must be at most {} characters", Self::MAX_CHARS));
        }
        Ok(Description(text.to_owned()))
    }
}

impl PartialSchema for Description {
    fn schema() -> Schema {
        schema::text(0, Self::MAX_CHARS)
            .pattern(Some(schema::LINES))
            .into()
    }
}

/// A task to be made.
#[derive(Debug)]
pub struct NewTask {
    /// The only field that must be given.
    pub title: Title,
    /// More about it.
    pub description: Option<Description>,
    /// Where it starts.
    pub status: Status,
    /// By when.
    pub deadline: Option<Timestamp>,
    /// Whose it is.
    pub assigned_user_id: Option<Id>,
}

impl NewTask {
    /// Reads `{title, description?, status?, deadline?, assigned_user_id?}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<NewTask> {
        let title = fields.required("title", text);
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

/// What changes about a task: `None` leaves a field alone, `Some(None)` clears it.
#[derive(Debug, Default)]
pub struct TaskPatch {
    /// The new title.
    pub title: Option<Title>,
    /// The new description.
    pub description: Option<Option<Description>>,
    /// The new status.
    pub status: Option<Status>,
    /// The new deadline.
    pub deadline: Option<Option<Timestamp>>,
    /// Whose it is from now on.
    pub assigned_user_id: Option<Option<Id>>,
}

impl TaskPatch {
    /// Reads `{title?, description?, status?, deadline?, assigned_user_id?}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<TaskPatch> {
        Some(TaskPatch {
            title: fields.optional("title", text),
            description: fields.nullable("description", text),
            status: fields.optional("status", text),
            deadline: fields.nullable("deadline", text),
            assigned_user_id: fields.nullable("assigned_user_id", whole_number),
        })
    }
}

/// The column that a list of tasks is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// When the task was made.
    CreatedAt,
    /// By when it is due.
    Deadline,
    /// Its title, letter by letter: capitals come before small ones.
    Title,
}

/// The order of a list of tasks. Equal keys go by id, in the same direction; rows without a key
/// come last in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// What to sort by.
    pub key: SortKey,
    /// Latest, or last in the alphabet, first.
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
    /// Every order, and its word in a query.
    const ALL: [(&str, SortKey, bool); 6] = [
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
        let found = Sort::ALL.into_iter().find(|(word, ..)| *word == text);
        let (_, key, descending) = found.ok_or_else(|| {
            "must be created_at, deadline or title, with - in front for descending".to_owned()
        })?;
        Ok(Sort { key, descending })
    }
}

impl PartialSchema for Sort {
    fn schema() -> Schema {
        schema::string_enum(Sort::ALL.map(|(word, ..)| word))
            .default(Some("-created_at".into()))
            .into()
    }
}

/// A span of deadlines, both ends left out.
#[derive(Debug, Default)]
pub struct Deadlines {
    /// Later than this.
    pub after: Option<Timestamp>,
    /// Earlier than this.
    pub before: Option<Timestamp>,
}

impl Deadlines {
    /// Whether this has no end, so that tasks without a deadline belong to it too.
    pub fn is_everything(&self) -> bool {
        self.after.is_none() && self.before.is_none()
    }
}

/// Which tasks a list shows, and in what order.
#[derive(Debug, Default)]
pub struct TaskFilter {
    /// Those of this account, whatever else is asked for: what an employee may see.
    pub visible_to: Option<Id>,
    /// Those of this account.
    pub assigned_user_id: Option<Id>,
    /// Those that are this far.
    pub status: Option<Status>,
    /// Those whose title or description contains this.
    pub q: Option<SearchText>,
    /// Those that are due within this.
    pub deadlines: Deadlines,
    /// The order.
    pub sort: Sort,
    /// How many at most.
    pub page_size: PageSize,
}

impl TaskFilter {
    /// Reads the parameters of `GET /tasks`, for an account that may not see every task.
    pub fn from_query(query: &mut Fields<String>, user: &User) -> TaskFilter {
        TaskFilter {
            visible_to: (!user.manages_tasks()).then_some(user.id),
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
