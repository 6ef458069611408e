//! The phases of a server, from its start to the end of a graceful shutdown.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the server does with connections and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Serves.
    Serving,
    /// Connection draining: completes the requests in progress, and closes each connection after it. Requests
    /// in a queue get 503.
    Draining,
    /// Rejects with 503 each request that has arrived in part.
    Aborting,
    /// Closes all connections and ends.
    Ended,
}

/// The present phase, shared by all threads.
#[derive(Debug)]
pub struct CurrentPhase(AtomicU8);

impl CurrentPhase {
    /// The first phase.
    pub fn new() -> CurrentPhase {
        CurrentPhase(AtomicU8::new(Phase::Serving as u8))
    }

    /// Sets the phase.
    pub fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::SeqCst);
    }

    /// Returns the phase.
    pub fn get(&self) -> Phase {
        match self.0.load(Ordering::SeqCst) {
            0 => Phase::Serving,
            1 => Phase::Draining,
            2 => Phase::Aborting,
            _ => Phase::Ended,
        }
    }

    /// Whether the server is stopping: each connection closes after its present request.
    pub fn is_stopping(&self) -> bool {
        self.get() > Phase::Serving
    }
}
