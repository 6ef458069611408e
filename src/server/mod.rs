//! The HTTP server: from sockets to requests, and from responses back to sockets.
//!
//! The way of a request:
//!
//! 1. The accept loop takes the connection from the kernel and sends it to the event loop that has the fewest
//!    (`accept_loop.rs`). It belongs to this loop until it is closed.
//! 2. The event loop waits for events of all of its sockets (`event_loop.rs`). It runs the state machine of each
//!    connection that is ready until its socket would block (`connection.rs`).
//! 3. The parser turns the bytes into a request (`parser/`). It rejects bytes that a proxy could read as a
//!    different request (request smuggling). The memory for requests and responses of all connections comes from
//!    a shared budget (`memory_budget.rs`).
//! 4. The route says what kind of work the request is. A quick read is handled at once, on the event loop. Any
//!    other request is parked: it waits in the fair queue of its lane, without a thread (`lanes.rs`).
//! 5. A thread of the lane handles it with [`crate::middleware::Handled`] and sends the response to the inbox of
//!    the event loop, which wakes it (`inbox.rs`). The one thread for writes takes all that wait, up to 512, and
//!    responds after their common commit.
//! 6. The connection serializes the response and writes it; the part that the socket does not accept waits in a
//!    buffer (`serializer.rs`, `write_buffer.rs`). Until it is sent, nothing more is read (backpressure).
//!
//! Each wait of a connection has a timeout, which the event loop enforces (deadline sweep). One thread wakes the loops
//! for that (`timer.rs`). A stop has phases
//! (`phase.rs`, `event_server.rs`): idle connections are closed, requests in a queue get 503, and requests in
//! progress are completed.
//!
//! `SERVER=rouille` is the server of the rouille crate instead (`rouille_server.rs`).

mod accept_loop;
mod connection;
mod descriptor_limit;
mod event_loop;
mod event_server;
mod inbox;
mod lanes;
mod listen;
mod memory_budget;
pub mod parser;
mod phase;
mod probe;
mod response_splitting;
mod rouille_server;
mod serializer;
mod start_and_stop;
mod timer;
mod write_buffer;

pub use self::listen::ListenOn;
pub use self::probe::Probe;
pub use self::start_and_stop::{STOP_DEADLINE, Server};
