//! The accept loop: one thread that accepts connections and gives each to the event loop with the fewest.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::event_loop::{LoopHandle, Shared};
use super::inbox::Message;
use super::listen::BACKLOG;

/// The pause after a failed accept, which could fail again at once.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

const LISTENER: Token = Token(0);
const STOP: Token = Token(1);

/// The accept loop.
pub struct AcceptLoop {
    shared: Arc<Shared>,
    loops: Vec<LoopHandle>,
    listener: TcpListener,
    poll: Poll,
}

impl AcceptLoop {
    /// Accepts connections of this listener for these loops. Also returns a waker, which makes the loop look at
    /// the phase of the server.
    ///
    /// # Errors
    /// Those of the system: it grants no descriptor.
    pub fn new(
        shared: Arc<Shared>,
        loops: Vec<LoopHandle>,
        mut listener: TcpListener,
    ) -> io::Result<(AcceptLoop, Waker)> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(registry, STOP)?;
        let accept_loop = AcceptLoop {
            shared,
            loops,
            listener,
            poll,
        };
        Ok((accept_loop, waker))
    }

    /// Runs until the server stops. The last round begins after the phase has changed, so that every connection
    /// that the kernel has queued by then is accepted.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(2);
        loop {
            let is_stopping = self.shared.phase.is_stopping();
            match self.accept_pending() {
                _ if is_stopping => return,
                // An error (EINTR, for example) only makes the next round begin early.
                Ok(()) => drop(self.poll.poll(&mut events, None)),
                Err(why) => {
                    log::warn!("cannot accept a connection: {why}");
                    self.free_descriptor();
                    thread::sleep(ERROR_PAUSE);
                }
            }
        }
    }

    /// Accepts every connection that is in the kernel's queue. Returns when a stop begins; the round after it
    /// accepts no more connections than the queue can hold.
    fn accept_pending(&self) -> io::Result<()> {
        let was_stopping = self.shared.phase.is_stopping();
        for accepted in 0_usize.. {
            let is_stopping = self.shared.phase.is_stopping();
            if is_stopping && (!was_stopping || accepted >= BACKLOG) {
                return Ok(());
            }
            match self.listener.accept() {
                Ok((stream, peer)) => self.hand_over(stream, peer),
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
        Ok(())
    }

    fn hand_over(&self, stream: TcpStream, peer: SocketAddr) {
        // Without Nagle's algorithm, a response is sent at once and does not wait until the client has
        // acknowledged the one before.
        if let Err(why) = stream.set_nodelay(true) {
            return log::debug!("peer={peer} closed={:?}", why.to_string());
        }
        let open = |handle: &&LoopHandle| handle.open.load(Ordering::Relaxed);
        if let Some(handle) = self.loops.iter().min_by_key(open) {
            handle.open.fetch_add(1, Ordering::Relaxed);
            handle.inbox.send(Message::Connection(stream, peer));
        }
    }

    /// The usual cause of a failed accept is a lack of file descriptors: one connection is closed.
    fn free_descriptor(&self) {
        let open = |handle: &&LoopHandle| handle.open.load(Ordering::Relaxed);
        if let Some(handle) = self.loops.iter().max_by_key(open) {
            handle.inbox.send(Message::EvictConnection);
        }
    }
}
