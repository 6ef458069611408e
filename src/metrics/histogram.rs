//! A histogram of durations with fixed buckets. [`exposition`](super::exposition) writes it in Prometheus'
//! format.

use std::time::Duration;

use super::counter::Counter;

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
