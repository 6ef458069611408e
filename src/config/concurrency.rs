//! How much work runs concurrently: the numbers of threads and database connections and the sizes of the
//! bulkheads, computed from the number of cores. They are not settings, since they only work in combination.

use crate::concurrency::bulkhead::BulkheadSize;

/// The numbers of threads and the sizes of the bulkheads. They are chosen together: even when every kind of slow
/// work fills its bulkhead, there is a worker thread for each run permit and a connection for each read.
#[derive(Debug, Clone, Copy)]
pub struct Concurrency {
    /// Worker threads, including those that hash, write or search without a run permit.
    pub workers: usize,
    /// Worker threads that may run at once; see [`crate::concurrency::run_permits`].
    pub run_permits: usize,
    /// Password hashes; each occupies a core.
    pub hashes: BulkheadSize,
    /// Write transactions.
    pub writes: BulkheadSize,
    /// Searches that take long; see [`crate::store::Store::read`].
    pub searches: BulkheadSize,
}

impl Concurrency {
    /// The numbers for a machine with this many cores.
    pub fn for_cores(cores: usize) -> Concurrency {
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
        // Bounds the threads and connections: 64 cores already mean 832 worker threads and 384 readers.
        Concurrency::for_cores(cores.min(64))
    }
}
