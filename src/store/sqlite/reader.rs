//! Reads. Each sees one snapshot of the database, also across several statements.
//!
//! A thread that serves many requests keeps its connection and its snapshot from one read to the next
//! ([`Readers::keep`]): beginning a read transaction takes locks that all connections share, and that costs
//! more than a usual read. A kept snapshot is never stale to a client: it is replaced after each commit of this
//! process, and after [`MAX_SNAPSHOT_AGE`], for commits of other processes.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use r2d2::PooledConnection;
use r2d2_sqlite::SqliteConnectionManager;

use crate::error::Error;
use crate::metrics::exposition::Exposition;
use crate::store::connection_pool::ConnectionPool;
use crate::store::engine::Connection;

/// How long a thread keeps a snapshot. A commit of another process, such as the Flask app or a command of this
/// program, is visible after this time at the latest. A checkpoint waits for the end of each snapshot too.
pub const MAX_SNAPSHOT_AGE: Duration = Duration::from_millis(20);

/// The read-only connections.
#[derive(Debug)]
pub struct Readers {
    pool: ConnectionPool<SqliteConnectionManager>,
    /// The number of commits of this process.
    commits: Arc<AtomicU64>,
}

/// The connection that a thread keeps.
struct Reader {
    connection: PooledConnection<SqliteConnectionManager>,
    commits: Arc<AtomicU64>,
    snapshot: Option<Snapshot>,
}

/// An open read transaction.
struct Snapshot {
    /// The number of commits when it was opened.
    commits: u64,
    opened: Instant,
}

thread_local! {
    static KEPT: RefCell<Option<Reader>> = const { RefCell::new(None) };
}

impl Readers {
    /// Readers from this pool. `commits` is the counter of the [writer](super::write_group::Writer).
    pub fn new(pool: ConnectionPool<SqliteConnectionManager>, commits: Arc<AtomicU64>) -> Readers {
        Readers { pool, commits }
    }

    /// Keeps a connection for this thread until the result is dropped.
    ///
    /// # Errors
    /// [`Error::Busy`] if no connection becomes free.
    pub fn keep(&self) -> Result<KeptReader, Error> {
        let reader = Reader {
            connection: self.pool.get()?,
            commits: Arc::clone(&self.commits),
            snapshot: None,
        };
        KEPT.set(Some(reader));
        Ok(KeptReader(()))
    }

    /// Runs `f` with a read-only connection, in one snapshot.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if no connection becomes free.
    pub fn read<T>(&self, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.read_sqlite(|db| f(&db.into()))
    }

    /// As [`Readers::read`], for statements that only SQLite has.
    ///
    /// # Errors
    /// As [`Readers::read`].
    pub fn read_sqlite<T>(
        &self,
        f: impl FnOnce(&rusqlite::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.is_kept() {
            return KEPT.with_borrow_mut(|kept| match kept {
                Some(reader) => reader.read(f),
                None => Err(Error::Internal("the thread keeps no reader".to_owned())),
            });
        }
        let connection = self.pool.get()?;
        let snapshot = connection.unchecked_transaction()?;
        f(&snapshot)
    }

    /// Whether this thread keeps one of these readers.
    pub fn is_kept(&self) -> bool {
        let is_same = |reader: &Reader| Arc::ptr_eq(&reader.commits, &self.commits);
        KEPT.with_borrow(|kept| kept.as_ref().is_some_and(is_same))
    }

    /// Writes the metrics of the connection pool.
    pub fn write_metrics(&self, text: &mut Exposition) {
        text.histogram(
            "database_wait_seconds",
            "Time that requests waited for a database connection.",
        )
        .histogram(&[("pool", "readers")], self.pool.waits());
    }
}

impl Reader {
    fn read<T>(
        &mut self,
        f: impl FnOnce(&rusqlite::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.refresh()?;
        let result = f(&self.connection);
        if result.is_err() {
            self.release();
        }
        result
    }

    /// Makes sure that a snapshot is open, and that no commit that a client knows of is missing in it.
    fn refresh(&mut self) -> Result<(), Error> {
        // Loaded before the transaction begins: a commit in between makes the next read refresh once too often.
        let commits = self.commits.load(Ordering::SeqCst);
        let is_current = |snapshot: &Snapshot| {
            snapshot.commits == commits && snapshot.opened.elapsed() < MAX_SNAPSHOT_AGE
        };
        if self.snapshot.as_ref().is_some_and(is_current) {
            return Ok(());
        }
        self.release();
        let opened = Instant::now();
        // A deferred transaction: the first statement that reads takes the snapshot.
        self.connection.prepare_cached("BEGIN")?.execute([])?;
        self.snapshot = Some(Snapshot { commits, opened });
        Ok(())
    }

    /// Ends the snapshot, if one is open.
    fn release(&mut self) {
        if self.snapshot.take().is_none() || self.connection.is_autocommit() {
            return;
        }
        let end = self.connection.prepare_cached("COMMIT");
        if let Err(why) = end.and_then(|mut end| end.execute([])) {
            log::error!("cannot end a read transaction: {why}");
        }
    }
}

/// The guard of the connection that this thread keeps. It is returned to the pool when this is dropped.
#[derive(Debug)]
pub struct KeptReader(());

impl KeptReader {
    /// When the open snapshot has to end, if there is one.
    pub fn snapshot_expiry(&self) -> Option<Instant> {
        KEPT.with_borrow(|kept| {
            let snapshot = kept.as_ref()?.snapshot.as_ref()?;
            Some(snapshot.opened + MAX_SNAPSHOT_AGE)
        })
    }

    /// Ends the snapshot if it is older than [`MAX_SNAPSHOT_AGE`].
    pub fn release_old_snapshot(&self) {
        KEPT.with_borrow_mut(|kept| {
            if let Some(reader) = kept
                && let Some(snapshot) = &reader.snapshot
                && snapshot.opened.elapsed() >= MAX_SNAPSHOT_AGE
            {
                reader.release();
            }
        });
    }
}

/// Ends the snapshot that this thread keeps, if it does.
pub fn release_snapshot_of_thread() {
    KEPT.with_borrow_mut(|kept| {
        if let Some(reader) = kept {
            reader.release();
        }
    });
}

impl Drop for KeptReader {
    fn drop(&mut self) {
        release_snapshot_of_thread();
        KEPT.take();
    }
}
