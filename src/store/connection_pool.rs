//! The connection pool (r2d2). Measures how long requests wait for a connection.

use std::sync::Arc;
use std::time::Duration;

use r2d2::event::{CheckoutEvent, HandleEvent, TimeoutEvent};
use r2d2::{Builder, ManageConnection, NopErrorHandler, Pool, PooledConnection};

use crate::error::Error;
use crate::metrics::Histogram;

/// A pool of connections.
#[derive(Debug)]
pub struct ConnectionPool<M: ManageConnection> {
    pool: Pool<M>,
    waits: WaitHistogram,
}

impl<M: ManageConnection> ConnectionPool<M> {
    /// Opens all `size` connections. [`ConnectionPool::get`] waits up to `timeout` for one.
    ///
    /// # Errors
    /// [`Error::Internal`] if they are not open within this time.
    pub fn open(manager: M, size: usize, timeout: Duration) -> Result<ConnectionPool<M>, Error> {
        let waits = WaitHistogram::default();
        let pool = ConnectionPool::builder(size, timeout, &waits)
            .build(manager)
            .map_err(|why| Error::Internal(why.to_string()))?;
        Ok(ConnectionPool { pool, waits })
    }

    /// As [`ConnectionPool::open`], but does not wait until the connections are open.
    #[cfg(feature = "postgres")]
    pub fn open_in_background(manager: M, size: usize, timeout: Duration) -> ConnectionPool<M> {
        let waits = WaitHistogram::default();
        let pool = ConnectionPool::builder(size, timeout, &waits).build_unchecked(manager);
        ConnectionPool { pool, waits }
    }

    fn builder(size: usize, timeout: Duration, waits: &WaitHistogram) -> Builder<M> {
        Pool::builder()
            .max_size(u32::try_from(size).unwrap_or(u32::MAX))
            .connection_timeout(timeout)
            // An idle connection costs little, and its prepared statements are kept.
            .idle_timeout(None)
            .max_lifetime(None)
            // The test would cost a statement per checkout. One to a file does not break, and one to PostgreSQL that is
            // lost is replaced when its first statement fails.
            .test_on_check_out(false)
            // The caller of `get` receives and reports the error.
            .error_handler(Box::new(NopErrorHandler))
            .event_handler(Box::new(waits.clone()))
    }

    /// Takes a connection, and waits for it. It returns to the pool when dropped.
    ///
    /// # Errors
    /// [`Error::Busy`] after the time that the pool was opened with.
    pub fn get(&self) -> Result<PooledConnection<M>, Error> {
        self.pool.get().map_err(no_connection)
    }

    /// As [`ConnectionPool::get`], with this time.
    #[cfg(feature = "postgres")]
    pub fn get_within(&self, timeout: Duration) -> Result<PooledConnection<M>, Error> {
        self.pool.get_timeout(timeout).map_err(no_connection)
    }

    /// Whether no connection is open.
    #[cfg(feature = "postgres")]
    pub fn is_empty(&self) -> bool {
        self.pool.state().connections == 0
    }

    /// The numbers of connections: in use, idle, and at most.
    #[cfg(feature = "postgres")]
    pub fn counts(&self) -> [u32; 3] {
        let r2d2::State {
            connections,
            idle_connections: idle,
            ..
        } = self.pool.state();
        [connections.saturating_sub(idle), idle, self.pool.max_size()]
    }

    /// The most connections.
    #[cfg(feature = "postgres")]
    pub fn max_size(&self) -> usize {
        usize::try_from(self.pool.max_size()).unwrap_or(usize::MAX)
    }

    /// How long requests waited for a connection.
    pub fn waits(&self) -> &Histogram {
        &self.waits.0
    }
}

fn no_connection(why: r2d2::Error) -> Error {
    Error::Busy(format!("no connection is free: {why}"))
}

/// Records the waiting times, which r2d2 measures anyway.
#[derive(Debug, Clone, Default)]
struct WaitHistogram(Arc<Histogram>);

impl HandleEvent for WaitHistogram {
    fn handle_checkout(&self, event: CheckoutEvent) {
        self.0.observe(event.duration());
    }

    fn handle_timeout(&self, event: TimeoutEvent) {
        self.0.observe(event.timeout());
    }
}
