//! The server on Linux: a few threads share one epoll instance and serve whoever is ready.
//!
//! - A connection lives in a slot, whose number is what epoll tells. It is registered for one event
//!   at a time (EPOLLONESHOT), so that one thread has it until it is registered again.
//! - Workers wait for events, as many of them as have a turn ([`crate::turn`]).
//! - One thread accepts; one closes what has waited for too long.

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

use super::connection::{Connection, Context, Next, Phase, Wait};
use super::connection_table::{ConnectionTable, LockedConnection};
use super::memory_budget::MemoryBudget;
use crate::app::App;
use crate::concurrency::RunPermits;
use crate::config::Config;
use crate::error::Error;
use crate::metrics::CloseReason;

/// How many connections the system keeps until they are accepted. The usual 128 makes a burst of
/// clients wait for a second, which is when they try again.
const BACKLOG: i32 = 4096;

/// How often deadlines are looked at.
const SWEEP: Duration = Duration::from_millis(100);

/// How long to wait before accepting again where the system could not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a worker reads into at a time.
const SCRATCH: usize = 32 << 10;

/// The event that is no connection's: the server is closed.
const CLOSED: u64 = u64::MAX;

/// A server that is answering requests.
#[derive(Debug)]
pub struct EpollServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

struct Shared {
    app: Arc<App>,
    connections: ConnectionTable,
    epoll: OwnedFd,
    run_permits: Arc<RunPermits>,
    memory: MemoryBudget,
    /// No new connections; every answer is its connection's last.
    stopping: AtomicBool,
    /// Readable once `stopping` is true.
    stop: OwnedFd,
    /// Readable once the threads are to end.
    closed: OwnedFd,
}

impl EpollServer {
    /// Binds the address, port 0 being any that is free, and begins to answer.
    ///
    /// # Errors
    /// One line for the operator.
    pub fn start(app: Arc<App>, host: &str, port: u16) -> Result<EpollServer, String> {
        let listener = listen(host, port)
            .map_err(|why| format!("HOST, PORT: cannot listen on {host} port {port}: {why}"))?;
        EpollServer::serve(app, listener).map_err(|why| format!("cannot start the server: {why}"))
    }

    fn serve(app: Arc<App>, listener: TcpListener) -> io::Result<EpollServer> {
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(app)?);
        let accepting = spawn("accept", &shared, move |shared| accept(shared, &listener))?;
        spawn("deadlines", &shared, watch_deadlines)?;
        for number in 0..shared.app.config.concurrency.workers {
            spawn(&format!("worker-{number}"), &shared, worker_loop)?;
        }
        Ok(EpollServer {
            shared,
            address,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the requests in hand and stops, within `deadline`. Returns whether all of them were
    /// answered.
    ///
    /// Idle connections are closed at once. A request that has arrived in part has half of the time
    /// for the rest, and is refused then.
    pub fn stop(self, deadline: Duration) -> bool {
        let begin = Instant::now();
        let shared = &self.shared;
        shared.stopping.store(true, Ordering::SeqCst);
        signal(&shared.stop);
        // Whoever is connected by now is served.
        while !self.accepting.is_finished() && begin.elapsed() < deadline / 2 {
            thread::sleep(Duration::from_millis(1));
        }
        // Whoever asks once more within the first pause is answered, and told that nothing follows.
        loop {
            let pause = SWEEP.min(deadline.saturating_sub(begin.elapsed()));
            let empty = shared.connections.empty_before(Instant::now() + pause);
            if empty || begin.elapsed() >= deadline {
                signal(&shared.closed);
                return empty;
            }
            shared.drain_connections(begin.elapsed() > deadline / 2);
        }
    }
}

fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((host, port))?;
    // std asks for a backlog of its own choice; asking again changes it.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    run: impl FnOnce(&Shared) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(move || run(&shared))
}

/// Makes an eventfd readable, for good.
fn signal(event: &OwnedFd) {
    if let Err(why) = rustix::io::write(event, &1_u64.to_ne_bytes()) {
        log::error!("cannot signal the server's threads: {why}");
    }
}

// ---- accepting ----------------------------------------------------------------------------------

/// Accepts until the stop; whoever the system has connected by then is served.
fn accept(shared: &Shared, listener: &TcpListener) {
    loop {
        let stopping = shared.stopping.load(Ordering::SeqCst);
        match accept_all(shared, listener) {
            _ if stopping => return,
            Ok(()) => {
                let wanted = PollFlags::IN;
                let _ = poll(
                    &mut [
                        PollFd::new(listener, wanted),
                        PollFd::new(&shared.stop, wanted),
                    ],
                    None,
                );
            }
            Err(why) => {
                log::warn!("cannot accept a connection: {why}");
                shared.evict_idle();
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

fn accept_all(shared: &Shared, listener: &TcpListener) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => shared.admit(stream, peer)?,
            Err(why) => match why.kind() {
                ErrorKind::WouldBlock => return Ok(()),
                ErrorKind::Interrupted => {}
                // The client has gone before it was its turn; the next one need not wait.
                ErrorKind::ConnectionAborted => log::warn!("accepted nobody: {why}"),
                _ => return Err(why),
            },
        }
    }
}

impl Shared {
    fn new(app: Arc<App>) -> io::Result<Shared> {
        let event = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let (stop, closed) = (event()?, event()?);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &closed, EventData::new_u64(CLOSED), EventFlags::IN)?;
        let connections = allowed_connections(&app.config);
        Ok(Shared {
            connections: ConnectionTable::new(connections),
            run_permits: RunPermits::new(app.config.concurrency.run_permits),
            memory: MemoryBudget::new(app.config.limits.max_buffered_bytes),
            stopping: AtomicBool::new(false),
            app,
            epoll,
            stop,
            closed,
        })
    }

    /// Gives a new connection a slot, an older one's if need be.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        // An answer goes out at once and does not wait for the client to confirm the one before.
        stream.set_nodelay(true)?;
        let index = loop {
            match self.connections.claim() {
                Some(index) => break index,
                None if self.evict_idle() => {}
                // All are being served at this moment.
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        let mut served = self.connections.lock(index);
        let connection = Connection::new(stream, peer, &self.app, &self.memory);
        self.connections.set_wait(index, connection.wait());
        let data = EventData::new_u64(index as u64);
        let added = epoll::add(
            &self.epoll,
            connection.stream(),
            data,
            EventFlags::IN | EventFlags::ONESHOT,
        );
        *served = Some(Box::new(connection));
        if added.is_err() {
            self.connections.close(index, served);
        }
        Ok(added?)
    }

    /// Closes the connection that has been idle longest. Returns whether there was one.
    fn evict_idle(&self) -> bool {
        let victim = self.connections.longest_waiting();
        let served =
            victim.and_then(|index| Some((index, self.connections.try_lock_if(index, |_| true)?)));
        match served {
            Some((index, served)) => {
                self.connections.close(index, served);
                let connections = &self.app.metrics.connections;
                let count = connections.close_for(CloseReason::MaxConnections);
                // Under attack a line each would fill the disk.
                if count.is_power_of_two() {
                    log::warn!(
                        "closed for new connections, the longest idle first: {count} so far"
                    );
                }
                true
            }
            None => false,
        }
    }
}

/// Raises the limit of descriptors as far as the system permits, and returns how many connections
/// there may be.
fn allowed_connections(config: &Config) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(why) = setrlimit(Resource::Nofile, raised) {
        log::warn!("cannot raise the limit of open descriptors: {why}");
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // SQLite has three files open for each of its connections.
    let others = 64 + 3 * (config.concurrency.readers() as u64 + 1);
    let allowed = descriptors.saturating_sub(others).max(1);
    let wanted = u64::from(config.limits.max_connections);
    if wanted > allowed {
        log::warn!(
            "MAX_CONNECTIONS is {wanted}, but the system's limit of {descriptors} descriptors leaves \
             room for {allowed}"
        );
    }
    wanted.min(allowed) as usize
}

// ---- serving ------------------------------------------------------------------------------------

fn worker_loop(shared: &Shared) {
    let mut scratch = Vec::new();
    let mut events = Vec::with_capacity(1);
    loop {
        shared.run_permits.acquire();
        events.clear();
        match epoll::wait(&shared.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(why) => {
                log::error!("cannot wait for events: {why}");
                thread::sleep(ACCEPT_PAUSE);
            }
        }
        // Most threads are there for bad times and never need any.
        scratch.resize(SCRATCH, 0);
        for event in &events {
            match event.data.u64() {
                CLOSED => return,
                index => shared.handle_event(index as usize, &mut scratch),
            }
        }
    }
}

impl Shared {
    fn handle_event(&self, index: usize, scratch: &mut [u8]) {
        let served = self.connections.lock(index);
        self.step_and_rearm(index, served, |connection| {
            connection.advance(&mut self.context(scratch))
        });
    }

    fn context<'a>(&'a self, scratch: &'a mut [u8]) -> Context<'a> {
        Context {
            app: &self.app,
            stopping: &self.stopping,
            scratch,
        }
    }

    /// Takes a connection a step further and registers it for what it waits for then.
    fn step_and_rearm(
        &self,
        index: usize,
        mut served: LockedConnection,
        step: impl FnOnce(&mut Connection) -> Next,
    ) {
        // Events of a connection that has been closed may still be on their way.
        let Some(connection) = served.as_mut() else {
            return;
        };
        // A handler's panic is an answer, 500; one around it ends the connection and nothing else.
        let next = catch_unwind(AssertUnwindSafe(|| step(connection))).unwrap_or(Next::Close);
        let flags = match next {
            Next::Readable => EventFlags::IN,
            Next::Writable => EventFlags::OUT,
            // A socket that takes more is ready at once, and queued behind all that are.
            Next::Later => EventFlags::IN | EventFlags::OUT,
            Next::Close => return self.connections.close(index, served),
        };
        self.connections.set_wait(index, connection.wait());
        let data = EventData::new_u64(index as u64);
        if let Err(why) = epoll::modify(
            &self.epoll,
            connection.stream(),
            data,
            flags | EventFlags::ONESHOT,
        ) {
            log::error!("cannot wait for a connection: {why}");
            self.connections.close(index, served);
        }
    }
}

// ---- deadlines ----------------------------------------------------------------------------------

/// Closes, every now and then, what has waited for too long.
fn watch_deadlines(shared: &Shared) {
    let mut scratch = vec![0; SCRATCH];
    while !is_signalled(&shared.closed, SWEEP) {
        let is_overdue = |wait: Wait| wait.is_overdue(&shared.app.config.limits);
        for index in shared.connections.indices() {
            if let Some(served) = shared.connections.try_lock_if(index, is_overdue) {
                shared.step_and_rearm(index, served, |connection| {
                    connection.expire(&mut shared.context(&mut scratch))
                });
            }
        }
    }
}

fn is_signalled(event: &OwnedFd, within: Duration) -> bool {
    let timeout = Timespec::try_from(within).ok();
    let ready = poll(&mut [PollFd::new(event, PollFlags::IN)], timeout.as_ref());
    ready.is_ok_and(|ready| ready > 0)
}

impl Shared {
    /// Has the workers look at every connection that waits for bytes: whoever is between two requests,
    /// and has not sent another one by now, is closed. When it `is_late`, the others are too.
    fn drain_connections(&self, is_late: bool) {
        let mut scratch = vec![0; SCRATCH];
        for index in self.connections.indices() {
            let Some(served) = self
                .connections
                .try_lock_if(index, |wait| wait.phase != Phase::Answer)
            else {
                continue;
            };
            self.step_and_rearm(index, served, |connection| {
                if !is_late {
                    return Next::Later;
                }
                let error = Error::Busy("the server is stopping".to_owned());
                connection.abort(error, &mut self.context(&mut scratch))
            });
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
