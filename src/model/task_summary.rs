//! The numbers of tasks, for the headings of a board.

use serde::Serialize;
use utoipa::ToSchema;

/// The numbers of the tasks that the caller may see. Counting stops at `limit`: a number that equals it means "at least
/// so many".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TaskSummary {
    /// The numbers by status.
    pub by_status: StatusCounts,
    /// Tasks whose deadline has passed and that are not completed.
    pub overdue: i64,
    /// Tasks that are assigned to the caller, completed ones included.
    pub mine: i64,
    /// The highest number that is counted to.
    pub limit: i64,
}

impl TaskSummary {
    /// The highest number that is counted to: an index entry costs about 0.05 µs, so a summary stays quick whatever the
    /// number of tasks.
    pub const LIMIT: i64 = 10_000;
}

/// The numbers of tasks by status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatusCounts {
    /// Not started.
    pub pending: i64,
    /// Started.
    pub in_progress: i64,
    /// Done.
    pub completed: i64,
    /// With another text, or none: rows that another program has written.
    pub unknown: i64,
}
