//! An assumption that the next query of this thread checks along, in the same round trip.
//!
//! Optimistic concurrency for requests that read, on a database that is a round trip away:
//!
//! 1. Each account that is read with its session is kept in a cache of this server (`auth/session_accounts.rs`).
//! 2. A GET begins with the cached account, and assumes that it is still true (`router/authenticate.rs`). The condition
//!    is SQL: the session exists, and the account is unchanged (`sessions::is_unchanged`).
//! 3. The first query of the handler returns its rows together with the condition
//!    (`store/postgres/session.rs`, `query_with`).
//! 4. Before the response leaves, [`Store::confirm_assumption`](crate::store::Store::confirm_assumption) says whether the
//!    condition was true. It asks the database if no query has done so.
//! 5. After a wrong assumption the request runs once more, with the account from the database
//!    (`router/dispatch.rs`). That run assumes nothing.

use std::cell::RefCell;

use super::engine::Value;

/// A condition in SQL with its parameters.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The text, for `SELECT`.
    pub sql: String,
    /// The parameters.
    pub values: Vec<Value<'static>>,
}

/// The assumption of a thread.
#[derive(Debug, Clone, Default)]
pub enum Assumption {
    /// Nothing is assumed, or the assumption was right.
    #[default]
    Confirmed,
    /// It has to be checked.
    Pending(Condition),
    /// It was wrong.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code))]
    Refuted,
}

thread_local! {
    static ASSUMPTION: RefCell<Assumption> = const { RefCell::new(Assumption::Confirmed) };
}

impl Assumption {
    /// Replaces the assumption of this thread, and returns it.
    pub fn replace(self) -> Assumption {
        ASSUMPTION.replace(self)
    }

    /// The condition that the next query has to check.
    #[cfg(feature = "postgres")]
    pub fn condition() -> Option<Condition> {
        ASSUMPTION.with_borrow(|assumption| match assumption {
            Assumption::Pending(condition) => Some(condition.clone()),
            _ => None,
        })
    }
}
