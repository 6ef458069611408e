//! A task-management API: sign-up, sign-in with a JWT, tasks with roles and approval, on SQLite.
//!
//! The modules below are in the order in which a request meets them, and each uses only those
//! further down. Begin with [`middleware::handle`], which is the whole application: a
//! [`rouille::Request`] in, a [`rouille::Response`] out.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// The command line, and what each command does.
pub mod cli;

// A socket becomes a Request.
pub mod server;

// What the API says of itself.
pub mod openapi;

// What is done beside the requests.
pub mod upkeep;

// What every request passes through.
pub mod middleware;

// Which handler, and who may call it.
pub mod router;

// What each route takes and answers.
pub mod operations;

// How that is put together.
pub mod describe;

// Who is calling.
pub mod bearer;

// Take the input, use the store, reply.
pub mod handlers;

// What handlers borrow.
pub mod app;

// Passwords, tokens and their key.
pub mod auth;

// Answers, and the one writer of errors.
pub mod reply;

// Files for browsers.
pub mod assets;

// Path, query and body of a request.
pub mod call;

// How often somebody may ask.
pub mod limits;

// When sessions were last used.
pub mod uses;

// Where a request comes from.
pub mod client;

// Where a page of a list ended.
pub mod cursor;

// Which version is shown, and which is asked for.
pub mod etag;

// Which request has come before.
pub mod idempotency;

// Every SQL statement.
pub mod store;

// How many do what takes long.
pub mod gate;

// How much of what has happened.
pub mod metrics;

// Every setting.
pub mod config;

// Accounts, tasks, who may do what.
pub mod model;

// Which threads run.
pub mod turn;

// Named values from a client.
pub mod fields;

// Shapes of values, for the description.
pub mod shape;

// Keys for one purpose each.
pub mod mac;

// What stands for a text.
pub mod digest;

// What can go wrong.
pub mod error;
