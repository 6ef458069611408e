//! Piggybacking: a scalar subquery that is sent with this thread's next query, so that it costs no round trip of its own.
//! Its value is of the same snapshot as the query's rows. Only for a database that is a round trip away.

use std::cell::RefCell;

/// The state of this thread.
#[derive(Debug, Default)]
#[cfg_attr(not(feature = "postgres"), expect(dead_code))]
enum Piggyback {
    /// No value is wanted.
    #[default]
    Idle,
    /// The next query returns the value of this scalar subquery, which has no parameters.
    Wanted(String),
    /// A query has returned it.
    Found(String),
}

thread_local! {
    static PIGGYBACK: RefCell<Piggyback> = const { RefCell::new(Piggyback::Idle) };
}

/// Asks the next query for the text that this scalar subquery returns.
pub fn want(sql: String) {
    PIGGYBACK.set(Piggyback::Wanted(sql));
}

/// Returns the text if a query has returned it. Nothing is wanted any longer.
pub fn take() -> Option<String> {
    match PIGGYBACK.take() {
        Piggyback::Found(text) => Some(text),
        Piggyback::Idle | Piggyback::Wanted(_) => None,
    }
}

/// The subquery that the next query has to run.
#[cfg(feature = "postgres")]
pub fn wanted() -> Option<String> {
    PIGGYBACK.with_borrow(|state| match state {
        Piggyback::Wanted(sql) => Some(sql.clone()),
        _ => None,
    })
}

/// Keeps the text that a query has returned.
#[cfg(feature = "postgres")]
pub fn found(text: String) {
    PIGGYBACK.set(Piggyback::Found(text));
}
