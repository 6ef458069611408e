//! The statements for the table `task_history`: who did what to a task and when, and the version of all tasks.
//!
//! # The version of all tasks
//!
//! Each change of a task adds a row, so the highest id is a version number of all tasks together: as long as it is the
//! same, no list of tasks has changed. It costs one search in an index, so a client that asks again with the tag of a
//! list is answered without reading the list (see `handlers/revalidation.rs`).
//!
//! PostgreSQL numbers rows before they are committed, so a row can become visible after one with a higher id. There the
//! version covers the last [`RECENT_ROWS`] ids. What it does not cover shows when a tag expires: a commit that comes
//! later still, and changes by the Flask app, which writes no history.

use super::engine::{Connection, DatabaseError, Row, values};
use super::page_reader::PageReader;
use super::query_builder::{Query, SelectBuilder};
use crate::error::Error;
use crate::model::{
    AccountName, Actor, HistoryEntry, HistoryQuery, Id, OpenEnum, Page, Position, Status, Task,
    TaskAction, TaskField, Timestamp,
};

const COLUMNS: &str =
    "id, at, action, changed, status, assignee_id, assignee, actor_id, actor, actor_role";

/// The action in the last row of a task, which no list shows.
const DELETED: &str = "deleted";

/// The last rows that the version covers in PostgreSQL. With SQLite the last one is enough: it has one writer at a time.
const RECENT_ROWS: u32 = 100;

/// Records that a task was created.
pub fn record_created(db: &Connection, task: &Task, actor: &Actor) -> Result<(), Error> {
    let row = NewRow {
        action: TaskAction::Created.as_str(),
        changed: None,
        status: known_status(task),
        assignee: task.assigned_user_id,
    };
    row.insert(db, task, actor)
}

/// Records that these fields of a task have changed, if there are any. `task` has the new values.
pub fn record_changes(
    db: &Connection,
    task: &Task,
    changed: &[TaskField],
    actor: &Actor,
) -> Result<(), Error> {
    if changed.is_empty() {
        return Ok(());
    }
    let names: Vec<&'static str> = changed.iter().map(|field| (*field).into()).collect();
    let has = |field| changed.contains(&field);
    let row = NewRow {
        action: TaskAction::Changed.as_str(),
        changed: Some(names.join(",")),
        status: known_status(task).filter(|_| has(TaskField::Status)),
        assignee: task
            .assigned_user_id
            .filter(|_| has(TaskField::AssignedUserId)),
    };
    row.insert(db, task, actor)
}

/// Records that all tasks of an account are about to be assigned to none.
pub fn record_unassigned(db: &Connection, account: Id, actor: &Actor) -> Result<(), Error> {
    let sql = "INSERT INTO task_history
        (task_id, task_created_at, at, action, changed, actor_id, actor, actor_role)
        SELECT id, created_at, ?2, ?3, ?4, ?5, ?6, ?7 FROM task WHERE assigned_user_id = ?1";
    let field: &'static str = TaskField::AssignedUserId.into();
    let user = actor.account;
    let values = values![
        account,
        actor.at,
        TaskAction::Changed.as_str(),
        field,
        user.map(|user| user.id),
        user.map(|user| user.username.as_str()),
        user.map(|user| user.role().as_str()),
    ];
    db.execute(sql, values)?;
    Ok(())
}

/// Records that a task was deleted, and deletes its older rows. The order matters: the highest id must grow.
pub fn record_deleted(db: &Connection, task: &Task, actor: &Actor) -> Result<(), Error> {
    let row = NewRow {
        action: DELETED,
        changed: None,
        status: None,
        assignee: None,
    };
    row.insert(db, task, actor)?;
    let sql = "DELETE FROM task_history WHERE task_id = ?1 AND action <> ?2";
    db.execute(sql, values![task.id, DELETED])?;
    Ok(())
}

fn known_status(task: &Task) -> Option<Status> {
    match task.status {
        OpenEnum::Known(status) => Some(status),
        OpenEnum::Other(_) => None,
    }
}

/// The columns of a new row that depend on the change.
struct NewRow {
    action: &'static str,
    changed: Option<String>,
    status: Option<Status>,
    assignee: Option<Id>,
}

impl NewRow {
    fn insert(&self, db: &Connection, task: &Task, actor: &Actor) -> Result<(), Error> {
        let sql = r#"INSERT INTO task_history (task_id, task_created_at, at, action, changed, status, assignee_id,
            assignee, actor_id, actor, actor_role)
            VALUES (?1, (SELECT created_at FROM task WHERE id = ?1), ?2, ?3, ?4, ?5, ?6,
                (SELECT username FROM "user" WHERE id = ?6), ?7, ?8, ?9)"#;
        let account = actor.account;
        let values = values![
            task.id,
            actor.at,
            self.action,
            self.changed.as_deref(),
            self.status.map(Status::as_str),
            self.assignee,
            account.map(|user| user.id),
            account.map(|user| user.username.as_str()),
            account.map(|user| user.role().as_str()),
        ];
        db.execute(sql, values)?;
        Ok(())
    }
}

/// The version of all tasks: equal versions mean that no task has changed in between, except for what the documentation
/// of this module names.
pub fn version(db: &Connection) -> Result<String, Error> {
    Ok(db.query_one(&version_sql(db.is_remote()), &[], |row| row.get(0))?)
}

/// The statement that returns the version of all tasks as text. `is_remote` says that the database is PostgreSQL, where
/// rows are not committed in the order of their ids.
pub fn version_sql(is_remote: bool) -> String {
    match is_remote {
        true => format!(
            "SELECT concat(max(id), '.', count(*), '.', sum(id))
             FROM (SELECT id FROM task_history ORDER BY id DESC LIMIT {RECENT_ROWS}) AS recent"
        ),
        false => "SELECT CAST(coalesce(max(id), 0) AS TEXT) FROM task_history".to_owned(),
    }
}

/// Reads a page of a task's history, the newest entries first; `after` is the last row of the page before.
pub fn list(
    db: &Connection,
    task: &Task,
    query: &HistoryQuery,
    after: Option<&Position>,
) -> Result<Page<HistoryEntry>, Error> {
    let reader = PageReader {
        size: query.page_size,
        decode: from_row,
        q: None,
        searched: &[],
        order: "id DESC",
    };
    reader.read(db, [select_page(task, after)])
}

/// The rows of an earlier task with the same id, which the Flask app has deleted, have another `task_created_at`. It is
/// compared as it is stored.
pub(super) fn select_page(task: &Task, after: Option<&Position>) -> Query {
    let mut select = SelectBuilder::new(COLUMNS, "NULL", "task_history");
    select
        .filter("task_id = ?", task.id)
        .filter_some("id < ?", after.map(|position| position.id))
        .test_some(
            "task_created_at IS NOT DISTINCT FROM (SELECT created_at FROM task WHERE id = ?)",
            Some(task.id),
        )
        .test_some("action <> ?", Some(DELETED));
    select.order_by("id DESC")
}

/// Decodes a row of [`COLUMNS`].
fn from_row(row: &Row) -> Result<HistoryEntry, DatabaseError> {
    let text = |column| row.or_null::<&str>(column);
    let changed = text(3).unwrap_or_default();
    Ok(HistoryEntry {
        id: row.id(0)?,
        at: row.or_null::<Timestamp>(1),
        action: text(2)
            .and_then(|text| text.parse().ok())
            .unwrap_or(TaskAction::Changed),
        changed: changed
            .split(',')
            .filter_map(|name| name.parse().ok())
            .collect(),
        status: text(4).and_then(|text| text.parse().ok()),
        assignee: account_name(row, 5),
        actor: account_name(row, 7),
        actor_role: text(9).and_then(|text| text.parse().ok()),
    })
}

/// The account in the column `id` and the column after it.
fn account_name(row: &Row, id: usize) -> Option<AccountName> {
    Some(AccountName {
        id: Id::try_from(row.or_null::<i64>(id)?).ok()?,
        username: row.or_null(id + 1)?,
    })
}

/// Deletes the rows that are older than `until` among the `limit` oldest ones. The newest row stays, so that ids grow.
/// Returns the number of deleted rows.
pub fn delete_older(db: &Connection, until: Timestamp, limit: u32) -> Result<usize, Error> {
    let sql = "DELETE FROM task_history WHERE id IN
        (SELECT id FROM (SELECT id, at FROM task_history ORDER BY id LIMIT ?2) AS oldest WHERE at < ?1)
        AND id < (SELECT max(id) FROM task_history)";
    Ok(db.execute(sql, values![until, limit])?)
}
