//! The inbox of an event loop: what other threads send to it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use mio::net::TcpStream;
use mio::{Registry, Token, Waker};
use parking_lot::Mutex;
use rouille::Response;

/// The token of the event that reports a message; no connection has it.
pub const INBOX: Token = Token(usize::MAX);

/// Messages for an event loop, and the waker that ends its wait for events.
pub struct Inbox {
    messages: Mutex<Vec<Message>>,
    /// Whether no further connection will be sent.
    is_closed: AtomicBool,
    waker: Waker,
}

/// A message to an event loop.
pub enum Message {
    /// A connection that has been accepted; it belongs to this loop from now on.
    Connection(TcpStream, SocketAddr),
    /// The response to a request that a lane has handled. `None` if the lane's thread has failed.
    Response(ConnectionId, Option<Response>),
    /// Close a connection: the process has no descriptor left.
    EvictConnection,
    /// The phase of the server has changed.
    NewPhase,
    /// The time that the loop has set in the timer has come.
    Alarm,
    /// To be dropped, which shows that the loop takes its messages (see [`Probe`](super::probe::Probe)).
    Probe(Sender<()>),
}

/// Identifies a connection of a loop. An index is used again after its connection is closed, a serial number
/// never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ConnectionId {
    pub index: usize,
    pub serial: u64,
}

impl Inbox {
    /// An empty inbox that wakes the loop with this registry.
    ///
    /// # Errors
    /// Those of the system: it grants no descriptor.
    pub fn new(registry: &Registry) -> io::Result<Inbox> {
        Ok(Inbox {
            messages: Mutex::default(),
            is_closed: AtomicBool::new(false),
            waker: Waker::new(registry, INBOX)?,
        })
    }

    /// Sends a message.
    pub fn send(&self, message: Message) {
        let mut messages = self.messages.lock();
        messages.push(message);
        // The loop takes all messages at once, so only the first one has to wake it.
        let must_wake = messages.len() == 1;
        drop(messages);
        if must_wake && let Err(why) = self.waker.wake() {
            log::error!("cannot wake an event loop: {why}");
        }
    }

    /// Declares that no further connection will be sent.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.send(Message::NewPhase);
    }

    /// Whether no connection is on its way.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst) && self.messages.lock().is_empty()
    }

    /// Takes all messages.
    pub fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.messages.lock())
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}
