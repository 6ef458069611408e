//! The query parameters of the audit log.

use super::audit::Action;
use super::id::Id;
use super::json_fields::Fields;
use super::page::PageSize;
use super::time::Timestamp;

/// The query of the audit log: filter and page size. A filter that is `None` matches every entry.
#[derive(Debug, Default)]
pub struct AuditQuery {
    /// Entries of this action.
    pub action: Option<Action>,
    /// Entries of actions by this account.
    pub actor_id: Option<Id>,
    /// Entries of actions about this account.
    pub subject_id: Option<Id>,
    /// Entries at or after this moment.
    pub since: Option<Timestamp>,
    /// Entries before this moment.
    pub before: Option<Timestamp>,
    /// The maximum number of entries in a page.
    pub page_size: PageSize,
}

impl AuditQuery {
    /// Reads `action`, `actor_id`, `subject_id`, `since`, `before` and `limit`.
    pub fn from_query(query: &mut Fields<String>) -> AuditQuery {
        AuditQuery {
            action: query.parameter("action"),
            actor_id: query.parameter("actor_id"),
            subject_id: query.parameter("subject_id"),
            since: query.parameter("since"),
            before: query.parameter("before"),
            page_size: query.parameter("limit").unwrap_or_default(),
        }
    }
}
