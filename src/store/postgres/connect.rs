//! Connects to the first server of a URL that can be used.
//!
//! The servers are tried one by one here, not in the `postgres` crate, so that an error can name each of them, and so
//! that the next connection begins with the server to which the last one succeeded: after a failover none waits for
//! the machine that is gone.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postgres::config::{SslMode as Tls, SslNegotiation};
use postgres::{Client, Error};
use r2d2::ManageConnection as _;
use r2d2_postgres::PostgresConnectionManager;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connect_error::{ConnectError, explain, is_about_encryption};
use super::connector::{Connector, Encryption};
use super::timed_stream::ResponseLimit;
use super::tls;
use crate::config::postgres::{PostgresUrl, ServerAddress, SslMode};

/// Opens one connection, whose statements may take any time. Connecting itself is bounded by `connect_timeout`.
///
/// # Errors
/// Why no server of the URL can be used.
pub fn connect(url: &PostgresUrl) -> Result<Client, String> {
    connect_beginning_with(url, &LastServer::default())
}

/// As [`connect`], beginning with the server to which the last connection was made.
///
/// # Errors
/// As [`connect`].
pub fn connect_beginning_with(url: &PostgresUrl, last: &LastServer) -> Result<Client, String> {
    let limit = ResponseLimit::new(url.connect_timeout());
    let manager = ConnectionManager::with_limit(url, &limit, last)?;
    let client = manager.connect().map_err(|why| why.to_string())?;
    limit.set(None);
    Ok(client)
}

/// The index of the server to which the last connection was made. Pools of one URL share it: none of them waits for a
/// machine that is gone while another one knows which server answers.
#[derive(Debug, Clone, Default)]
pub struct LastServer(Arc<AtomicUsize>);

/// Makes the connections of a pool.
pub struct ConnectionManager {
    servers: Vec<Server>,
    is_random_order: bool,
    last: LastServer,
}

/// A server, and how to connect to it.
struct Server {
    address: ServerAddress,
    first: PostgresConnectionManager<Connector>,
    /// What to try if the server refuses the first attempt for its use of TLS.
    second: Option<PostgresConnectionManager<Connector>>,
}

impl ConnectionManager {
    /// A manager for the servers of this URL. A connection breaks if the server sends nothing for as long as
    /// `response_limit` while a statement runs.
    ///
    /// # Errors
    /// One line for the operator: the trusted certificates cannot be read.
    pub fn new(
        url: &PostgresUrl,
        response_limit: Duration,
        last: &LastServer,
    ) -> Result<ConnectionManager, String> {
        ConnectionManager::with_limit(url, &ResponseLimit::new(Some(response_limit)), last)
    }

    /// Connects to the first server that can be used.
    ///
    /// # Errors
    /// Why none can.
    pub fn connect(&self) -> Result<Client, ConnectError> {
        let mut failures = Vec::new();
        for index in self.order() {
            let server = &self.servers[index];
            match server.connect() {
                Ok(client) => {
                    self.last.0.store(index, Ordering::Relaxed);
                    return Ok(client);
                }
                Err(why) => failures.push((&server.address, why)),
            }
        }
        Err(ConnectError::new(&failures))
    }

    fn with_limit(
        url: &PostgresUrl,
        limit: &ResponseLimit,
        last: &LastServer,
    ) -> Result<ConnectionManager, String> {
        let config = tls::client_config(&url.ssl().verification)?;
        let tls = MakeRustlsConnect::new(config);
        let connector = |encryption| Connector {
            encryption,
            tls: tls.clone(),
            limit: limit.clone(),
        };
        let servers = url.servers().iter().map(|address| {
            let (first, second) = attempts(url.ssl().mode, address);
            let second = second.map(|encryption| manager(url, address, connector(encryption)));
            Ok(Server {
                address: address.clone(),
                first: manager(url, address, connector(first))?,
                second: second.transpose()?,
            })
        });
        Ok(ConnectionManager {
            servers: servers.collect::<Result<_, String>>()?,
            is_random_order: url.is_random_order(),
            last: last.clone(),
        })
    }

    /// The indices of the servers, in the order in which to try them.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.servers.len()).collect();
        if self.is_random_order {
            order.sort_by_cached_key(|_| getrandom::u32().unwrap_or_default());
        } else {
            order.rotate_left(self.last.0.load(Ordering::Relaxed));
        }
        order
    }
}

/// Whether the first attempt uses TLS, and the second one, as in libpq.
fn attempts(mode: SslMode, address: &ServerAddress) -> (Encryption, Option<Encryption>) {
    match mode {
        _ if address.is_unix_socket() => (Encryption::Off, None),
        SslMode::Disable => (Encryption::Off, None),
        SslMode::Allow => (Encryption::Off, Some(Encryption::Required)),
        SslMode::Prefer => (Encryption::IfOffered, Some(Encryption::Off)),
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => (Encryption::Required, None),
    }
}

fn manager(
    url: &PostgresUrl,
    address: &ServerAddress,
    connector: Connector,
) -> Result<PostgresConnectionManager<Connector>, String> {
    let mut config = url.config(address);
    if let Some(password) = url.stored_password(address)? {
        config.password(password);
    }
    if address.is_unix_socket() {
        // The client hands over no Unix socket: there is no name for the certificate. So these connections have no
        // time limit; their server is on this machine.
        config.ssl_mode(Tls::Disable);
    } else {
        config
            .ssl_mode(Tls::Require)
            .ssl_negotiation(SslNegotiation::Direct);
    }
    Ok(PostgresConnectionManager::new(config, connector))
}

impl Server {
    /// Connects. The client panics where the system grants no descriptor for its runtime (`postgres::Config::connect`); a
    /// pool that met the panic would never open this connection again.
    fn connect(&self) -> Result<Client, String> {
        match panic::catch_unwind(AssertUnwindSafe(|| self.connect_or_panic())) {
            Ok(result) => result.map_err(|why| explain(&why)),
            Err(_) => Err("the system grants too few file descriptors".to_owned()),
        }
    }

    fn connect_or_panic(&self) -> Result<Client, Error> {
        match (self.first.connect(), &self.second) {
            (Err(why), Some(second)) if is_about_encryption(&why) => second.connect(),
            (result, _) => result,
        }
    }
}
