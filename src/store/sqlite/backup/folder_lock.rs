//! A lock on the folder of a database: one scheduled backup or one restore at a time, of all processes.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// The lock, until it is dropped.
#[derive(Debug)]
pub struct FolderLock(File);

impl FolderLock {
    /// Locks the folder. `None` if another process or thread has the lock.
    pub fn try_lock(folder: &Path) -> io::Result<Option<FolderLock>> {
        let folder = File::open(folder)?;
        match folder.try_lock() {
            Ok(()) => Ok(Some(FolderLock(folder))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(why)) => Err(why),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Closing the file is not enough while a child process, which has just been forked, has it too. Unlocking
        // does not fail on a file that is locked.
        let _ = self.0.unlock();
    }
}
