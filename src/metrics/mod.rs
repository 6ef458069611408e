//! Metrics for Prometheus: counters and histograms.
//!
//! Each request is counted in atomics without a lock. Metrics libraries find a counter by hashing its
//! labels and take a lock for that; here the first label is an index into a table that is as long as the
//! route table.

pub mod exposition;
pub mod process;

use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// The metrics of requests and connections. Other parts of the program, such as the bulkheads and the rate
/// limiters, hold their own.
#[derive(Debug)]
pub struct Metrics {
    /// Counts and durations of requests.
    pub requests: RequestCounts,
    /// Counts of connections.
    pub connections: ConnectionCounts,
    /// When this was created, which is when the process starts.
    pub start: SystemTime,
}

impl Metrics {
    /// Metrics at zero. `routes` are the paths of the route table.
    pub fn new(routes: impl Iterator<Item = &'static str>) -> Metrics {
        Metrics {
            requests: RequestCounts::new(routes),
            connections: ConnectionCounts::default(),
            start: SystemTime::now(),
        }
    }
}

// ---- numbers ------------------------------------------------------------------------------------

/// A number that only goes up. Relaxed ordering is enough, since no code derives from it what another
/// thread has written elsewhere.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`, and returns the sum.
    pub fn add(&self, count: u64) -> u64 {
        self.0.fetch_add(count, Ordering::Relaxed) + count
    }

    /// Returns the present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Histogram {
    nanoseconds: Counter,
    /// One bucket for each bound, and one for longer durations.
    buckets: [Counter; BOUNDS.len() + 1],
}

/// The upper bounds of the buckets. A bucket counts durations of at most its bound that are longer than the
/// bound before.
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
    /// Counts one event of this duration.
    pub fn observe(&self, duration: Duration) {
        let bucket = BOUNDS.iter().position(|bound| duration <= *bound);
        self.buckets[bucket.unwrap_or(BOUNDS.len())].add(1);
        self.nanoseconds.add(duration.as_nanos() as u64);
    }

    /// The number of events in each bucket. The buckets are not cumulative, unlike those of Prometheus.
    pub fn buckets(&self) -> impl Iterator<Item = u64> {
        self.buckets.iter().map(Counter::get)
    }

    /// The sum of all durations.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.get())
    }
}

// ---- requests -----------------------------------------------------------------------------------

/// The methods of the API.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"];

/// The label of every other method.
const OTHER_METHOD: &str = "other";

/// The label of a request that has no route: its path is not in the route table, or the server rejected it
/// before it reached the router.
const UNMATCHED: &str = "unmatched";

/// The requests that got a response, by method, route and status. No label comes from the client, so a client
/// cannot create series.
#[derive(Debug)]
pub struct RequestCounts {
    routes: Vec<&'static str>,
    /// One for each route, and the last one for [`UNMATCHED`].
    counts: Box<[RouteCounts]>,
}

/// The requests of one route. Aligned to 128 bytes against false sharing: threads that count for different
/// routes write to different cache lines, and processors prefetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct RouteCounts {
    durations: Histogram,
    by_status: OnceLock<Box<StatusCounts>>,
}

/// The requests of one route with one status: a node of a linked list that only grows.
///
/// The first response with a status appends its node, so no list of all statuses is needed. A route has few
/// statuses, which makes the search short.
#[derive(Debug)]
#[repr(align(128))]
struct StatusCounts {
    status: u16,
    /// One for each of [`METHODS`], and the last one for [`OTHER_METHOD`].
    by_method: [Counter; METHODS.len() + 1],
    next: OnceLock<Box<StatusCounts>>,
}

impl RequestCounts {
    /// Counts at zero. `paths` may repeat a path, as the route table does for each of its methods.
    fn new(paths: impl Iterator<Item = &'static str>) -> RequestCounts {
        let mut routes = Vec::new();
        for path in paths {
            if !routes.contains(&path) {
                routes.push(path);
            }
        }
        let counts = iter::repeat_with(RouteCounts::default);
        RequestCounts {
            counts: counts.take(routes.len() + 1).collect(),
            routes,
        }
    }

    /// Counts a request, by the status of its response and the time that it took.
    pub fn count(&self, method: &str, route: Option<&str>, status: u16, duration: Duration) {
        let route = &self.counts[index_of(&self.routes, route.unwrap_or(UNMATCHED))];
        route.of_status(status).by_method[index_of(&METHODS, method)].add(1);
        route.durations.observe(duration);
    }

    /// Method, route, status and number of requests, for every combination that has occurred.
    pub fn counts(&self) -> Vec<(&'static str, &'static str, u16, u64)> {
        let mut all = Vec::new();
        for (route, counts) in self.by_route() {
            for StatusCounts {
                status, by_method, ..
            } in counts.sorted_by_status()
            {
                for (method, count) in METHODS.into_iter().chain([OTHER_METHOD]).zip(by_method) {
                    all.push((method, route, *status, count.get()));
                }
            }
        }
        all.retain(|(.., count)| *count > 0);
        all
    }

    /// The histogram of durations for each route.
    pub fn durations(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        let by_route = self.by_route();
        by_route.map(|(route, counts)| (route, &counts.durations))
    }

    fn by_route(&self) -> impl Iterator<Item = (&'static str, &RouteCounts)> {
        let routes = self.routes.iter().copied().chain([UNMATCHED]);
        routes.zip(&self.counts)
    }
}

impl RouteCounts {
    /// Finds the counts of a status, appending them if it is new.
    fn of_status(&self, status: u16) -> &StatusCounts {
        let mut link = &self.by_status;
        loop {
            let counts = link.get_or_init(|| Box::new(StatusCounts::new(status)));
            if counts.status == status {
                return counts;
            }
            link = &counts.next;
        }
    }

    fn sorted_by_status(&self) -> Vec<&StatusCounts> {
        let first = self.by_status.get();
        let list = iter::successors(first, |counts| counts.next.get());
        let mut sorted: Vec<_> = list.map(Box::as_ref).collect();
        sorted.sort_by_key(|counts| counts.status);
        sorted
    }
}

impl StatusCounts {
    fn new(status: u16) -> StatusCounts {
        StatusCounts {
            status,
            by_method: Default::default(),
            next: OnceLock::new(),
        }
    }
}

/// The index of an item in a list; the length of the list if the item is not in it.
fn index_of(list: &[&str], wanted: &str) -> usize {
    let found = list.iter().position(|item| *item == wanted);
    found.unwrap_or(list.len())
}

// ---- connections --------------------------------------------------------------------------------

/// Counts of the connections of the server `epoll`.
#[derive(Debug, Default)]
pub struct ConnectionCounts {
    /// Connections accepted since the start.
    pub accepted: Counter,
    open: Arc<AtomicU64>,
    closed_for: [Counter; SETTINGS.len()],
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(Arc<AtomicU64>);

/// The limit for which the server closes a connection.
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

/// The setting behind each [`CloseReason`], in the order of the variants.
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
    pub fn accept(&self) -> OpenConnection {
        self.accepted.add(1);
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(&self.open))
    }

    /// The number of open connections.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts a connection that is closed for this reason, and returns how many there have been.
    pub fn close_for(&self, reason: CloseReason) -> u64 {
        self.closed_for[reason as usize].add(1)
    }

    /// The number of connections that each limit has closed, by the name of its setting.
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
