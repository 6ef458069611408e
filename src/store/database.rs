//! The open database: starts reads and transactions, and checkpoints the write-ahead log.

use std::path::Path;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::connection_pool::{self, ConnectionPool};
use super::long_reads::ReadGuard;
use super::migrate;
use super::sqlite_error::database_locked;
use crate::concurrency::bulkhead::Bulkhead;
use crate::config::concurrency::Concurrency;
use crate::error::Error;
use crate::metrics::Histogram;
use crate::metrics::exposition::Exposition;

/// How long the checkpoint at shutdown waits for the connection and for the lock. It is short, because the
/// operator or the service manager is waiting for the process to end.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(500);

/// The open database: a pool of read-only connections, and one connection that writes.
///
/// SQLite has one writer at a time. The threads of this process queue for the one writing connection and not
/// for the lock on the file, so they never get `SQLITE_BUSY` from each other.
#[derive(Debug)]
pub struct Store {
    readers: ConnectionPool,
    writer: ConnectionPool,
    writes: Bulkhead,
    searches: Bulkhead,
}

impl Store {
    /// Opens the database file. Creates it if it does not exist, and migrates it to the current schema.
    /// `concurrency` gives the number of connections and the sizes of the bulkheads.
    ///
    /// # Errors
    /// One line for the operator; it names the setting and the file.
    pub fn open(path: &Path, concurrency: &Concurrency) -> Result<Store, String> {
        let explain = |why: Error| format!("DATABASE_URL: cannot open {}: {why}", path.display());
        migrate::run(path).map_err(explain)?;
        let file = || SqliteConnectionManager::file(path);
        let searches = Bulkhead::new("long searches", concurrency.searches);
        let bulkhead = searches.clone();
        let reader =
            file().with_init(move |db| connection_pool::set_up_reader(db, bulkhead.clone()));
        Ok(Store {
            readers: ConnectionPool::open(reader, concurrency.readers()).map_err(explain)?,
            writer: ConnectionPool::open(file().with_init(connection_pool::set_up_writer), 1)
                .map_err(explain)?,
            writes: Bulkhead::new("writes", concurrency.writes),
            searches,
        })
    }

    /// Runs `f` with a read-only connection. A statement that proves to take long acquires a permit of the
    /// bulkhead for long searches before it continues, and thereby releases the thread's run permit.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if no connection becomes free, or if that bulkhead is full.
    pub fn read<T>(&self, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let connection = self.readers.get()?;
        let _guard = ReadGuard;
        f(&connection)
    }

    /// Runs `f` in one transaction: if `f` returns an error, it is rolled back; otherwise it is committed and
    /// on the disk when this returns. Releases the thread's run permit, since it waits for other writers and
    /// for the disk.
    ///
    /// The transaction starts with `BEGIN IMMEDIATE`, which takes the write lock first. A deferred
    /// transaction that reads and then writes would fail at once with `SQLITE_BUSY` if another process
    /// commits in between; the busy timeout does not apply there.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if another process keeps the database locked, or if too many writes wait.
    pub fn write<T>(&self, f: impl FnOnce(&Transaction) -> Result<T, Error>) -> Result<T, Error> {
        let _permit = self.writes.acquire()?;
        let mut connection = self.writer.get()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = f(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// The bulkheads for writes and for long searches.
    pub fn bulkheads(&self) -> [&Bulkhead; 2] {
        [&self.writes, &self.searches]
    }

    /// Writes the metrics of the connection pools.
    pub fn write_metrics(&self, text: &mut Exposition) {
        let mut family = text.histogram(
            "database_wait_seconds",
            "Time that requests waited for a database connection.",
        );
        for (pool, waits) in self.waits() {
            family.histogram(&[("pool", pool)], waits);
        }
    }

    /// How long requests waited for a connection, by the name of the pool.
    fn waits(&self) -> [(&'static str, &Histogram); 2] {
        let (readers, writer) = (self.readers.waits(), self.writer.waits());
        [("readers", readers), ("writer", writer)]
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
        let writer = self.writer.get_timeout(CHECKPOINT_TIMEOUT);
        let writer = writer.map_err(|why| Error::Busy(format!("a write is in progress: {why}")))?;
        writer.busy_timeout(CHECKPOINT_TIMEOUT)?;
        let blocked: bool =
            writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if blocked {
            Err(database_locked())
        } else {
            Ok(())
        }
    }
}
