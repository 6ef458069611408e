//! The program's own server: starts its threads, and stops them (graceful shutdown).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use mio::Waker;
use strum::IntoEnumIterator;

use super::accept_loop::AcceptLoop;
use super::descriptor_limit;
use super::event_loop::{EventLoop, LoopHandle, Shared};
use super::inbox::Message;
use super::lanes::Lanes;
use super::listen::ListenOn;
use super::memory_budget::MemoryBudget;
use super::phase::{CurrentPhase, Phase};
use super::probe::Probe;
use super::timer::Timer;
use crate::app::App;
use crate::concurrency::Work;

/// A running server.
pub struct EventServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    loops: Vec<LoopHandle>,
    accept_waker: Waker,
    /// Disconnected when the accept loop has ended.
    accept_ended: Receiver<()>,
    /// Disconnected when every event loop has ended.
    loops_ended: Receiver<()>,
    /// Disconnected when every thread of a lane has ended.
    lanes_ended: Receiver<()>,
}

impl EventServer {
    /// Starts the threads. Connections are accepted when all of them are running.
    ///
    /// # Errors
    /// A message for the operator: the address cannot be bound, or the system grants too few threads or
    /// descriptors.
    pub fn start(app: Arc<App>, listen_on: ListenOn) -> Result<EventServer, String> {
        let max_connections = descriptor_limit::max_connections(&app.config)?;
        EventServer::start_threads(app, listen_on.open()?, max_connections as usize)
            .map_err(|why| format!("cannot start the server: {why}"))
    }

    fn start_threads(
        app: Arc<App>,
        listener: TcpListener,
        max_connections: usize,
    ) -> io::Result<EventServer> {
        let address = listener.local_addr()?;
        let concurrency = app.config.concurrency;
        let shared = Arc::new(Shared {
            lanes: Lanes::new(&concurrency, &app.metrics.work),
            memory: MemoryBudget::new(app.config.limits.max_buffered_bytes),
            phase: CurrentPhase::new(),
            timer: Timer::new(concurrency.event_loops),
            app,
        });
        let lanes_ended = start_lanes(&shared)?;
        let (loops, loops_ended) = start_loops(&shared, concurrency.event_loops, max_connections)?;
        start_timer(&shared, loops.clone())?;
        let listener = mio::net::TcpListener::from_std(listener);
        let (accept_loop, accept_waker) =
            AcceptLoop::new(Arc::clone(&shared), loops.clone(), listener)?;
        let (sender, accept_ended) = mpsc::channel::<()>();
        spawn("accept", move || {
            accept_loop.run();
            drop(sender);
        })?;
        Ok(EventServer {
            shared,
            address,
            loops,
            accept_waker,
            accept_ended,
            loops_ended,
            lanes_ended,
        })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a probe to every event loop.
    ///
    /// # Errors
    /// A message for the operator: the accept loop has ended.
    pub fn probe(&self) -> Result<Probe, String> {
        match self.accept_ended.try_recv() {
            Err(TryRecvError::Empty) => Ok(Probe::send(&self.loops)),
            _ => Err("the server accepts no connections".to_owned()),
        }
    }

    /// Graceful shutdown: completes the requests in progress and stops within `deadline`. Returns whether all
    /// of them were completed.
    ///
    /// Idle connections are closed, and requests in a queue are rejected with 503. A request that has arrived in
    /// part gets half of the time to arrive completely; after that it is rejected too.
    pub fn stop(self, deadline: Duration) -> bool {
        let begin = Instant::now();
        let left = || deadline.saturating_sub(begin.elapsed());
        self.enter(Phase::Draining);
        // The connections in the kernel's queue are still accepted and served.
        wait_for_end(&self.accept_ended, deadline / 2);
        for handle in &self.loops {
            handle.inbox.close();
        }
        let is_drained = wait_for_end(
            &self.loops_ended,
            (deadline / 2).saturating_sub(begin.elapsed()),
        ) || {
            self.enter(Phase::Aborting);
            wait_for_end(&self.loops_ended, left())
        };
        self.enter(Phase::Ended);
        self.shared.timer.end();
        self.shared.lanes.close();
        // A thread that is in the middle of a request ends after it.
        is_drained && wait_for_end(&self.lanes_ended, left())
    }

    fn enter(&self, phase: Phase) {
        self.shared.phase.set(phase);
        if let Err(why) = self.accept_waker.wake() {
            log::error!("cannot wake the accept loop: {why}");
        }
        for handle in &self.loops {
            handle.inbox.send(Message::NewPhase);
        }
    }
}

fn start_lanes(shared: &Arc<Shared>) -> io::Result<Receiver<()>> {
    let (sender, ended) = mpsc::channel::<()>();
    for work in Work::iter() {
        for number in 0..shared.app.config.concurrency.threads(work) {
            let (shared, sender) = (Arc::clone(shared), sender.clone());
            spawn(&format!("{}-{number}", work.name()), move || {
                shared.lanes.run_thread(work, &shared.app);
                drop(sender);
            })?;
        }
    }
    Ok(ended)
}

fn start_loops(
    shared: &Arc<Shared>,
    count: usize,
    max_connections: usize,
) -> io::Result<(Vec<LoopHandle>, Receiver<()>)> {
    let (sender, ended) = mpsc::channel::<()>();
    let mut handles = Vec::with_capacity(count);
    for number in 0..count {
        // The first loops take the remainder.
        let share = (max_connections + count - 1 - number) / count;
        let event_loop = EventLoop::new(Arc::clone(shared), number, share.max(1))?;
        handles.push(event_loop.handle());
        let sender = sender.clone();
        spawn(&format!("loop-{number}"), move || {
            event_loop.run();
            drop(sender);
        })?;
    }
    Ok((handles, ended))
}

fn start_timer(shared: &Arc<Shared>, loops: Vec<LoopHandle>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    spawn("timer", move || {
        let wake = |number: usize| {
            if let Some(handle) = loops.get(number) {
                handle.inbox.send(Message::Alarm);
            }
        };
        shared.timer.run(wake);
    })
}

/// Starts a thread. Unlike [`thread::spawn`], it does not panic where the system denies one.
fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map(drop)
}

/// Waits until all senders are dropped, for at most `timeout`. Returns whether they are.
fn wait_for_end(ended: &Receiver<()>, timeout: Duration) -> bool {
    ended.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Disconnected)
}

impl std::fmt::Debug for EventServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
