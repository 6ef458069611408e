//! A bound on how many threads do something at once, with a short queue in front of it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::turn;

/// Lets `slots` threads in at a time, lets `queue` more wait, and turns the rest away at once.
#[derive(Debug)]
pub struct Gate {
    slots: usize,
    queue: usize,
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
pub struct Pass<'a>(&'a Gate);

impl Gate {
    /// A gate with nobody inside.
    pub fn new(slots: usize, queue: usize) -> Gate {
        Gate {
            slots,
            queue,
            count: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Waits for a slot; `None` at once where the queue is full. Gives the thread's turn away, since
    /// both the waiting and what it is for take long.
    pub fn enter(&self) -> Option<Pass<'_>> {
        turn::pass_on();
        let mut count = self.lock();
        if count.inside == self.slots {
            if count.waiting == self.queue {
                return None;
            }
            count.waiting += 1;
            while count.inside == self.slots {
                count = self
                    .freed
                    .wait(count)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            count.waiting -= 1;
        }
        count.inside += 1;
        Some(Pass(self))
    }

    // Nothing that holds the lock can panic, and two numbers cannot be half changed.
    fn lock(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.freed.notify_one();
    }
}
