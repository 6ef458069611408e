//! A bounded queue of log lines between the threads that log and the one thread that writes.
//!
//! The lines are bytes in one buffer. A thread that logs copies its line into the buffer; the writer takes the
//! whole buffer and leaves an empty one (double buffering). So no thread allocates for a line, nothing is held
//! while the writer writes, and many lines cost one wake-up.

use std::io;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::metrics::Counter;

/// The most bytes of lines that wait for the writer: several thousand lines.
const MAX_BYTES: usize = 1 << 20;

/// The queue. Each line in it is complete and ends with a line feed.
#[derive(Debug)]
pub struct LineQueue {
    state: Mutex<State>,
    has_lines: Condvar,
    is_idle: Condvar,
    /// The lines that were dropped since the start.
    pub dropped: Counter,
}

#[derive(Debug)]
struct State {
    lines: Vec<u8>,
    /// The lines that were dropped since the writer last took the buffer.
    dropped: u64,
    writer: WriterState,
}

#[derive(Debug, PartialEq, Eq)]
enum WriterState {
    /// The writer waits for lines.
    Waiting,
    /// The writer has taken lines, and has not come back for more.
    Writing,
}

impl LineQueue {
    /// An empty queue.
    pub const fn new() -> LineQueue {
        LineQueue {
            state: Mutex::new(State {
                lines: Vec::new(),
                dropped: 0,
                writer: WriterState::Waiting,
            }),
            has_lines: Condvar::new(),
            is_idle: Condvar::new(),
            dropped: Counter::new(),
        }
    }

    /// Appends a line. Without room for it, the line is dropped and counted.
    pub fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.lines.len() + line.len() > MAX_BYTES {
            state.dropped += 1;
            self.dropped.add(1);
            return;
        }
        let was_empty = state.lines.is_empty();
        state.lines.extend_from_slice(line);
        // A wake-up is a system call, so a writer that is not waiting gets none.
        if was_empty && state.writer == WriterState::Waiting {
            self.has_lines.notify_one();
        }
    }

    /// Waits for lines and moves them into `taken`, which must be empty. Only the writer calls it, and it has
    /// then written what it took before. Returns how many lines were dropped since the last call.
    pub fn take(&self, taken: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        state.writer = WriterState::Waiting;
        while state.lines.is_empty() {
            self.is_idle.notify_all();
            let woken = self.has_lines.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        mem::swap(&mut state.lines, taken);
        state.writer = WriterState::Writing;
        mem::take(&mut state.dropped)
    }

    /// Waits until every line has been written, for at most `timeout`.
    pub fn flush(&self, timeout: Duration) {
        let is_unwritten =
            |state: &mut State| !state.lines.is_empty() || state.writer == WriterState::Writing;
        // What is not written by then is lost, since the process ends.
        let _ = self
            .is_idle
            .wait_timeout_while(self.lock(), timeout, is_unwritten);
    }

    // A poisoned lock is harmless: no code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of the queue that env_logger writes to: one call for each line.
#[derive(Debug)]
pub struct QueueInput(pub &'static LineQueue);

impl io::Write for QueueInput {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
