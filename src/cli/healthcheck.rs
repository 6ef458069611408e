//! `task-api healthcheck`: the readiness check for a container, whose image has no curl.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::config::server::AddressArgs;

/// The timeout for connecting, and for each read and write.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Sends `GET /readyz` to the server on this machine.
///
/// # Errors
/// One line for the operator: the server cannot be reached, or the status is not 200.
pub fn run(address: &AddressArgs) -> Result<(), String> {
    // A server that listens on all addresses is reached at the loopback address.
    let host = match address.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    let status = request_status_line(host, address.port)
        .map_err(|why| format!("cannot reach {address}: {why}"))?;
    match status.split_ascii_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(format!("not ready: {}", status.trim_end())),
    }
}

/// Returns the status line of the response.
fn request_status_line(host: &str, port: u16) -> std::io::Result<String> {
    let address = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let mut socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    write!(
        socket,
        "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut status = String::new();
    BufReader::new(socket).read_line(&mut status)?;
    Ok(status)
}
