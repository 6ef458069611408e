//! A counter: an atomic number that only goes up. Histograms and all other counts are built from it.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only goes up. Relaxed ordering is enough, since no code concludes from its value what another
/// thread has written elsewhere.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// A counter at zero.
    pub const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }

    /// Adds `count`, and returns the sum.
    pub fn add(&self, count: u64) -> u64 {
        self.0.fetch_add(count, Ordering::Relaxed) + count
    }

    /// Returns the present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
