//! Connection pools: many readers, one writer. Sets up each connection, measures the waits, and notices reads
//! that take long.

use std::cell::RefCell;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use r2d2::event::{CheckoutEvent, HandleEvent, TimeoutEvent};
use r2d2::{CustomizeConnection, NopErrorHandler, Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;

use crate::concurrency::{Bulkhead, Permit};
use crate::error::Error;
use crate::metrics::Histogram;
use crate::model::fold_case;

/// How long a statement waits for another process's lock, and a request for a connection.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

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
    Long { _permit: Permit },
}

/// What a thread reads, from beginning to end.
pub struct ReadScope;

impl ReadScope {
    /// Called every now and then while a statement runs; false breaks it off.
    fn may_continue(bulkhead: &Bulkhead) -> bool {
        SEARCH.with_borrow_mut(|length| {
            *length = match mem::take(length) {
                Length::Short => Length::Unknown,
                Length::Unknown => match bulkhead.acquire() {
                    Ok(permit) => Length::Long { _permit: permit },
                    Err(_) => return false,
                },
                long => long,
            };
            true
        })
    }
}

impl Drop for ReadScope {
    fn drop(&mut self) {
        SEARCH.take();
    }
}

/// ConnectionPool of one kind, and how long requests wait for one.
#[derive(Debug)]
pub struct ConnectionPool {
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

impl ConnectionPool {
    pub fn open(manager: SqliteConnectionManager, size: usize) -> Result<ConnectionPool, Error> {
        let waits = Waits::default();
        let pool = pool(manager, size, waits.clone())?;
        Ok(ConnectionPool { pool, waits })
    }

    pub fn get(&self) -> Result<PooledConnection<SqliteConnectionManager>, Error> {
        let connection = self.pool.get();
        connection.map_err(|why| Error::Busy(format!("no connection is free: {why}")))
    }

    /// The same, for a caller that can wait for so long.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub fn get_timeout(
        &self,
        timeout: Duration,
    ) -> Result<PooledConnection<SqliteConnectionManager>, Error> {
        let connection = self.pool.get_timeout(timeout);
        connection.map_err(|why| Error::Busy(format!("no connection is free: {why}")))
    }

    /// How long requests waited for a connection.
    pub fn waits(&self) -> &Histogram {
        &self.waits.0
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
        .connection_timeout(WAIT_TIMEOUT)
        // ConnectionPool to a file neither go stale nor cost anything while idle.
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
    db.busy_timeout(WAIT_TIMEOUT)?;
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

pub fn set_up_reader(db: &mut Connection, searches: Bulkhead) -> rusqlite::Result<()> {
    set_up(db)?;
    db.progress_handler(
        LONG_STATEMENT,
        Some(move || !ReadScope::may_continue(&searches)),
    )?;
    db.pragma_update(None, "query_only", true)
}

pub fn set_up_writer(db: &mut Connection) -> rusqlite::Result<()> {
    set_up(db)?;
    // A commit is on the disk before it is acknowledged.
    db.pragma_update(None, "synchronous", "FULL")
}
