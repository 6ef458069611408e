//! The limit of open file descriptors, which bounds the number of connections.

use crate::config::Config;

/// The fewest descriptors with which the server starts.
#[cfg(unix)]
const MIN_DESCRIPTORS: u64 = 128;

/// Descriptors of everything that is neither a connection nor the database.
#[cfg(unix)]
const RESERVED: u64 = 32;

/// Raises the soft limit of file descriptors to the hard limit. Returns `MAX_CONNECTIONS`, or less if the
/// descriptors do not suffice.
///
/// # Errors
/// One line for the operator: there are too few descriptors for the program itself.
#[cfg(unix)]
pub fn max_connections(config: &Config) -> Result<usize, String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(why) = setrlimit(Resource::Nofile, raised) {
        log::warn!("cannot raise the limit of open file descriptors: {why}");
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // SQLite has three files open for each of its connections: the readers and the writer.
    let reserved = RESERVED + 3 * (config.concurrency.connections.reads as u64 + 1);
    if descriptors < MIN_DESCRIPTORS || descriptors <= reserved {
        let needed = MIN_DESCRIPTORS.max(2 * reserved);
        return Err(format!(
            "the system's limit of {descriptors} file descriptors is too low: the server needs at least \
             {needed} (ulimit -n)"
        ));
    }
    let possible = descriptors - reserved;
    let wanted = u64::from(config.limits.max_connections);
    if wanted > possible {
        log::warn!(
            "MAX_CONNECTIONS is {wanted}, but the system's limit of {descriptors} file descriptors allows \
             {possible} connections"
        );
    }
    Ok(wanted.min(possible) as usize)
}

/// Returns `MAX_CONNECTIONS`: this system has no such limit.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn max_connections(config: &Config) -> Result<usize, String> {
    Ok(config.limits.max_connections as usize)
}
