//! The timer: one thread that wakes event loops at the times that they ask for.
//!
//! A loop could pass a timeout to each wait for events. That sets a timer of the processor before each wait and
//! clears it after the event, which costs several microseconds in a virtual machine, and nearly all of these
//! timers never expire. Here a loop writes the time into an atomic, and only if it changes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// The times at which the loops want to be woken.
#[derive(Debug)]
pub struct Timer {
    /// The zero of all times.
    epoch: Instant,
    /// One time for each loop, in microseconds; [`NEVER`] without one.
    alarms: Vec<AtomicU64>,
    /// When the thread wakes up by itself.
    wakes_at: AtomicU64,
    is_ended: Mutex<bool>,
    earlier: Condvar,
}

const NEVER: u64 = u64::MAX;

impl Timer {
    /// A timer for this many loops, without any time set.
    pub fn new(loops: usize) -> Timer {
        Timer {
            epoch: Instant::now(),
            alarms: (0..loops).map(|_| AtomicU64::new(NEVER)).collect(),
            wakes_at: AtomicU64::new(NEVER),
            is_ended: Mutex::new(false),
            earlier: Condvar::new(),
        }
    }

    /// Sets the time at which a loop is woken. It replaces the time that the loop has set before.
    pub fn set(&self, event_loop: usize, at: Instant) {
        let at = self.micros(at);
        self.alarms[event_loop].store(at, Ordering::SeqCst);
        // Either this reads the time that the thread has chosen, or the thread reads the alarm after choosing.
        if at < self.wakes_at.load(Ordering::SeqCst) {
            // The thread holds this lock from choosing its time until it waits, so the notification cannot fall
            // in between (lost wake-up).
            drop(self.is_ended.lock());
            self.earlier.notify_one();
        }
    }

    /// The thread: calls `wake` with each loop whose time has come, until [`Timer::end`].
    pub fn run(&self, wake: impl Fn(usize)) {
        let mut is_ended = self.is_ended.lock();
        while !*is_ended {
            let next = self.earliest();
            self.wakes_at.store(next, Ordering::SeqCst);
            if self.earliest() < next {
                continue;
            }
            match next {
                NEVER => self.earlier.wait(&mut is_ended),
                next => {
                    let until = self.epoch + Duration::from_micros(next);
                    let _ = self.earlier.wait_until(&mut is_ended, until);
                }
            }
            self.wake_due(&wake);
        }
    }

    /// Ends the thread.
    pub fn end(&self) {
        *self.is_ended.lock() = true;
        self.earlier.notify_one();
    }

    fn wake_due(&self, wake: impl Fn(usize)) {
        let now = self.micros(Instant::now());
        for (event_loop, alarm) in self.alarms.iter().enumerate() {
            let clear = |at| (at <= now).then_some(NEVER);
            if alarm
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, clear)
                .is_ok()
            {
                wake(event_loop);
            }
        }
    }

    fn earliest(&self) -> u64 {
        let alarms = self.alarms.iter().map(|alarm| alarm.load(Ordering::SeqCst));
        alarms.min().unwrap_or(NEVER)
    }

    fn micros(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch);
        u64::try_from(since.as_micros()).unwrap_or(NEVER)
    }
}
