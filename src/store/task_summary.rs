//! The statements that count tasks. No count is higher than [`TaskSummary::LIMIT`].

use super::engine::{Connection, DatabaseError, Row, values};
use super::tasks::UNKNOWN_STATUS;
use crate::error::Error;
use crate::model::{Id, StatusCounts, TaskSummary, Timestamp};

/// The conditions of the counts, in the order of [`from_row`]: by status, then the overdue ones by status.
fn conditions() -> [String; 7] {
    let open = [
        "status = 'pending'",
        "status = 'in_progress'",
        UNKNOWN_STATUS,
    ];
    let overdue = open.map(|status| format!("{status} AND deadline < ?2"));
    let [pending, in_progress, unknown] = open.map(str::to_owned);
    let [pending_overdue, in_progress_overdue, unknown_overdue] = overdue;
    let completed = "status = 'completed'".to_owned();
    [
        pending,
        in_progress,
        completed,
        unknown,
        pending_overdue,
        in_progress_overdue,
        unknown_overdue,
    ]
}

fn from_row(row: &Row) -> Result<TaskSummary, DatabaseError> {
    let count = |column| Ok::<_, DatabaseError>(row.get::<i64>(column)?.min(TaskSummary::LIMIT));
    let overdue = count(4)? + count(5)? + count(6)?;
    Ok(TaskSummary {
        by_status: StatusCounts {
            pending: count(0)?,
            in_progress: count(1)?,
            completed: count(2)?,
            unknown: count(3)?,
        },
        overdue: overdue.min(TaskSummary::LIMIT),
        mine: count(7)?,
        limit: TaskSummary::LIMIT,
    })
}

/// Counts the tasks of all accounts, each condition in its index. `mine` counts those of this account.
pub fn of_all(db: &Connection, mine: Id, now: Timestamp) -> Result<TaskSummary, Error> {
    let conditions = conditions();
    let counts = conditions.iter().map(String::as_str);
    let counts: Vec<_> = counts.chain(["assigned_user_id = ?1"]).map(count).collect();
    let sql = format!("SELECT {}", counts.join(", "));
    Ok(db.query_one(&sql, values![mine, now], from_row)?)
}

fn count(condition: &str) -> String {
    let limit = TaskSummary::LIMIT;
    format!(
        "(SELECT count(*) FROM (SELECT 1 AS one FROM task WHERE {condition} LIMIT {limit}) AS counted)"
    )
}

/// Counts the tasks that are assigned to this account, whose rows are read once.
pub fn of_assignee(db: &Connection, id: Id, now: Timestamp) -> Result<TaskSummary, Error> {
    let conditions = conditions();
    let counts = conditions.iter().map(|condition| {
        let count = format!("sum(CASE WHEN {condition} THEN 1 ELSE 0 END)");
        format!("coalesce({count}, 0)")
    });
    let counts: Vec<_> = counts.chain(["count(*)".to_owned()]).collect();
    let sql = format!(
        "SELECT {} FROM task WHERE assigned_user_id = ?1",
        counts.join(", ")
    );
    Ok(db.query_one(&sql, values![id, now], from_row)?)
}
