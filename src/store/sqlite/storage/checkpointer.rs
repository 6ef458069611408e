//! Checkpoints in the background: moves the content of the write-ahead log into the database file, so that the log
//! stays short, without a request that waits for the copying.
//!
//! A checkpoint has two steps. The first (`PASSIVE`) copies what no open snapshot needs, while others write. The
//! second (`RESTART`) makes the next write begin at the start of the log. It holds the writer's connection, but finds
//! hardly anything left to copy.

use std::fmt;
use std::fs;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::{disk, mark};
use crate::config::database::DatabaseFiles;
use crate::logging::FAILURE;
use crate::store::sqlite::connection_settings::keep_log_on_close;
use crate::store::sqlite::write_group::Writer;

/// The log is checkpointed when it has this many pages (16 MiB). With SQLite's default of 1,000 pages, the same
/// pages would be copied more often.
pub const CHECKPOINT_PAGES: u64 = 4000;

/// SQLite's default.
const PAGE_BYTES: u64 = 4096;

/// The size above which the file of the log is truncated after a checkpoint, and an operator is warned before.
pub const MAX_LOG_BYTES: u64 = 64 << 20;

/// Checkpoints one database.
#[derive(Debug)]
pub struct Checkpointer {
    connection: Mutex<Connection>,
    files: DatabaseFiles,
    delay: Mutex<Delay>,
}

/// What has kept the log from beginning again.
#[derive(Debug, Default)]
struct Delay {
    /// A reader needs a page of the log before this one.
    reader: Option<u64>,
    /// The operator has been told.
    is_told: bool,
}

/// The result of SQLite's pragma.
pub struct Checkpoint {
    /// A reader or a writer was in the way.
    pub is_blocked: bool,
    /// The pages of the log.
    pub pages: u64,
    /// Those of them that are in the database file.
    pub copied: u64,
}

/// How much a checkpoint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointMode {
    /// Copies what it can without waiting.
    Passive,
    /// Waits for readers, so that the next write begins at the start of the log.
    Restart,
    /// As `Restart`; the file of the log becomes empty.
    Truncate,
}

impl Checkpointer {
    /// Takes over a connection that is set up for writing.
    pub fn new(connection: Connection, files: DatabaseFiles) -> Checkpointer {
        Checkpointer {
            connection: Mutex::new(connection),
            files,
            delay: Mutex::default(),
        }
    }

    /// A server checkpoints at its stop itself, and not when the connection is closed.
    pub fn keep_log_on_close(&self) {
        keep_log_on_close(&self.connection.lock());
    }

    /// The size of the log's file in bytes.
    pub fn log_bytes(&self) -> u64 {
        fs::metadata(self.files.write_ahead_log()).map_or(0, |metadata| metadata.len())
    }

    /// Checkpoints the log if it is long, or larger than the free space: on a full disk the database file could not
    /// take its content.
    pub fn run(&self, writer: &Writer) {
        let (bytes, free) = (self.log_bytes(), self.free_bytes());
        let is_large = bytes > MAX_LOG_BYTES || bytes > free;
        let mode = match is_large {
            true => CheckpointMode::Truncate,
            false => CheckpointMode::Restart,
        };
        let mut delay = self.delay.lock();
        if is_large || writer.is_log_long() {
            match self.restart(writer, mode, &mut delay.reader) {
                Ok(()) => delay.report(bytes),
                Err(why) => delay.tell(format_args!(
                    "cannot checkpoint the write-ahead log, so it grows: {why}"
                )),
            }
        }
        // After a checkpoint that was not complete, the next attempt is that many pages later.
        let pages = CHECKPOINT_PAGES.min(free / 2 / PAGE_BYTES);
        writer.set_checkpoint_at(pages + delay.reader.unwrap_or(0));
    }

    /// The free bytes of the disk; the largest number where the system does not tell.
    fn free_bytes(&self) -> u64 {
        disk::free_bytes(self.files.folder()).unwrap_or(u64::MAX)
    }

    /// Makes the next write begin at the start of the log, unless a reader is in the way.
    fn restart(
        &self,
        writer: &Writer,
        mode: CheckpointMode,
        reader: &mut Option<u64>,
    ) -> rusqlite::Result<()> {
        let first = checkpoint(&self.connection.lock(), CheckpointMode::Passive)?;
        let in_file = mark::number_in_file(self.files.database())?;
        writer.set_mark_due(in_file);
        // Writers wait during the second step, so it is not tried again before the reader of the last attempt is gone.
        if reader.is_some_and(|pages| first.copied < pages) {
            return Ok(());
        }
        let second = writer.restart_log(mode)?;
        *reader = second.is_blocked.then_some(first.pages);
        Ok(())
    }
}

impl Delay {
    /// Tells the operator when a reader lets the log become large, and when it is short again.
    fn report(&mut self, log_bytes: u64) {
        if self.reader.is_none() && self.is_told {
            log::warn!(target: FAILURE, "the write-ahead log is short again");
            self.is_told = false;
        } else if self.reader.is_some() && log_bytes > MAX_LOG_BYTES {
            self.tell(format_args!(
                "the write-ahead log has {} MiB and grows: a long read (a backup, the check for damage, or another \
                 program such as an open sqlite3) holds an old state of the database",
                log_bytes >> 20
            ));
        }
    }

    /// Tells the operator once.
    fn tell(&mut self, what: fmt::Arguments) {
        if !self.is_told {
            log::error!(target: FAILURE, "{what}");
        }
        self.is_told = true;
    }
}

/// Runs a checkpoint on this connection.
pub fn checkpoint(db: &Connection, mode: CheckpointMode) -> rusqlite::Result<Checkpoint> {
    let sql = match mode {
        CheckpointMode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        CheckpointMode::Restart => "PRAGMA wal_checkpoint(RESTART)",
        CheckpointMode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    db.query_row(sql, [], |row| {
        let pages = |column| {
            row.get(column)
                .map(|pages: i64| u64::try_from(pages).unwrap_or(0))
        };
        Ok(Checkpoint {
            is_blocked: row.get(0)?,
            pages: pages(1)?,
            copied: pages(2)?,
        })
    })
}
