//! Memory and file descriptors of this process, read from `/proc`. On systems other than Linux these
//! metrics are missing.

use std::fs;

/// The resident set size in bytes.
pub fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The number of open file descriptors.
pub fn open_descriptors() -> Option<usize> {
    let descriptors = fs::read_dir("/proc/self/fd").ok()?;
    // Without the descriptor of the folder itself, which is open for this reading only.
    descriptors.count().checked_sub(1)
}
