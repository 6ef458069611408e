//! Metrics for Prometheus: counters, histograms, and the text format in which they are read.
//!
//! Each request is counted in atomics without a lock. Metrics libraries hash the labels to find a counter and
//! take a lock for that. Here all routes are known at the start: each has a fixed place in an array.

mod connection_counts;
mod counter;
pub mod exposition;
mod histogram;
pub(crate) mod process;
mod recent_summary;
mod registry;
mod request_counts;
mod work_counts;

pub use self::connection_counts::{CloseReason, ConnectionCounts, OpenConnection};
pub use self::counter::Counter;
pub use self::histogram::{BOUNDS, Histogram};
pub use self::recent_summary::RecentSummary;
pub use self::registry::Metrics;
pub use self::request_counts::RequestCounts;
pub use self::work_counts::{LeaveReason, WorkCounts, WorkMetrics};
