//! An event loop: one thread that owns a part of the connections and waits for events of all of their sockets
//! (the reactor pattern; epoll on Linux and kqueue on macOS, through mio).
//!
//! - The loop handles quick reads itself; other requests go to a [lane](super::lanes), and the response comes
//!   back through the [inbox](super::inbox).
//! - A socket is registered once, and events are edge-triggered: each reports a change. So a connection is run
//!   until its socket would block.
//! - After the events of a round the loop takes its messages and enforces timeouts.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use super::connection::{Connection, LoopContext, NextAction, WaitReason, WaitState};
use super::inbox::{ConnectionId, INBOX, Inbox, Message};
use super::lanes::Lanes;
use super::memory_budget::MemoryBudget;
use super::phase::{CurrentPhase, Phase};
use super::timer::Timer;
use crate::app::App;
use crate::error::Error;
use crate::http::client_address::Network;
use crate::metrics::{CloseReason, LeaveReason};
use crate::store::KeptReader;

/// The shortest time between two searches for overdue connections.
const SWEEP_INTERVAL: Duration = Duration::from_millis(50);

/// How much later a loop enforces timeouts that has not seen all events yet. It handles several thousand events
/// in this time.
const OVERLOAD_GRACE: Duration = Duration::from_millis(250);

/// The time between the steps of a stop.
const DRAIN_INTERVAL: Duration = Duration::from_millis(100);

/// The pause after a failed system call that could fail again at once.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// The size of the loop's read buffer in bytes.
const SCRATCH_SIZE: usize = 32 << 10;

/// The most events that one wait returns. New connections and the responses of lanes wait for so many at most.
const MAX_EVENTS: usize = 128;

/// What all threads of the server share.
pub struct Shared {
    /// The application.
    pub app: Arc<App>,
    /// The threads for requests that are not quick reads.
    pub lanes: Lanes,
    /// The memory of all connections.
    pub memory: MemoryBudget,
    /// The present phase.
    pub phase: CurrentPhase,
    /// Wakes the loops.
    pub timer: Timer,
}

/// An event loop as other threads see it.
#[derive(Debug, Clone)]
pub struct LoopHandle {
    /// Where to send messages.
    pub inbox: Arc<Inbox>,
    /// The number of open connections.
    pub open: Arc<AtomicUsize>,
}

/// An event loop.
pub struct EventLoop {
    shared: Arc<Shared>,
    number: usize,
    handle: LoopHandle,
    poll: Poll,
    connections: Slab<Connection>,
    /// The number of connections of each network.
    networks: HashMap<Network, usize>,
    max_connections: usize,
    /// Connections to run again without an event.
    ready_again: VecDeque<ConnectionId>,
    next_serial: u64,
    /// The next search for overdue connections: a timeout is enforced up to 50 ms after its end.
    next_sweep: Option<Instant>,
    last_sweep: Instant,
    /// The time that is set in the timer.
    alarm: Option<Instant>,
    scratch: Box<[u8]>,
}

impl EventLoop {
    /// The loop with this number, for at most `max_connections`.
    ///
    /// # Errors
    /// Those of the system: it grants no descriptor.
    pub fn new(
        shared: Arc<Shared>,
        number: usize,
        max_connections: usize,
    ) -> io::Result<EventLoop> {
        let poll = Poll::new()?;
        let inbox = Arc::new(Inbox::new(poll.registry())?);
        let open = Arc::default();
        Ok(EventLoop {
            shared,
            number,
            handle: LoopHandle { inbox, open },
            poll,
            connections: Slab::new(),
            networks: HashMap::new(),
            max_connections,
            ready_again: VecDeque::new(),
            next_serial: 0,
            next_sweep: None,
            last_sweep: Instant::now(),
            alarm: None,
            scratch: vec![0; SCRATCH_SIZE].into(),
        })
    }

    /// The loop as other threads see it.
    pub fn handle(&self) -> LoopHandle {
        self.handle.clone()
    }

    /// Runs until the server has stopped and no connection is open.
    pub fn run(mut self) {
        // Without one, each read takes a connection from the pool.
        let reader = self.shared.app.store.keep_reader();
        let reader = reader.inspect_err(|why| log::warn!("an event loop keeps no reader: {why}"));
        let reader = reader.ok().flatten();
        let mut events = Events::with_capacity(MAX_EVENTS);
        while !self.is_finished() {
            let was_interrupted = self.wait(&mut events, reader.as_ref());
            // Data that had arrived by now is read before a timeout is enforced.
            let now = Instant::now();
            for event in &events {
                if event.token() != INBOX {
                    self.run_connection(event.token().0, |connection, context| {
                        connection.handle_event(event, context)
                    });
                }
            }
            self.run_again();
            self.take_messages();
            // If more events may be waiting, what they report is read first: timeouts are enforced later.
            let has_all_events = !was_interrupted && events.iter().count() < MAX_EVENTS;
            let grace = if has_all_events {
                Duration::ZERO
            } else {
                OVERLOAD_GRACE
            };
            self.sweep(now, grace);
        }
    }

    fn is_finished(&self) -> bool {
        match self.shared.phase.get() {
            Phase::Serving => false,
            Phase::Draining | Phase::Aborting => {
                self.connections.is_empty() && self.handle.inbox.is_closed()
            }
            Phase::Ended => true,
        }
    }

    /// Waits for events. Before, ends the reader's snapshot if it is old, and sets the timer. Returns whether a
    /// signal has interrupted the wait: events may be missing then.
    fn wait(&mut self, events: &mut Events, reader: Option<&KeptReader>) -> bool {
        if let Some(reader) = reader {
            reader.release_old_snapshot();
        }
        self.set_alarm(reader);
        // A round without a wait, for the connections that have more to do.
        let timeout = (!self.ready_again.is_empty()).then_some(Duration::ZERO);
        match self.poll.poll(events, timeout) {
            Ok(()) => false,
            Err(why) if why.kind() == ErrorKind::Interrupted => true,
            Err(why) => {
                log::error!("cannot wait for events: {why}");
                thread::sleep(ERROR_PAUSE);
                true
            }
        }
    }

    /// Makes sure that the loop is woken for its next sweep, and to end its snapshot.
    fn set_alarm(&mut self, reader: Option<&KeptReader>) {
        let snapshot_expiry = reader.and_then(KeptReader::snapshot_expiry);
        let wanted = [self.next_sweep, snapshot_expiry];
        let Some(wanted) = wanted.into_iter().flatten().min() else {
            return;
        };
        if self.alarm.is_none_or(|alarm| wanted < alarm) {
            self.alarm = Some(wanted);
            self.shared.timer.set(self.number, wanted);
        }
    }

    // ---- running connections --------------------------------------------------------------------

    /// Runs the connection with this index, if it is open, and does what it asks for.
    fn run_connection(
        &mut self,
        index: usize,
        run: impl FnOnce(&mut Connection, &mut LoopContext) -> NextAction,
    ) {
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        let mut context = LoopContext {
            app: &self.shared.app,
            lanes: &self.shared.lanes,
            phase: &self.shared.phase,
            inbox: &self.handle.inbox,
            scratch: &mut self.scratch,
        };
        // The middleware turns a panic of a handler into a 500. A panic elsewhere closes this connection only.
        let action = catch_unwind(AssertUnwindSafe(|| run(connection, &mut context)))
            .unwrap_or(NextAction::Close);
        match action {
            NextAction::Close => return self.close(index, LeaveReason::ClientGone),
            NextAction::RunAgain if connection.is_ready_again => {}
            NextAction::RunAgain => {
                connection.is_ready_again = true;
                self.ready_again.push_back(connection.id());
            }
            NextAction::Wait => {}
        }
        let deadline = connection.wait().deadline(&self.shared.app.config.limits);
        self.sweep_at(deadline);
    }

    fn run_again(&mut self) {
        for _ in 0..self.ready_again.len() {
            if let Some(id) = self.ready_again.pop_front()
                && self.is_open(id)
            {
                self.run_connection(id.index, |connection, context| {
                    connection.is_ready_again = false;
                    connection.run_until_blocked(context)
                });
            }
        }
    }

    fn is_open(&self, id: ConnectionId) -> bool {
        let connection = self.connections.get(id.index);
        connection.is_some_and(|connection| connection.id() == id)
    }

    fn take_messages(&mut self) {
        for message in self.handle.inbox.take() {
            match message {
                Message::Connection(stream, peer) => self.open(stream, peer),
                Message::Response(id, response) if self.is_open(id) => {
                    self.run_connection(id.index, |connection, context| {
                        connection.receive_response(response, context)
                    });
                }
                // The connection has been closed since, because its client has gone, for example.
                Message::Response(..) => {}
                Message::EvictConnection => self.evict(),
                Message::Alarm => self.alarm = None,
                Message::Probe(answer) => drop(answer),
                // A request that is on its way on an idle connection is still served.
                Message::NewPhase => self.sweep_at(Instant::now() + DRAIN_INTERVAL),
            }
        }
    }

    // ---- opening and closing --------------------------------------------------------------------

    fn open(&mut self, stream: TcpStream, peer: SocketAddr) {
        if self.connections.len() >= self.max_connections {
            self.evict();
        }
        let entry = self.connections.vacant_entry();
        self.next_serial += 1;
        let id = ConnectionId {
            index: entry.key(),
            serial: self.next_serial,
        };
        let Shared { app, memory, .. } = &*self.shared;
        let mut connection = Connection::new(id, stream, peer, app, memory);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        if let Err(why) = registry.register(connection.stream_mut(), Token(id.index), interest) {
            self.handle.open.fetch_sub(1, Ordering::Relaxed);
            return log::warn!("cannot wait for events of a connection: {why}");
        }
        *self.networks.entry(connection.network()).or_default() += 1;
        let deadline = connection.wait().deadline(&app.config.limits);
        entry.insert(connection);
        self.sweep_at(deadline);
    }

    /// Closes a connection. Its request leaves the queue, if it is in one.
    fn close(&mut self, index: usize, reason: LeaveReason) {
        let Some(mut connection) = self.connections.try_remove(index) else {
            return;
        };
        connection.leave_queue(reason, &self.shared.lanes);
        let network = connection.network();
        if let Some(count) = self.networks.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.networks.remove(&network);
            }
        }
        self.handle.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Closes one connection to make room for a new one: of the network with the most connections, the one that
    /// has been idle longest. If none of them is idle, the one that has waited longest in the middle of a
    /// request, and only then one whose request waits for a thread.
    fn evict(&mut self) {
        let Some(index) = self.eviction_candidate() else {
            return;
        };
        self.close(index, LeaveReason::Evicted);
        let connections = &self.shared.app.metrics.connections;
        let count = connections.count_closed(CloseReason::MaxConnections);
        // Logs the 1st, 2nd, 4th, 8th, ... eviction: one line for each would fill the disk during an attack.
        if count.is_power_of_two() {
            log::warn!(
                "a connection was closed to make room for a new one; closed so far: {count}"
            );
        }
    }

    fn eviction_candidate(&self) -> Option<usize> {
        let (largest, count) = self.networks.iter().max_by_key(|(_, count)| **count)?;
        let all_are_equal = *count == 1;
        let rank = |WaitState { reason, since }| {
            let class = match reason {
                reason if reason.is_idle() => 0,
                WaitReason::Lane => 2,
                _ => 1,
            };
            (class, since)
        };
        self.connections
            .iter()
            .filter(|(_, connection)| all_are_equal || connection.network() == *largest)
            .min_by_key(|(_, connection)| rank(connection.wait()))
            .map(|(index, _)| index)
    }

    // ---- deadlines ------------------------------------------------------------------------------

    /// Makes sure that the next sweep is not later than this.
    fn sweep_at(&mut self, deadline: Instant) {
        let at = deadline.max(self.last_sweep + SWEEP_INTERVAL);
        self.next_sweep = Some(self.next_sweep.map_or(at, |next| next.min(at)));
    }

    /// The deadline sweep: times out the connections whose timeout had ended at `now`, and `grace` has passed since.
    /// Drains connections while the server stops.
    fn sweep(&mut self, now: Instant, grace: Duration) {
        if self.next_sweep.is_none_or(|at| now < at + grace) {
            return;
        }
        self.last_sweep = now;
        self.next_sweep = None;
        let phase = self.shared.phase.get();
        let indices: Vec<usize> = self.connections.iter().map(|(index, _)| index).collect();
        for index in indices {
            self.enforce(index, phase, now, grace);
        }
        if phase > Phase::Serving {
            self.sweep_at(now + DRAIN_INTERVAL);
        }
    }

    /// Enforces the timeout of one connection, and the phase of the server.
    fn enforce(&mut self, index: usize, phase: Phase, now: Instant, grace: Duration) {
        let Some(wait) = self.connections.get(index).map(Connection::wait) else {
            return;
        };
        let deadline = wait.deadline(&self.shared.app.config.limits);
        if deadline + grace < now {
            return self.run_connection(index, Connection::time_out);
        }
        match (phase, wait.reason) {
            (Phase::Serving, _) | (_, WaitReason::SendingResponse) => self.sweep_at(deadline),
            (_, WaitReason::Lane) => self.run_connection(index, |connection, context| {
                connection.reject_parked(|_| Error::Stopping, LeaveReason::Stopping, context)
            }),
            (_, reason) if reason.is_idle() => self.close(index, LeaveReason::Stopping),
            (Phase::Draining, _) => {}
            _ => self.run_connection(index, |connection, context| {
                connection.abort(Error::Stopping, context)
            }),
        }
    }
}
