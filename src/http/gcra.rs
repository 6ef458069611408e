//! GCRA, the generic cell rate algorithm of ITU-T I.371: a rate limiter that stores one time for each key.

use std::collections::HashMap;
use std::mem;
use std::ops::RangeInclusive;
use std::time::Duration;

use parking_lot::Mutex;

use crate::metrics::Counter;
use crate::model::Timestamp;

/// How much older the clock reading of a request may be than that of the request checked before it: threads read
/// the clock before they get the lock.
const MAX_CLOCK_LAG: Duration = Duration::from_secs(10);

/// The most keys that one limiter tracks, so that an attacker with many addresses cannot fill the memory.
const MAX_TRACKED_KEYS: usize = 50_000;

/// The least time between two searches of a full table for keys that are no longer busy, in microseconds. A search
/// reads the whole table, which takes a millisecond.
const SWEEP_INTERVAL: i64 = 1_000_000;

/// `burst` requests at once, and one more after each `interval`.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    burst: i64,
    interval: Duration,
}

impl Quota {
    /// The quota with this burst, of at least 1, and this interval.
    pub const fn new(burst: i64, interval: Duration) -> Quota {
        Quota { burst, interval }
    }

    fn interval(self) -> i64 {
        self.interval.as_micros() as i64
    }

    fn burst_tolerance(self) -> i64 {
        self.burst * self.interval()
    }

    /// The theoretical arrival times of a busy key. A later one means that the clock has been set back since: it is
    /// ignored, otherwise the key would stay rejected until the clock has caught up.
    fn busy(self, now: i64) -> RangeInclusive<i64> {
        now..=now + self.burst_tolerance() + MAX_CLOCK_LAG.as_micros() as i64
    }
}

/// A rate limiter that counts each key separately (GCRA).
///
/// It stores one time for each key, the theoretical arrival time: the time at which the key's whole burst is
/// available again. Each request adds one interval to it. A request that would move it more than `burst`
/// intervals into the future is rejected and changes nothing.
///
/// A busy key, whose burst is not whole, is never evicted: otherwise an attacker could push out what is known about
/// a victim. If the table is full of busy keys, all further keys share one quota.
#[derive(Debug)]
pub struct GcraLimiter {
    quota: Quota,
    rejected: Counter,
    table: Mutex<Table>,
}

/// What a limiter remembers. The keys are hashes.
#[derive(Debug, Default)]
struct Table {
    tracked: HashMap<u64, BusyPeriod>,
    /// Of all keys together for which the table has no room.
    overflow: BusyPeriod,
    next_sweep: i64,
}

/// The requests of one key since its whole burst was available the last time.
#[derive(Debug, Clone, Copy, Default)]
struct BusyPeriod {
    /// The time of the first request, in microseconds of Unix time. It identifies the period: a later one of the
    /// same key begins later.
    start: i64,
    /// The theoretical arrival time, in microseconds of Unix time.
    theoretical_arrival: i64,
    /// Whether a request has been rejected.
    has_rejected: bool,
}

/// One request that a limiter has counted, for [`GcraLimiter::refund`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// `None`: the quota of the keys without room in the table.
    key: Option<u64>,
    period_start: i64,
}

/// A request that a limiter has rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// The time until the key's next request is permitted.
    pub wait: Duration,
    /// Whether it is the first one of the key's busy period.
    pub is_first: bool,
}

impl GcraLimiter {
    /// A limiter that has counted nothing yet.
    pub fn new(quota: Quota) -> GcraLimiter {
        GcraLimiter {
            quota,
            rejected: Counter::default(),
            table: Mutex::default(),
        }
    }

    /// Counts a request of the key with this hash.
    ///
    /// # Errors
    /// [`Rejection`], if the quota is used up. Then nothing is counted.
    pub fn check(&self, key: u64, now: Timestamp) -> Result<Charge, Rejection> {
        let now = now.unix_micros();
        let busy = self.quota.busy(now);
        let mut table = self.table.lock();
        let (key, period) = table.period(key, now, &busy);
        if !busy.contains(&period.theoretical_arrival) {
            *period = BusyPeriod::at(now);
        }
        let arrival = period.theoretical_arrival + self.quota.interval();
        let too_early = arrival - now - self.quota.burst_tolerance();
        if too_early > 0 {
            self.rejected.add(1);
            return Err(Rejection {
                wait: Duration::from_micros(too_early.unsigned_abs()),
                is_first: !mem::replace(&mut period.has_rejected, true),
            });
        }
        period.theoretical_arrival = arrival;
        Ok(Charge {
            key,
            period_start: period.start,
        })
    }

    /// Takes the charge of a request back: the theoretical arrival moves back by one interval, and a key without
    /// another charge is forgotten. If the key's whole burst has been available in the meantime, nothing is left to
    /// take back. A key that has sent later requests gains less than one interval by the gaps between them, which
    /// are not stored.
    pub fn refund(&self, charge: Charge) {
        let mut table = self.table.lock();
        let period = match charge.key {
            Some(key) => table.tracked.get_mut(&key),
            None => Some(&mut table.overflow),
        };
        let Some(period) = period.filter(|period| period.start == charge.period_start) else {
            return;
        };
        period.theoretical_arrival -= self.quota.interval();
        if period.theoretical_arrival <= period.start
            && let Some(key) = charge.key
        {
            table.tracked.remove(&key);
        }
    }

    /// The number of requests that the limiter has rejected.
    pub fn rejections(&self) -> u64 {
        self.rejected.get()
    }

    /// The number of keys that the limiter tracks.
    pub fn len(&self) -> usize {
        self.table.lock().tracked.len()
    }
}

impl Table {
    /// The busy period of the key, or, if the table is full, the one that all further keys share (then without the
    /// key).
    fn period(
        &mut self,
        key: u64,
        now: i64,
        busy: &RangeInclusive<i64>,
    ) -> (Option<u64>, &mut BusyPeriod) {
        if !self.tracked.contains_key(&key) && self.is_full(now, busy) {
            return (None, &mut self.overflow);
        }
        let period = self.tracked.entry(key).or_insert(BusyPeriod::at(now));
        (Some(key), period)
    }

    /// Whether there is no room for another key. Removes the keys that are no longer busy from a full table.
    fn is_full(&mut self, now: i64, busy: &RangeInclusive<i64>) -> bool {
        // A time further ahead has been computed before the clock was set back.
        let is_swept = (now + 1..=now + SWEEP_INTERVAL).contains(&self.next_sweep);
        if self.tracked.len() >= MAX_TRACKED_KEYS && !is_swept {
            self.tracked
                .retain(|_, period| busy.contains(&period.theoretical_arrival));
            self.next_sweep = now + SWEEP_INTERVAL;
        }
        self.tracked.len() >= MAX_TRACKED_KEYS
    }
}

impl BusyPeriod {
    fn at(now: i64) -> BusyPeriod {
        BusyPeriod {
            start: now,
            theoretical_arrival: now,
            has_rejected: false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// A limiter of two requests at once, and one more every 10 seconds.
    fn limiter() -> GcraLimiter {
        GcraLimiter::new(Quota::new(2, Duration::from_secs(10)))
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
    fn a_refund_after_the_burst_is_available_again_changes_nothing() {
        let limiter = limiter();
        let failed = limiter.check(1, second(0)).unwrap();
        assert!(limiter.check(1, second(11)).is_ok());
        limiter.refund(failed);
        assert!(limiter.check(1, second(11)).is_ok());
        assert!(limiter.check(1, second(11)).is_err());
    }

    #[test]
    fn a_key_whose_only_charge_is_taken_back_is_forgotten() {
        let limiter = limiter();
        let charge = limiter.check(1, second(0)).unwrap();
        limiter.refund(charge);
        assert_eq!(limiter.len(), 0);
    }

    #[test]
    fn only_the_first_rejection_of_a_busy_period_says_so() {
        let limiter = limiter();
        for begin in [0, 100] {
            let rejected = (0..5).filter_map(|_| limiter.check(1, second(begin)).err());
            let is_first: Vec<bool> = rejected.map(|rejection| rejection.is_first).collect();
            assert_eq!(is_first, [true, false, false]);
        }
    }

    #[test]
    fn a_full_table_keeps_its_busy_keys_and_all_further_keys_share_one_quota() {
        let limiter = limiter();
        for _ in 0..2 {
            limiter.check(1, second(0)).unwrap();
        }
        for key in 0..120_000 {
            let _ = limiter.check(1_000 + key, second(0));
        }
        assert_eq!(limiter.len(), MAX_TRACKED_KEYS);
        assert!(limiter.check(1, second(0)).is_err());
        // The two at once of the shared quota are used up; the third becomes available after ten seconds.
        assert!(limiter.check(7, second(9)).is_err());
        let shared = limiter.check(7, second(10)).unwrap();
        assert!(limiter.check(8, second(10)).is_err());
        limiter.refund(shared);
        assert!(limiter.check(8, second(10)).is_ok());
        // Keys that are no longer busy make room.
        assert!(limiter.check(9, second(12)).is_ok());
        assert!(limiter.len() < 10, "{}", limiter.len());
    }
}
