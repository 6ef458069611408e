//! Logging: records of the crate `log` become lines of text or JSON, which one thread writes to standard error.
//!
//! A thread that logs only appends its line to a bounded queue in memory. It never waits for the reader of
//! standard error: when the queue is full, lines are dropped and counted.

mod failure;
mod json_format;
mod line_queue;
mod log_text;
mod logger;
mod metrics;
mod stderr_writer;
mod text_format;

pub use self::failure::FAILURE;
pub use self::log_text::one_line;
pub use self::logger::{flush, print, start, start_for_command};
pub use self::metrics::write_metrics;
