//! Where the connections come from: an address that the server binds, or a listening socket that it is handed.

use std::io;
use std::net::TcpListener;

use crate::config::server::AddressArgs;

/// How many connections the kernel queues until they are accepted. The standard library's 128 overflows in a
/// burst, and a client whose connection is dropped tries again only after a second.
pub const BACKLOG: usize = 4096;

/// Where the server gets its connections from.
#[derive(Debug)]
pub enum ListenOn {
    /// The server binds this address. Port 0 is any free port.
    Address(AddressArgs),
    /// A socket that the service manager keeps open (socket activation). Connections wait in its backlog while no
    /// server runs.
    Socket(TcpListener),
}

impl ListenOn {
    /// The address of this host and port.
    pub fn address(host: &str, port: u16) -> ListenOn {
        let host = host.to_owned();
        ListenOn::Address(AddressArgs { host, port })
    }

    /// The listening socket, non-blocking and with a backlog of [`BACKLOG`].
    ///
    /// # Errors
    /// A message for the operator: the address cannot be bound, for example.
    pub fn open(self) -> Result<TcpListener, String> {
        match self {
            ListenOn::Address(address) => TcpListener::bind((address.host.as_str(), address.port))
                .and_then(prepare)
                .map_err(|why| format!("HOST, PORT: cannot listen on {address}: {why}")),
            ListenOn::Socket(socket) => {
                log::info!("the socket is the service manager's: HOST and PORT are not used");
                prepare(socket)
                    .map_err(|why| format!("LISTEN_FDS: cannot listen on the socket: {why}"))
            }
        }
    }
}

fn prepare(listener: TcpListener) -> io::Result<TcpListener> {
    // The socket listens already; calling listen(2) again changes its backlog.
    #[cfg(unix)]
    rustix::net::listen(&listener, BACKLOG as i32)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
