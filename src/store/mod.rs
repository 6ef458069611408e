//! The database: pools of connections, their settings, and transactions. The statements are in the
//! modules below, one for each table.

pub mod audit;
pub mod idempotency;
pub mod sessions;
pub mod tasks;
pub mod users;

mod columns;
mod migrate;
mod pool;
mod query_builder;
#[cfg(test)]
mod query_plan_tests;
mod sqlite_error;

use std::path::Path;
use std::time::Duration;

use r2d2_sqlite::SqliteConnectionManager;
pub use rusqlite::Connection;
use rusqlite::{Transaction, TransactionBehavior};

use self::pool::{ConnectionPool, ReadScope};
use self::sqlite_error::locked;
use crate::concurrency::Bulkhead;
use crate::config::concurrency::Concurrency;
use crate::error::Error;
use crate::metrics::Histogram;

/// The same for the checkpoint at the end: whoever stops this process waits for it.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(500);

/// The open database: many connections that read, one that writes.
///
/// SQLite has one writer at a time. Queueing for the one connection here, instead of for the file's
/// lock, leaves no `SQLITE_BUSY` between the threads of this process.
#[derive(Debug)]
pub struct Store {
    readers: ConnectionPool,
    writer: ConnectionPool,
    writes: Bulkhead,
    searches: Bulkhead,
}

impl Store {
    /// Opens the file, makes it where there is none, and brings its tables and indexes up to date.
    /// `concurrency` says how many can read and write at a time.
    ///
    /// # Errors
    /// One line for the operator, which names the setting and the file.
    pub fn open(path: &Path, concurrency: &Concurrency) -> Result<Store, String> {
        let explain = |why: Error| format!("DATABASE_URL: cannot open {}: {why}", path.display());
        migrate::prepare(path).map_err(explain)?;
        let file = || SqliteConnectionManager::file(path);
        let searches = Bulkhead::new("long searches", concurrency.searches);
        let bulkhead = searches.clone();
        let reader = file().with_init(move |db| pool::set_up_reader(db, bulkhead.clone()));
        Ok(Store {
            readers: ConnectionPool::open(reader, concurrency.readers()).map_err(explain)?,
            writer: ConnectionPool::open(file().with_init(pool::set_up_writer), 1)
                .map_err(explain)?,
            writes: Bulkhead::new("writes", concurrency.writes),
            searches,
        })
    }

    /// Lends a connection that cannot write. A search that turns out to take long gives the thread's
    /// turn away.
    ///
    /// # Errors
    /// Those of `f`, and [`Error::Busy`] where no connection becomes free, or too many such searches
    /// are under way.
    pub fn read<T>(&self, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let connection = self.readers.get()?;
        let _scope = ReadScope;
        f(&connection)
    }

    /// Runs `f` in one transaction: all that it writes is there afterwards, on the disk, or nothing.
    /// Gives the thread's turn away, since it waits for other writers and for the disk.
    ///
    /// The transaction begins IMMEDIATE, since one that begins by reading and then writes after
    /// somebody else's commit fails at once, whatever the busy timeout.
    ///
    /// # Errors
    /// Those of `f`, and [`Error::Busy`] where the database stays locked, or too many writes wait.
    pub fn write<T>(&self, f: impl FnOnce(&Transaction) -> Result<T, Error>) -> Result<T, Error> {
        let _permit = self.writes.acquire()?;
        let mut connection = self.writer.get()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = f(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// What only some requests do at a time.
    pub fn bulkheads(&self) -> [&Bulkhead; 2] {
        [&self.writes, &self.searches]
    }

    /// How long requests have waited for a connection of each kind.
    pub fn waits(&self) -> [(&'static str, &Histogram); 2] {
        let (readers, writer) = (self.readers.waits(), self.writer.waits());
        [("readers", readers), ("writer", writer)]
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    pub fn ping(&self) -> Result<(), Error> {
        self.read(|db| {
            Ok(db
                .prepare_cached(r#"SELECT EXISTS (SELECT 1 FROM "user")"#)?
                .query_row([], |_| Ok(()))?)
        })
    }

    /// Moves what is in the write-ahead log into the database file and empties the log (WAL
    /// checkpoint), so that the one file is the whole database.
    ///
    /// # Errors
    /// [`Error::Busy`] where another process is reading or writing at that moment; nothing is lost
    /// then, the log stays beside the file.
    pub fn checkpoint(&self) -> Result<(), Error> {
        let writer = self.writer.get_timeout(CHECKPOINT_TIMEOUT);
        let writer = writer.map_err(|why| Error::Busy(format!("a write goes on: {why}")))?;
        writer.busy_timeout(CHECKPOINT_TIMEOUT)?;
        let blocked: bool =
            writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if blocked { Err(locked()) } else { Ok(()) }
    }
}
