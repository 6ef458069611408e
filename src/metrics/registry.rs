//! The metrics that requests and connections update.

use std::time::SystemTime;

use super::{ConnectionCounts, RequestCounts, WorkMetrics};

/// The metrics of requests, connections and queues. Other parts of the program, such as the store and the rate
/// limiters, hold their own.
#[derive(Debug)]
pub struct Metrics {
    /// Counts and durations of requests.
    pub requests: RequestCounts,
    /// Counts of connections.
    pub connections: ConnectionCounts,
    /// Counts of each kind of work that has a queue.
    pub work: WorkMetrics,
    /// When this was created, which is when the process starts.
    pub start: SystemTime,
}

impl Metrics {
    /// Metrics at zero. `routes` are the paths of the route table.
    pub fn new(routes: impl Iterator<Item = &'static str>) -> Metrics {
        Metrics {
            requests: RequestCounts::new(routes),
            connections: ConnectionCounts::default(),
            work: WorkMetrics::default(),
            start: SystemTime::now(),
        }
    }
}
