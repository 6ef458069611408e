//! Run permits: a semaphore that limits how many worker threads run at once. The server acquires a permit for
//! each worker; code that is about to block releases it.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

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

/// One permit of the semaphore; released when dropped.
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
