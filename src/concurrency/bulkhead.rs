//! Bulkheads: bounded concurrency with a bounded wait queue. The program has one each for password hashes,
//! writes and long searches.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::run_permits::release_before_blocking;
use crate::error::Error;
use crate::metrics::Histogram;
use crate::metrics::exposition::{Exposition, MetricFamily};

/// The size of a [`Bulkhead`]. A request beyond both numbers gets 503 (load shedding).
#[derive(Debug, Clone, Copy)]
pub struct BulkheadSize {
    /// Permits: requests that do the work at the same time.
    pub max_concurrent: usize,
    /// Requests that wait for a permit.
    pub max_queued: usize,
}

impl BulkheadSize {
    /// The most requests that hold or wait for a permit.
    pub fn total(self) -> usize {
        self.max_concurrent + self.max_queued
    }
}

/// How long a request waits in the queue of a [`Bulkhead`].
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A bulkhead: bounded concurrency with a bounded wait queue, so that one expensive kind of work
/// (password hashes, writes, long searches) cannot occupy every thread.
///
/// When the queue is full, or after [`WAIT_TIMEOUT`], the request fails with 503 (load shedding). Clones
/// share one bulkhead.
#[derive(Debug, Clone)]
pub struct Bulkhead(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: &'static str,
    size: BulkheadSize,
    usage: Mutex<Usage>,
    released: Condvar,
    waits: Histogram,
}

/// How many requests hold a permit of a bulkhead, wait for one, or were rejected.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Permits held at this moment.
    pub in_use: usize,
    /// Requests in the queue at this moment.
    pub queued: usize,
    /// Requests rejected since the start.
    pub rejected: u64,
}

/// Permission to do the work; released when dropped.
#[derive(Debug)]
pub struct Permit(Bulkhead);

impl Bulkhead {
    /// A bulkhead with no permit taken. `name` is the kind of work in the plural, for errors and metrics.
    pub fn new(name: &'static str, size: BulkheadSize) -> Bulkhead {
        Bulkhead(Arc::new(Inner {
            name,
            size,
            usage: Mutex::default(),
            released: Condvar::new(),
            waits: Histogram::default(),
        }))
    }

    /// Takes a permit, waiting in the queue if necessary. Releases the thread's run permit first, since both
    /// the wait and the work can take long.
    ///
    /// # Errors
    /// [`Error::Busy`]: at once when the queue is full, or after [`WAIT_TIMEOUT`].
    pub fn acquire(&self) -> Result<Permit, Error> {
        release_before_blocking();
        let arrival = Instant::now();
        let BulkheadSize {
            max_concurrent,
            max_queued,
        } = self.0.size;
        let is_full = |usage: &mut Usage| usage.in_use == max_concurrent;
        let mut usage = self.lock();
        if is_full(&mut usage) && usage.queued < max_queued {
            usage.queued += 1;
            let waited = self
                .0
                .released
                .wait_timeout_while(usage, WAIT_TIMEOUT, is_full);
            (usage, _) = waited.unwrap_or_else(PoisonError::into_inner);
            usage.queued -= 1;
        }
        if is_full(&mut usage) {
            usage.rejected += 1;
            return Err(Error::Busy(format!("too many {} are waiting", self.0.name)));
        }
        usage.in_use += 1;
        self.0.waits.observe(arrival.elapsed());
        Ok(Permit(self.clone()))
    }

    /// The kind of work, in the plural.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// A snapshot of the counters, for the metrics.
    pub fn usage(&self) -> Usage {
        *self.lock()
    }

    /// The waiting times of the requests that got a permit.
    pub fn waits(&self) -> &Histogram {
        &self.0.waits
    }

    // A poisoned lock is harmless: each counter changes in one step, so a panic leaves none half changed.
    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.0.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the metrics of all bulkheads.
pub fn write_metrics(bulkheads: &[&Bulkhead], text: &mut Exposition) {
    let write = |mut family: MetricFamily, number: fn(Usage) -> u64| {
        for bulkhead in bulkheads {
            family.sample(&[("bulkhead", bulkhead.name())], number(bulkhead.usage()));
        }
    };
    let family = text.gauge(
        "bulkhead_in_use",
        "Requests that hold a permit of the bulkhead.",
    );
    write(family, |usage| usage.in_use as u64);
    let family = text.gauge(
        "bulkhead_queued",
        "Requests in the wait queue of the bulkhead.",
    );
    write(family, |usage| usage.queued as u64);
    let family = text.counter(
        "bulkhead_rejected_total",
        "Requests rejected because the wait queue was full or the wait timed out.",
    );
    write(family, |usage| usage.rejected);
    let mut family = text.histogram(
        "bulkhead_wait_seconds",
        "Time that requests waited for the permit that they got.",
    );
    for bulkhead in bulkheads {
        family.histogram(&[("bulkhead", bulkhead.name())], bulkhead.waits());
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.lock().in_use -= 1;
        self.0.0.released.notify_one();
    }
}
