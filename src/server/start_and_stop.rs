//! Start and graceful shutdown of either server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::event_server::EventServer;
use super::listen::ListenOn;
use super::probe::Probe;
use super::rouille_server::RouilleServer;
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
    EventLoop(EventServer),
    Rouille(RouilleServer),
}

impl Server {
    /// Starts to serve.
    ///
    /// # Errors
    /// A message for the operator: the address cannot be bound, for example.
    pub fn start(app: Arc<App>, listen_on: ListenOn) -> Result<Server, String> {
        let kind = match app.config.server {
            ServerKind::EventLoop => Kind::EventLoop(EventServer::start(app, listen_on)?),
            ServerKind::Rouille => Kind::Rouille(RouilleServer::start(app, listen_on)?),
        };
        Ok(Server(kind))
    }

    /// The address that the server listens on, with the actual port.
    pub fn address(&self) -> SocketAddr {
        match &self.0 {
            Kind::EventLoop(server) => server.address(),
            Kind::Rouille(server) => server.address(),
        }
    }

    /// Sends a probe, which is answered when every event loop has taken it from its inbox.
    ///
    /// # Errors
    /// A message for the operator: the server cannot be probed.
    pub fn probe(&self) -> Result<Probe, String> {
        match &self.0 {
            Kind::EventLoop(server) => server.probe(),
            Kind::Rouille(_) => Err("SERVER=rouille cannot be probed".to_owned()),
        }
    }

    /// Graceful shutdown: completes the requests in progress and stops within `deadline`. Returns whether all
    /// of them were completed.
    pub fn stop(self, deadline: Duration) -> bool {
        match self.0 {
            Kind::EventLoop(server) => server.stop(deadline),
            Kind::Rouille(server) => server.stop(deadline),
        }
    }
}
