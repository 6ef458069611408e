//! Limits how many long reads run at once.
//!
//! How long a search takes is only known while it runs. SQLite calls the connection's progress handler each
//! time it has executed a number of steps. The handler lets a short read continue. For a long read it first
//! acquires a permit of the bulkhead for searches, so that long searches cannot occupy every core.

use std::cell::RefCell;
use std::mem;

use rusqlite::Connection;

use crate::concurrency::bulkhead::{Bulkhead, Permit};

/// Steps of SQLite's virtual machine between two calls of the progress handler: about a millisecond. A page of
/// a list takes a tenth of that.
const LONG_READ_STEPS: i32 = 20_000;

thread_local! {
    /// The state of the read that this thread executes.
    static CURRENT_READ: RefCell<ReadLength> = const { RefCell::new(ReadLength::Short) };
}

#[derive(Default)]
enum ReadLength {
    /// The progress handler has not been called.
    #[default]
    Short,
    /// It has been called once. That proves nothing yet: the counter of a cached statement continues from its
    /// previous execution, so this read may have taken few steps.
    Unknown,
    /// It has been called again. The read holds a permit until it ends.
    Long { _permit: Permit },
}

/// Sets the progress handler of a read-only connection.
pub fn limit(db: &Connection, searches: Bulkhead) -> rusqlite::Result<()> {
    db.progress_handler(
        LONG_READ_STEPS,
        Some(move || !may_continue(&searches)), // the handler returns true to interrupt
    )
}

/// The progress handler: takes a permit for a read that proves to be long. Returns whether the statement may
/// continue; it may not if the bulkhead is full.
fn may_continue(searches: &Bulkhead) -> bool {
    CURRENT_READ.with_borrow_mut(|length| {
        *length = match mem::take(length) {
            ReadLength::Short => ReadLength::Unknown,
            ReadLength::Unknown => match searches.acquire() {
                Ok(permit) => ReadLength::Long { _permit: permit },
                Err(_) => return false,
            },
            long => long,
        };
        true
    })
}

/// Guard of one read. Dropping it releases the permit of a long read, and the thread's next read counts as short
/// again.
pub struct ReadGuard;

impl Drop for ReadGuard {
    fn drop(&mut self) {
        CURRENT_READ.take();
    }
}
