//! The integration tests: requests through the whole application, on real database files and sockets.
//!
//! All of them are in one binary, because every test binary links the whole application again. Only
//! `tests/soak` has a binary of its own. `cargo test --test it auth::roles` runs the tests of one file.

/// Shared by the tests: the application under test, an HTTP client, and the program in a child process.
mod support;

/// The endpoints: what they accept, return and store.
mod api {
    mod audit_log;
    mod audit_pruning;
    mod audit_seals;
    mod bad_input;
    mod conditional_requests;
    mod cors;
    mod idempotency;
    mod lists;
    mod path_prefix;
    mod task_history;
    mod task_lists_on_a_board;
    mod tasks;
    mod text_rules;
    mod users;
}

/// Accounts, passwords, tokens and permissions.
mod auth {
    mod api_tokens;
    mod brute_force;
    mod clock;
    mod device_tokens;
    mod foreign_websites;
    mod identity;
    mod invitations;
    mod password_resets;
    mod passwords;
    mod refresh_cookie;
    mod refused_sign_ins;
    mod roles;
    mod sessions;
    mod sign_in;
    mod tokens;
}

/// The HTTP server: bytes, connections and client addresses.
mod server {
    mod admission;
    mod http1;
    mod limits;
    mod memory;
    mod parser;
    mod pipelining;
    mod service_manager;
    mod socket;
    mod start_and_stop;
    mod trusted_proxies;
    mod unlisted_proxies;
}

/// Compatibility with the Flask app: its database, its tokens and its clients.
mod flask {
    mod parity;
}

/// What only SQLite has: its file, and the program's own handling of it. Single tests of this kind are in a module
/// `sqlite_only` of their own file. A run on PostgreSQL leaves them out with `-- --skip sqlite_only::`.
mod sqlite_only {
    /// Backups: `task-api backup`, `task-api restore`, and those that the server makes.
    mod backup {
        mod make;
        mod restore;
        mod schedule;
    }

    /// The database file and its disk: outages, wrong files and damage.
    mod storage {
        mod growth;
        mod outages;
        mod right_file;
    }

    mod check;
    mod existing_rows;
    mod freshness;
    mod group_commit;
    mod takeover;
}

/// What only PostgreSQL has: connecting, TLS, round trips, outages, several servers, and copies between the engines.
#[cfg(feature = "postgres")]
mod postgres {
    mod cluster;
    mod compose;
    mod connecting;
    mod hanging;
    mod moving;
    mod operating;
    mod other_programs;
    mod proxy;
    mod round_trips;
    mod server_checks;
    mod settings;
    mod test_databases;
    mod tls;
    mod url;
}

mod cli;
mod docs;
mod input_properties;
mod licenses;
mod log;
mod metrics;
mod openapi;
mod pages;
mod postman;
mod schema;
mod security_requirements;
