//! A cache of the accounts of recent sessions, as this server last read them. `store/assumption.rs` says how a request
//! uses it.

use std::fmt;
use std::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;

use crate::model::{SessionId, User};

/// The most sessions. An account takes about 300 bytes, so all of them take 3 MB.
const CAPACITY: NonZeroUsize = match NonZeroUsize::new(10_000) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// The accounts by session; the least recently used one is evicted.
pub struct SessionAccounts(Mutex<LruCache<i64, User>>);

impl SessionAccounts {
    /// The account of a session, if it was read before.
    pub fn get(&self, session: SessionId) -> Option<User> {
        self.0.lock().get(&session.get()).cloned()
    }

    /// Remembers the account of a session.
    pub fn insert(&self, session: SessionId, user: &User) {
        self.0.lock().put(session.get(), user.clone());
    }
}

impl Default for SessionAccounts {
    fn default() -> SessionAccounts {
        SessionAccounts(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl fmt::Debug for SessionAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionAccounts").finish_non_exhaustive()
    }
}
