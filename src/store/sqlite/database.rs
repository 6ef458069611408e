//! The open SQLite database: reads, write transactions, and the watch over its file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;

use super::reader::{KeptReader, Readers};
use super::storage::checkpointer::Checkpointer;
use super::storage::file_watch::FileWatch;
use super::storage::open_files::{self, OpenFiles};
use super::storage::{disk, free_pages, integrity, mark};
use super::write_group::Writer;
use super::{connection_settings, migrate};
use crate::config::database::DatabaseFiles;
use crate::config::memory::MemoryLimits;
use crate::error::{Error, StorageError, StorageFault};
use crate::metrics::exposition::Exposition;
use crate::store::audit::seal::AuditSealer;
use crate::store::connection_pool::ConnectionPool;
use crate::store::engine;
use crate::store::storage_state::{StorageState, TRANSIENT_FAULTS};

/// How long the checkpoint at shutdown waits for the connection and for the lock. It is short, because the
/// operator or the service manager is waiting for the process to end.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(500);

/// An idle database is probed after this time. Each probe is a small commit, which replication tools transmit.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);

/// The open database: a pool of read-only connections, and one connection that writes.
#[derive(Debug)]
pub struct SqliteDatabase {
    files: DatabaseFiles,
    state: Arc<StorageState>,
    readers: Readers,
    writer: Writer,
    checkpointer: Checkpointer,
    file_watch: FileWatch,
    /// Ends long background work.
    is_stopping: Arc<AtomicBool>,
}

impl SqliteDatabase {
    /// Opens the database file with this many read-only connections. Creates it if it does not exist, and
    /// migrates it to the current schema.
    ///
    /// # Errors
    /// [`Error::Internal`] if this program cannot use the file; [`Error::Busy`] if another process keeps it locked.
    pub fn open(files: &DatabaseFiles, readers: usize) -> Result<SqliteDatabase, Error> {
        connection_settings::keep_freed_memory();
        migrate::run(files)?;
        let path = files.database();
        let before = open_files::file_id(path).map_err(|why| Error::Internal(why.to_string()))?;
        let cache = MemoryLimits::of_this_process().page_caches / (readers as u64 + 1);
        let manager = SqliteConnectionManager::file(path)
            .with_init(move |db| connection_settings::set_up_reader(db, cache));
        let pool = ConnectionPool::open(manager, readers, connection_settings::WAIT_TIMEOUT)?;
        let open_writer = || -> Result<Connection, Error> {
            let mut writer = Connection::open(path)?;
            connection_settings::set_up_writer(&mut writer, cache)?;
            // The first read opens the write-ahead log.
            migrate::check_version(&writer)?;
            Ok(writer)
        };
        let (writer, checkpointer) = (open_writer()?, open_writer()?);
        let open = OpenFiles::record(files).map_err(|why| Error::Internal(why.to_string()))?;
        if !open.is_database(before) {
            return Err(Error::Internal(
                "it was replaced during the start".to_owned(),
            ));
        }
        let known = mark::read(&writer)?.in_file;
        let in_file = mark::number_in_file(path)?.unwrap_or(known);
        let (commits, state) = (Arc::new(AtomicU64::new(0)), Arc::<StorageState>::default());
        Ok(SqliteDatabase {
            readers: Readers::new(pool, Arc::clone(&commits)),
            writer: Writer::new(
                writer,
                commits,
                Arc::clone(&state),
                open,
                in_file,
                AuditSealer::new(files),
            ),
            checkpointer: Checkpointer::new(checkpointer, files.clone()),
            file_watch: FileWatch::new(files.clone(), in_file),
            files: files.clone(),
            state,
            is_stopping: Arc::default(),
        })
    }

    /// Runs `f` with a read-only connection, in one snapshot: several statements see the same state.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if no connection becomes free.
    pub fn read<T>(
        &self,
        f: impl FnOnce(&engine::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.readers.read(f).map_err(|why| self.read_failure(why))
    }

    /// Reports a damaged page. To the client, a failed read is an internal error: it has asked for no change.
    fn read_failure(&self, why: Error) -> Error {
        match why {
            Error::StorageUnavailable(error) => {
                if error.fault == StorageFault::Damaged {
                    self.state.report(&error);
                }
                Error::Internal(error.to_string())
            }
            other => other,
        }
    }

    /// Keeps a reader for this thread, for threads that handle many requests; see [`super::reader`].
    ///
    /// # Errors
    /// [`Error::Busy`] if no connection becomes free.
    pub fn keep_reader(&self) -> Result<KeptReader, Error> {
        self.readers.keep()
    }

    /// Runs `f` in one transaction: if `f` returns an error, it is rolled back; otherwise it is committed and
    /// on the disk when this returns. Within [`SqliteDatabase::write_group`] it is on the disk when the group ends.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if another process keeps the database locked;
    /// [`Error::StorageUnavailable`] if it cannot be written.
    pub fn write<T>(
        &self,
        f: impl FnOnce(&engine::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
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
    pub fn audit(&self) -> &AuditSealer {
        self.writer.audit()
    }

    /// Writes the metrics of the database.
    pub fn write_metrics(&self, text: &mut Exposition) {
        self.readers.write_metrics(text);
        self.writer.write_metrics(text);
        self.state.write_metrics(text);
        disk::write_metrics(&self.files, text);
    }

    /// Whether writes fail at once, since a fault lasts.
    ///
    /// # Errors
    /// [`Error::StorageUnavailable`]; [`Error::Busy`] while another program keeps the database locked.
    pub fn check_state(&self) -> Result<(), Error> {
        self.state.check()
    }

    /// Checks that the open database is the right one and not known to be damaged, such as for a backup.
    ///
    /// # Errors
    /// [`Error::StorageUnavailable`].
    pub fn check_right_file(&self) -> Result<(), Error> {
        const WRONG: [StorageFault; 3] = [
            StorageFault::Replaced,
            StorageFault::Newer,
            StorageFault::Damaged,
        ];
        if self
            .state
            .fault()
            .is_some_and(|fault| WRONG.contains(&fault))
        {
            self.state.check()?;
        }
        self.check_files()
    }

    /// Checks that the open files are those at the path of the database.
    ///
    /// # Errors
    /// [`Error::StorageUnavailable`].
    pub fn check_files(&self) -> Result<(), Error> {
        let result = self.writer.check_files().map_err(Error::StorageUnavailable);
        result.inspect_err(|why| self.state.report_failure(why))
    }

    // ---- background work ------------------------------------------------------------------------

    /// Returns free pages of the file to the system, a part of them at a time.
    ///
    /// # Errors
    /// [`Error::Busy`] and [`Error::StorageUnavailable`] if the database cannot be written.
    pub fn release_pages(&self, limit: u32, pause: impl Fn()) -> Result<(), Error> {
        if self.readers.read_sqlite(free_pages::has_many)? {
            while self
                .writer
                .write_sqlite(|db| free_pages::release(db, limit))?
                > 0
            {
                pause();
            }
        }
        Ok(())
    }

    /// The thread that calls [`SqliteDatabase::watch`] is woken when the write-ahead log has become long.
    pub fn set_watcher(&self, thread: Thread) {
        self.checkpointer.keep_log_on_close();
        self.writer.set_watcher(thread);
    }

    /// Looks after the storage: checks that the files are the right ones, tests whether the database can be written,
    /// and checkpoints a long write-ahead log. To be called twice a second, see [`crate::app::storage_watch`].
    pub fn watch(&self) {
        let is_right = self.check_files().is_ok();
        if is_right {
            self.state.end(&[StorageFault::Replaced]);
            self.watch_content();
            self.probe_if_due();
            // What is in the log may be all that is left.
            if self.state.fault() != Some(StorageFault::Damaged) {
                self.checkpointer.run(&self.writer);
            }
        }
    }

    /// Checks that no other program has overwritten the file, and that no newer version of this program uses it.
    fn watch_content(&self) {
        match self.file_watch.check() {
            Ok(None) => {}
            // Another program may have run the checkpoint, such as Litestream.
            Ok(number) => self.writer.set_mark_due(number),
            Err(error) => self.state.report(&error),
        }
        match self.readers.read_sqlite(migrate::check_version) {
            Ok(()) => self.state.end(&[StorageFault::Newer]),
            Err(why) => self.state.report_failure(&why),
        }
    }

    /// Tests whether the database can be written, while a fault lasts, and when nothing has been written for long.
    fn probe_if_due(&self) {
        let is_due = match self.state.fault() {
            None => self.writer.is_idle_for(PROBE_INTERVAL) || disk::is_full(&self.files),
            Some(fault) => TRANSIENT_FAULTS.contains(&fault),
        };
        if !is_due {
            return;
        }
        if let Err(why) = self.writer.probe() {
            self.state.report_failure(&why);
        }
    }

    /// Reads every page in the background, to find damage before a request does.
    ///
    /// # Errors
    /// The check cannot run. Damage that it finds is reported and is no error.
    pub fn check_integrity(&self) -> Result<(), Error> {
        match integrity::quick_check(self.files.database(), &self.is_stopping)? {
            None => Ok(()),
            Some(damage) => {
                self.state
                    .report(&StorageError::new(StorageFault::Damaged, damage));
                Ok(())
            }
        }
    }

    /// Checkpoint: moves the content of the write-ahead log into the database file and truncates the log, so
    /// that the one file is the whole database.
    ///
    /// # Errors
    /// [`Error::Busy`] if a thread or another process is reading or writing at that moment. Nothing is lost
    /// then: the log stays beside the database file.
    pub fn checkpoint(&self) -> Result<(), Error> {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.state.check()?;
        self.writer.checkpoint(CHECKPOINT_TIMEOUT)
    }
}
