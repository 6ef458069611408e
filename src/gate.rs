//! A bound on how many threads do something at once, with a short queue in front of it: what takes
//! long, and can be asked for by anybody, must not take every thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Bound;
use crate::error::Error;
use crate::metrics::Histogram;
use crate::turn;

/// How long somebody waits for leave.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lets some threads in at a time, lets some more wait, and turns the rest away at once. Clones are
/// the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    what: &'static str,
    bound: Bound,
    count: Mutex<Count>,
    freed: Condvar,
    waits: Histogram,
}

/// How many are at a gate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    /// At this moment, behind it.
    pub inside: usize,
    /// At this moment, in front of it.
    pub waiting: usize,
    /// Since the beginning, turned away.
    pub turned_away: u64,
}

/// Leave to be inside, until it is dropped.
#[derive(Debug)]
pub struct Pass(Gate);

impl Gate {
    /// A gate with nobody inside. `what` is done behind it, in the plural, for the log.
    pub fn new(what: &'static str, bound: Bound) -> Gate {
        Gate(Arc::new(Inner {
            what,
            bound,
            count: Mutex::default(),
            freed: Condvar::new(),
            waits: Histogram::default(),
        }))
    }

    /// Waits for leave. Gives the thread's turn away, since both the waiting and what it is for take
    /// long.
    ///
    /// # Errors
    /// [`Error::Busy`], at once where the queue is full, or where it does not move for long.
    pub fn enter(&self) -> Result<Pass, Error> {
        turn::pass_on();
        let arrival = Instant::now();
        let Bound { at_once, waiting } = self.0.bound;
        let is_full = |count: &mut Count| count.inside == at_once;
        let mut count = self.lock();
        if is_full(&mut count) && count.waiting < waiting {
            count.waiting += 1;
            let waited = self.0.freed.wait_timeout_while(count, PATIENCE, is_full);
            (count, _) = waited.unwrap_or_else(PoisonError::into_inner);
            count.waiting -= 1;
        }
        if is_full(&mut count) {
            count.turned_away += 1;
            let cause = format!("too many {} are waiting", self.0.what);
            return Err(Error::Busy(cause));
        }
        count.inside += 1;
        self.0.waits.observe(arrival.elapsed());
        Ok(Pass(self.clone()))
    }

    /// What is done behind it.
    pub fn what(&self) -> &'static str {
        self.0.what
    }

    /// How many are there.
    pub fn count(&self) -> Count {
        *self.lock()
    }

    /// How long those waited who were let in.
    pub fn waits(&self) -> &Histogram {
        &self.0.waits
    }

    // Nothing that holds the lock can panic, and no number can be half changed.
    fn lock(&self) -> MutexGuard<'_, Count> {
        self.0.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.0.freed.notify_one();
    }
}
