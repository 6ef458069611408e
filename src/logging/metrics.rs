//! The metrics of the log.

use super::logger::QUEUE;
use crate::metrics::exposition::Exposition;

/// Writes the metrics of the log.
pub fn write_metrics(text: &mut Exposition) {
    text.counter(
        "log_lines_dropped_total",
        "Log lines dropped because standard error did not take them.",
    )
    .sample(&[], QUEUE.dropped.get());
}
