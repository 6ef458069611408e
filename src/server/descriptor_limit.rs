//! The limit of open file descriptors, which bounds the number of connections.

use crate::config::Config;
#[cfg(unix)]
use crate::config::concurrency::Connections;
#[cfg(unix)]
use crate::config::database::DatabaseUrl;

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
pub fn max_connections(config: &Config) -> Result<u32, String> {
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
    let reserved = RESERVED + of_database(config) as u64;
    if descriptors < MIN_DESCRIPTORS || descriptors <= reserved {
        let needed = MIN_DESCRIPTORS.max(2 * reserved);
        return Err(format!(
            "the system's limit of {descriptors} file descriptors is too low: the server needs at least \
             {needed} (ulimit -n)"
        ));
    }
    let possible = descriptors - reserved;
    let wanted = config.limits.max_connections;
    if u64::from(wanted) > possible {
        log::warn!(
            "MAX_CONNECTIONS is {wanted}, but the system's limit of {descriptors} file descriptors allows \
             {possible} connections"
        );
    }
    Ok(u32::try_from(possible).map_or(wanted, |possible| wanted.min(possible)))
}

/// The descriptors of the database's connections.
#[cfg(unix)]
fn of_database(config: &Config) -> usize {
    let Connections { reads, writes } = config.concurrency.connections;
    match config.database.database_url {
        // Three files for each connection: the readers and the writer.
        DatabaseUrl::Sqlite(_) => 3 * (reads + writes),
        // A socket for each connection, and what its tokio runtime has: epoll, twice, and an eventfd.
        #[cfg(feature = "postgres")]
        DatabaseUrl::Postgres(_) => {
            let standby = config.database.postgres.read_database_url.as_ref();
            4 * (reads + writes + standby.map_or(0, |_| reads))
        }
    }
}

/// Returns `MAX_CONNECTIONS`: this system has no such limit.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn max_connections(config: &Config) -> Result<u32, String> {
    Ok(config.limits.max_connections)
}
