//! A memory budget that all connections share: `MAX_BUFFERED_BYTES` for requests that have arrived in part and
//! for responses that are not sent yet.
//!
//! The limits of a single request are not enough: ten thousand bodies of a megabyte each exceed the memory of
//! most machines. Small requests are not counted, so they are served even while the budget is used up.

use std::sync::{Arc, Mutex, PoisonError};

/// The bytes of each connection that are not counted: room for any head (of the default `MAX_HEAD_BYTES`), and
/// for the body of a usual request.
const UNCOUNTED: u64 = 32 << 10;

/// Clones share one budget.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    used: Arc<Mutex<u64>>,
    limit: u64,
}

/// The part of the budget that one connection uses; returned when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: MemoryBudget,
    counted: u64,
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
            counted: 0,
        }
    }
}

impl Reservation {
    /// Changes the reservation to `bytes`, the memory that the connection has allocated now. Returns whether it
    /// fits. If not, the reservation becomes 0 at once, so that this connection does not make others fail, and
    /// the caller has to free the memory.
    pub fn try_resize(&mut self, bytes: usize) -> bool {
        let counted = (bytes as u64).saturating_sub(UNCOUNTED);
        if counted == self.counted {
            return true;
        }
        let mut used = self
            .budget
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *used -= self.counted;
        let fits = counted <= self.budget.limit - *used;
        self.counted = if fits { counted } else { 0 };
        *used += self.counted;
        fits
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.try_resize(0);
    }
}
