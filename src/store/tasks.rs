//! The statements for the table `task`, and the explanation of how lists are paged.
//!
//! # Keyset pagination
//!
//! A page starts after the last row of the page before it. That row's sort key and id (the keyset) are in the
//! cursor. Compared with `OFFSET`, SQLite need not read the rows of earlier pages, and a row that is created or
//! deleted between two requests does not make another row appear twice or not at all.
//!
//! The textbook writes the condition as `(deadline, id) > (?, ?)`. SQLite searches an index by the first column
//! of such a comparison only, and would then step through all rows with the same deadline. So the remaining list
//! is split into ranges ([`KeyRange`]), each of which is one search in one index and is read in its order:
//!
//! 1. rows with the same key and a later id: `deadline = ? AND id > ?`
//! 2. rows with a later key: `deadline > ?`
//! 3. rows without a key: `deadline IS NULL`; they come last in both directions.
//!
//! The first page has two ranges, `deadline IS NOT NULL` and `deadline IS NULL`. The ranges are read one after
//! another until the page ends. Lists in the order of `id` need one range, `id > ?`.
//!
//! WHERE has only these conditions and the filters for which an index begins with their column. A page tests all
//! other filters on each row, and looks at a bounded number of rows (see [`super::page_reader`]).
//! `query_plan_tests.rs` checks the plan of every statement.

use super::engine::{Connection, DatabaseError, Row, Value, values};
use super::page_reader::PageReader;
use super::query_builder::{Query, SelectBuilder};
use super::task_history;
use crate::error::Error;
use crate::model::{
    Actor, Deadlines, Description, Id, NewTask, Page, Position, Sort, SortKey, StatusFilter, Task,
    TaskField, TaskPatch, TaskQuery, Timestamp,
};

/// The condition that a task has none of this program's statuses, word for word as in the indexes of these tasks.
pub(super) const UNKNOWN_STATUS: &str =
    "coalesce(status, '') NOT IN ('pending', 'in_progress', 'completed')";

const COLUMNS: &str = "id, title, description, status, deadline, created_at, assigned_user_id";

/// Decodes a row of [`COLUMNS`].
fn from_row(row: &Row) -> Result<Task, DatabaseError> {
    Ok(Task {
        id: row.id(0)?,
        title: row.or_null(1).unwrap_or_default(),
        description: row.or_null(2),
        status: row.or_null::<&str>(3).into(),
        deadline: row.or_null::<Timestamp>(4),
        created_at: row.or_null::<Timestamp>(5),
        assigned_user_id: row.or_null::<i64>(6).and_then(|id| Id::try_from(id).ok()),
        assignee: None,
    })
}

/// Creates a task.
///
/// # Errors
/// [`Error::Invalid`] if the assigned account does not exist.
pub fn insert(db: &Connection, new: &NewTask, actor: &Actor) -> Result<Task, Error> {
    let sql = format!(
        "INSERT INTO task (title, description, status, deadline, created_at, assigned_user_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING {COLUMNS}"
    );
    let values = values![
        new.title.as_str(),
        new.description.as_ref().map(Description::as_str),
        new.status.as_str(),
        new.deadline,
        actor.at,
        new.assigned_user_id,
    ];
    let task = db
        .query_one(&sql, values, from_row)
        .map_err(no_such_assignee)?;
    task_history::record_created(db, &task, actor)?;
    Ok(task)
}

/// The table has one foreign key, `assigned_user_id`.
fn no_such_assignee(why: DatabaseError) -> Error {
    match why {
        DatabaseError::NoSuchReference(_) => {
            Error::invalid("assigned_user_id", "is not the id of an account")
        }
        other => other.into(),
    }
}

/// Reads the task with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(db: &Connection, id: Id) -> Result<Task, Error> {
    let sql = format!("SELECT {COLUMNS} FROM task WHERE id = ?1");
    db.query_optional(&sql, values![id], from_row)?
        .ok_or(Error::NotFound)
}

/// Changes the fields that the patch contains, and leaves the others as they are. `before` is the task as this
/// transaction has read it.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Invalid`] if the assigned account does not exist.
pub fn update(
    db: &Connection,
    before: &Task,
    patch: &TaskPatch,
    actor: &Actor,
) -> Result<Task, Error> {
    // Each statement compares what is stored: a value of another program may differ although it is read as the same.
    let mut changed = Vec::new();
    let mut set = |field: TaskField, sql: &str, value: Value| -> Result<(), Error> {
        let rows = db.execute(sql, &[before.id.into(), value]);
        if rows.map_err(no_such_assignee)? > 0 {
            changed.push(field);
        }
        Ok(())
    };
    if let Some(title) = &patch.title {
        set(
            TaskField::Title,
            "UPDATE task SET title = ?2 WHERE id = ?1 AND title IS DISTINCT FROM ?2",
            title.as_str().into(),
        )?;
    }
    if let Some(description) = &patch.description {
        let text = description.as_ref().map(Description::as_str);
        set(
            TaskField::Description,
            "UPDATE task SET description = ?2 WHERE id = ?1 AND description IS DISTINCT FROM ?2",
            text.into(),
        )?;
    }
    if let Some(status) = patch.status {
        set(
            TaskField::Status,
            "UPDATE task SET status = ?2 WHERE id = ?1 AND status IS DISTINCT FROM ?2",
            status.as_str().into(),
        )?;
    }
    if let Some(deadline) = patch.deadline {
        set(
            TaskField::Deadline,
            "UPDATE task SET deadline = ?2 WHERE id = ?1 AND deadline IS DISTINCT FROM ?2",
            deadline.into(),
        )?;
    }
    if let Some(assignee) = patch.assigned_user_id {
        set(
            TaskField::AssignedUserId,
            "UPDATE task SET assigned_user_id = ?2 WHERE id = ?1
                AND assigned_user_id IS DISTINCT FROM ?2",
            assignee.into(),
        )?;
    }
    let after = by_id(db, before.id)?;
    task_history::record_changes(db, &after, &changed, actor)?;
    Ok(after)
}

/// Deletes a task.
///
/// # Errors
/// [`Error::NotFound`].
pub fn delete(db: &Connection, task: &Task, actor: &Actor) -> Result<(), Error> {
    match db.execute("DELETE FROM task WHERE id = ?1", values![task.id])? {
        0 => Err(Error::NotFound),
        _ => task_history::record_deleted(db, task, actor),
    }
}

/// Assigns the tasks of an account to none.
pub fn unassign(db: &Connection, account: Id, actor: &Actor) -> Result<(), Error> {
    task_history::record_unassigned(db, account, actor)?;
    let sql = "UPDATE task SET assigned_user_id = NULL WHERE assigned_user_id = ?1";
    db.execute(sql, values![account])?;
    Ok(())
}

// ---- lists --------------------------------------------------------------------------------------

/// Reads a page of tasks; `after` is the last row of the page before.
pub fn list(
    db: &Connection,
    filter: &TaskQuery,
    after: Option<&Position>,
) -> Result<Page<Task>, Error> {
    let direction = direction(filter.sort);
    let reader = PageReader {
        size: filter.page_size,
        decode: from_row,
        q: filter.q.as_ref(),
        searched: &[1, 2],
        order: &format!("sort_key IS NULL, sort_key {direction}, id {direction}"),
    };
    let ranges = key_ranges(filter, after);
    reader.read(db, ranges.iter().map(|range| select_range(filter, range)))
}

/// A part of a sorted list that one index search finds. "Later" refers to the order of the list.
pub(super) enum KeyRange<'a> {
    /// The rows that have a sort key.
    NonNull,
    /// The rows with this key and a later id.
    EqualKey(&'a str, Id),
    /// The rows with a later key.
    After(&'a str),
    /// The rows without a key, all of them or those with a later id.
    Null(Option<Id>),
}

/// The ranges that make up the rest of the list, in order.
pub(super) fn key_ranges<'a>(filter: &TaskQuery, after: Option<&'a Position>) -> Vec<KeyRange<'a>> {
    if filter.matches_nothing() {
        return Vec::new();
    }
    let mut ranges = match after {
        None => vec![KeyRange::NonNull, KeyRange::Null(None)],
        Some(Position { key: Some(key), id }) => {
            vec![
                KeyRange::EqualKey(key, *id),
                KeyRange::After(key),
                KeyRange::Null(None),
            ]
        }
        Some(Position { key: None, id }) => vec![KeyRange::Null(Some(*id))],
    };
    // A filter by deadline excludes every row without a deadline.
    if filter.sort.key == SortKey::Deadline && !filter.deadlines.is_everything() {
        ranges.retain(|range| !matches!(range, KeyRange::Null(_)));
    }
    ranges
}

/// The statement for one range.
pub(super) fn select_range(filter: &TaskQuery, range: &KeyRange) -> Query {
    let Sort { key, descending } = filter.sort;
    let column = column(key);
    let later = if descending { "<" } else { ">" };
    let direction = direction(filter.sort);
    let mut select = SelectBuilder::new(COLUMNS, column, "task");
    add_filters(&mut select, filter);
    match range {
        KeyRange::EqualKey(key, id) => {
            select.filter(&format!("{column} = ?"), stored(key));
            select.filter(&format!("id {later} ?"), *id);
        }
        KeyRange::Null(id) => {
            select.filter_plain(&format!("{column} IS NULL"));
            select.filter_some(&format!("id {later} ?"), *id);
        }
        KeyRange::NonNull => KeyBounds::of_filter(filter).add_to(&mut select, column),
        KeyRange::After(key) => KeyBounds::of_filter(filter)
            .starting_after(key, descending)
            .add_to(&mut select, column),
    }
    select.order_by(&format!("{column} {direction}, id {direction}"))
}

fn direction(sort: Sort) -> &'static str {
    if sort.descending { "DESC" } else { "ASC" }
}

fn column(key: SortKey) -> &'static str {
    match key {
        SortKey::CreatedAt => "created_at",
        SortKey::Deadline => "deadline",
        SortKey::Title => "title",
    }
}

/// A sort key as it is stored.
fn stored(key: &str) -> Value<'static> {
    Value::Stored(Some(key.to_owned().into()))
}

/// The exclusive bounds of the sort key in a range, in the stored form.
///
/// A list by deadline may have a bound from the filter and one from the keyset on the same side. They are merged
/// into one condition, since SQLite searches the index by one condition for each side, and would test a second
/// one on each row.
#[derive(Default, PartialEq)]
struct KeyBounds {
    above: Option<Value<'static>>,
    below: Option<Value<'static>>,
}

impl KeyBounds {
    /// The bounds of the sort key that the filter sets: only a list by deadline has any.
    fn of_filter(filter: &TaskQuery) -> KeyBounds {
        if filter.sort.key == SortKey::Deadline {
            KeyBounds::of_deadlines(&filter.deadlines)
        } else {
            KeyBounds::default()
        }
    }

    fn of_deadlines(deadlines: &Deadlines) -> KeyBounds {
        KeyBounds {
            above: deadlines.after.map(Value::from),
            below: deadlines.before.map(Value::from),
        }
    }

    /// Replaces the bound at which the list begins. The key of a row is within the filter's bounds, so it is
    /// the narrower one.
    fn starting_after(mut self, key: &str, descending: bool) -> KeyBounds {
        let start = if descending {
            &mut self.below
        } else {
            &mut self.above
        };
        *start = Some(stored(key));
        self
    }

    fn add_to(self, select: &mut SelectBuilder, column: &str) {
        if self == KeyBounds::default() {
            select.filter_plain(&format!("{column} IS NOT NULL"));
        }
        select.filter_some(&format!("{column} > ?"), self.above);
        select.filter_some(&format!("{column} < ?"), self.below);
    }
}

/// Adds the filters that do not bound the sort key. The indexes begin with the assigned account or with the
/// status; the status of an account's tasks is tested.
fn add_filters(select: &mut SelectBuilder, filter: &TaskQuery) {
    let status = filter.status.and_then(StatusFilter::status);
    let status = status.map(|status| status.as_str().to_owned());
    let is_unknown = filter.status == Some(StatusFilter::Unknown);
    match filter.assignee() {
        Some(id) => select
            .filter("assigned_user_id = ?", id)
            .test_some("status = ?", status)
            .test_plain_if(is_unknown, UNKNOWN_STATUS),
        None if is_unknown => select.filter_plain(UNKNOWN_STATUS),
        None => select.filter_some("status = ?", status),
    };
    if filter.sort.key != SortKey::Deadline {
        let KeyBounds { above, below } = KeyBounds::of_deadlines(&filter.deadlines);
        select.test_some("deadline > ?", above);
        select.test_some("deadline < ?", below);
    }
}
