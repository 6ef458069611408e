//! Counts of requests that need a thread of their kind of work: queued, running, rejected, and how long they
//! waited in the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::counter::Counter;
use super::exposition::{Exposition, MetricFamily};
use super::histogram::Histogram;

/// The counts of one kind of work.
#[derive(Debug, Default)]
pub struct WorkCounts {
    queued: AtomicUsize,
    running: AtomicUsize,
    left: [Counter; REASONS.len()],
    /// The waiting times of the requests that got a thread.
    pub waits: Histogram,
}

/// Why a request left the queue without a thread.
#[derive(Debug, Clone, Copy)]
pub enum LeaveReason {
    /// `QUEUE_TIMEOUT` has passed.
    QueueTimeout,
    /// The client has closed its connection.
    ClientGone,
    /// The server is stopping.
    Stopping,
    /// The connection was closed to make room for another one.
    Evicted,
    /// `MAX_BUFFERED_BYTES` is used up.
    Memory,
}

/// The label of each [`LeaveReason`], in the order of the variants.
const REASONS: [&str; 5] = [
    "queue_timeout",
    "client_gone",
    "stopping",
    "evicted",
    "memory",
];

impl WorkCounts {
    /// Sets the number of requests in the queue.
    pub fn set_queued(&self, count: usize) {
        self.queued.store(count, Ordering::Relaxed);
    }

    /// Counts requests that a thread has taken.
    pub fn start(&self, count: usize) {
        self.running.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts requests that a thread has finished.
    pub fn finish(&self, count: usize) {
        self.running.fetch_sub(count, Ordering::Relaxed);
    }

    /// Counts a request that has left the queue without a thread.
    pub fn count_left(&self, reason: LeaveReason) {
        self.left[reason as usize].add(1);
    }
}

/// The counts of every kind of work that has a queue.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct WorkMetrics {
    pub quick_reads: Arc<WorkCounts>,
    pub searches: Arc<WorkCounts>,
    pub password_hashes: Arc<WorkCounts>,
    pub writes: Arc<WorkCounts>,
}

impl WorkMetrics {
    /// Writes the metrics of all queues.
    pub fn write(&self, text: &mut Exposition) {
        let family = text.gauge(
            "queue_length",
            "Requests that wait for a thread of their kind.",
        );
        self.samples(family, |counts| counts.queued.load(Ordering::Relaxed));
        let family = text.gauge(
            "queue_running",
            "Requests that a thread of their kind handles.",
        );
        self.samples(family, |counts| counts.running.load(Ordering::Relaxed));
        let mut family = text.counter(
            "queue_left_total",
            "Requests that left the queue without a thread, by the reason.",
        );
        for (kind, counts) in self.kinds() {
            for (reason, count) in REASONS.iter().zip(&counts.left) {
                family.sample(&[("kind", kind), ("reason", reason)], count.get());
            }
        }
        let mut family = text.histogram(
            "queue_wait_seconds",
            "Time that requests waited for the thread that they got.",
        );
        for (kind, counts) in self.kinds() {
            family.histogram(&[("kind", kind)], &counts.waits);
        }
    }

    fn samples(&self, mut family: MetricFamily, number: fn(&WorkCounts) -> usize) {
        for (kind, counts) in self.kinds() {
            family.sample(&[("kind", kind)], number(counts));
        }
    }

    fn kinds(&self) -> [(&'static str, &WorkCounts); 4] {
        [
            ("quick_read", &self.quick_reads),
            ("search", &self.searches),
            ("password_hash", &self.password_hashes),
            ("write", &self.writes),
        ]
    }
}
