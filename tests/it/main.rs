//! The integration tests: requests through the whole application, on real database files and sockets.
//!
//! They are one binary, since each binary links the whole application again. `tests/soak` is the other one.
//! `cargo test --test it auth::roles` runs the tests of one file.

/// What the tests share: an application to call, clients, and the program in a process of its own.
mod support;

/// The endpoints: what they accept, return and store.
mod api {
    mod audit_log;
    mod bad_input;
    mod conditional_requests;
    mod cors;
    mod idempotency;
    mod lists;
    mod tasks;
    mod text_rules;
    mod users;
}

/// Accounts, passwords, tokens and permissions.
mod auth {
    mod brute_force;
    mod passwords;
    mod roles;
    mod sessions;
    mod sign_in;
    mod tokens;
}

/// The HTTP server: bytes, connections and client addresses.
mod server {
    mod http1;
    mod limits;
    mod parser;
    mod socket;
    mod trusted_proxies;
}

/// The Flask app whose database and clients are taken over.
mod flask {
    mod existing_rows;
    mod parity;
    mod takeover;
}

mod cli;
mod input_properties;
mod licenses;
mod metrics;
mod openapi;
mod pages;
mod postman;
mod security_requirements;
