//! The open PostgreSQL database: reads, write transactions with retries, and the watch over its server.

use std::time::{Duration, Instant};

use parking_lot::{FairMutex, Mutex};
use r2d2::PooledConnection;

use super::connect::{ConnectionManager, LastServer};
use super::inspection::Standby;
use super::migrate;
use super::session::{Abort, DatabaseSession};
use super::session_manager::SessionManager;
use super::transaction::{Transaction, TransactionKind};
use crate::config::concurrency::Connections;
use crate::config::database::DatabaseFiles;
use crate::config::postgres::PostgresUrl;
use crate::error::{Error, StorageError, StorageFault};
use crate::logging::FAILURE;
use crate::metrics::Counter;
use crate::metrics::exposition::Exposition;
use crate::store::audit::seal::AuditSealer;
use crate::store::connection_pool::ConnectionPool;
use crate::store::engine::Connection;
use crate::store::storage_state::{StorageState, TRANSIENT_FAULTS};

/// How long a statement may take before its connection counts as broken: a server that hangs closes no connection.
const RESPONSE_LIMIT: Duration = Duration::from_secs(10);

/// How long a request waits for a connection. While the server cannot be reached, the pool tries again after half of
/// this time at the latest, so this bounds how long a failover goes unnoticed.
const WAIT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a start waits for its first connections. A start has more time than a request: PostgreSQL may be busy with the
/// connections of other servers that start at the same moment.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a transaction is retried. A client waits meanwhile.
const RETRY_LIMIT: Duration = Duration::from_secs(5);

/// The time between two lines about the standby: each request that it fails is one fault.
const STANDBY_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// The longest pause before a retry.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// The open database.
pub struct PostgresDatabase {
    reads: ConnectionPool<SessionManager>,
    writes: ConnectionPool<SessionManager>,
    /// Of `READ_DATABASE_URL`: reads go there while the primary cannot be reached.
    standby: Option<ConnectionPool<SessionManager>>,
    standby_url: Option<PostgresUrl>,
    standby_fault_logged_at: Mutex<Option<Instant>>,
    state: StorageState,
    audit: AuditSealer,
    /// Retries of this process run one after the other: two that conflict would go on conflicting.
    retries: FairMutex<()>,
    conflicts: Counter,
}

/// The result of one attempt of a transaction.
enum Attempt<T> {
    Done(Result<T, Error>),
    /// It can run again, since nothing of it is committed.
    Again(Error),
    /// It has to run in a transaction.
    InTransaction,
}

impl PostgresDatabase {
    /// Opens this number of connections, and migrates the database to the current schema.
    ///
    /// # Errors
    /// One line for the operator; it names the setting.
    pub fn open(
        url: &PostgresUrl,
        standby: Option<&PostgresUrl>,
        files: &DatabaseFiles,
        connections: Connections,
    ) -> Result<PostgresDatabase, String> {
        let last = LastServer::default();
        migrate::run(url, &last).map_err(|why| format!("DATABASE_URL: {why}"))?;
        let manager = |name: &str, url: &PostgresUrl, last: &LastServer| {
            let manager = ConnectionManager::new(url, RESPONSE_LIMIT, last);
            let manager = manager.map_err(|why| format!("{name}: {why}"))?;
            Ok::<_, String>(SessionManager(manager))
        };
        // Many connections take longer to open than a start may wait. One of each pool shows that they can be opened.
        let pool = |size| {
            let manager = manager("DATABASE_URL", url, &last)?;
            let pool = ConnectionPool::open_in_background(manager, size, WAIT_TIMEOUT);
            match pool.get_within(START_TIMEOUT) {
                Ok(_) => Ok(pool),
                Err(why) => Err(format!("DATABASE_URL: {why}")),
            }
        };
        let standby_url = standby.cloned();
        let standby = standby.map(|url| manager("READ_DATABASE_URL", url, &LastServer::default()));
        Ok(PostgresDatabase {
            reads: pool(connections.reads)?,
            writes: pool(connections.writes)?,
            // A server without its standby can start.
            standby: standby.transpose()?.map(|manager| {
                ConnectionPool::open_in_background(manager, connections.reads, WAIT_TIMEOUT)
            }),
            standby_url,
            standby_fault_logged_at: Mutex::new(None),
            state: StorageState::default(),
            audit: AuditSealer::new(files),
            retries: FairMutex::new(()),
            conflicts: Counter::default(),
        })
    }

    /// Runs `f` in a transaction that only reads.
    ///
    /// # Errors
    /// Those of `f`; [`Error::StorageUnavailable`] if the server cannot be reached.
    pub fn read<T>(&self, f: impl Fn(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.read_as(TransactionKind::Read, f)
    }

    fn read_as<T>(
        &self,
        kind: TransactionKind,
        f: impl Fn(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.state.fault() != Some(StorageFault::Unreachable) {
            match self.run_on_primary(&self.reads, kind, &f) {
                Err(why) if is_lost(&why) => {}
                done => return done,
            }
        }
        match &self.standby {
            Some(standby) => self.read_from_standby(standby, kind, f),
            None => Err(self.unreachable()),
        }
    }

    /// A fault of the standby is none of the primary: it begins no outage.
    fn read_from_standby<T>(
        &self,
        standby: &ConnectionPool<SessionManager>,
        kind: TransactionKind,
        f: impl Fn(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self.retry(standby, kind, f) {
            Err(Error::StorageUnavailable(why)) => {
                self.log_standby_fault(&why);
                Err(self.unreachable())
            }
            result => result,
        }
    }

    fn log_standby_fault(&self, why: &StorageError) {
        let mut logged_at = self.standby_fault_logged_at.lock();
        if logged_at.is_none_or(|at| at.elapsed() > STANDBY_LOG_INTERVAL) {
            *logged_at = Some(Instant::now());
            log::error!(target: FAILURE, "READ_DATABASE_URL: requests that read get 503, since {why}");
        }
    }

    fn unreachable(&self) -> Error {
        self.state.check().err().unwrap_or_else(lost)
    }

    /// Runs `f`, which runs one statement, without a transaction around it, unless it needs a cursor.
    ///
    /// # Errors
    /// As [`PostgresDatabase::read`].
    pub fn read_one<T>(&self, f: impl Fn(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.read_as(TransactionKind::OneRead, f)
    }

    /// Runs `f` in a serializable transaction. It may run several times, until no other transaction interferes.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if other transactions interfere for too long, or if the connection is lost during
    /// the commit: then it is unknown whether it has happened. [`Error::StorageUnavailable`] if the server cannot be
    /// reached or the database cannot be written.
    pub fn write<T>(&self, f: impl Fn(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.state.check()?;
        self.run_on_primary(&self.writes, TransactionKind::Write, f)
    }

    fn run_on_primary<T>(
        &self,
        pool: &ConnectionPool<SessionManager>,
        kind: TransactionKind,
        f: impl Fn(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let result = self.retry(pool, kind, f);
        result.inspect_err(|why| self.state.report_failure(why))
    }

    fn retry<T>(
        &self,
        pool: &ConnectionPool<SessionManager>,
        mut kind: TransactionKind,
        f: impl Fn(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let begin = Instant::now();
        let (mut retry_lock, mut attempt) = (None, 0);
        // All connections of the pool may be lost, for example after a restart of the server.
        let max_lost = pool.max_size();
        loop {
            let session = self.session(pool)?;
            let why = match self.attempt(&session, kind, &f) {
                Attempt::Done(result) => return result,
                Attempt::InTransaction => {
                    kind = TransactionKind::Read;
                    continue;
                }
                Attempt::Again(why) => why,
            };
            drop(session);
            if begin.elapsed() > RETRY_LIMIT || attempt > max_lost && is_lost(&why) {
                return Err(give_up(why));
            }
            if !is_lost(&why) {
                self.conflicts.add(1);
                retry_lock =
                    retry_lock.or_else(|| self.retries.try_lock_until(begin + RETRY_LIMIT));
                std::thread::sleep(pause(attempt));
            }
            attempt += 1;
        }
    }

    fn session(
        &self,
        pool: &ConnectionPool<SessionManager>,
    ) -> Result<PooledConnection<SessionManager>, Error> {
        pool.get().map_err(|why| match pool.is_empty() {
            true => {
                let cause = why.to_string();
                Error::StorageUnavailable(StorageError::new(StorageFault::Unreachable, cause))
            }
            // Other requests have all connections.
            false => why,
        })
    }

    fn attempt<T>(
        &self,
        session: &DatabaseSession,
        kind: TransactionKind,
        f: impl Fn(&Connection) -> Result<T, Error>,
    ) -> Attempt<T> {
        let transaction = match Transaction::begin(session, kind) {
            Ok(transaction) => transaction,
            // Nothing has happened yet.
            Err(why) if is_lost(&why) => return Attempt::Again(why),
            Err(why) => return Attempt::Done(Err(why)),
        };
        self.audit.begin();
        let connection = transaction.connection();
        let result = f(&connection).and_then(|value| {
            if kind == TransactionKind::Write {
                self.audit.seal_head(&connection)?;
            }
            Ok(value)
        });
        match (result, transaction.take_abort()) {
            (Ok(_), Some(Abort::Conflict)) => Attempt::Again(Error::WriteConflict),
            (Ok(_), Some(_)) => Attempt::Again(lost()),
            (Err(_), Some(Abort::NeedsTransaction)) => Attempt::InTransaction,
            (Err(why), Some(Abort::Conflict | Abort::Lost)) => Attempt::Again(why),
            (Err(why), _) => Attempt::Done(Err(why)),
            (Ok(value), None) => self.commit(transaction, kind, value),
        }
    }

    fn commit<T>(&self, transaction: Transaction, kind: TransactionKind, value: T) -> Attempt<T> {
        match transaction.commit() {
            Ok(()) => {
                if kind == TransactionKind::Write {
                    self.audit.note_commit();
                    self.state.end(&TRANSIENT_FAULTS);
                }
                Attempt::Done(Ok(value))
            }
            Err(Error::WriteConflict) => Attempt::Again(Error::WriteConflict),
            // One lost connection is no outage. Each such failure has its line in the log, unlike those of an outage.
            Err(why) if is_lost(&why) => Attempt::Done(Err(Error::Busy(format!(
                "the connection was lost during a commit, which may have happened: {why}"
            )))),
            Err(why) => Attempt::Done(Err(why)),
        }
    }

    /// Seals the audit log.
    pub fn audit(&self) -> &AuditSealer {
        &self.audit
    }

    /// Whether requests fail at once, since a fault lasts.
    ///
    /// # Errors
    /// [`Error::StorageUnavailable`].
    pub fn check_state(&self) -> Result<(), Error> {
        self.state.check()
    }

    /// Looks after the database: whether it can be reached, and whether a newer version of this program has migrated it;
    /// while a fault lasts, whether it can be written again.
    pub fn watch(&self) {
        let found = match self.state.fault() {
            None => self.retry(
                &self.reads,
                TransactionKind::OneRead,
                migrate::check_not_newer,
            ),
            Some(_) => self.probe(),
        };
        if let Err(why) = found {
            self.state.report_failure(&why);
        }
    }

    fn probe(&self) -> Result<(), Error> {
        migrate::probe(&*self.session(&self.writes)?)?;
        self.state.end(&TRANSIENT_FAULTS);
        self.state
            .end(&[StorageFault::Newer, StorageFault::Replaced]);
        Ok(())
    }

    /// Logs why reads could not go on from `READ_DATABASE_URL`, while they need not.
    pub fn check_standby(&self) {
        if let Some(Err(why)) = self.standby_url.as_ref().map(Standby::find) {
            log::warn!("{why}; reads will fail while the primary cannot be reached");
        }
    }

    /// Writes the metrics of the connections and the transactions.
    pub fn write_metrics(&self, text: &mut Exposition) {
        self.write_pool_metrics(text);
        let is_reachable = self.state.fault() != Some(StorageFault::Unreachable);
        text.gauge(
            "database_primary_reachable",
            "1 if a server of DATABASE_URL answers, 0 while none does.",
        )
        .sample(&[], u8::from(is_reachable));
        text.gauge(
            "database_reads_from_standby",
            "1 while reads go to READ_DATABASE_URL, otherwise 0.",
        )
        .sample(&[], u8::from(!is_reachable && self.standby.is_some()));
        text.counter(
            "database_conflicts_total",
            "Transactions that were run again, since another one had changed what they had read.",
        )
        .sample(&[], self.conflicts.get());
        self.state.write_metrics(text);
    }

    fn write_pool_metrics(&self, text: &mut Exposition) {
        let pools = || {
            let standby = self.standby.iter().map(|pool| ("standby", pool));
            [("readers", &self.reads), ("writers", &self.writes)]
                .into_iter()
                .chain(standby)
        };
        let families = [
            (
                "database_connections_in_use",
                "Connections that a request uses.",
            ),
            (
                "database_connections_idle",
                "Connections that no request uses.",
            ),
            ("database_connections_max", "The most connections."),
        ];
        for (index, (name, help)) in families.into_iter().enumerate() {
            let mut family = text.gauge(name, help);
            for (pool, connections) in pools() {
                family.sample(&[("pool", pool)], connections.counts()[index]);
            }
        }
        let mut waits = text.histogram(
            "database_wait_seconds",
            "Time that requests waited for a database connection.",
        );
        for (name, pool) in pools() {
            waits.histogram(&[("pool", name)], pool.waits());
        }
    }
}

fn lost() -> Error {
    let cause = "the connection was lost during a transaction";
    Error::StorageUnavailable(StorageError::new(StorageFault::Unreachable, cause))
}

fn is_lost(why: &Error) -> bool {
    matches!(why, Error::StorageUnavailable(error) if error.fault == StorageFault::Unreachable)
}

/// The error of a transaction that is not run again.
fn give_up(why: Error) -> Error {
    match why {
        Error::WriteConflict => {
            Error::Busy("other transactions changed the same rows for too long".to_owned())
        }
        other => other,
    }
}

/// Exponential backoff with full jitter: of several servers that conflict, one is first.
fn pause(attempt: usize) -> Duration {
    let longest = Duration::from_millis(1 << attempt.min(10)).min(MAX_PAUSE);
    let random = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    longest.mul_f64(random)
}

impl std::fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresDatabase").finish_non_exhaustive()
    }
}
