//! How much work runs at the same time; computed from the number of cores.

/// The numbers of threads and the sizes of the bulkheads. They are chosen together: when every kind of
/// slow work fills its bulkhead, each run permit still has a worker thread, and each read a connection.
#[derive(Debug, Clone, Copy)]
pub struct Concurrency {
    /// Worker threads, including those that wait for the disk or for a hash.
    pub workers: usize,
    /// Worker threads that may run at once; see [`crate::concurrency::RunPermits`].
    pub run_permits: usize,
    /// Password hashes: each occupies a core.
    pub hashes: BulkheadSize,
    /// Transactions that write.
    pub writes: BulkheadSize,
    /// Searches that read a long list.
    pub searches: BulkheadSize,
}

/// The size of a [`crate::concurrency::Bulkhead`]: a request beyond both numbers gets 503.
#[derive(Debug, Clone, Copy)]
pub struct BulkheadSize {
    /// Requests that do the work at once.
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
    /// The numbers for a machine with so many cores.
    pub fn for_cores(cores: u32) -> Concurrency {
        let cores = cores as usize;
        // More than cores, so that a thread is ready to run while another waits for a lock.
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

    /// Connections that read: one for each run permit, and one for each long search, which has released
    /// its permit.
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
