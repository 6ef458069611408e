//! Group commit: the write transactions of one thread share one commit, and so one sync of the disk.
//!
//! A sync takes far longer than the statements of a request, so one sync for many requests multiplies the
//! number of writes per second. Each request still is a transaction of its own to its caller: it runs in a
//! savepoint, so its error or panic undoes nothing of the others. What a request returns may leave the process
//! only after [`Writer::run_group`] has returned, because only then it is on the disk.

use std::cell::{Cell, RefCell};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::lock_api::ArcMutexGuard;
use parking_lot::{FairMutex, RawFairMutex};
use rusqlite::Connection;

use super::audit_seal::{self, AuditSealer};
use super::connection_pool::WAIT_TIMEOUT;
use super::reader::release_snapshot_of_thread;
use super::sqlite_error::database_locked;
use crate::error::Error;
use crate::metrics::RecentSummary;
use crate::metrics::exposition::Exposition;

/// The connection that writes, and its queue.
///
/// SQLite has one writer at a time. The threads of this process queue for this connection and not for the lock
/// on the file, so they never get `SQLITE_BUSY` from each other. The mutex is fair: it passes to the thread
/// that has waited longest.
#[derive(Debug)]
pub struct Writer {
    connection: Arc<FairMutex<Connection>>,
    /// The number of commits since the start; see [`super::reader`].
    commits: Arc<AtomicU64>,
    /// Seals the audit log at each commit.
    audit: AuditSealer,
    /// The length of the write-ahead log, in pages, at which it is checkpointed.
    checkpoint_at: AtomicU64,
    /// Writes in each commit.
    group_sizes: RecentSummary,
    /// Seconds from the first request of a group to the end of its commit.
    group_seconds: RecentSummary,
}

/// The writes of this thread that wait for their common commit.
#[derive(Default)]
struct Group {
    /// The connection, from the first write to the commit.
    connection: Option<ArcMutexGuard<RawFairMutex, Connection>>,
    /// The transactions, successful or not.
    transactions: usize,
    /// The successful ones.
    writes: usize,
    failure: Option<GroupFailure>,
}

/// Why no further write of a group can succeed: the transaction could not begin, and each further write would wait
/// for the lock as long as the first; or SQLite has rolled it back, for example because the disk is full.
struct GroupFailure {
    cause: String,
    /// The variant of the error.
    error: fn(String) -> Error,
}

impl From<Error> for GroupFailure {
    fn from(why: Error) -> GroupFailure {
        let (cause, error): (_, fn(String) -> Error) = match why {
            Error::Busy(cause) => (cause, Error::Busy),
            Error::StorageUnavailable(cause) => (cause, Error::StorageUnavailable),
            other => (other.to_string(), Error::Internal),
        };
        GroupFailure { cause, error }
    }
}

thread_local! {
    /// The open group of this thread.
    static GROUP: RefCell<Option<Group>> = const { RefCell::new(None) };
    /// The length of the write-ahead log in pages after the last commit of this thread.
    static LOG_PAGES: Cell<u64> = const { Cell::new(0) };
}

/// The write-ahead log is checkpointed when it has this many pages (16 MiB). With SQLite's default of 1,000 pages,
/// a checkpoint would follow every few groups and copy the same pages each time.
const CHECKPOINT_PAGES: u64 = 4000;

/// How long a checkpoint waits for readers: searches of this process, which take some tens of milliseconds, and
/// other processes. Event loops end their snapshots within [`super::reader::MAX_SNAPSHOT_AGE`].
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(100);

impl Writer {
    /// Takes over a connection that is set up for writing. `commits` counts up after each commit.
    pub fn new(connection: Connection, commits: Arc<AtomicU64>, audit: AuditSealer) -> Writer {
        connection.wal_hook(Some(|_, pages| {
            LOG_PAGES.set(u64::try_from(pages).unwrap_or(0));
            Ok(())
        }));
        Writer {
            connection: Arc::new(FairMutex::new(connection)),
            commits,
            audit,
            checkpoint_at: AtomicU64::new(CHECKPOINT_PAGES),
            group_sizes: RecentSummary::default(),
            group_seconds: RecentSummary::default(),
        }
    }

    /// Runs `run` with each item. All calls of [`Writer::write`] that it makes on this thread share one commit.
    /// Returns the results; beside each, whether what it wrote is on the disk.
    ///
    /// # Errors
    /// The second half of a result is [`Error::StorageUnavailable`] if the item has called [`Writer::write`] and
    /// the commit has failed. What the item has written, and what it has seen of others, is undone then.
    pub fn run_group<I, T>(
        &self,
        items: impl IntoIterator<Item = I>,
        mut run: impl FnMut(I) -> T,
    ) -> Vec<(T, Result<(), Error>)> {
        let open = OpenGroup::begin();
        let start = Instant::now();
        let results: Vec<(T, bool)> = items
            .into_iter()
            .map(|item| {
                let before = open.transactions();
                (run(item), open.transactions() > before)
            })
            .collect();
        let committed = self.commit(open.end(), start);
        let committed = |took_part| match &committed {
            Err(cause) if took_part => Err(Error::StorageUnavailable(cause.clone())),
            _ => Ok(()),
        };
        results
            .into_iter()
            .map(|(result, took_part)| (result, committed(took_part)))
            .collect()
    }

    /// Runs `f` in a transaction: if `f` returns an error or panics, what it has written is rolled back.
    /// Otherwise it is committed when this returns; within [`Writer::run_group`], at the end of the group.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if another process keeps the database locked;
    /// [`Error::StorageUnavailable`].
    pub fn write<T>(&self, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        if self.is_in_group() {
            return self.write_in_group(f);
        }
        let mut group = self.run_group([f], |f| self.write_in_group(f));
        match group.pop() {
            Some((result, committed)) => committed.and(result),
            None => Err(Error::Internal("a group of one write is empty".to_owned())),
        }
    }

    /// Seals the audit log.
    pub fn audit(&self) -> &AuditSealer {
        &self.audit
    }

    /// Whether this thread runs a group.
    pub fn is_in_group(&self) -> bool {
        GROUP.with_borrow(Option::is_some)
    }

    fn write_in_group<T>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        GROUP.with_borrow_mut(|group| {
            let group = group.get_or_insert_default();
            self.join(group)?;
            group.transactions += 1;
            let Some(connection) = &mut group.connection else {
                return Err(Error::Internal("a group has no connection".to_owned()));
            };
            let savepoint = connection.savepoint()?;
            // Dropping the savepoint, on an error or a panic, rolls it back.
            let value = f(&savepoint)?;
            savepoint.commit()?;
            group.writes += 1;
            Ok(value)
        })
    }

    /// Begins the transaction of a group, if it has not begun.
    fn join(&self, group: &mut Group) -> Result<(), Error> {
        if group.connection.is_none() && group.failure.is_none() {
            match self.begin() {
                Ok(connection) => group.connection = Some(connection),
                Err(why) => group.failure = Some(why.into()),
            }
        }
        // After an error of the disk SQLite may have rolled back the transaction of the whole group.
        if group
            .connection
            .as_ref()
            .is_some_and(|db| db.is_autocommit())
        {
            group.failure = Some(Error::StorageUnavailable(ROLLED_BACK.to_owned()).into());
        }
        match &group.failure {
            None => Ok(()),
            Some(GroupFailure { cause, error }) => Err(error(cause.clone())),
        }
    }

    /// Waits for the connection, and begins the transaction of a group.
    ///
    /// `BEGIN IMMEDIATE` takes the write lock first. A deferred transaction that reads and then writes would
    /// fail at once with `SQLITE_BUSY` if another process commits in between; the busy timeout does not apply
    /// there.
    fn begin(&self) -> Result<ArcMutexGuard<RawFairMutex, Connection>, Error> {
        // The writer before this one may wait for the end of this thread's snapshot, in its checkpoint.
        release_snapshot_of_thread();
        let connection = self.connection.try_lock_arc_for(WAIT_TIMEOUT);
        let connection =
            connection.ok_or_else(|| Error::Busy("another write takes too long".to_owned()))?;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(connection)
    }

    /// Commits the writes of a group, which syncs the disk. Returns the cause if that fails.
    fn commit(&self, group: Group, start: Instant) -> Result<(), String> {
        let Some(connection) = group.connection else {
            return Ok(());
        };
        if connection.is_autocommit() {
            return Err(ROLLED_BACK.to_owned());
        }
        if let Err(why) = self.audit.seal_head(&connection) {
            let _ = connection.execute_batch("ROLLBACK");
            return Err(format!("the audit log cannot be sealed: {why}"));
        }
        // An open snapshot would keep the checkpoint after this commit from finishing.
        release_snapshot_of_thread();
        if let Err(why) = connection.execute_batch("COMMIT") {
            // The transaction is still open after some errors, and rolled back already after others.
            let _ = connection.execute_batch("ROLLBACK");
            return Err(format!("the commit failed: {why}"));
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.restart_long_log(&connection);
        if group.writes > 0 {
            self.group_sizes.observe(group.writes as f64);
            self.group_seconds.observe(start.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// Checkpoints the write-ahead log if it has become long.
    fn restart_long_log(&self, connection: &Connection) {
        let pages = LOG_PAGES.take();
        if pages < self.checkpoint_at.load(Ordering::Relaxed) {
            return;
        }
        let has_restarted = restart_log(connection).unwrap_or_else(|why| {
            log::warn!("cannot checkpoint the write-ahead log, so it grows: {why}");
            false
        });
        // After a failure the next attempt is 4,000 pages later.
        let next = if has_restarted { 0 } else { pages } + CHECKPOINT_PAGES;
        self.checkpoint_at.store(next, Ordering::Relaxed);
    }

    /// Checkpoint at the end of the process: moves the content of the write-ahead log into the database file
    /// and truncates the log, so that the one file is the whole database.
    ///
    /// # Errors
    /// [`Error::Busy`] if a thread or another process is reading or writing at that moment. Nothing is lost
    /// then: the log stays beside the database file.
    pub fn checkpoint(&self, timeout: Duration) -> Result<(), Error> {
        let connection = self.connection.try_lock_for(timeout);
        let connection =
            connection.ok_or_else(|| Error::Busy("a write is in progress".to_owned()))?;
        connection.busy_timeout(timeout)?;
        let blocked: bool =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if blocked {
            Err(database_locked())
        } else {
            Ok(())
        }
    }

    /// Writes the metrics of group commit.
    pub fn write_metrics(&self, text: &mut Exposition) {
        text.summary(
            "write_group_size",
            "Writes that shared a commit; of the last 1,000 commits.",
        )
        .summary(&self.group_sizes);
        text.summary(
            "write_group_seconds",
            "Time from the first request of a group to the end of its commit; of the last 1,000 commits.",
        )
        .summary(&self.group_seconds);
    }
}

const ROLLED_BACK: &str = "SQLite has rolled back the transaction; the disk may be full or failing";

/// Moves the content of the write-ahead log into the database file, so that the next write starts the log from
/// its beginning. Returns false if another process is reading an old state: the log grows on then.
fn restart_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(CHECKPOINT_TIMEOUT)?;
    let sql = "PRAGMA wal_checkpoint(RESTART)";
    let is_blocked = connection.query_row(sql, [], |row| row.get::<_, bool>(0));
    connection.busy_timeout(WAIT_TIMEOUT)?;
    Ok(!is_blocked?)
}

/// The guard of this thread's open group. Its drop, when a panic ends the group, rolls everything back.
struct OpenGroup;

impl OpenGroup {
    fn begin() -> OpenGroup {
        audit_seal::forget_base();
        GROUP.set(Some(Group::default()));
        OpenGroup
    }

    /// The number of transactions in the group so far, successful or not.
    fn transactions(&self) -> usize {
        GROUP.with_borrow(|group| group.as_ref().map_or(0, |group| group.transactions))
    }

    /// Closes the group for further writes.
    fn end(self) -> Group {
        let group = GROUP.take().unwrap_or_default();
        mem::forget(self);
        group
    }
}

impl Drop for OpenGroup {
    fn drop(&mut self) {
        if let Some(Group {
            connection: Some(connection),
            ..
        }) = GROUP.take()
            && !connection.is_autocommit()
            && let Err(why) = connection.execute_batch("ROLLBACK")
        {
            log::error!("cannot roll back a group of writes: {why}");
        }
    }
}
