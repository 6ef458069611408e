//! When sessions were last used, until that is written down: a request that reads waits for no disk.

use std::collections::HashMap;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{SessionId, Timestamp};

/// The sessions that were used since the last [`Uses::take`].
#[derive(Debug, Default)]
pub struct Uses(Mutex<HashMap<SessionId, Timestamp>>);

impl Uses {
    /// Notes that a session is used now.
    pub fn note(&self, session: SessionId, now: Timestamp) {
        self.lock().insert(session, now);
    }

    /// Hands out what was noted, and begins anew.
    pub fn take(&self) -> Vec<(SessionId, Timestamp)> {
        // The lock is free again before anything is copied: every request takes it.
        let noted = mem::take(&mut *self.lock());
        noted.into_iter().collect()
    }

    // Nothing that holds the lock can panic.
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
