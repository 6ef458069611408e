//! How the caller of a backup or a restore observes it and stops it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use crate::error::Error;

/// What a backup or a restore is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Copying: parts that are done, and all parts.
    Copying(u64, u64),
    /// Checking the copy.
    Checking,
}

/// A flag that stops the work, and a function that is told of its progress.
pub struct Watch {
    stop: Arc<AtomicBool>,
    report: Box<dyn Fn(Phase)>,
}

impl Watch {
    /// The work stops with an error soon after `stop` is set. `report` is called every few MiB.
    pub fn new(stop: Arc<AtomicBool>, report: impl Fn(Phase) + 'static) -> Watch {
        let report = Box::new(report);
        Watch { stop, report }
    }

    /// Reports progress.
    ///
    /// # Errors
    /// [`Error::Internal`] if the work has to stop.
    pub fn report(&self, phase: Phase) -> Result<(), Error> {
        (self.report)(phase);
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::Internal("it was stopped".to_owned()));
        }
        Ok(())
    }

    /// Makes the statements of this connection fail when the work has to stop.
    pub fn interrupt(&self, db: &Connection) -> rusqlite::Result<()> {
        /// Instructions of SQLite's machine between two looks at the flag: far less than a millisecond.
        const INSTRUCTIONS: i32 = 10_000;
        let stop = Arc::clone(&self.stop);
        db.progress_handler(INSTRUCTIONS, Some(move || stop.load(Ordering::Relaxed)))
    }
}

/// Reports to nothing, and never stops.
impl Default for Watch {
    fn default() -> Watch {
        Watch::new(Arc::default(), |_| {})
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// Reads a file and reports the progress.
#[derive(Debug)]
pub struct WatchedFile<'a> {
    file: File,
    done: u64,
    length: u64,
    watch: &'a Watch,
}

impl WatchedFile<'_> {
    /// Reads a file of this length from its present position.
    pub fn new(file: File, length: u64, watch: &Watch) -> WatchedFile<'_> {
        WatchedFile {
            file,
            done: 0,
            length,
            watch,
        }
    }
}

impl Read for WatchedFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.done += count as u64;
        let phase = Phase::Copying(self.done, self.length);
        self.watch.report(phase).map_err(io::Error::other)?;
        Ok(count)
    }
}
