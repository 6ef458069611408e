//! Copies one snapshot of a database into a file, with SQLite's backup API.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, Transaction};

use super::watch::{Phase, Watch};
use crate::error::Error;
use crate::store::files::PartialFile;
use crate::store::storage_state::database_locked;

/// Pages in one step: 1 MiB of the usual 4 KiB.
const STEP: i32 = 256;

/// Copies the state that `snapshot` sees. The copy is a single file, without a write-ahead log.
///
/// The backup API starts again whenever another process writes, so under constant writes it never ends. It does
/// not if its connection has a transaction open, since it copies the transaction's snapshot then. Writers do not
/// wait for it, as for any reader of a write-ahead log.
pub fn copy_snapshot(snapshot: &Transaction, to: &PartialFile, watch: &Watch) -> Result<(), Error> {
    let mut copy = open_copy(to.path())?;
    copy_pages(snapshot, &mut copy, to, watch)?;
    // The copied header says that there is a write-ahead log.
    copy.execute_batch("PRAGMA journal_mode = MEMORY")?;
    Ok(())
}

fn copy_pages(
    snapshot: &Transaction,
    copy: &mut Connection,
    to: &PartialFile,
    watch: &Watch,
) -> Result<(), Error> {
    let backup = Backup::new(snapshot, copy)?;
    loop {
        let result = backup.step(STEP)?;
        let (progress, pages) = (backup.progress(), |count: i32| {
            u64::from(count.unsigned_abs())
        });
        let total = pages(progress.pagecount);
        watch.report(Phase::Copying(total - pages(progress.remaining), total))?;
        match result {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => return Err(database_locked()),
        }
        // A sync of the whole copy at the end would keep the disk busy for long, and the commits of the server would
        // wait for it.
        to.file()
            .sync_data()
            .map_err(|why| Error::Internal(why.to_string()))?;
    }
}

/// Opens a copy that no other process uses. It gets no file beside it, and its caller syncs it.
pub fn open_copy(path: &Path) -> rusqlite::Result<Connection> {
    let copy = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // With `secure_delete`, a deleted key leaves no bytes in free pages.
    copy.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = MEMORY;
         PRAGMA synchronous = OFF;
         PRAGMA secure_delete = ON;",
    )?;
    Ok(copy)
}
