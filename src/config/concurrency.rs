//! How much work runs concurrently: the numbers of threads and database connections, computed from the number
//! of cores. They are not settings, since they only work in combination.

use crate::concurrency::Work;

/// Threads that start before the server checks how many the system grants: log and signals.
pub const EARLY_THREADS: usize = 2;

/// The numbers of threads.
#[derive(Debug, Clone, Copy)]
pub struct Concurrency {
    /// Event loops: one per core. With SQLite they handle quick reads themselves.
    pub event_loops: usize,
    /// Threads for quick reads. With SQLite there are none.
    pub quick_read_threads: usize,
    /// Threads that hash passwords; a hash keeps a core busy.
    pub hash_threads: usize,
    /// Threads for searches.
    pub search_threads: usize,
    /// Threads that write. SQLite has one writer at a time.
    pub write_threads: usize,
    /// The database connections.
    pub connections: Connections,
    /// The number of connection pools.
    pub pools: usize,
}

/// The numbers of database connections. Those that write are apart: when all of them wait for a lock, reads go on.
#[derive(Debug, Clone, Copy)]
pub struct Connections {
    /// Connections that read.
    pub reads: usize,
    /// Connections that write. SQLite has one, and this number counts for PostgreSQL only.
    pub writes: usize,
}

impl Connections {
    /// For a command, which is one thread.
    pub const ONE: Connections = Connections {
        reads: 1,
        writes: 1,
    };
}

/// Threads that start besides those of [`Concurrency`]: maintenance, storage watch, accept, and timer. Main and
/// [`EARLY_THREADS`] run before.
const OTHER_THREADS: usize = 4;

/// Threads of a connection pool (r2d2).
const POOL_THREADS: usize = 3;

impl Concurrency {
    /// The numbers for a machine with this many cores.
    pub fn for_cores(cores: usize) -> Concurrency {
        Concurrency {
            event_loops: cores,
            quick_read_threads: 0,
            hash_threads: cores,
            search_threads: cores,
            write_threads: 1,
            // One for each thread that handles requests, and one for the main thread's commands.
            connections: Connections {
                reads: 3 * cores + 2,
                writes: 1,
            },
            pools: 1,
        }
    }

    /// The numbers for PostgreSQL. A thread that waits for the network needs no core, so there are as many threads for
    /// quick reads as `quick_reads`, and half as many that write. Each thread that handles requests has a connection
    /// for what it mainly does.
    #[cfg(feature = "postgres")]
    pub fn for_postgres(self, quick_reads: usize, has_standby: bool) -> Concurrency {
        let write_threads = quick_reads.div_ceil(2).max(2);
        Concurrency {
            quick_read_threads: quick_reads,
            write_threads,
            connections: Connections {
                reads: quick_reads + self.search_threads,
                writes: write_threads + self.hash_threads,
            },
            pools: 2 + usize::from(has_standby),
            ..self
        }
    }

    /// The number of threads of the lane for this kind of work. What has none is handled by the event loops.
    pub fn threads(&self, work: Work) -> usize {
        match work {
            Work::Memory => 0,
            Work::QuickRead => self.quick_read_threads,
            Work::Search => self.search_threads,
            Work::PasswordHash => self.hash_threads,
            Work::Write => self.write_threads,
        }
    }

    /// The threads that the server starts in any case.
    pub fn new_threads(&self) -> usize {
        let lanes = self.hash_threads + self.search_threads + self.write_threads;
        let pools = self.pools * POOL_THREADS;
        self.event_loops + self.quick_read_threads + lanes + pools + OTHER_THREADS
    }
}

impl Default for Concurrency {
    fn default() -> Concurrency {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Bounds the threads and connections.
        Concurrency::for_cores(cores.min(64))
    }
}
