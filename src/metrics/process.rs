//! Metrics of this process. Memory and file descriptors are read from `/proc`; on systems without it these two
//! metrics are missing.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use super::exposition::Exposition;

/// Writes the metrics of the process, which started at `start`, under the names that all Prometheus client
/// libraries use.
pub fn write(start: SystemTime, text: &mut Exposition) {
    let start = start.duration_since(UNIX_EPOCH).unwrap_or_default();
    text.gauge(
        "process_start_time_seconds",
        "Start of the process, in Unix time.",
    )
    .sample(&[], start.as_secs_f64());
    if let Some(bytes) = resident_memory() {
        text.gauge(
            "process_resident_memory_bytes",
            "Resident set size of the process.",
        )
        .sample(&[], bytes);
    }
    if let Some(count) = open_descriptors() {
        text.gauge("process_open_fds", "Open file descriptors.")
            .sample(&[], count);
    }
}

/// The resident set size in bytes.
fn resident_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The number of open file descriptors.
fn open_descriptors() -> Option<usize> {
    let descriptors = fs::read_dir("/proc/self/fd").ok()?;
    // One of them is the folder itself, which is open only while it is read.
    descriptors.count().checked_sub(1)
}
