//! The HTTP server: from sockets to requests, and from responses back to sockets.
//!
//! How a connection is served on Linux:
//!
//! 1. The accept thread takes it from the kernel, stores it in the table of open connections and registers it
//!    with epoll (`event_loop.rs`, `connection_table.rs`).
//! 2. When it is readable, one worker of the pool runs its state machine (`connection.rs`).
//! 3. The parser turns the bytes into a request (`parser/`). It rejects bytes that a proxy could read as a
//!    different request (request smuggling). The memory for large requests and responses comes from a shared
//!    budget (`memory_budget.rs`).
//! 4. The worker calls [`crate::middleware::handle`], which returns the response.
//! 5. The response is serialized and written; the part that the socket does not accept waits in a buffer
//!    (`serializer.rs`, `write_buffer.rs`).
//! 6. The connection waits for its next event in epoll, without a thread. If it waits too long, the deadline
//!    sweep closes it (`event_loop.rs`).
//!
//! Other systems use the server of the rouille crate (`rouille_server.rs`).

#[cfg(target_os = "linux")]
mod connection;
#[cfg(target_os = "linux")]
mod connection_table;
#[cfg(target_os = "linux")]
mod event_loop;
#[cfg(target_os = "linux")]
mod memory_budget;
pub mod parser;
mod rouille_server;
#[cfg(target_os = "linux")]
mod serializer;
#[cfg(target_os = "linux")]
mod write_buffer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::config::server::ServerKind;

/// The time limit of a graceful shutdown. Container runtimes kill a process 10 s after SIGTERM, and the
/// database needs some of that time for its last checkpoint.
pub const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// A running server. It handles each request with [`crate::middleware::handle`].
#[derive(Debug)]
pub struct Server(Kind);

#[derive(Debug)]
enum Kind {
    #[cfg(target_os = "linux")]
    Epoll(event_loop::EpollServer),
    Rouille(rouille_server::RouilleServer),
}

impl Server {
    /// Binds the address and starts to serve. Port 0 is any free port.
    ///
    /// # Errors
    /// A message for the operator: the address cannot be bound, for example.
    pub fn start(app: Arc<App>, host: &str, port: u16) -> Result<Server, String> {
        let kind = match app.config.server {
            #[cfg(target_os = "linux")]
            ServerKind::Epoll => Kind::Epoll(event_loop::EpollServer::start(app, host, port)?),
            ServerKind::Rouille => {
                Kind::Rouille(rouille_server::RouilleServer::start(app, host, port)?)
            }
        };
        Ok(Server(kind))
    }

    /// The address that the server listens on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        match &self.0 {
            #[cfg(target_os = "linux")]
            Kind::Epoll(server) => server.address(),
            Kind::Rouille(server) => server.address(),
        }
    }

    /// Graceful shutdown: completes the requests in progress and stops within `deadline`. Returns whether all
    /// of them were completed.
    pub fn stop(self, deadline: Duration) -> bool {
        match self.0 {
            #[cfg(target_os = "linux")]
            Kind::Epoll(server) => server.stop(deadline),
            Kind::Rouille(server) => server.stop(deadline),
        }
    }
}
