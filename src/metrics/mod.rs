//! What is counted, for Prometheus.
//!
//! Whatever is counted for each request is in a table of atomics, as large as the route table makes it.
//! Libraries find a number by its labels, with a hash and behind a lock.

pub mod exposition;
pub mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// All that is counted by nobody else, and the token that it takes to see it.
#[derive(Debug)]
pub struct Metrics {
    /// The requests.
    pub requests: RequestCounts,
    /// The connections.
    pub connections: ConnectionCounts,
    /// When this was made, which is when the process began.
    pub start: SystemTime,
}

impl Metrics {
    /// Nothing counted yet. `routes` are the paths of the route table.
    pub fn new(routes: impl Iterator<Item = &'static str>) -> Metrics {
        Metrics {
            requests: RequestCounts::new(routes),
            connections: ConnectionCounts::default(),
            start: SystemTime::now(),
        }
    }
}

// ---- numbers ------------------------------------------------------------------------------------

/// A number that only goes up. Relaxed, as nobody concludes anything from it about other memory.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it, and returns what it comes to.
    pub fn add(&self, count: u64) -> u64 {
        self.0.fetch_add(count, Ordering::Relaxed) + count
    }

    /// What has been counted so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Histogram {
    nanoseconds: Counter,
    /// One for each bound, and one for what takes longer.
    buckets: [Counter; BOUNDS.len() + 1],
}

/// Each bucket holds what takes this long at most, and longer than the one before.
pub const BOUNDS: [Duration; 14] = [
    Duration::from_micros(500),
    Duration::from_micros(1_000),
    Duration::from_micros(2_500),
    Duration::from_micros(5_000),
    Duration::from_micros(10_000),
    Duration::from_micros(25_000),
    Duration::from_micros(50_000),
    Duration::from_micros(100_000),
    Duration::from_micros(250_000),
    Duration::from_micros(500_000),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

impl Histogram {
    /// Counts something that took so long.
    pub fn observe(&self, duration: Duration) {
        let bucket = BOUNDS.iter().position(|bound| duration <= *bound);
        self.buckets[bucket.unwrap_or(BOUNDS.len())].add(1);
        self.nanoseconds.add(duration.as_nanos() as u64);
    }

    /// How much is in each bucket alone.
    pub fn buckets(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().map(Counter::get)
    }

    /// All the time together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.get())
    }
}

// ---- requests -----------------------------------------------------------------------------------

/// The methods of the API.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"];

/// Every status that an answer has.
const STATUSES: [u16; 22] = [
    200, 201, 204, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 414, 415, 417, 422, 429, 431,
    500, 503, 505,
];

/// Stands for a method that is none of the API's, and for a status that is missing above.
const OTHER: &str = "other";

/// Stands for a path that is in no line of the route table, and for a request that was refused before
/// anybody looked.
const UNMATCHED: &str = "unmatched";

/// Every request that has been answered, by method, route and status. What a client chooses names
/// nothing here.
#[derive(Debug)]
pub struct RequestCounts {
    routes: Vec<&'static str>,
    /// One for each route, and one for what matches none.
    rows: Box<[Row]>,
}

/// The requests to one route. Aligned, so that threads which count for two routes do not write to one
/// cache line; processors fetch two of them at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Row {
    durations: Histogram,
    /// By status, and for each of them by method; the last ones are the others.
    counts: [[Counter; METHODS.len() + 1]; STATUSES.len() + 1],
}

/// Where something is in a list; behind the end if it is not there.
fn place<T: PartialEq>(list: &[T], wanted: &T) -> usize {
    let found = list.iter().position(|item| item == wanted);
    found.unwrap_or(list.len())
}

impl RequestCounts {
    /// The same path may come several times, as it does in the route table.
    fn new(paths: impl Iterator<Item = &'static str>) -> RequestCounts {
        let mut routes = Vec::new();
        for path in paths {
            if !routes.contains(&path) {
                routes.push(path);
            }
        }
        RequestCounts {
            rows: (0..=routes.len()).map(|_| Row::default()).collect(),
            routes,
        }
    }

    /// Counts a request that was answered with this status after this time.
    pub fn count(&self, method: &str, route: Option<&str>, status: u16, duration: Duration) {
        let row = &self.rows[place(&self.routes, &route.unwrap_or(UNMATCHED))];
        row.counts[place(&STATUSES, &status)][place(&METHODS, &method)].add(1);
        row.durations.observe(duration);
    }

    /// Method, route, status, and how many requests there were, where there were any.
    pub fn counts(&self) -> Vec<(&'static str, &'static str, String, u64)> {
        let mut all = Vec::new();
        for (route, row) in self.rows() {
            for (status, counts) in statuses().zip(&row.counts) {
                for (method, count) in methods().zip(counts) {
                    all.push((method, route, status.clone(), count.get()));
                }
            }
        }
        all.retain(|(.., count)| *count > 0);
        all
    }

    /// How long requests took, for each route.
    pub fn durations(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        self.rows().map(|(route, row)| (route, &row.durations))
    }

    fn rows(&self) -> impl Iterator<Item = (&'static str, &Row)> {
        let routes = self.routes.iter().copied().chain([UNMATCHED]);
        routes.zip(&self.rows)
    }
}

fn methods() -> impl Iterator<Item = &'static str> {
    METHODS.into_iter().chain([OTHER])
}

fn statuses() -> impl Iterator<Item = String> {
    let known = STATUSES.iter().map(u16::to_string);
    known.chain([OTHER.to_owned()])
}

// ---- connections --------------------------------------------------------------------------------

/// The connections of this program's own server.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    /// How many there have been.
    pub accepted: Counter,
    open: Arc<AtomicU64>,
    closed_for: [Counter; SETTINGS.len()],
}

/// A connection that is counted as open, until this is dropped.
#[derive(Debug)]
pub struct OpenConnection(Arc<AtomicU64>);

/// A limit that ends connections.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum CloseReason {
    MaxConnections,
    HeadTimeout,
    BodyTimeout,
    IdleTimeout,
    ResponseTimeout,
    MaxBufferedBytes,
}

/// What sets each limit, in the order of their declaration.
const SETTINGS: [&str; 6] = [
    "MAX_CONNECTIONS",
    "HEAD_TIMEOUT",
    "BODY_TIMEOUT",
    "IDLE_TIMEOUT",
    "RESPONSE_TIMEOUT",
    "MAX_BUFFERED_BYTES",
];

impl ConnectionCounts {
    /// Counts one more.
    pub fn accept(&self) -> OpenConnection {
        self.accepted.add(1);
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(&self.open))
    }

    /// How many are open.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts one that a limit ends, and returns how many it has ended so far.
    pub fn close_for(&self, limit: CloseReason) -> u64 {
        self.closed_for[limit as usize].add(1)
    }

    /// How many each limit has ended, by the setting's name.
    pub fn closed(&self) -> impl Iterator<Item = (&'static str, u64)> {
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
