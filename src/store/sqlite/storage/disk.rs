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

/// A file system, as far as it matters to a database.
#[derive(Debug, Clone, Copy)]
pub struct FileSystem {
    /// Its usual name.
    pub name: &'static str,
    /// Why a database on it is not safe.
    pub hazard: Option<&'static str>,
}

/// The file system of a folder. `None` for one that this program does not know.
#[cfg(target_os = "linux")]
pub fn file_system(folder: &Path) -> Option<FileSystem> {
    let number = rustix::fs::statfs(folder).ok()?.f_type as u32;
    let known = FILE_SYSTEMS.iter().find(|(magic, ..)| *magic == number);
    known.map(|(_, name, hazard)| FileSystem {
        name,
        hazard: *hazard,
    })
}

#[cfg(not(target_os = "linux"))]
pub fn file_system(_: &Path) -> Option<FileSystem> {
    None
}

#[cfg(target_os = "linux")]
const NETWORK: Option<&str> = Some(
    "a network file system, whose locks SQLite cannot rely on: two machines may damage the database; use a local disk",
);

#[cfg(target_os = "linux")]
const FUSE: Option<&str> =
    Some("it may be a network file system, whose locks SQLite cannot rely on: use a local disk");

#[cfg(target_os = "linux")]
const VOLATILE: Option<&str> =
    Some("its content is lost when the machine or the container ends: use a disk or a volume");

/// The numbers of statfs(2).
#[cfg(target_os = "linux")]
const FILE_SYSTEMS: [(u32, &str, Option<&str>); 18] = [
    (0xEF53, "ext4", None),
    (0x5846_5342, "XFS", None),
    (0x9123_683E, "Btrfs", None),
    (0x2FC1_2FC1, "ZFS", None),
    (0xF2F5_2010, "F2FS", None),
    (0x794C_7630, "overlay", VOLATILE),
    (0x0102_1994, "tmpfs", VOLATILE),
    (0x8584_58F6, "ramfs", VOLATILE),
    (0x6969, "NFS", NETWORK),
    (0x517B, "SMB", NETWORK),
    (0xFF53_4D42, "CIFS", NETWORK),
    (0xFE53_4D42, "SMB2", NETWORK),
    (0x6573_5546, "FUSE", FUSE),
    (0x0102_1997, "9p", NETWORK),
    (0x00C3_6400, "Ceph", NETWORK),
    (0x5346_414F, "AFS", NETWORK),
    (0x0BD0_0BD0, "Lustre", NETWORK),
    (0x0116_1970, "GFS2", NETWORK),
];
