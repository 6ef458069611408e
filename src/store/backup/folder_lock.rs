//! A lock on the folder of a database: one scheduled backup or one restore at a time, of all processes.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

/// Locks the folder until the returned value is dropped. `None` if another process or thread has the lock.
pub fn lock_folder(folder: &Path) -> io::Result<Option<File>> {
    let folder = File::open(folder)?;
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(why)) => Err(why),
    }
}
