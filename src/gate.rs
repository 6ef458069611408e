//! A bound on how many threads do something at once, with a short queue in front of it: what takes
//! long, and can be asked for by anybody, must not take every thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::Bound;
use crate::error::Error;
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
}

#[derive(Debug, Default)]
struct Count {
    inside: usize,
    waiting: usize,
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
        }))
    }

    /// Waits for leave. Gives the thread's turn away, since both the waiting and what it is for take
    /// long.
    ///
    /// # Errors
    /// [`Error::Busy`], at once where the queue is full, or where it does not move for long.
    pub fn enter(&self) -> Result<Pass, Error> {
        turn::pass_on();
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
            let cause = format!("too many {} are waiting", self.0.what);
            return Err(Error::Busy(cause));
        }
        count.inside += 1;
        Ok(Pass(self.clone()))
    }

    // Nothing that holds the lock can panic, and two numbers cannot be half changed.
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
