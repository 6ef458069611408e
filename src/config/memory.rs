//! The memory that the process may use, where a container limits it: the sizes of buffers and caches follow it.

use std::fs;

/// The limits of memory that are computed from the container's limit.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimits {
    /// The default of `MAX_BUFFERED_BYTES`.
    pub max_buffered_bytes: u64,
    /// The page caches of all database connections together, in bytes.
    pub page_caches: u64,
}

/// Where the limit stands: of cgroup version 2, and of version 1. A container sees its own group at the root.
const FILES: [&str; 2] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];

const MIB: u64 = 1 << 20;

impl MemoryLimits {
    /// The limits for this process.
    pub fn of_this_process() -> MemoryLimits {
        let texts = FILES
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok());
        // Version 2 writes `max` if there is no limit, version 1 a number beyond all memory.
        let limit = texts.filter_map(|text| text.trim().parse().ok()).min();
        MemoryLimits::for_container(limit)
    }

    /// The limits for a container with this many bytes. Half of it is for requests and responses, an eighth for
    /// page caches; the rest is for the program itself and the kernel's socket buffers.
    pub fn for_container(limit: Option<u64>) -> MemoryLimits {
        let limit = limit.unwrap_or(u64::MAX);
        MemoryLimits {
            max_buffered_bytes: (limit / 2).min(64 * MIB),
            page_caches: (limit / 8).min(32 * MIB),
        }
    }
}
