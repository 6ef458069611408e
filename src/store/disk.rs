//! The disk on which the database lies: its free bytes, and the sizes of the files.

use std::fs;
use std::path::Path;

use crate::config::database::DatabaseFiles;
use crate::metrics::exposition::Exposition;

/// With fewer free bytes the next commit may not fit.
const ALMOST_FULL: u64 = 64 << 10;

/// Whether the disk has hardly any room left.
pub fn is_full(files: &DatabaseFiles) -> bool {
    free_bytes(files.folder()).is_some_and(|bytes| bytes < ALMOST_FULL)
}

/// The bytes that this user may still write to the file system of a folder. `None` if it does not tell.
#[cfg(unix)]
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}

#[cfg(not(unix))]
pub fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// Writes the sizes as metrics.
pub fn write_metrics(files: &DatabaseFiles, text: &mut Exposition) {
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    text.gauge("database_bytes", "Size of the database file.")
        .sample(&[], size(files.database()));
    text.gauge("database_log_bytes", "Size of the write-ahead log.")
        .sample(&[], size(&files.write_ahead_log()));
    if let Some(bytes) = free_bytes(files.folder()) {
        text.gauge(
            "database_free_bytes",
            "Free bytes of the file system on which the database lies.",
        )
        .sample(&[], bytes);
    }
}
