//! Every statement about the table `task`.

use rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::columns;
use super::query_builder::{Query, SelectBuilder, like_pattern};
use super::sqlite_error::violates;
use crate::error::Error;
use crate::model::{
    Deadlines, Description, Id, NewTask, Page, Position, Sort, SortKey, Task, TaskFilter,
    TaskPatch, Timestamp,
};

const COLUMNS: &str = "id, title, description, status, deadline, created_at, assigned_user_id";

fn from_row(row: &Row) -> rusqlite::Result<Task> {
    Ok(Task {
        id: columns::id(row, 0)?,
        title: columns::read_or_null(row, 1)?.unwrap_or_default(),
        description: columns::read_or_null(row, 2)?,
        status: columns::text(row, 3)?.into(),
        deadline: columns::timestamp(row, 4)?,
        created_at: columns::timestamp(row, 5)?,
        assigned_user_id: columns::read_or_null::<i64>(row, 6)?
            .and_then(|id| Id::try_from(id).ok()),
    })
}

/// Makes a task.
///
/// # Errors
/// [`Error::Invalid`] where the assigned account does not exist.
pub fn insert(db: &Connection, new: &NewTask, created_at: Timestamp) -> Result<Task, Error> {
    let sql = format!(
        "INSERT INTO task (title, description, status, deadline, created_at, assigned_user_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING {COLUMNS}"
    );
    let values = params![
        new.title.as_str(),
        new.description.as_ref().map(Description::as_str),
        new.status.as_str(),
        new.deadline.map(Timestamp::to_stored),
        created_at.to_stored(),
        new.assigned_user_id.map(Id::get),
    ];
    db.prepare_cached(&sql)?
        .query_row(values, from_row)
        .map_err(no_such_assignee)
}

fn no_such_assignee(why: rusqlite::Error) -> Error {
    match violates(&why, SQLITE_CONSTRAINT_FOREIGNKEY) {
        true => Error::invalid("assigned_user_id", "is no account's id"),
        false => why.into(),
    }
}

/// The task with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(db: &Connection, id: Id) -> Result<Task, Error> {
    let sql = format!("SELECT {COLUMNS} FROM task WHERE id = ?1");
    db.prepare_cached(&sql)?
        .query_row([id.get()], from_row)
        .optional()?
        .ok_or(Error::NotFound)
}

/// Changes the fields that the patch has, and no other.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Invalid`] where the assigned account does not exist.
pub fn update(db: &Connection, id: Id, patch: &TaskPatch) -> Result<Task, Error> {
    let set = |sql: &str, value: &dyn ToSql| -> Result<(), Error> {
        db.prepare_cached(sql)?
            .execute(params![id.get(), value])
            .map_err(no_such_assignee)?;
        Ok(())
    };
    if let Some(title) = &patch.title {
        set("UPDATE task SET title = ?2 WHERE id = ?1", &title.as_str())?;
    }
    if let Some(description) = &patch.description {
        let text = description.as_ref().map(Description::as_str);
        set("UPDATE task SET description = ?2 WHERE id = ?1", &text)?;
    }
    if let Some(status) = patch.status {
        set(
            "UPDATE task SET status = ?2 WHERE id = ?1",
            &status.as_str(),
        )?;
    }
    if let Some(deadline) = patch.deadline {
        set(
            "UPDATE task SET deadline = ?2 WHERE id = ?1",
            &deadline.map(Timestamp::to_stored),
        )?;
    }
    if let Some(assignee) = patch.assigned_user_id {
        set(
            "UPDATE task SET assigned_user_id = ?2 WHERE id = ?1",
            &assignee.map(Id::get),
        )?;
    }
    by_id(db, id)
}

/// Removes a task.
///
/// # Errors
/// [`Error::NotFound`].
pub fn delete(db: &Connection, id: Id) -> Result<(), Error> {
    match db
        .prepare_cached("DELETE FROM task WHERE id = ?1")?
        .execute([id.get()])?
    {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// A page of tasks. `after` is the last row of the page before.
///
/// The rest of a list is read run by run, and each run is one range of one index in its order:
/// SQLite would take a keyset in one condition, `(deadline, id) > (?, ?)`, but searches by
/// `deadline` alone then and walks through all rows of the same deadline.
pub fn list(
    db: &Connection,
    filter: &TaskFilter,
    after: Option<&Position>,
) -> Result<Page<Task>, Error> {
    // One snapshot for all runs: a row that moves between them is not shown twice.
    let snapshot = db.unchecked_transaction()?;
    let limit = filter.page_size.get();
    let (mut found, mut end) = (Vec::with_capacity(limit + 1), None);
    for range in key_ranges(filter, after) {
        let missing = limit + 1 - found.len();
        if missing == 0 {
            break;
        }
        select_range(filter, &range, missing).for_each(&snapshot, |row| {
            found.push(from_row(row)?);
            if found.len() == limit {
                end = Some(position(row)?);
            }
            Ok(())
        })?;
    }
    Ok(Page::of(found, limit, end))
}

/// A part of a sorted list.
pub(super) enum KeyRange<'a> {
    /// The rows with a key.
    NonNull,
    /// The rows with this key, behind this id.
    EqualKey(&'a str, Id),
    /// The rows with a later key than this.
    After(&'a str),
    /// The rows without a key, behind this id; they come last.
    Null(Option<Id>),
}

pub(super) fn key_ranges<'a>(
    filter: &TaskFilter,
    after: Option<&'a Position>,
) -> Vec<KeyRange<'a>> {
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
    // A span of deadlines is a range of this key, and leaves out every row without one.
    if filter.sort.key == SortKey::Deadline && !filter.deadlines.is_everything() {
        ranges.retain(|range| !matches!(range, KeyRange::Null(_)));
    }
    ranges
}

/// A row's place in the list.
fn position(row: &Row) -> rusqlite::Result<Position> {
    Ok(Position {
        key: columns::sort_key(row, 7)?,
        id: columns::id(row, 0)?,
    })
}

/// The statement for one run. What limits the key itself becomes one range, since SQLite would search
/// by any one of several conditions on it and check the others row by row.
pub(super) fn select_range(filter: &TaskFilter, key_range: &KeyRange, limit: usize) -> Query {
    let Sort { key, descending } = filter.sort;
    let column = column(key);
    let (beyond, direction) = if descending {
        ("<", "DESC")
    } else {
        (">", "ASC")
    };
    let mut range = match key {
        SortKey::Deadline => Range::of(&filter.deadlines),
        _ => Range::default(),
    };
    let mut select = SelectBuilder::new(&format!("{COLUMNS}, {column}"), "task");
    select_filtered(&mut select, filter);
    match key_range {
        KeyRange::EqualKey(key, id) => {
            select.filter(&format!("{column} = ?"), key.to_string());
            select.filter(&format!("id {beyond} ?"), id.get());
        }
        KeyRange::Null(id) => {
            select.filter_plain(&format!("{column} IS NULL"));
            select.filter_some(&format!("id {beyond} ?"), id.map(Id::get));
        }
        KeyRange::After(key) if descending => range.below = Some(key.to_string()),
        KeyRange::After(key) => range.above = Some(key.to_string()),
        KeyRange::NonNull if range == Range::default() => {
            select.filter_plain(&format!("{column} IS NOT NULL"));
        }
        KeyRange::NonNull => {}
    }
    if matches!(key_range, KeyRange::NonNull | KeyRange::After(_)) {
        select.filter_some(&format!("{column} > ?"), range.above);
        select.filter_some(&format!("{column} < ?"), range.below);
    }
    select.order_by(&format!("{column} {direction}, id {direction}"), limit)
}

/// Between which keys a run goes, both left out; in the stored form.
#[derive(Default, PartialEq)]
struct Range {
    above: Option<String>,
    below: Option<String>,
}

impl Range {
    fn of(deadlines: &Deadlines) -> Range {
        Range {
            above: deadlines.after.map(Timestamp::to_stored),
            below: deadlines.before.map(Timestamp::to_stored),
        }
    }
}

fn column(key: SortKey) -> &'static str {
    match key {
        SortKey::CreatedAt => "created_at",
        SortKey::Deadline => "deadline",
        SortKey::Title => "title",
    }
}

/// Adds the conditions that are not about the sort key.
fn select_filtered(select: &mut SelectBuilder, filter: &TaskFilter) {
    select
        .filter_some("assigned_user_id = ?", filter.visible_to.map(Id::get))
        .filter_some("assigned_user_id = ?", filter.assigned_user_id.map(Id::get))
        .filter_some(
            "status = ?",
            filter.status.map(|status| status.as_str().to_owned()),
        )
        .filter_some(
            r"(casefold(title) LIKE ? ESCAPE '\' OR casefold(description) LIKE ? ESCAPE '\')",
            filter.q.as_ref().map(like_pattern),
        );
    if filter.sort.key != SortKey::Deadline {
        // coalesce() hides the column from the planner, which would otherwise take the index on
        // `deadline` and sort all that it finds, when the order asked for is another's.
        let Range { above, below } = Range::of(&filter.deadlines);
        select.filter_some("coalesce(deadline, NULL) > ?", above);
        select.filter_some("coalesce(deadline, NULL) < ?", below);
    }
}
