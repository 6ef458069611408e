//! Write-behind buffer for the time at which each session, or each token for scripts, was last used. The times are
//! collected in memory and written in batches by [`crate::app::maintenance`], so that a request that only reads does
//! not wait for the disk.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::Timestamp;

/// What was used since the last [`LastUsed::take`], by its id.
#[derive(Debug)]
pub struct LastUsed<I>(Mutex<HashMap<I, Timestamp>>);

impl<I> Default for LastUsed<I> {
    fn default() -> LastUsed<I> {
        LastUsed(Mutex::default())
    }
}

impl<I: Eq + Hash> LastUsed<I> {
    /// Records a use.
    pub fn record(&self, id: I, now: Timestamp) {
        self.lock().insert(id, now);
    }

    /// Returns the recorded times and clears them.
    pub fn take(&self) -> Vec<(I, Timestamp)> {
        // The lock is released before anything is copied: every request takes it.
        let recorded = mem::take(&mut *self.lock());
        recorded.into_iter().collect()
    }

    // A poisoned lock is harmless: no code panics while it holds it.
    fn lock(&self) -> MutexGuard<'_, HashMap<I, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
