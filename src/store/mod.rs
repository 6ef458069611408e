//! The database: pools of connections, their settings, and transactions. The statements are in the
//! modules below, one for each table.

pub mod audit;
pub mod idempotency;
pub mod sessions;
pub mod tasks;
pub mod users;

#[cfg(test)]
mod plans;
mod schema;
mod select;

use std::cell::RefCell;
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use r2d2::event::{CheckoutEvent, HandleEvent, TimeoutEvent};
use r2d2::{CustomizeConnection, NopErrorHandler, Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
pub use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{FromSql, ValueRef};
use rusqlite::{ErrorCode, Row, Transaction, TransactionBehavior};

use crate::config::Threads;
use crate::error::Error;
use crate::gate::{Gate, Pass};
use crate::metrics::Histogram;
use crate::model::{Id, Timestamp, fold_case};

/// How long a statement waits for another process's lock, and a request for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same for the checkpoint at the end: whoever stops this process waits for it.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// The open database: many connections that read, one that writes.
///
/// SQLite has one writer at a time. Queueing for the one connection here, instead of for the file's
/// lock, leaves no `SQLITE_BUSY` between the threads of this process.
#[derive(Debug)]
pub struct Store {
    readers: Connections,
    writer: Connections,
    writes: Gate,
    searches: Gate,
}

impl Store {
    /// Opens the file, makes it where there is none, and brings its tables and indexes up to date.
    /// `threads` says how many can read and write at a time.
    ///
    /// # Errors
    /// One line for the operator, which names the setting and the file.
    pub fn open(path: &Path, threads: &Threads) -> Result<Store, String> {
        let explain = |why: Error| format!("DATABASE_URL: cannot open {}: {why}", path.display());
        schema::prepare(path).map_err(explain)?;
        let file = || SqliteConnectionManager::file(path);
        let searches = Gate::new("long searches", threads.searches);
        let gate = searches.clone();
        let reader = file().with_init(move |db| set_up_reader(db, gate.clone()));
        Ok(Store {
            readers: Connections::open(reader, threads.readers()).map_err(explain)?,
            writer: Connections::open(file().with_init(set_up_writer), 1).map_err(explain)?,
            writes: Gate::new("writes", threads.writes),
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
        let _search = Search;
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
        let _pass = self.writes.enter()?;
        let mut connection = self.writer.get()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = f(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// What only some requests do at a time.
    pub fn gates(&self) -> [&Gate; 2] {
        [&self.writes, &self.searches]
    }

    /// How long requests have waited for a connection of each kind.
    pub fn waits(&self) -> [(&'static str, &Histogram); 2] {
        let (readers, writer) = (&self.readers.waits.0, &self.writer.waits.0);
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
        let writer = self.writer.pool.get_timeout(LAST_PATIENCE);
        let writer = writer.map_err(|why| Error::Busy(format!("a write goes on: {why}")))?;
        writer.busy_timeout(LAST_PATIENCE)?;
        let blocked: bool =
            writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if blocked { Err(locked()) } else { Ok(()) }
    }
}

/// In steps of SQLite's virtual machine: about a millisecond. A page of a list takes a tenth of it.
const LONG_STATEMENT: i32 = 20_000;

thread_local! {
    /// What is known of the search that this thread is in the middle of.
    static SEARCH: RefCell<Length> = const { RefCell::new(Length::Short) };
}

/// How long a search has taken so far.
#[derive(Default)]
enum Length {
    #[default]
    Short,
    /// SQLite has called once. It counts the steps of a cached statement on from one use to the next, so
    /// this one need not have taken many.
    Unknown,
    /// It has called again.
    Long { _leave_to_go_on: Pass },
}

/// What a thread reads, from beginning to end.
struct Search;

impl Search {
    /// Called every now and then while a statement runs; false breaks it off.
    fn may_go_on(gate: &Gate) -> bool {
        SEARCH.with_borrow_mut(|length| {
            *length = match mem::take(length) {
                Length::Short => Length::Unknown,
                Length::Unknown => match gate.enter() {
                    Ok(pass) => Length::Long {
                        _leave_to_go_on: pass,
                    },
                    Err(_) => return false,
                },
                long => long,
            };
            true
        })
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        SEARCH.take();
    }
}

/// Connections of one kind, and how long requests wait for one.
#[derive(Debug)]
struct Connections {
    pool: Pool<SqliteConnectionManager>,
    waits: Waits,
}

/// The pool measures the time in any case.
#[derive(Debug, Clone, Default)]
struct Waits(Arc<Histogram>);

impl HandleEvent for Waits {
    fn handle_checkout(&self, event: CheckoutEvent) {
        self.0.observe(event.duration());
    }

    fn handle_timeout(&self, event: TimeoutEvent) {
        self.0.observe(event.timeout());
    }
}

impl Connections {
    fn open(manager: SqliteConnectionManager, size: usize) -> Result<Connections, Error> {
        let waits = Waits::default();
        let pool = pool(manager, size, waits.clone())?;
        Ok(Connections { pool, waits })
    }

    fn get(&self) -> Result<PooledConnection<SqliteConnectionManager>, Error> {
        let connection = self.pool.get();
        connection.map_err(|why| Error::Busy(format!("no connection is free: {why}")))
    }
}

fn pool(
    manager: SqliteConnectionManager,
    size: usize,
    waits: Waits,
) -> Result<Pool<SqliteConnectionManager>, Error> {
    #[derive(Debug)]
    struct KeepStatements;

    impl CustomizeConnection<Connection, rusqlite::Error> for KeepStatements {
        fn on_acquire(&self, db: &mut Connection) -> Result<(), rusqlite::Error> {
            // Lists have one statement for each set of filters; rusqlite would keep 16.
            db.set_prepared_statement_cache_capacity(128);
            Ok(())
        }
    }

    Pool::builder()
        .max_size(u32::try_from(size).unwrap_or(u32::MAX))
        .connection_timeout(PATIENCE)
        // Connections to a file neither go stale nor cost anything while idle.
        .idle_timeout(None)
        .max_lifetime(None)
        // A file does not go away as a network connection does; the test costs a statement each time.
        .test_on_check_out(false)
        .connection_customizer(Box::new(KeepStatements))
        // What goes wrong is told by whoever asked for the connection.
        .error_handler(Box::new(NopErrorHandler))
        .event_handler(Box::new(waits))
        .build(manager)
        .map_err(|why| Error::Internal(why.to_string()))
}

/// Settings are per connection, so each new one passes through here.
fn set_up(db: &mut Connection) -> rusqlite::Result<()> {
    db.busy_timeout(PATIENCE)?;
    db.pragma_update(None, "foreign_keys", true)?;
    // Query planner stability: without it a bound LIMIT makes SQLite prepare a cached statement
    // again on every call.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // SQLite's own lower() knows ASCII only. The name is PostgreSQL's.
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    db.create_scalar_function("casefold", 1, flags, |call| {
        Ok(call.get_raw(0).as_str().ok().map(fold_case))
    })
}

fn set_up_reader(db: &mut Connection, searches: Gate) -> rusqlite::Result<()> {
    set_up(db)?;
    db.progress_handler(LONG_STATEMENT, Some(move || !Search::may_go_on(&searches)))?;
    db.pragma_update(None, "query_only", true)
}

fn set_up_writer(db: &mut Connection) -> rusqlite::Result<()> {
    set_up(db)?;
    // A commit is on the disk before it is acknowledged.
    db.pragma_update(None, "synchronous", "FULL")
}

fn is_busy(why: &rusqlite::Error) -> bool {
    matches!(
        why.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

fn locked() -> Error {
    Error::Busy("another process is using the database".to_owned())
}

/// Whether exactly this constraint was broken: `UNIQUE` or `FOREIGN KEY`, by SQLite's extended code.
fn breaks(why: &rusqlite::Error, constraint: i32) -> bool {
    why.sqlite_extended_error_code() == Some(constraint)
}

impl From<rusqlite::Error> for Error {
    fn from(why: rusqlite::Error) -> Error {
        match why.sqlite_error_code() {
            _ if is_busy(&why) => locked(),
            // Nothing but the gate breaks a statement off.
            Some(ErrorCode::OperationInterrupted) => {
                Error::Busy("too many long searches are waiting".to_owned())
            }
            _ => Error::Internal(format!("SQLite: {why}")),
        }
    }
}

/// A column that the Flask app may have filled with anything: what is not a `T` is as good as NULL.
fn lenient<T: FromSql>(row: &Row, column: usize) -> rusqlite::Result<Option<T>> {
    Ok(T::column_result(row.get_ref(column)?).ok())
}

/// The same for text, which is not copied.
fn text<'a>(row: &'a Row, column: usize) -> rusqlite::Result<Option<&'a str>> {
    Ok(row.get_ref(column)?.as_str().ok())
}

/// A sort key as it is stored, and not as it is understood: any text keeps its place, and a number in
/// a column of type DATETIME becomes one again when SQLite compares it.
fn key(row: &Row, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(format!("{number:?}")),
        _ => lenient(row, column)?,
    })
}

/// A column of type DATETIME.
fn timestamp(row: &Row, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(text(row, column)?.and_then(Timestamp::from_stored))
}

/// The primary key.
fn id(row: &Row, column: usize) -> rusqlite::Result<Id> {
    let number = row.get(column)?;
    Id::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
