//! Checks of what only PostgreSQL has.

use std::net::IpAddr;

use super::finding::{Outcome, not_checked, right};
use super::subject::Subject;
use crate::config::concurrency::Connections;
use crate::config::database::DatabaseUrl;
use crate::config::postgres::{PostgresUrl, ServerAddress, SslMode, Verification};
use crate::store::inspection::Inspection;
use crate::store::postgres::inspection::Standby;

/// Connections to other machines are encrypted, and lead to the servers that the URLs name.
pub fn encryption(subject: &Subject) -> Outcome {
    let database = &subject.config.database;
    if let DatabaseUrl::Postgres(url) = &database.database_url {
        check_encryption("DATABASE_URL", url)?;
    }
    if let Some(url) = &database.postgres.read_database_url {
        check_encryption("READ_DATABASE_URL", url)?;
    }
    right("the certificate is verified, or the server is on this machine")
}

fn check_encryption(name: &str, url: &PostgresUrl) -> Result<(), String> {
    let Some(server) = url.servers().iter().find(|server| !is_local(server)) else {
        return Ok(());
    };
    match (url.ssl().mode, &url.ssl().verification) {
        (SslMode::Disable | SslMode::Allow | SslMode::Prefer, _) => Err(format!(
            "{name}: the connection to {server} need not be encrypted, so the network can read passwords and rows; use \
             sslmode=verify-full"
        )),
        (_, Verification::Nothing) => Err(format!(
            "{name}: no certificate is verified, so another machine can pretend to be {server}; use \
             sslmode=verify-full and sslrootcert"
        )),
        _ => Ok(()),
    }
}

fn is_local(server: &ServerAddress) -> bool {
    let is_loopback = |host: &str| {
        host == "localhost"
            || host
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback())
    };
    match server.hostaddr {
        Some(address) => address.is_loopback(),
        None => server.is_unix_socket() || is_loopback(&server.host),
    }
}

/// The server accepts the connections of this process. Those of other servers and programs come on top.
pub fn connections(subject: &Subject) -> Outcome {
    let Ok(Some(Inspection::Postgres(database))) = &subject.database else {
        return not_checked("the database cannot be opened or is empty, see database");
    };
    let Connections { reads, writes } = subject.config.concurrency.connections;
    // After a failover both URLs may lead to one server.
    let has_standby = subject.config.database.postgres.read_database_url.is_some();
    let wanted = reads + writes + if has_standby { reads } else { 0 };
    match database.max_connections() {
        Ok(Some(limit)) if usize::try_from(limit).is_ok_and(|limit| limit < wanted) => {
            Err(format!(
                "the database permits {limit} connections, and this server opens {wanted}: lower DATABASE_CONNECTIONS, or \
             raise max_connections or the CONNECTION LIMIT of the role or the database"
            ))
        }
        Ok(Some(limit)) => right(format!(
            "{wanted} of {limit}; other servers and programs have theirs"
        )),
        Ok(None) => not_checked("the server does not tell how many it permits"),
        Err(why) => Err(why.to_string()),
    }
}

/// Reads can go on while the primary is away.
pub fn read_database(subject: &Subject) -> Outcome {
    let Some(url) = &subject.config.database.postgres.read_database_url else {
        return not_checked("READ_DATABASE_URL is not set, so reads end with the primary");
    };
    match Standby::find(url)? {
        Standby { is_standby: true } => right("a standby"),
        Standby { is_standby: false } => right("a server that is no standby"),
    }
}
