//! Notices when another program overwrites the database file in place, such as `cp copy.db project.db`: the file is
//! still the same, but its content is older than what was written to it.

use std::fs;
use std::thread;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rusqlite::ErrorCode;

use super::mark;
use crate::config::database::DatabaseFiles;
use crate::error::{StorageError, StorageFault};

/// How often a change is read again: another process may be in the middle of a checkpoint.
const ATTEMPTS: u32 = 3;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Watches one database file.
#[derive(Debug)]
pub struct FileWatch {
    files: DatabaseFiles,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    modified: Option<SystemTime>,
    length: u64,
    /// The mark of the file alone.
    number: i64,
}

impl FileWatch {
    /// Watches this database, whose file alone has this mark now.
    pub fn new(files: DatabaseFiles, number: i64) -> FileWatch {
        let seen = Seen {
            modified: None,
            length: 0,
            number,
        };
        FileWatch {
            files,
            seen: Mutex::new(seen),
        }
    }

    /// Checks the file if it has changed since the last call, by a checkpoint of any program. Returns its mark then.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`].
    pub fn check(&self) -> Result<Option<i64>, StorageError> {
        let Ok(metadata) = fs::metadata(self.files.database()) else {
            return Ok(None); // the check of the open files reports it
        };
        let (modified, length) = (metadata.modified().ok(), metadata.len());
        let mut seen = self.seen.lock();
        if (modified, length) == (seen.modified, seen.length) {
            return Ok(None);
        }
        let number = self.read_number(seen.number)?;
        if let Some(number) = number {
            *seen = Seen {
                modified,
                length,
                number,
            };
        }
        Ok(number)
    }

    /// Reads the mark of the file, which is never lower than `least`. `None` if it cannot be read now, such as in the
    /// middle of a checkpoint. If it is damage, the next check of all pages finds it.
    fn read_number(&self, least: i64) -> Result<Option<i64>, StorageError> {
        let mut why = "its content is older than before".to_owned();
        for _ in 0..ATTEMPTS {
            match mark::number_in_file(self.files.database()) {
                Ok(Some(number)) if number < least => {}
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
                    why = error.to_string();
                }
                result => return Ok(result.unwrap_or(None)),
            }
            thread::sleep(PAUSE);
        }
        let path = self.files.database().display();
        let cause = format!("{path} was overwritten: {why}; stop the server and restore a backup");
        Err(StorageError::new(StorageFault::Damaged, cause))
    }
}
