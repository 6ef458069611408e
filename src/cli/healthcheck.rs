//! `task-api healthcheck`, for containers: they have no curl.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::config::server::AddressArgs;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks `GET /readyz` of the server on this machine.
pub fn run(address: &AddressArgs) -> Result<(), String> {
    // "Every address" is where the server listens; one of them is where to ask.
    let host = match address.host.as_str() {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    let status =
        ask(host, address.port).map_err(|why| format!("{host} port {}: {why}", address.port))?;
    match status.split_ascii_whitespace().nth(1) {
        Some("200") => Ok(()),
        _ => Err(format!("not ready: {}", status.trim_end())),
    }
}

/// The status line of the answer.
fn ask(host: &str, port: u16) -> std::io::Result<String> {
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
