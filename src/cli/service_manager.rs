//! The service manager, such as systemd, which learns when the server is ready, stops, and works (sd_notify(3)).
//!
//! The protocol is one datagram of `NAME=value` lines to the socket in `NOTIFY_SOCKET`. The crate `sd-notify`
//! cannot send to an abstract socket, which systemd uses for containers, and ignores an invalid `WATCHDOG_USEC`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use log::warn;

use super::environment::number;

/// The longest time that a message may wait until the service manager has room for it.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// The service manager that has started this process.
#[derive(Debug)]
pub struct ServiceManager {
    /// `None` without one: then there is nothing to tell.
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog_timeout: Option<Duration>,
}

impl ServiceManager {
    /// The service manager that the environment names, in `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    ///
    /// # Errors
    /// One line for the operator: a variable is invalid.
    pub fn from_env() -> Result<ServiceManager, String> {
        // A child inherits the variables; the process ID says for which process the watchdog is.
        let is_for_this_process =
            number::<u32>("WATCHDOG_PID")?.is_none_or(|pid| pid == process::id());
        let micros = number::<NonZeroU64>("WATCHDOG_USEC")?.filter(|_| is_for_this_process);
        let timeout = micros.map(|micros| Duration::from_micros(micros.get()));
        ServiceManager::new(env::var_os("NOTIFY_SOCKET"), timeout)
    }

    /// The service manager that listens on this socket: an absolute path, or `@` and an abstract name. Without
    /// one, nothing is sent. If it hears nothing for the time of the watchdog, it restarts the process.
    ///
    /// # Errors
    /// One line for the operator: the socket's name is invalid.
    pub fn new(
        socket: Option<OsString>,
        watchdog_timeout: Option<Duration>,
    ) -> Result<ServiceManager, String> {
        let socket = socket.as_deref().map(open_socket).transpose();
        Ok(ServiceManager {
            socket: socket.map_err(|why| format!("NOTIFY_SOCKET: {why}"))?,
            watchdog_timeout,
        })
    }

    /// The time after which to tell again that the server works: half of the watchdog's. `None` without a
    /// watchdog.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.socket.as_ref()?;
        self.watchdog_timeout.map(|timeout| timeout / 2)
    }

    /// Tells what the program does, in words for the operator (`systemctl status`).
    pub fn status(&self, text: &str) {
        self.send(&format!("STATUS={text}"));
    }

    /// Tells that the server answers requests from now on.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// Tells that the server works (the ping of the watchdog).
    pub fn works(&self) {
        self.send("WATCHDOG=1");
    }

    /// Tells that the server stops.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={status}"));
    }

    /// The server serves without a service manager that listens, so a failure is only logged.
    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.socket
            && let Err(why) = socket.send_to_addr(message.as_bytes(), address)
        {
            warn!("NOTIFY_SOCKET: cannot notify the service manager: {why}");
        }
    }
}

fn open_socket(name: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name)?,
        [b'@', name @ ..] => abstract_address(name)?,
        _ => return Err(io::Error::other("must begin with / or @")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    Ok((socket, address))
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}
