//! The HTTP server: from sockets to requests, and from responses back to sockets.
//!
//! How a connection is served on Linux:
//!
//! 1. The accept thread takes it from the kernel, stores it in the table of open connections and registers it
//!    with epoll (`event_loop.rs`, `connection_table.rs`).
//! 2. When it is readable, one worker of the pool runs its state machine (`connection.rs`).
//! 3. The parser turns the bytes into a request (`parser/`). It rejects bytes that a proxy could read as a
//!    different request (request smuggling). The memory for large requests and responses comes from a shared
//!    budget (`memory_budget.rs`).
//! 4. The worker calls [`crate::middleware::handle`], which returns the response.
//! 5. The response is serialized and written; the part that the socket does not accept waits in a buffer
//!    (`serializer.rs`, `write_buffer.rs`).
//! 6. The connection waits for its next event in epoll, without a thread. If it waits too long, the deadline
//!    sweep closes it (`event_loop.rs`).
//!
//! Other systems use the server of the rouille crate (`rouille_server.rs`).

mod accept_loop;
mod connection;
mod descriptor_limit;
mod event_loop;
mod event_server;
mod inbox;
mod lanes;
mod memory_budget;
pub mod parser;
mod phase;
mod response_splitting;
mod rouille_server;
mod serializer;
mod start_and_stop;
mod write_buffer;

pub use self::start_and_stop::{STOP_DEADLINE, Server};
