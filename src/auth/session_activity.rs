//! Write-behind buffer for the time at which each session was last used. The times are collected in memory and
//! written in batches by [`crate::app::maintenance`], so that a request that only reads does not wait for the
//! disk.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{SessionId, Timestamp};

/// The sessions that were used since the last [`SessionActivity::take`].
#[derive(Debug, Default)]
pub struct SessionActivity(Mutex<HashMap<SessionId, Timestamp>>);

impl SessionActivity {
    /// Records that a session is used now.
    pub fn record(&self, session: SessionId, now: Timestamp) {
        self.lock().insert(session, now);
    }

    /// Returns the recorded times and clears them.
    pub fn take(&self) -> Vec<(SessionId, Timestamp)> {
        // The lock is released before anything is copied: every request takes it.
        let recorded = mem::take(&mut *self.lock());
        recorded.into_iter().collect()
    }

    // A poisoned lock is harmless: no code panics while it holds it.
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
