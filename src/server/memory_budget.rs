//! A memory budget that all connections share: `MAX_BUFFERED_BYTES` for requests that have arrived in part and
//! for responses that are not sent yet.
//!
//! The limits of a single request are not enough: ten thousand bodies of a megabyte each exceed the memory of
//! most machines. Every byte counts. A quarter of the budget is reserved for connections that hold little, so
//! usual requests are served even while large ones use up the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a connection may hold of the reserved quarter, in bytes: room for any head (of the default
/// `MAX_HEAD_BYTES`), and for the body of a usual request.
const SMALL: u64 = 32 << 10;

/// Clones share one budget.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    used: Arc<AtomicU64>,
    limit: u64,
}

/// The part of the budget that one connection uses; returned when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: MemoryBudget,
    bytes: u64,
}

impl MemoryBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> MemoryBudget {
        MemoryBudget {
            used: Arc::default(),
            limit,
        }
    }

    /// A reservation of 0 bytes, for a new connection.
    pub fn reserve_nothing(&self) -> Reservation {
        Reservation {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

impl Reservation {
    /// Whether nothing is reserved.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Changes the reservation to `bytes`, the memory that the connection has allocated now. Returns whether it
    /// fits. If not, the reservation becomes 0 at once, so that this connection does not make others fail, and
    /// the caller has to free the memory.
    pub fn try_resize(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        if bytes == self.bytes {
            return true;
        }
        let limit = match bytes {
            0..=SMALL => self.budget.limit,
            _ => self.budget.limit / 4 * 3,
        };
        let used = &self.budget.used;
        // Added before the check: two connections that grow at once never exceed the limit together.
        let total = used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        used.fetch_sub(self.bytes, Ordering::Relaxed);
        let fits = bytes < self.bytes || total - self.bytes <= limit;
        self.bytes = bytes;
        if !fits {
            used.fetch_sub(bytes, Ordering::Relaxed);
            self.bytes = 0;
        }
        fits
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.try_resize(0);
    }
}
