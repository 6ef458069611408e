//! From sockets to requests and back.

#[cfg(target_os = "linux")]
mod connection;
#[cfg(target_os = "linux")]
mod connection_table;
#[cfg(target_os = "linux")]
mod event_loop;
#[cfg(target_os = "linux")]
mod memory_budget;
pub mod parser;
mod rouille_fallback;
#[cfg(target_os = "linux")]
mod serializer;
#[cfg(target_os = "linux")]
mod write_buffer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::config::server::ServerKind;

/// How long a stop may wait for answers. Containers are killed 10 s after they are told to stop, and
/// the database wants its checkpoint before that.
pub const STOP_DEADLINE: Duration = Duration::from_secs(8);

/// A server that is answering requests with [`crate::middleware::handle`].
#[derive(Debug)]
pub struct Server(Kind);

#[derive(Debug)]
enum Kind {
    #[cfg(target_os = "linux")]
    Epoll(event_loop::EpollServer),
    Rouille(rouille_fallback::RouilleServer),
}

impl Server {
    /// Binds the address, port 0 being any that is free, and begins to answer.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn start(app: Arc<App>, host: &str, port: u16) -> Result<Server, String> {
        let kind = match app.config.server {
            #[cfg(target_os = "linux")]
            ServerKind::Epoll => Kind::Epoll(event_loop::EpollServer::start(app, host, port)?),
            ServerKind::Rouille => {
                Kind::Rouille(rouille_fallback::RouilleServer::start(app, host, port)?)
            }
        };
        Ok(Server(kind))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        match &self.0 {
            #[cfg(target_os = "linux")]
            Kind::Epoll(server) => server.address(),
            Kind::Rouille(server) => server.address(),
        }
    }

    /// Takes no more connections, answers the requests in hand, and stops within `deadline`. Returns
    /// whether all of them were answered.
    pub fn stop(self, deadline: Duration) -> bool {
        match self.0 {
            #[cfg(target_os = "linux")]
            Kind::Epoll(server) => server.stop(deadline),
            Kind::Rouille(server) => server.stop(deadline),
        }
    }
}
