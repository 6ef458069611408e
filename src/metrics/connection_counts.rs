//! Counts of connections: accepted, open, and closed because of a limit. Only the server `event-loop`
//! counts them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counter::Counter;
use super::exposition::Exposition;

/// Counts of the connections of the server `event-loop`.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    /// Connections accepted since the start.
    accepted: Counter,
    /// Connections open now.
    open: Arc<AtomicU64>,
    /// Connections closed since the start, by [`CloseReason`].
    closed_for: [Counter; SETTINGS.len()],
}

/// Counts a connection as open until this value is dropped.
#[derive(Debug)]
pub struct OpenConnection(Arc<AtomicU64>);

/// The limit because of which the server closes a connection.
#[derive(Debug, Clone, Copy)]
pub enum CloseReason {
    /// Too many connections are open: the one that has been idle longest makes room for a new one.
    MaxConnections,
    /// The request line and the header fields did not arrive in time.
    HeadTimeout,
    /// The request body did not arrive in time.
    BodyTimeout,
    /// No next request arrived in time.
    IdleTimeout,
    /// The client did not receive the response in time.
    ResponseTimeout,
    /// The buffers of all connections together need too much memory.
    MaxBufferedBytes,
}

/// The name of the setting of each [`CloseReason`], in the order of the variants.
const SETTINGS: [&str; 6] = [
    "MAX_CONNECTIONS",
    "HEAD_TIMEOUT",
    "BODY_TIMEOUT",
    "IDLE_TIMEOUT",
    "RESPONSE_TIMEOUT",
    "MAX_BUFFERED_BYTES",
];

impl ConnectionCounts {
    /// Counts a connection that the server accepts.
    pub fn count_accepted(&self) -> OpenConnection {
        self.accepted.add(1);
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(&self.open))
    }

    /// Counts a connection that the server closes for this reason. Returns the number of them since the start.
    pub fn count_closed(&self, reason: CloseReason) -> u64 {
        self.closed_for[reason as usize].add(1)
    }

    /// Writes the metrics of connections.
    pub fn write(&self, text: &mut Exposition) {
        text.gauge("http_connections_open", "Connections open now.")
            .sample(&[], self.open());
        text.counter(
            "http_connections_accepted_total",
            "Connections accepted since the start.",
        )
        .sample(&[], self.accepted.get());
        let mut family = text.counter(
            "http_connections_ended_total",
            "Connections closed because of a limit, by the name of its setting.",
        );
        for (setting, count) in self.closed() {
            family.sample(&[("limit", setting)], count);
        }
    }

    /// The number of open connections.
    fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// The name of each limit's setting, and the number of connections closed because of it.
    fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        SETTINGS
            .into_iter()
            .zip(self.closed_for.iter().map(Counter::get))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
