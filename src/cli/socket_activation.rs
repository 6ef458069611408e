//! Socket activation (sd_listen_fds(3)): the service manager opens the listening socket and hands it over as file
//! descriptor 3. It keeps the socket while no server runs, so a restart refuses no connection.

use std::net::TcpListener;
use std::process;

use listenfd::ListenFd;

use super::environment::number;
use crate::config::server::AddressArgs;
use crate::server::ListenOn;

/// The socket that the service manager hands over, or else the address of the settings.
///
/// Call this before the first thread starts: it removes `LISTEN_FDS` and `LISTEN_PID` from the environment.
///
/// # Errors
/// One line for the operator: what is handed over is not one listening TCP socket.
pub fn listen_on(address: &AddressArgs) -> Result<ListenOn, String> {
    match socket_count()? {
        0 => Ok(ListenOn::Address(address.clone())),
        1 => take_socket()
            .map(ListenOn::Socket)
            .map_err(|why| format!("LISTEN_FDS: {why}")),
        count => Err(format!(
            "LISTEN_FDS: the server takes one socket, not {count}"
        )),
    }
}

/// The number of sockets that are for this process. A child inherits the variables, so `LISTEN_PID` says for which
/// process they are.
fn socket_count() -> Result<u32, String> {
    match number::<u32>("LISTEN_PID")? {
        Some(pid) if pid != process::id() => Ok(0),
        _ => Ok(number("LISTEN_FDS")?.unwrap_or(0)),
    }
}

fn take_socket() -> Result<TcpListener, String> {
    let socket = ListenFd::from_env()
        .take_tcp_listener(0)
        .map_err(|why| why.to_string())?
        .ok_or("no socket")?;
    // `Accept=yes` in the socket unit hands over a connection.
    match rustix::net::sockopt::socket_acceptconn(&socket) {
        Ok(true) => Ok(socket),
        Ok(false) => Err("fd 3 is not a listening socket".to_owned()),
        Err(why) => Err(why.to_string()),
    }
}
