//! Checks of what the system grants to a process.

use super::finding::{Outcome, right};
use super::subject::Subject;
use crate::concurrency::check_threads;
use crate::config::concurrency::EARLY_THREADS;
use crate::server::max_connections;

/// The system grants the threads that the server starts.
pub fn threads(subject: &Subject) -> Outcome {
    let count = subject.config.new_threads() + EARLY_THREADS;
    check_threads(count)?;
    right(format!("{count} more are granted"))
}

/// The system grants the file descriptors for `MAX_CONNECTIONS`.
pub fn file_descriptors(subject: &Subject) -> Outcome {
    let wanted = subject.config.limits.max_connections;
    match max_connections(subject.config)? {
        possible if possible < wanted => Err(format!(
            "the limit allows {possible} connections, and MAX_CONNECTIONS is {wanted}: raise the limit (ulimit -n, \
             LimitNOFILE=) or lower MAX_CONNECTIONS"
        )),
        possible => right(format!("enough for {possible} connections")),
    }
}
