//! The open database: reads and write transactions.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;

use super::audit_seal::{self, AuditSealer};
use super::connection_pool::{self, ConnectionPool};
use super::reader::{KeptReader, Readers};
use super::write_group::Writer;
use super::{audit, migrate};
use crate::config::database::DatabaseFiles;
use crate::config::memory::MemoryLimits;
use crate::error::Error;
use crate::metrics::exposition::Exposition;

/// How long the checkpoint at shutdown waits for the connection and for the lock. It is short, because the
/// operator or the service manager is waiting for the process to end.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(500);

/// The open database: a pool of read-only connections, and one connection that writes.
#[derive(Debug)]
pub struct Store {
    readers: Readers,
    writer: Writer,
}

impl Store {
    /// Opens the database file with this many read-only connections. Creates it if it does not exist, and
    /// migrates it to the current schema.
    ///
    /// # Errors
    /// One line for the operator; it names the setting and the file.
    pub fn open(files: &DatabaseFiles, readers: usize) -> Result<Store, String> {
        let path = files.database();
        let explain = |why: Error| format!("DATABASE_URL: cannot open {}: {why}", path.display());
        migrate::run(files).map_err(explain)?;
        let audit = AuditSealer::new(files);
        let store = Store::connect(path, readers, audit).map_err(explain)?;
        audit_seal::open(&store)?;
        Ok(store)
    }

    fn connect(path: &Path, readers: usize, audit: AuditSealer) -> Result<Store, Error> {
        let cache = MemoryLimits::of_this_process().page_caches / (readers as u64 + 1);
        let reader = SqliteConnectionManager::file(path)
            .with_init(move |db| connection_pool::set_up_reader(db, cache));
        let mut writer = Connection::open(path)?;
        connection_pool::set_up_writer(&mut writer, cache)?;
        let commits = Arc::new(AtomicU64::new(0));
        Ok(Store {
            readers: Readers::new(ConnectionPool::open(reader, readers)?, Arc::clone(&commits)),
            writer: Writer::new(writer, commits, audit),
        })
    }

    /// Runs `f` with a read-only connection, in one snapshot: several statements see the same state.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if no connection becomes free.
    pub fn read<T>(&self, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.readers.read(f)
    }

    /// Keeps a reader for this thread, for threads that handle many requests; see [`super::reader`].
    ///
    /// # Errors
    /// [`Error::Busy`] if no connection becomes free.
    pub fn keep_reader(&self) -> Result<KeptReader, Error> {
        self.readers.keep()
    }

    /// Runs `f` in one transaction: if `f` returns an error, it is rolled back; otherwise it is committed and
    /// on the disk when this returns. Within [`Store::write_group`] it is on the disk when the group ends.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if another process keeps the database locked;
    /// [`Error::StorageUnavailable`] if it cannot be written.
    pub fn write<T>(&self, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        // The commit waits for the disk, and an event loop must not.
        if self.readers.is_kept() && !self.writer.is_in_group() {
            return Err(Error::Internal("an event loop must not write".to_owned()));
        }
        self.writer.write(f)
    }

    /// Group commit: runs `run` with each item; all transactions that it writes share one commit. Returns each
    /// result with the outcome of the commit. No result may leave the process before this returns.
    pub fn write_group<I, T>(
        &self,
        items: impl IntoIterator<Item = I>,
        run: impl FnMut(I) -> T,
    ) -> Vec<(T, Result<(), Error>)> {
        // The reads of a group share one snapshot. Without a free connection each read waits for one itself.
        let _kept = self.readers.keep().ok();
        self.writer.run_group(items, run)
    }

    /// Seals the audit log.
    pub(super) fn audit(&self) -> &AuditSealer {
        self.writer.audit()
    }

    /// Writes the metrics of the database.
    pub fn write_metrics(&self, text: &mut Exposition) {
        self.readers.write_metrics(text);
        self.writer.write_metrics(text);
        audit::write_metrics(self.read(audit::ChainHead::read).ok().as_ref(), text);
        self.audit().write_metrics(text);
    }

    /// Runs a short query, to check that the database responds.
    ///
    /// # Errors
    /// [`Error::Busy`] if no connection becomes free or the database is locked; [`Error::Internal`] for any other
    /// error of SQLite.
    pub fn ping(&self) -> Result<(), Error> {
        self.read(|db| {
            Ok(db
                .prepare_cached(r#"SELECT EXISTS (SELECT 1 FROM "user")"#)?
                .query_row([], |_| Ok(()))?)
        })
    }

    /// Checkpoint: moves the content of the write-ahead log into the database file and truncates the log, so
    /// that the one file is the whole database.
    ///
    /// # Errors
    /// [`Error::Busy`] if a thread or another process is reading or writing at that moment. Nothing is lost
    /// then: the log stays beside the database file.
    pub fn checkpoint(&self) -> Result<(), Error> {
        self.writer.checkpoint(CHECKPOINT_TIMEOUT)
    }
}
