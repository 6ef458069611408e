//! How much all connections may hold together: unfinished requests, and answers that are not taken.
//!
//! Each connection is bounded by itself, but ten thousand bodies of a megabyte are more than most
//! machines have. Small requests are never in anybody's way.

use std::sync::{Arc, Mutex, PoisonError};

/// What a connection may hold without being counted: any head, and the body of any usual request.
const FREE: u64 = 32 << 10;

/// The memory that connections share.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    used: Arc<Mutex<u64>>,
    limit: u64,
}

/// One connection's part of it; given back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    memory: MemoryBudget,
    counted: u64,
}

impl MemoryBudget {
    /// With room for this many bytes.
    pub fn new(limit: u64) -> MemoryBudget {
        MemoryBudget {
            used: Arc::default(),
            limit,
        }
    }

    /// A share of nothing yet.
    pub fn reserve(&self) -> Reservation {
        Reservation {
            memory: self.clone(),
            counted: 0,
        }
    }
}

impl Reservation {
    /// Says how many bytes the connection holds now. Returns whether it may; if not, it has to give
    /// them up, and no others are refused for their sake.
    pub fn try_resize(&mut self, bytes: usize) -> bool {
        let counted = (bytes as u64).saturating_sub(FREE);
        if counted == self.counted {
            return true;
        }
        let mut used = self
            .memory
            .used
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *used -= self.counted;
        let fits = counted <= self.memory.limit - *used;
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
