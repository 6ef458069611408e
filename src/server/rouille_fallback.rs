//! `rouille::Server` with a bounded pool, for systems without epoll: a student's laptop, not the
//! internet. It has no timeouts, and takes requests that could be two.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rouille::{Request, Response};

use crate::app::App;
use crate::error::Error;
use crate::middleware;

/// How often the server looks whether it is to close, and whether anybody waits.
const POLL: Duration = Duration::from_millis(100);

type Handler = Box<dyn Fn(&Request) -> Response + Send + Sync>;

/// A server that is answering requests.
pub struct RouilleServer {
    http: Arc<rouille::Server<Handler>>,
    state: Arc<State>,
    /// Closed when no more requests are taken.
    polling: Receiver<()>,
}

#[derive(Default)]
struct State {
    /// New requests are answered 503.
    refusing: AtomicBool,
    /// No more requests are taken.
    closing: AtomicBool,
}

impl RouilleServer {
    /// Binds the address, port 0 being any that is free, and begins to answer.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn start(app: Arc<App>, host: &str, port: u16) -> Result<RouilleServer, String> {
        let workers = app.config.concurrency.workers;
        let state = Arc::new(State::default());
        let handler: Handler = {
            let state = Arc::clone(&state);
            Box::new(move |request| {
                let response = if state.refusing.load(Ordering::SeqCst) {
                    let error = Error::Busy("the server is stopping".to_owned());
                    middleware::reject(&app, request, error)
                } else {
                    middleware::handle(&app, request)
                };
                response.with_unique_header("Server", "task-api")
            })
        };
        let http = rouille::Server::new((host, port), handler)
            .map_err(|why| format!("HOST, PORT: cannot listen on {host} port {port}: {why}"))?;
        let http = Arc::new(http.pool_size(workers));
        let polling = spawn_poller(Arc::clone(&http), Arc::clone(&state));
        spawn_waker(http.server_addr(), Arc::clone(&state));
        Ok(RouilleServer {
            http,
            state,
            polling,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.http.server_addr()
    }

    /// Answers the requests in hand and stops, within `deadline`. Returns whether all of them were
    /// answered.
    ///
    /// Requests that come meanwhile are answered too, so under load there would be no end: for the
    /// second half of the time new ones are refused.
    pub fn stop(self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        self.idle_before(end - deadline / 2);
        self.state.refusing.store(true, Ordering::SeqCst);
        let idle = self.idle_before(end);
        self.state.closing.store(true, Ordering::SeqCst);
        let _ = self.polling.recv_timeout(2 * POLL);
        idle
    }

    fn idle_before(&self, end: Instant) -> bool {
        let (working, done) = mpsc::channel::<()>();
        let http = Arc::clone(&self.http);
        thread::spawn(move || {
            http.join();
            drop(working);
        });
        let time = end.saturating_duration_since(Instant::now());
        done.recv_timeout(time) == Err(RecvTimeoutError::Disconnected)
    }
}

/// Hands requests to the pool until the server closes; the channel closes then.
fn spawn_poller(http: Arc<rouille::Server<Handler>>, state: Arc<State>) -> Receiver<()> {
    let (polling, done) = mpsc::channel();
    thread::spawn(move || {
        while !state.closing.load(Ordering::SeqCst) {
            http.poll_timeout(POLL);
        }
        drop(polling);
    });
    done
}

/// Connects to the server now and then, until it closes.
///
/// Of several connections that come at once, rouille's server queues some behind a thread that has
/// just been given another one, and there they wait until that other one closes. The next connection
/// gets a thread of its own, which then serves whoever waits.
fn spawn_waker(address: SocketAddr, state: Arc<State>) {
    thread::spawn(move || {
        while !state.closing.load(Ordering::SeqCst) {
            thread::sleep(POLL);
            drop(TcpStream::connect_timeout(&address, POLL));
        }
    });
}

impl fmt::Debug for RouilleServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
