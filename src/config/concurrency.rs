//! How much work runs concurrently: the numbers of threads and database connections, computed from the number
//! of cores. They are not settings, since they only work in combination.

use crate::concurrency::Work;

/// Threads that start before the server checks how many the system grants: log and signals.
pub const EARLY_THREADS: usize = 2;

/// The numbers of threads.
#[derive(Debug, Clone, Copy)]
pub struct Concurrency {
    /// Event loops: one per core. It handles quick reads itself.
    pub event_loops: usize,
    /// Threads that hash passwords; a hash keeps a core busy.
    pub hash_threads: usize,
    /// Threads for searches.
    pub search_threads: usize,
}

/// Threads that start besides those of [`Concurrency`]: maintenance, storage watch, accept, timer, the writer, and
/// three of the connection pool (r2d2). Main and [`EARLY_THREADS`] run before.
const OTHER_THREADS: usize = 8;

impl Concurrency {
    /// The numbers for a machine with this many cores.
    pub fn for_cores(cores: usize) -> Concurrency {
        Concurrency {
            event_loops: cores,
            hash_threads: cores,
            search_threads: cores,
        }
    }

    /// The number of threads of the lane for this kind of work. Quick reads have none: the event loops handle
    /// them. Writes have one, since SQLite has one writer at a time.
    pub fn threads(&self, work: Work) -> usize {
        match work {
            Work::QuickRead => 0,
            Work::Search => self.search_threads,
            Work::PasswordHash => self.hash_threads,
            Work::Write => 1,
        }
    }

    /// The number of read-only connections: one for each thread that handles requests, and one for the main
    /// thread's commands.
    pub fn readers(&self) -> usize {
        self.event_loops + self.hash_threads + self.search_threads + 2
    }

    /// The threads that the server starts in any case.
    pub fn new_threads(&self) -> usize {
        self.event_loops + self.hash_threads + self.search_threads + OTHER_THREADS
    }
}

impl Default for Concurrency {
    fn default() -> Concurrency {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Bounds the threads and connections.
        Concurrency::for_cores(cores.min(64))
    }
}
