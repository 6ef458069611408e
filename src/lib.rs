//! A task-management API: sign-up, sign-in with a JWT, tasks with roles and approval, on SQLite or PostgreSQL.
//!
//! This page is the map. The crate is a library so that tests can call [`middleware::handle`] without a
//! socket; the program `task-api` only calls [`cli::run`].
//!
//! # The path of a request
//!
//! ```text
//!             bytes                                            bytes
//!               |                                                ^
//!   server      v                                                |
//!     accept_loop -> event_loop -> connection -> parser    serializer -> write_buffer
//!                                   |  rouille::Request    ^
//!         a quick read: at once;    |                      |  rouille::Response,
//!         other work: in a lane     v                      |  from a lane through the inbox
//!   middleware
//!     Handled::run: catch_panic     |     Handled::respond: observe -> security_headers -> cors
//!                                   v                      ^
//!   router                                                 |  of a write: after the group commit
//!     dispatch -> authenticate (token -> account, role, rate limits)
//!                                   |                      ^
//!   handlers                        v                      |
//!     input (http::request) -> store -> response (http::response), or an Error
//!                                   |                      ^
//!   store                           v                      |
//!     a snapshot to read, a transaction to write: SQL statements on model types -> SQLite, or
//!     PostgreSQL, to which a quick read is a round trip: it has a lane of its own then
//! ```
//!
//! # The folders, from the top down
//!
//! Imports go in one direction only: each folder uses those below it. Each file mod.rs only lists the
//! modules of its folder and the names that it re-exports.
//!
//! | folder | what it does |
//! |---|---|
//! | [`cli`] | the command line: `serve`, `user`, `invite`, `audit`, `backup`, `restore`, `migrate`, `check`, `openapi`, `licenses`, `healthcheck` |
//! | [`server`] | event loops, HTTP/1.1 parsing, a lane of threads for each kind of work, timeouts, graceful shutdown |
//! | [`middleware`] | the chain around every request: panic guard, log and metrics, security headers, CORS |
//! | [`router`] | the route table with access and kind of work, path matching, authentication |
//! | [`openapi`] | the OpenAPI document, generated from the route table |
//! | [`handlers`] | one function for each endpoint |
//! | [`app`] | the state that handlers share, sign-outs in memory, and what runs in the background: maintenance, backups, the storage watch |
//! | [`http`] | requests, responses and mechanisms of HTTP: ETags, cursors, idempotency, rate limiting |
//! | [`auth`] | password hashes, JWTs, refresh tokens, signing keys |
//! | [`store`] | every SQL statement, one file for each table. `engine`: what they see of the database. `sqlite`: snapshots, group commit, checkpoints, migration, backups. `postgres`: connecting, transactions with retries, migration. `copy`: copies all rows from one to the other (`task-api migrate`). `files`: files that are complete or absent. Outages, and the seals of the audit log |
//! | [`logging`] | the log: filter, text and JSON lines, and the thread that writes them |
//! | [`config`] | every setting, and the numbers of threads and bytes that follow from the machine |
//! | [`concurrency`] | kinds of work, fair queues, and the lanes in which threads wait for items (bulkhead pattern) |
//! | [`model`] | accounts, sessions, tasks, permissions: plain types that are valid by construction |
//! | [`crypto`] | random bytes, SHA-256, key derivation |
//! | [`metrics`] | counters and histograms for Prometheus |
//! | [`error`] | everything that can go wrong with a request, and its status |
//!
//! # Where to begin
//!
//! 1. [`router::ROUTES`]: every endpoint, what kind of work it is, and who may call it, on one screen.
//! 2. A handler, such as [`handlers::tasks::update`]: input, store, response.
//! 3. What it uses: [`model::TaskPatch`], the pure permission functions in `model/permissions.rs`, and the SQL
//!    statements in [`store::tasks`], for the tables in `schema.sql`.
//! 4. [`router::dispatch`] and [`router::authenticate`]: how the handler gets its caller.
//! 5. [`middleware::handle`]: the whole application as one function. [`middleware::Handled`] is the same in two
//!    steps: the handler runs, then the response is made.
//! 6. [`error::Error`] and [`http::error_response`]: from a cause to a status.
//! 7. [`auth`] and [`http::rate_limit`]: passwords, tokens, and rate limiting against guessing.
//! 8. [`store::Store`], then `store/sqlite/reader.rs` and `store/sqlite/write_group.rs`: snapshots and group commit. With PostgreSQL `store/postgres/database.rs`: serializable transactions and retries.
//! 9. [`concurrency`], then [`server`]: last, since none of the parts above depends on it. Its page follows a
//!    request from the socket and back.
//!
//! `docs/tour.md` follows two requests along this path; `docs/glossary.md` explains the terms.
//!
//! # Architecture invariants
//!
//! - No handler contains SQL, and no file in [`store`] depends on HTTP.
//! - Only [`http::error_response`] writes an error, and no cause of an [`Error::Internal`](error::Error)
//!   reaches a client.
//! - Who may call a handler is in its type: an `&Admin` exists only for an approved admin, and a handler that
//!   takes an id fits no path without `{id}`.
//! - Whether an account may see or change a row is a pure function in `model/permissions.rs`. A write calls it in
//!   the transaction that changes the row.
//! - A write is a transaction of its own to its caller: in SQLite a savepoint in a transaction that has taken the lock
//!   first (`BEGIN IMMEDIATE`), in PostgreSQL a serializable transaction, which runs again after a conflict. Nothing that
//!   a write returns leaves the process before the commit is on the disk.
//! - Each SQL statement stands once, for both databases, and runs on a `store::Connection`. The few places that
//!   differ ask [`store::Connection::is_remote`] or match on the engine.
//! - A read sees one snapshot, which contains each commit whose response has been sent. Only reads from
//!   `READ_DATABASE_URL` may be older.
//! - An event loop never waits for a server, for the write lock, for a sync of the disk or for a password hash. The mutexes that
//!   it shares with other threads are held for moments only.
//! - No kind of work can take another's threads: each has a lane of its own, and with SQLite quick reads have the event loops.
//! - A queue is fair: clients take turns, by account or by network.
//! - A request that waits for a thread, and a connection that waits for its client, need no thread.
//! - With SQLite the process has 3 × cores + 11 threads, and one more for scheduled backups. `config/concurrency.rs` has
//!   the numbers, also with PostgreSQL; a start fails if the system grants fewer.
//! - A backup is one snapshot, read by a connection of its own: no writer waits for it. It gets its name when it is
//!   proven and on the disk.
//! - A value that exists is valid: text from a client becomes a type of [`model`] before any code uses it.
//! - Nothing below [`cli`] reads an environment variable, except `config/secrets.rs`.
//! - No `unsafe`, and no panic that a client, a file or the system can cause.
//!
//! # Visibility
//!
//! The library has no users besides the program and the tests. A module is `pub` where the integration tests
//! need it and `pub(crate)` or private elsewhere, so that the compiler reports code that is never used.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
// The pages are for readers of the code: `.cargo/config.toml` documents private items as well.
#![allow(rustdoc::private_intra_doc_links)]

pub mod app;
pub mod auth;
pub mod cli;
pub mod concurrency;
pub mod config;
mod crypto;
pub mod error;
mod handlers;
pub mod http;
mod logging;
pub mod metrics;
pub mod middleware;
pub mod model;
mod openapi;
pub mod router;
pub mod server;
pub mod store;
