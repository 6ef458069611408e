//! Whether the files that are open are still those at the path of the database. A database that is moved, removed
//! or replaced under the server stays open, and everything written to it would be lost with the last connection.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::config::database::DatabaseFiles;
use crate::error::{StorageError, StorageFault};

/// Identifies a file: its device and its inode. Windows does not allow to move an open file.
#[cfg(unix)]
type FileId = (u64, u64);
#[cfg(not(unix))]
type FileId = ();

/// The database, its write-ahead log and the index of the log, which are open.
#[derive(Debug)]
pub struct OpenFiles([(PathBuf, FileId); 3]);

impl OpenFiles {
    /// Records which files lie at the paths now.
    ///
    /// # Errors
    /// A file is missing.
    pub fn record(files: &DatabaseFiles) -> io::Result<OpenFiles> {
        let record = |path: PathBuf| file_id(&path).map(|id| (path, id));
        let database = record(files.database().to_owned())?;
        let log = record(files.write_ahead_log())?;
        Ok(OpenFiles([database, log, record(files.shared_memory())?]))
    }

    /// Whether the database is the file with this id.
    pub fn is_database(&self, id: FileId) -> bool {
        self.0[0].1 == id
    }

    /// When the write-ahead log was last written to, by any process.
    pub fn log_modified(&self) -> Option<SystemTime> {
        fs::metadata(&self.0[1].0)
            .and_then(|log| log.modified())
            .ok()
    }

    /// Checks that the same files still lie there.
    ///
    /// # Errors
    /// [`StorageFault::Replaced`], with the file.
    pub fn check(&self) -> Result<(), StorageError> {
        for (path, recorded) in &self.0 {
            let why = match file_id(path) {
                Ok(id) if id == *recorded => continue,
                Ok(_) => "is another file now".to_owned(),
                Err(why) => format!("cannot be found: {why}"),
            };
            let cause = format!(
                "{} {why}; stop the server before it loses data, and put the right file there",
                path.display()
            );
            return Err(StorageError::new(StorageFault::Replaced, cause));
        }
        Ok(())
    }
}

/// The device and the inode of the file at a path.
#[cfg(unix)]
pub fn file_id(path: &std::path::Path) -> io::Result<FileId> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
pub fn file_id(path: &std::path::Path) -> io::Result<FileId> {
    fs::metadata(path).map(drop)
}
