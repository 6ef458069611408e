//! A task-management API: sign-up, sign-in with a JWT, tasks with roles and approval, on SQLite.
//!
//! The modules below are in the order in which a request meets them, and each uses only those
//! further down. Begin with [`middleware::handle`], which is the whole application: a
//! [`rouille::Request`] in, a [`rouille::Response`] out.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod app; // what handlers borrow
pub mod auth; // who is calling
pub mod call; // path, query and body of a request
pub mod cli; // the command line, and what each command does
pub mod config; // every setting
pub mod cursor; // where a page of a list ended
pub mod error;
pub mod fields; // named values from a client
pub mod handlers; // take the input, use the store, reply
pub mod middleware; // what every request passes through
pub mod model; // accounts, tasks, who may do what
pub mod reply; // answers, and the one writer of errors
pub mod router; // which handler, and who may call it
pub mod server; // a socket becomes a Request
pub mod store; // every SQL statement // what can go wrong
