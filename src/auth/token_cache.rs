//! A bounded cache of verified access tokens: a client sends the same token with each request, and verifying
//! its signature and decoding its JSON costs more than the rest of a usual request.
//!
//! The cache proves only that the signature of exactly this token has been verified. Times, session, role and
//! approval are checked for each request. A token that is invalid is never in it. Only access tokens are
//! inserted, so a hit needs no check of the kind.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use super::claims::Claims;

/// The number of parts with a lock of their own, so that event loops rarely wait for each other.
const SHARDS: usize = 16;

/// The tokens in each part. A token with its claims takes about 700 bytes, so all of them take 3 MB.
const TOKENS_PER_SHARD: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// Verified tokens with their claims; the least recently used one is evicted.
pub struct TokenCache {
    /// Keyed with random numbers, so a client cannot choose tokens that collide.
    hasher: RandomState,
    shards: [Mutex<LruCache<u64, Entry>>; SHARDS],
}

struct Entry {
    /// Compared as a whole: a hash may collide.
    token: Box<str>,
    claims: Arc<Claims>,
}

impl TokenCache {
    /// Returns the claims of a token that [`TokenCache::insert`] has been called with.
    pub fn get(&self, token: &str) -> Option<Arc<Claims>> {
        let hash = self.hasher.hash_one(token);
        let mut shard = self.shard(hash).lock();
        let entry = shard.get(&hash)?;
        (*entry.token == *token).then(|| Arc::clone(&entry.claims))
    }

    /// Adds a token whose signature has been verified.
    pub fn insert(&self, token: &str, claims: &Arc<Claims>) {
        let hash = self.hasher.hash_one(token);
        let entry = Entry {
            token: token.into(),
            claims: Arc::clone(claims),
        };
        self.shard(hash).lock().put(hash, entry);
    }

    fn shard(&self, hash: u64) -> &Mutex<LruCache<u64, Entry>> {
        &self.shards[(hash % SHARDS as u64) as usize]
    }
}

impl Default for TokenCache {
    fn default() -> TokenCache {
        TokenCache {
            hasher: RandomState::new(),
            // Sparse: no memory is allocated for tokens that are not there.
            shards: std::array::from_fn(|_| Mutex::new(LruCache::sparse(TOKENS_PER_SHARD))),
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").finish_non_exhaustive()
    }
}
