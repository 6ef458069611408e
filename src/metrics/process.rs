//! What Linux says about this process. Other systems do not, and the numbers are missing there.

use std::fs;

/// The memory that it takes up, in bytes.
pub fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// How many descriptors are open.
pub fn open_descriptors() -> Option<usize> {
    let descriptors = fs::read_dir("/proc/self/fd").ok()?;
    // One is that of the folder.
    descriptors.count().checked_sub(1)
}
