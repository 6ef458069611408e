//! How much work runs concurrently: numbers of threads, bulkhead sizes and database connections, computed from
//! the number of cores. These are not settings, since they only work in combination.

/// The numbers of threads and the sizes of the bulkheads. They are chosen together: even when every kind of slow
/// work fills its bulkhead, there is a worker thread for each run permit and a connection for each read.
#[derive(Debug, Clone, Copy)]
pub struct Concurrency {
    /// Worker threads, including those that hash, write or search without a run permit.
    pub workers: usize,
    /// Worker threads that may run at once; see [`crate::concurrency::RunPermits`].
    pub run_permits: usize,
    /// Password hashes; each occupies a core.
    pub hashes: BulkheadSize,
    /// Write transactions.
    pub writes: BulkheadSize,
    /// Searches that take long; see [`crate::store::Store::read`].
    pub searches: BulkheadSize,
}

/// The size of a [`crate::concurrency::Bulkhead`]. A request beyond both numbers gets 503 (load shedding).
#[derive(Debug, Clone, Copy)]
pub struct BulkheadSize {
    /// Permits: requests that do the work at the same time.
    pub max_concurrent: usize,
    /// Requests that wait for a permit.
    pub max_queued: usize,
}

impl BulkheadSize {
    fn total(self) -> usize {
        self.max_concurrent + self.max_queued
    }
}

impl Concurrency {
    /// The numbers for a machine with this many cores.
    pub fn for_cores(cores: u32) -> Concurrency {
        let cores = cores as usize;
        // More than cores, so that another thread is ready to run while one waits for a lock.
        let run_permits = 3 * cores;
        let hashes = BulkheadSize {
            max_concurrent: cores,
            max_queued: 4 * cores,
        };
        // SQLite has one writer at a time, however many cores there are.
        let writes = BulkheadSize {
            max_concurrent: 1,
            max_queued: 127,
        };
        let searches = BulkheadSize {
            max_concurrent: cores,
            max_queued: 2 * cores,
        };
        Concurrency {
            workers: run_permits + hashes.total() + writes.total() + searches.total(),
            run_permits,
            hashes,
            writes,
            searches,
        }
    }

    /// The number of read-only connections: one for each run permit, and one for each long search, since its
    /// thread has released the run permit but keeps the connection.
    pub fn readers(&self) -> usize {
        self.run_permits + self.searches.total()
    }
}

impl Default for Concurrency {
    fn default() -> Concurrency {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Concurrency::for_cores(u32::try_from(cores).unwrap_or(1).min(64))
    }
}
