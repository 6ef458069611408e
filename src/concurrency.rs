//! Limits on concurrent work: [`Bulkhead`] bounds one expensive kind of work, [`RunPermits`] bounds how
//! many worker threads run at once.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::concurrency::BulkheadSize;
use crate::error::Error;
use crate::metrics::Histogram;

// ---- bulkhead -----------------------------------------------------------------------------------

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

    /// Takes a permit, waiting in the queue if necessary. Releases the thread's run permit first, since
    /// both the wait and the work take long.
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

    // A poisoned lock is harmless: the code that holds it does not panic, and each counter changes in one step.
    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.0.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.lock().in_use -= 1;
        self.0.0.released.notify_one();
    }
}

// ---- run permits --------------------------------------------------------------------------------

/// A semaphore that limits how many worker threads run at once.
///
/// More runnable threads than cores only preempt each other. But a request that hashes a password or waits for
/// the disk must not keep others from being served: a thread that is about to hash, write or search releases
/// its permit first ([`release_before_blocking`]), and another thread takes over the sockets. Compare tokio's
/// `block_in_place`.
#[derive(Debug)]
pub struct RunPermits {
    free: Mutex<usize>,
    released: Condvar,
}

/// One of the permits; returned when dropped.
#[derive(Debug)]
struct RunPermit(Arc<RunPermits>);

thread_local! {
    /// The permit that this thread holds.
    static HELD: RefCell<Option<RunPermit>> = const { RefCell::new(None) };
}

impl RunPermits {
    /// A semaphore with `count` permits.
    pub fn new(count: usize) -> Arc<RunPermits> {
        Arc::new(RunPermits {
            free: Mutex::new(count),
            released: Condvar::new(),
        })
    }

    /// Takes a permit for this thread, waiting if necessary. Does nothing if the thread holds one.
    pub fn acquire(self: &Arc<RunPermits>) {
        HELD.with_borrow_mut(|held| {
            if held.is_none() {
                self.wait();
                *held = Some(RunPermit(Arc::clone(self)));
            }
        });
    }

    fn wait(&self) {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .released
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
    }
}

impl Drop for RunPermit {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free += 1;
        drop(free);
        self.0.released.notify_one();
    }
}

/// Whether this thread holds a run permit.
pub fn has_run_permit() -> bool {
    HELD.with_borrow(Option::is_some)
}

/// Releases this thread's run permit, if it holds one. Called before work that takes long. The request
/// goes on without it; the thread takes a permit again before it serves another request.
pub fn release_before_blocking() {
    drop(HELD.take());
}
