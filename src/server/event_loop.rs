//! The server on Linux: an event loop on epoll, run by a pool of worker threads.
//!
//! - A connection is registered for one event at a time (`EPOLLONESHOT`): after the event it belongs to one
//!   worker, until that worker registers it again. Its index in the [`ConnectionTable`] is the event's data.
//! - All workers wait on the same epoll instance. [`RunPermits`] limits how many of them run at once.
//! - One more thread accepts connections, and one closes connections whose timeout has passed (deadline sweep).
//! - A stop drains the connections: requests in progress are completed, and no new ones are accepted.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::connection::{Connection, NextAction, WaitReason, WaitState, WorkerContext};
use super::connection_table::{ConnectionTable, LockedConnection};
use super::memory_budget::MemoryBudget;
use crate::app::App;
use crate::concurrency::run_permits::RunPermits;
use crate::config::Config;
use crate::error::Error;
use crate::metrics::CloseReason;

/// How many connections the kernel queues until they are accepted. The standard library's 128 overflows in a
/// burst, and a client whose connection is dropped tries again only after a second.
const BACKLOG: i32 = 4096;

/// The interval of the deadline sweep, and of the checks while the server stops.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// The pause after a failed system call that could fail again at once (no file descriptors, for example).
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// The size of a thread's read buffer in bytes.
const SCRATCH_SIZE: usize = 32 << 10;

/// The event data of [`ServerState::exit_event`]; no connection has this index.
const EXIT_EVENT: u64 = u64::MAX;

/// A running server.
#[derive(Debug)]
pub struct EpollServer {
    state: Arc<ServerState>,
    address: SocketAddr,
    accept_thread: JoinHandle<()>,
}

/// The state that all threads of the server share.
struct ServerState {
    app: Arc<App>,
    connections: ConnectionTable,
    epoll: OwnedFd,
    run_permits: Arc<RunPermits>,
    memory: MemoryBudget,
    /// True from the start of a stop: no connection is accepted any more, and each one closes after its
    /// present request.
    stopping: AtomicBool,
    /// An eventfd that wakes the accept thread; readable once `stopping` is true.
    stop_event: OwnedFd,
    /// An eventfd that ends the workers and the deadline sweep; readable once the server has stopped.
    exit_event: OwnedFd,
}

impl EpollServer {
    /// Binds the address and starts the threads. Port 0 is any free port.
    ///
    /// # Errors
    /// A message for the operator: the address cannot be bound, or the system denies a thread or a descriptor.
    pub fn start(app: Arc<App>, host: &str, port: u16) -> Result<EpollServer, String> {
        let listener = listen(host, port)
            .map_err(|why| format!("HOST, PORT: cannot listen on {host} port {port}: {why}"))?;
        EpollServer::start_threads(app, listener)
            .map_err(|why| format!("cannot start the server: {why}"))
    }

    fn start_threads(app: Arc<App>, listener: TcpListener) -> io::Result<EpollServer> {
        let address = listener.local_addr()?;
        let state = Arc::new(ServerState::new(app)?);
        let accept_thread = spawn("accept", &state, move |state| {
            accept_loop(state, &listener);
        })?;
        spawn("deadlines", &state, deadline_sweep)?;
        for number in 0..state.app.config.concurrency.workers {
            spawn(&format!("worker-{number}"), &state, worker_loop)?;
        }
        Ok(EpollServer {
            state,
            address,
            accept_thread,
        })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Graceful shutdown: completes the requests in progress and stops within `deadline`. Returns whether all
    /// of them were completed.
    ///
    /// Idle connections are closed after one sweep interval. A request that has arrived in part gets half of
    /// the time to arrive completely; after that it is rejected with 503.
    pub fn stop(self, deadline: Duration) -> bool {
        let begin = Instant::now();
        let state = &self.state;
        state.stopping.store(true, Ordering::SeqCst);
        signal(&state.stop_event);
        // The connections in the kernel's queue are still accepted and served.
        while !self.accept_thread.is_finished() && begin.elapsed() < deadline / 2 {
            thread::sleep(Duration::from_millis(1));
        }
        // A request that arrives on an idle connection within the first interval is served too; its response
        // says `Connection: close`.
        loop {
            let interval = SWEEP_INTERVAL.min(deadline.saturating_sub(begin.elapsed()));
            let is_empty = state
                .connections
                .wait_until_empty(Instant::now() + interval);
            if is_empty || begin.elapsed() >= deadline {
                signal(&state.exit_event);
                return is_empty;
            }
            if begin.elapsed() > deadline / 2 {
                state.abort_connections();
            } else {
                state.drain_connections();
            }
        }
    }
}

fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((host, port))?;
    // `bind` has called listen(2) with the standard library's backlog; calling it again changes the backlog.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn spawn(
    name: &str,
    state: &Arc<ServerState>,
    run: impl FnOnce(&ServerState) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let state = Arc::clone(state);
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(move || run(&state))
}

/// Makes an eventfd readable. No thread reads it, so that it stays readable and wakes every thread.
fn signal(event: &OwnedFd) {
    if let Err(why) = rustix::io::write(event, &1_u64.to_ne_bytes()) {
        log::error!("cannot signal the server's threads: {why}");
    }
}

impl ServerState {
    fn new(app: Arc<App>) -> io::Result<ServerState> {
        let event = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let (stop_event, exit_event) = (event()?, event()?);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = EventData::new_u64(EXIT_EVENT);
        epoll::add(&epoll, &exit_event, data, EventFlags::IN)?;
        let max_connections = max_connections(&app.config);
        Ok(ServerState {
            connections: ConnectionTable::new(max_connections),
            run_permits: RunPermits::new(app.config.concurrency.run_permits),
            memory: MemoryBudget::new(app.config.limits.max_buffered_bytes),
            stopping: AtomicBool::new(false),
            app,
            epoll,
            stop_event,
            exit_event,
        })
    }
}

/// Raises the soft limit of file descriptors to the hard limit. Returns `MAX_CONNECTIONS`, or less if the
/// descriptors do not suffice.
fn max_connections(config: &Config) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(why) = setrlimit(Resource::Nofile, raised) {
        log::warn!("cannot raise the limit of open file descriptors: {why}");
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // SQLite has three files open for each of its connections: the readers and the writer.
    let reserved = 64 + 3 * (config.concurrency.readers() as u64 + 1);
    let possible = descriptors.saturating_sub(reserved).max(1);
    let wanted = u64::from(config.limits.max_connections);
    if wanted > possible {
        log::warn!(
            "MAX_CONNECTIONS is {wanted}, but the system's limit of {descriptors} file descriptors allows \
             {possible} connections"
        );
    }
    wanted.min(possible) as usize
}

// ---- accepting connections ----------------------------------------------------------------------

/// Accepts connections until the server stops. The last round runs after `stopping` is set, so that every
/// connection that the kernel has queued by then is accepted.
fn accept_loop(state: &ServerState, listener: &TcpListener) {
    loop {
        let stopping = state.stopping.load(Ordering::SeqCst);
        match accept_pending(state, listener) {
            _ if stopping => return,
            Ok(()) => {
                let wanted = PollFlags::IN;
                // An error (EINTR, for example) only makes the next round begin early.
                let _ = poll(
                    &mut [
                        PollFd::new(listener, wanted),
                        PollFd::new(&state.stop_event, wanted),
                    ],
                    None,
                );
            }
            Err(why) => {
                log::warn!("cannot accept a connection: {why}");
                // The usual cause is a lack of file descriptors; an eviction frees one.
                state.evict_idle();
                thread::sleep(ERROR_PAUSE);
            }
        }
    }
}

/// Accepts every connection that is in the kernel's queue.
fn accept_pending(state: &ServerState, listener: &TcpListener) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => state.register(stream, peer)?,
            Err(why) => match why.kind() {
                ErrorKind::WouldBlock => return Ok(()),
                ErrorKind::Interrupted => {}
                // This client has gone; the next connection in the queue needs no pause.
                ErrorKind::ConnectionAborted => {
                    log::warn!("a client closed its connection before it was accepted: {why}");
                }
                _ => return Err(why),
            },
        }
    }
}

impl ServerState {
    /// Puts a new connection into the table and registers it with epoll.
    fn register(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        // Without Nagle's algorithm, a response is sent at once and does not wait until the client has
        // acknowledged the one before.
        stream.set_nodelay(true)?;
        let index = self.allocate_entry();
        // The lock is held until the connection is stored: a worker that gets its first event waits for it.
        let mut entry = self.connections.lock(index);
        let connection = Connection::new(stream, peer, &self.app, &self.memory);
        self.connections.set_wait(index, connection.wait());
        let data = EventData::new_u64(index as u64);
        let added = epoll::add(
            &self.epoll,
            connection.stream(),
            data,
            EventFlags::IN | EventFlags::ONESHOT,
        );
        *entry = Some(Box::new(connection));
        if added.is_err() {
            self.connections.close(index, entry);
        }
        Ok(added?)
    }

    /// Takes a free entry of the table. If it is full, evicts a connection.
    fn allocate_entry(&self) -> usize {
        loop {
            match self.connections.allocate() {
                Some(index) => return index,
                None if self.evict_idle() => {}
                // Workers are running all connections at this moment.
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Closes one connection to make room for a new one (LRU eviction): the
    /// [eviction candidate](ConnectionTable::eviction_candidate) of the table. Returns whether one was closed.
    fn evict_idle(&self) -> bool {
        let Some(index) = self.connections.eviction_candidate() else {
            return false;
        };
        let Some(entry) = self.connections.try_lock_if(index, |_| true) else {
            return false;
        };
        self.connections.close(index, entry);
        let connections = &self.app.metrics.connections;
        let count = connections.count_closed(CloseReason::MaxConnections);
        // Logs the 1st, 2nd, 4th, 8th, ... eviction: one line for each would fill the disk during an attack.
        if count.is_power_of_two() {
            log::warn!(
                "the longest idle connection was closed to make room for a new one; closed so far: {count}"
            );
        }
        true
    }
}

// ---- workers ------------------------------------------------------------------------------------

/// Waits for an event, runs its connection, and repeats. Returns at [`EXIT_EVENT`]. The end of the thread
/// releases its run permit, so that the next worker can receive the event too.
fn worker_loop(state: &ServerState) {
    let mut scratch = Vec::new();
    // One event at a time: a second one would wait here while the first request is handled, although another
    // worker could take it.
    let mut events = Vec::with_capacity(1);
    loop {
        state.run_permits.acquire();
        events.clear();
        match epoll::wait(&state.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(why) => {
                log::error!("cannot wait for events: {why}");
                thread::sleep(ERROR_PAUSE);
            }
        }
        // Allocated after the first wait: most workers run only under heavy load and need no buffer before.
        scratch.resize(SCRATCH_SIZE, 0);
        for event in &events {
            match event.data.u64() {
                EXIT_EVENT => return,
                index => state.handle_event(index as usize, &mut scratch),
            }
        }
    }
}

impl ServerState {
    fn handle_event(&self, index: usize, scratch: &mut [u8]) {
        let entry = self.connections.lock(index);
        self.run_and_rearm(index, entry, |connection| {
            connection.run_until_blocked(&mut self.worker_context(scratch))
        });
    }

    fn worker_context<'a>(&'a self, scratch: &'a mut [u8]) -> WorkerContext<'a> {
        WorkerContext {
            app: &self.app,
            stopping: &self.stopping,
            scratch,
        }
    }

    /// Runs a connection and registers it for its next event (`EPOLLONESHOT` has disabled it), or closes it.
    fn run_and_rearm(
        &self,
        index: usize,
        mut entry: LockedConnection,
        run: impl FnOnce(&mut Connection) -> NextAction,
    ) {
        // The entry is empty if another thread has closed the connection since epoll reported the event.
        let Some(connection) = entry.as_mut() else {
            return;
        };
        // The middleware turns a panic of a handler into a 500. A panic elsewhere closes this connection only.
        let action =
            catch_unwind(AssertUnwindSafe(|| run(connection))).unwrap_or(NextAction::Close);
        let flags = match action {
            NextAction::WaitReadable => EventFlags::IN,
            NextAction::WaitWritable => EventFlags::OUT,
            // The socket is writable, so epoll reports the connection again at once, but after those that are
            // ready already.
            NextAction::Requeue => EventFlags::IN | EventFlags::OUT,
            NextAction::Close => return self.connections.close(index, entry),
        };
        self.connections.set_wait(index, connection.wait());
        let data = EventData::new_u64(index as u64);
        if let Err(why) = epoll::modify(
            &self.epoll,
            connection.stream(),
            data,
            flags | EventFlags::ONESHOT,
        ) {
            log::error!("cannot wait for events of a connection: {why}");
            self.connections.close(index, entry);
        }
    }
}

// ---- deadlines ----------------------------------------------------------------------------------

/// The deadline sweep: at each interval, times out the connections that have waited too long.
fn deadline_sweep(state: &ServerState) {
    let mut scratch = vec![0; SCRATCH_SIZE];
    while !wait_for_signal(&state.exit_event, SWEEP_INTERVAL) {
        let is_overdue = |wait: WaitState| wait.is_overdue(&state.app.config.limits);
        state.run_waiting(is_overdue, |connection| {
            connection.check_timeout(&mut state.worker_context(&mut scratch))
        });
    }
}

/// Waits until an eventfd is readable, or for `timeout`. Returns whether it is readable.
fn wait_for_signal(event: &OwnedFd, timeout: Duration) -> bool {
    let timeout = Timespec::try_from(timeout).ok();
    let ready = poll(&mut [PollFd::new(event, PollFlags::IN)], timeout.as_ref());
    ready.is_ok_and(|ready| ready > 0)
}

impl ServerState {
    /// Runs, on this thread, every waiting connection that `is_due` selects.
    fn run_waiting(
        &self,
        is_due: impl Fn(WaitState) -> bool,
        mut run: impl FnMut(&mut Connection) -> NextAction,
    ) {
        for index in self.connections.indices() {
            if let Some(entry) = self.connections.try_lock_if(index, &is_due) {
                self.run_and_rearm(index, entry, &mut run);
            }
        }
    }

    /// Connection draining: requeues every connection that waits for the client to send or to close. A worker
    /// reads what has arrived, and closes the connection if no request has begun.
    fn drain_connections(&self) {
        self.run_waiting(waits_for_input, |_| NextAction::Requeue);
    }

    /// The second half of a stop: rejects with 503 each request that has arrived in part, and closes the other
    /// connections that wait for the client. One that is sending a response may continue until the deadline.
    fn abort_connections(&self) {
        let mut scratch = vec![0; SCRATCH_SIZE];
        self.run_waiting(waits_for_input, |connection| {
            let error = Error::Busy("the server is stopping".to_owned());
            connection.abort(error, &mut self.worker_context(&mut scratch))
        });
    }
}

fn waits_for_input(wait: WaitState) -> bool {
    wait.reason != WaitReason::ResponseSent
}

impl fmt::Debug for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerState").finish_non_exhaustive()
    }
}
