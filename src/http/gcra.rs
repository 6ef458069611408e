//! GCRA, the generic cell rate algorithm of ITU-T I.371: a rate limiter that stores one time for each key.

use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;

use crate::error::Error;
use crate::metrics::Counter;
use crate::model::Timestamp;

/// How much older the clock reading of a request may be than that of the request checked before it: threads read
/// the clock before they get the lock.
const MAX_CLOCK_LAG: Duration = Duration::from_secs(10);

/// The most keys that one limiter tracks. Above that, the least recently used key is evicted, so that an
/// attacker with many addresses cannot fill the memory.
const MAX_TRACKED_KEYS: usize = 50_000;

/// `burst` requests at once, and one more after each `interval`.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    burst: i64,
    interval: Duration,
}

impl Quota {
    /// The quota with this burst and interval.
    pub const fn new(burst: i64, interval: Duration) -> Quota {
        Quota { burst, interval }
    }

    fn interval(self) -> i64 {
        self.interval.as_micros() as i64
    }

    fn burst_tolerance(self) -> i64 {
        self.burst * self.interval()
    }
}

/// A rate limiter that counts each key separately (GCRA).
///
/// It stores one time for each key, the theoretical arrival time: the time at which the key's whole burst is
/// available again. Each request adds one interval to it. A request that would move it more than `burst`
/// intervals into the future is rejected and changes nothing.
#[derive(Debug)]
pub struct GcraLimiter<K: Hash + Eq> {
    name: &'static str,
    quota: Quota,
    rejected: Counter,
    tracked: Mutex<LruCache<K, BusyPeriod>>,
}

/// The requests of one key since its whole burst was available the last time.
#[derive(Debug, Clone, Copy)]
struct BusyPeriod {
    /// The time of the first request, in microseconds of Unix time. It identifies the period: a later one of the
    /// same key begins later.
    start: i64,
    /// The theoretical arrival time, in microseconds of Unix time.
    theoretical_arrival: i64,
}

/// One request that a limiter has counted, for [`GcraLimiter::refund`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge<K> {
    key: K,
    period_start: i64,
}

impl<K: Copy + Hash + Eq> GcraLimiter<K> {
    /// A limiter that has counted nothing yet. `name` is its label in the metrics.
    pub fn new(name: &'static str, quota: Quota) -> GcraLimiter<K> {
        GcraLimiter {
            name,
            quota,
            rejected: Counter::default(),
            tracked: Mutex::new(LruCache::unbounded()),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub fn check(&self, key: K, now: Timestamp) -> Result<Charge<K>, Error> {
        let now = now.unix_micros();
        let tolerance = self.quota.burst_tolerance();
        let mut tracked = lock(&self.tracked);
        // A stored time further in the future than the tolerance and the lag means that the clock has been set
        // back since. It is ignored; otherwise the key would stay rejected until the clock has caught up.
        let latest = now + tolerance + MAX_CLOCK_LAG.as_micros() as i64;
        let is_busy = |period: &BusyPeriod| (now..=latest).contains(&period.theoretical_arrival);
        let mut period = tracked
            .get(&key)
            .copied()
            .filter(is_busy)
            .unwrap_or(BusyPeriod::at(now));
        period.theoretical_arrival += self.quota.interval();
        if period.theoretical_arrival > now + tolerance {
            self.rejected.add(1);
            let wait = period.theoretical_arrival - now - tolerance;
            let wait = Duration::from_micros(wait.unsigned_abs());
            return Err(Error::TooManyRequests(wait));
        }
        insert_bounded(&mut tracked, key, period);
        Ok(Charge {
            key,
            period_start: period.start,
        })
    }

    /// Takes the charge of a request back: the theoretical arrival moves back by one interval. If the key's whole
    /// burst has been available in the meantime, by a reset or by time, nothing is left to take back. A key that has
    /// sent later requests gains less than one interval by the gaps between them, which are not stored.
    pub fn refund(&self, charge: Charge<K>) {
        let mut tracked = lock(&self.tracked);
        match tracked.peek_mut(&charge.key) {
            Some(period) if period.start == charge.period_start => {
                period.theoretical_arrival -= self.quota.interval();
            }
            _ => {}
        }
    }

    /// Forgets the requests of a key: its whole burst is available again.
    pub fn reset(&self, key: &K) {
        lock(&self.tracked).pop(key);
    }

    /// The name of the limiter, and the number of requests that it has rejected.
    pub fn rejections(&self) -> (&'static str, u64) {
        (self.name, self.rejected.get())
    }

    /// The number of keys that the limiter tracks.
    pub fn len(&self) -> usize {
        lock(&self.tracked).len()
    }
}

impl BusyPeriod {
    fn at(now: i64) -> BusyPeriod {
        BusyPeriod {
            start: now,
            theoretical_arrival: now,
        }
    }
}

/// Inserts the key, and evicts the least recently used key if there are more than [`MAX_TRACKED_KEYS`].
pub fn insert_bounded<K: Hash + Eq, V>(cache: &mut LruCache<K, V>, key: K, value: V) {
    cache.put(key, value);
    if cache.len() > MAX_TRACKED_KEYS {
        cache.pop_lru();
    }
}

/// Locks the mutex. A poisoned lock is harmless: no code panics while it holds the lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// A limiter of two requests at once, and one more every 10 seconds.
    fn limiter() -> GcraLimiter<u8> {
        GcraLimiter::new("test", Quota::new(2, Duration::from_secs(10)))
    }

    fn second(seconds: u64) -> Timestamp {
        Timestamp::from(UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds))
    }

    #[test]
    fn a_refund_restores_what_the_request_has_used_and_nothing_else() {
        let limiter = limiter();
        limiter.check(1, second(0)).unwrap();
        let failed = limiter.check(1, second(0)).unwrap();
        assert!(limiter.check(1, second(0)).is_err());
        limiter.refund(failed);
        assert!(limiter.check(1, second(0)).is_ok());
        assert!(limiter.check(1, second(0)).is_err());
    }

    #[test]
    fn a_refund_after_a_reset_or_after_the_burst_is_available_again_changes_nothing() {
        for reset in [true, false] {
            let limiter = limiter();
            let failed = limiter.check(1, second(0)).unwrap();
            if reset {
                limiter.reset(&1);
            }
            let later = second(if reset { 1 } else { 11 });
            assert!(limiter.check(1, later).is_ok());
            limiter.refund(failed);
            assert!(limiter.check(1, later).is_ok());
            assert!(limiter.check(1, later).is_err(), "reset: {reset}");
        }
    }
}
