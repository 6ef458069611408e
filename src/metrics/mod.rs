//! Metrics for Prometheus: counters, histograms, and the text format in which they are read.
//!
//! Each request is counted in atomics without a lock. Metrics libraries hash the labels to find a counter and
//! take a lock for that. Here all routes are known at the start: each has a fixed place in an array.

mod connection_counts;
mod counter;
pub mod exposition;
mod histogram;
pub(crate) mod process;
mod request_counts;

use std::time::SystemTime;

pub use self::connection_counts::{CloseReason, ConnectionCounts, OpenConnection};
pub use self::counter::Counter;
pub use self::histogram::{BOUNDS, Histogram};
pub use self::request_counts::RequestCounts;

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
