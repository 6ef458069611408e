//! rouille's own server, `rouille::Server` with a bounded thread pool, to compare with.
//!
//! It is not for the internet: it has no timeouts, and it accepts ambiguous requests, which enable request
//! smuggling behind a proxy.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rouille::{Request, Response};

use super::listen::ListenOn;
use crate::app::App;
use crate::error::Error;
use crate::middleware;

/// How often the poller checks whether the server closes, and how often the waker connects.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The number of threads, each of which serves one connection at a time.
const POOL_SIZE: usize = 32;

type Handler = Box<dyn Fn(&Request) -> Response + Send + Sync>;

/// A running server.
pub struct RouilleServer {
    http: Arc<rouille::Server<Handler>>,
    flags: Arc<StopFlags>,
    /// Disconnected when the poller thread has ended.
    poller: Receiver<()>,
}

/// The two steps of a stop.
#[derive(Default)]
struct StopFlags {
    /// New requests are rejected with 503.
    rejecting: AtomicBool,
    /// No more requests are read.
    closing: AtomicBool,
}

impl RouilleServer {
    /// Binds the address and starts the threads.
    ///
    /// # Errors
    /// A message for the operator: the address cannot be bound, or the system denies a thread. A socket that the
    /// server is handed is refused, since `rouille::Server` can only bind an address.
    pub fn start(app: Arc<App>, listen_on: ListenOn) -> Result<RouilleServer, String> {
        let ListenOn::Address(address) = listen_on else {
            return Err("LISTEN_FDS: SERVER=rouille cannot take a socket".to_owned());
        };
        let flags = Arc::new(StopFlags::default());
        let handler = handler(app, Arc::clone(&flags));
        let http = rouille::Server::new((address.host.as_str(), address.port), handler)
            .map_err(|why| format!("HOST, PORT: cannot listen on {address}: {why}"))?;
        RouilleServer::start_threads(Arc::new(http.pool_size(POOL_SIZE)), flags)
            .map_err(|why| format!("cannot start the server: {why}"))
    }

    fn start_threads(
        http: Arc<rouille::Server<Handler>>,
        flags: Arc<StopFlags>,
    ) -> io::Result<RouilleServer> {
        let poller = spawn_poller(Arc::clone(&http), Arc::clone(&flags))?;
        spawn_waker(http.server_addr(), Arc::clone(&flags))?;
        Ok(RouilleServer {
            http,
            flags,
            poller,
        })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.http.server_addr()
    }

    /// Graceful shutdown: completes the requests in progress and stops within `deadline`. Returns whether all
    /// of them were completed.
    ///
    /// New requests are still accepted for the first half of the time and rejected with 503 in the second half:
    /// under load the server would otherwise never become idle.
    pub fn stop(self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        self.wait_until_idle(end - deadline / 2);
        self.flags.rejecting.store(true, Ordering::SeqCst);
        let is_idle = self.wait_until_idle(end);
        self.flags.closing.store(true, Ordering::SeqCst);
        let _ = self.poller.recv_timeout(2 * POLL_INTERVAL);
        is_idle
    }

    /// Waits until the pool has no request in progress, at most until `deadline`. Returns whether it has none.
    fn wait_until_idle(&self, deadline: Instant) -> bool {
        let (sender, joined) = mpsc::channel::<()>();
        let http = Arc::clone(&self.http);
        // `join` has no timeout. The thread drops the sender after it, which disconnects the channel.
        let waiting = spawn("join", move || {
            http.join();
            drop(sender);
        });
        if let Err(why) = waiting {
            log::error!("cannot wait for the requests in progress: {why}");
            return false;
        }
        let timeout = deadline.saturating_duration_since(Instant::now());
        joined.recv_timeout(timeout) == Err(RecvTimeoutError::Disconnected)
    }
}

fn handler(app: Arc<App>, flags: Arc<StopFlags>) -> Handler {
    Box::new(move |request| {
        let response = if flags.rejecting.load(Ordering::SeqCst) {
            middleware::reject(&app, request, Error::Stopping)
        } else {
            middleware::handle(&app, request)
        };
        response.with_unique_header("Server", "task-api")
    })
}

/// Starts a thread that passes requests to the pool until the server closes. The thread then disconnects the
/// channel.
fn spawn_poller(
    http: Arc<rouille::Server<Handler>>,
    flags: Arc<StopFlags>,
) -> io::Result<Receiver<()>> {
    let (sender, ended) = mpsc::channel();
    spawn("poller", move || {
        while !flags.closing.load(Ordering::SeqCst) {
            http.poll_timeout(POLL_INTERVAL);
        }
        drop(sender);
    })?;
    Ok(ended)
}

/// Starts a thread that connects to the server at each interval until the server closes. This works around
/// stuck connections.
///
/// When several connections arrive at once, rouille's server may queue some of them for a thread that already
/// serves another one. They wait until that other connection closes, or until a new connection makes the server
/// start a thread: that thread then serves the queued ones.
fn spawn_waker(address: SocketAddr, flags: Arc<StopFlags>) -> io::Result<()> {
    spawn("waker", move || {
        while !flags.closing.load(Ordering::SeqCst) {
            thread::sleep(POLL_INTERVAL);
            drop(TcpStream::connect_timeout(&address, POLL_INTERVAL));
        }
    })
}

/// Starts a thread. Unlike [`thread::spawn`], it does not panic where the system denies one.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map(drop)
}

impl fmt::Debug for RouilleServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouilleServer")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
