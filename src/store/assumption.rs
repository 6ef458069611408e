//! An assumption that the next query of this thread checks along, in the same round trip.
//!
//! A request with a session begins with what this server last read about its account, and does not wait for the
//! database to say so again. The first query of its handler carries the condition that the session still exists and the
//! account is unchanged. Nothing that was computed from a wrong assumption leaves the process
//! ([`Store::confirm_assumption`](crate::store::Store::confirm_assumption)).

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
