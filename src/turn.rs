//! Who runs: of many threads that can serve a request, few have a turn at a time.
//!
//! More runnable threads than cores only push one another off; but a request that hashes a password
//! or waits for the disk must not keep others from being served. So it passes its turn on first
//! ([`pass_on`]), and somebody who waited for one takes over the sockets.

use std::cell::RefCell;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

thread_local! {
    static HELD: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// A counting semaphore.
#[derive(Debug)]
pub struct Turns {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One of the turns; it is free again when this is dropped.
#[derive(Debug)]
struct Turn(Arc<Turns>);

impl Turns {
    /// As many turns.
    pub fn new(count: usize) -> Arc<Turns> {
        Arc::new(Turns {
            free: Mutex::new(count),
            freed: Condvar::new(),
        })
    }

    /// Waits for a turn, unless this thread has one.
    pub fn take(self: &Arc<Turns>) {
        HELD.with_borrow_mut(|held| {
            if held.is_none() {
                self.wait();
                *held = Some(Turn(Arc::clone(self)));
            }
        });
    }

    fn wait(&self) {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free += 1;
        drop(free);
        self.0.freed.notify_one();
    }
}

/// Whether this thread has a turn.
pub fn is_held() -> bool {
    HELD.with_borrow(Option::is_some)
}

/// Gives this thread's turn, if it has one, to another thread: to be called before what takes long.
/// The request goes on without; its thread waits for a turn before it serves another.
pub fn pass_on() {
    drop(HELD.with_borrow_mut(mem::take));
}
