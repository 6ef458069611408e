//! Group commit: the write transactions of one thread share one commit, and so one sync of the disk.
//!
//! A sync takes far longer than the statements of a request, so one sync for many requests multiplies the
//! number of writes per second. Each request still is a transaction of its own to its caller: it runs in a
//! savepoint, so its error or panic undoes nothing of the others. What a request returns may leave the process
//! only after [`Writer::run_group`] has returned, because only then it is on the disk.

use std::cell::{Cell, RefCell};
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use parking_lot::lock_api::ArcMutexGuard;
use parking_lot::{FairMutex, Mutex, RawFairMutex};
use rusqlite::Connection;

use super::connection_settings::{WAIT_TIMEOUT, keep_log_on_close};
use super::error_codes::is_busy;
use super::migrate::check_version;
use super::reader::release_snapshot_of_thread;
use super::storage::checkpointer::{CHECKPOINT_PAGES, Checkpoint, CheckpointMode, checkpoint};
use super::storage::mark;
use super::storage::open_files::OpenFiles;
use crate::error::{Error, StorageError, StorageFault};
use crate::metrics::RecentSummary;
use crate::metrics::exposition::Exposition;
use crate::store::audit::seal::AuditSealer;
use crate::store::engine;
use crate::store::storage_state::{StorageState, TRANSIENT_FAULTS, database_locked};

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
    state: Arc<StorageState>,
    files: OpenFiles,
    /// Whether the next write marks the database; see [`super::storage::mark`].
    is_mark_due: AtomicBool,
    /// The last known number in the database file alone.
    in_file: AtomicI64,
    /// Since when another process holds the lock.
    locked_since: Mutex<Option<Instant>>,
    /// The length of the write-ahead log in pages after the last commit.
    log_pages: AtomicU64,
    /// The length at which it is checkpointed.
    checkpoint_at: AtomicU64,
    /// The thread that checkpoints.
    watcher: OnceLock<Thread>,
    /// When the last commit was on the disk; `None` before the first.
    last_commit: Mutex<Option<Instant>>,
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
#[derive(Clone)]
enum GroupFailure {
    Busy(String),
    Storage(StorageError),
    Internal(String),
}

impl From<Error> for GroupFailure {
    fn from(why: Error) -> GroupFailure {
        match why {
            Error::Busy(cause) => GroupFailure::Busy(cause),
            Error::StorageUnavailable(why) => GroupFailure::Storage(why),
            other => GroupFailure::Internal(other.to_string()),
        }
    }
}

impl From<GroupFailure> for Error {
    fn from(why: GroupFailure) -> Error {
        match why {
            GroupFailure::Busy(cause) => Error::Busy(cause),
            GroupFailure::Storage(why) => Error::StorageUnavailable(why),
            GroupFailure::Internal(cause) => Error::Internal(cause),
        }
    }
}

thread_local! {
    /// The open group of this thread.
    static GROUP: RefCell<Option<Group>> = const { RefCell::new(None) };
    /// The length of the write-ahead log in pages after the last commit of this thread.
    static LOG_PAGES: Cell<u64> = const { Cell::new(0) };
}

/// How long a checkpoint waits for readers: searches of this process, which take some tens of milliseconds, and
/// other processes. Event loops end their snapshots within [`super::reader::MAX_SNAPSHOT_AGE`].
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(100);

/// Time between two attempts to take the lock that another process holds.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// How long the test whether the database can be written waits for the lock of another process.
const PROBE_TIMEOUT: Duration = Duration::from_millis(250);

impl Writer {
    /// Takes over a connection that is set up for writing. `commits` counts up after each commit; `in_file` is the
    /// mark of the database file alone.
    pub fn new(
        connection: Connection,
        commits: Arc<AtomicU64>,
        state: Arc<StorageState>,
        files: OpenFiles,
        in_file: i64,
        audit: AuditSealer,
    ) -> Writer {
        connection.wal_hook(Some(|_, pages| {
            LOG_PAGES.set(u64::try_from(pages).unwrap_or(0));
            Ok(())
        }));
        Writer {
            connection: Arc::new(FairMutex::new(connection)),
            commits,
            audit,
            state,
            files,
            is_mark_due: AtomicBool::new(true),
            in_file: AtomicI64::new(in_file),
            locked_since: Mutex::default(),
            log_pages: AtomicU64::new(0),
            checkpoint_at: AtomicU64::new(CHECKPOINT_PAGES),
            watcher: OnceLock::new(),
            last_commit: Mutex::new(None),
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
        self.audit.begin();
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
            Err(why) if took_part => Err(Error::StorageUnavailable(why.clone())),
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
    pub fn write<T>(
        &self,
        f: impl FnOnce(&engine::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.write_sqlite(|db| f(&db.into()))
    }

    /// As [`Writer::write`], for statements that only SQLite has.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn write_sqlite<T>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
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
        GROUP
            .with_borrow_mut(|group| {
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
            .inspect_err(|why| self.state.report_failure(why))
    }

    /// Begins the transaction of a group, if it has not begun.
    fn join(&self, group: &mut Group) -> Result<(), Error> {
        if group.connection.is_none() && group.failure.is_none() {
            match self.check_state().and_then(|()| self.begin(WAIT_TIMEOUT)) {
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
            group.failure = Some(GroupFailure::Storage(self.rolled_back()));
        }
        match &group.failure {
            None => Ok(()),
            Some(why) => Err(why.clone().into()),
        }
    }

    /// During a fault a write fails at once; the storage watch probes for its end. A command has no storage watch, so
    /// each of its writes tries.
    fn check_state(&self) -> Result<(), Error> {
        match self.watcher.get() {
            Some(_) => self.state.check(),
            None => Ok(()),
        }
    }

    /// Waits for the connection and for the lock of another process, at most `timeout` for both, and begins the
    /// transaction of a group.
    ///
    /// `BEGIN IMMEDIATE` takes the write lock first. A deferred transaction that reads and then writes would
    /// fail at once with `SQLITE_BUSY` if another process commits in between; the busy timeout does not apply
    /// there.
    fn begin(&self, timeout: Duration) -> Result<ArcMutexGuard<RawFairMutex, Connection>, Error> {
        // The writer before this one may wait for the end of this thread's snapshot, in a checkpoint.
        release_snapshot_of_thread();
        let deadline = Instant::now() + timeout;
        let connection = self.connection.try_lock_arc_until(deadline);
        let connection =
            connection.ok_or_else(|| Error::Busy("another write takes too long".to_owned()))?;
        self.begin_immediate(&connection, deadline)?;
        self.check_transaction(&connection).inspect_err(|_| {
            self.is_mark_due.store(true, Ordering::SeqCst);
            let _ = connection.execute_batch("ROLLBACK");
        })?;
        Ok(connection)
    }

    /// Tries until the deadline. A lock that lasts for [`WAIT_TIMEOUT`] is an outage. SQLite's own busy timeout sleeps
    /// for up to 100 ms between two attempts, and would miss the moments between the commits of a busy process.
    fn begin_immediate(&self, db: &Connection, deadline: Instant) -> Result<(), Error> {
        db.busy_timeout(Duration::ZERO)?;
        let log_before = self.files.log_modified();
        let begin = Instant::now();
        loop {
            match db.execute_batch("BEGIN IMMEDIATE") {
                Err(why) if is_busy(&why) && Instant::now() < deadline => {
                    thread::sleep(POLL_INTERVAL)
                }
                Err(why) if is_busy(&why) => {
                    // A log that changes means that other processes take turns. The next write may have more luck.
                    let is_same_lock = self.files.log_modified() == log_before;
                    self.note_lock(is_same_lock.then_some(begin));
                    return Err(why.into());
                }
                result => {
                    self.note_lock(None);
                    return Ok(result?);
                }
            }
        }
    }

    /// Reports a lock that has lasted since this attempt or an earlier one; `None` if there is none.
    fn note_lock(&self, begin: Option<Instant>) {
        let mut locked_since = self.locked_since.lock();
        *locked_since = begin.map(|begin| locked_since.unwrap_or(begin));
        if locked_since.is_some_and(|since| since.elapsed() >= WAIT_TIMEOUT) {
            let cause = "SQLite's write lock is taken";
            let error = StorageError::new(StorageFault::Locked, cause);
            self.state.report(&error);
        }
    }

    /// The first statements of each transaction.
    fn check_transaction(&self, db: &Connection) -> Result<(), Error> {
        check_version(db)?;
        if self.is_mark_due.swap(false, Ordering::SeqCst) {
            mark::advance(db, self.in_file.load(Ordering::SeqCst))?;
        }
        Ok(())
    }

    /// Commits the writes of a group, which syncs the disk.
    ///
    /// # Errors
    /// Nothing of the group may be acknowledged: the commit has failed, or has gone to a file that is no longer the
    /// database.
    fn commit(&self, group: Group, start: Instant) -> Result<(), StorageError> {
        let Some(connection) = group.connection else {
            return Ok(());
        };
        let result = self.commit_on(&connection);
        if let Err(why) = &result {
            self.is_mark_due.store(true, Ordering::SeqCst);
            self.state.report(why);
        } else if group.writes > 0 {
            self.group_sizes.observe(group.writes as f64);
            self.group_seconds.observe(start.elapsed().as_secs_f64());
        }
        result
    }

    fn commit_on(&self, connection: &Connection) -> Result<(), StorageError> {
        if connection.is_autocommit() {
            return Err(self.rolled_back());
        }
        // An open snapshot would keep a checkpoint from finishing.
        release_snapshot_of_thread();
        let committed = self
            .audit
            .seal_head(&connection.into())
            .and_then(|()| Ok(connection.execute_batch("COMMIT")?));
        if let Err(why) = committed {
            // The transaction is still open after some errors, and rolled back already after others.
            let _ = connection.execute_batch("ROLLBACK");
            return Err(match why {
                Error::StorageUnavailable(why) => why,
                other => StorageError::new(StorageFault::Failing, other.to_string()),
            });
        }
        self.files.check()?;
        match LOG_PAGES.take() {
            0 => {} // nothing was written, so nothing is proven about the disk
            pages => self.note_commit(pages),
        }
        Ok(())
    }

    /// Notes a commit that was written to the log, which has this many pages now.
    fn note_commit(&self, pages: u64) {
        *self.last_commit.lock() = Some(Instant::now());
        self.audit.note_commit();
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.state.end(&TRANSIENT_FAULTS);
        self.watch_log(pages);
    }

    /// Wakes the thread that checkpoints if the log has become long.
    fn watch_log(&self, pages: u64) {
        self.log_pages.store(pages, Ordering::Relaxed);
        if pages >= self.checkpoint_at.load(Ordering::Relaxed)
            && let Some(watcher) = self.watcher.get()
        {
            watcher.unpark();
        }
    }

    /// The thread that is woken when the log has become long. A server checkpoints at its stop itself, and not when
    /// the connection is closed.
    pub fn set_watcher(&self, thread: Thread) {
        // The first thread stays: a server has one.
        let _ = self.watcher.set(thread);
        keep_log_on_close(&self.connection.lock());
    }

    /// Whether the log is so long that it should be checkpointed.
    pub fn is_log_long(&self) -> bool {
        self.log_pages.load(Ordering::Relaxed) >= self.checkpoint_at.load(Ordering::Relaxed)
    }

    /// The log is checkpointed when it has this many pages.
    pub fn set_checkpoint_at(&self, pages: u64) {
        self.checkpoint_at.store(pages, Ordering::Relaxed);
    }

    /// After a checkpoint, the next write marks the database. `in_file` is the number in the database file alone, if
    /// it can be read.
    pub fn set_mark_due(&self, in_file: Option<i64>) {
        if let Some(in_file) = in_file {
            self.in_file.store(in_file, Ordering::SeqCst);
        }
        self.is_mark_due.store(true, Ordering::SeqCst);
    }

    /// The error after SQLite has rolled back a transaction on its own, which an error of a statement has caused.
    fn rolled_back(&self) -> StorageError {
        let fault = self.state.fault().unwrap_or(StorageFault::Failing);
        StorageError::new(fault, "SQLite has rolled back the transaction")
    }

    /// Whether nothing was written for this time, or at all.
    pub fn is_idle_for(&self, time: Duration) -> bool {
        self.last_commit
            .lock()
            .is_none_or(|commit| commit.elapsed() > time)
    }

    /// Checks that the open files are still those at the path of the database.
    ///
    /// # Errors
    /// [`StorageFault::Replaced`].
    pub fn check_files(&self) -> Result<(), StorageError> {
        self.files.check()
    }

    /// Tests whether the database can be written, by a transaction that changes the storage mark.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn probe(&self) -> Result<(), Error> {
        self.is_mark_due.store(true, Ordering::SeqCst);
        let group = Group {
            connection: Some(self.begin(PROBE_TIMEOUT)?),
            ..Group::default()
        };
        self.commit(group, Instant::now())
            .map_err(Error::StorageUnavailable)
    }

    /// The second step of a checkpoint: makes the next write begin at the start of the log.
    pub fn restart_log(&self, mode: CheckpointMode) -> rusqlite::Result<Checkpoint> {
        let connection = self.connection.lock();
        // Event loops that are busy give up their snapshots now, others after a moment.
        self.commits.fetch_add(1, Ordering::SeqCst);
        connection.busy_timeout(CHECKPOINT_TIMEOUT)?;
        let checkpoint = checkpoint(&connection, mode)?;
        if !checkpoint.is_blocked {
            self.set_mark_due(None);
            self.log_pages.store(0, Ordering::Relaxed);
        }
        Ok(checkpoint)
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
        match checkpoint(&connection, CheckpointMode::Truncate)?.is_blocked {
            true => Err(database_locked()),
            false => Ok(()),
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

/// The guard of this thread's open group. Its drop, when a panic ends the group, rolls everything back.
struct OpenGroup;

impl OpenGroup {
    fn begin() -> OpenGroup {
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
