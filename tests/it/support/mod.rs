//! What the tests share: an application to call, clients, and the program in a process of its own.

mod answer;
pub mod description;
pub mod http_client;
pub mod jwt;
pub mod pagination;
pub mod parser_invariants;
pub mod program;
mod test_app;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;

use task_api::model::Timestamp;

pub use answer::Answer;
pub use test_app::{
    KEY, Person, START, TestApp, World, config, keys, metrics_token, open, request_from, respond,
};

/// What the contract says about a route, written here a second time on purpose: the table in the
/// router must not be able to change without this one.
pub const CONTRACT: &[(&str, &str)] = &[
    ("POST /signup", "anyone"),
    ("POST /login", "anyone"),
    ("POST /refresh", "refresh"),
    ("POST /logout", "signed in"),
    ("GET /hello", "signed in"),
    ("GET /me", "signed in"),
    ("PATCH /me", "signed in"),
    ("GET /me/sessions", "signed in"),
    ("POST /me/sessions/revoke-all", "signed in"),
    ("DELETE /me/sessions/{id}", "signed in"),
    ("GET /users", "manager"),
    ("GET /users/{id}", "manager"),
    ("PATCH /users/{id}", "admin"),
    ("DELETE /users/{id}", "admin"),
    ("GET /tasks", "approved"),
    ("POST /tasks", "manager"),
    ("GET /tasks/{id}", "approved"),
    ("PATCH /tasks/{id}", "approved"),
    ("DELETE /tasks/{id}", "manager"),
    ("GET /audit", "admin"),
    ("GET /healthz", "anyone"),
    ("GET /readyz", "anyone"),
    ("GET /metrics", "anyone"),
    ("GET /openapi.json", "anyone"),
    #[cfg(feature = "docs")]
    ("GET /docs", "anyone"),
    #[cfg(feature = "docs")]
    ("GET /docs/{file}", "anyone"),
    #[cfg(feature = "board")]
    ("GET /", "anyone"),
    #[cfg(feature = "board")]
    ("GET /board/{file}", "anyone"),
];

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// Every order of a list of tasks.
pub const SORTS: [&str; 6] = [
    "created_at",
    "-created_at",
    "deadline",
    "-deadline",
    "title",
    "-title",
];

/// What `act(0)`, `act(1)` and so on return, all of them called at the same moment.
pub fn concurrently<T: Send>(count: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(count);
    std::thread::scope(|scope| {
        let (act, start) = (&act, &start);
        let threads: Vec<_> = (0..count)
            .map(|n| {
                scope.spawn(move || {
                    start.wait();
                    act(n)
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

/// A moment in microseconds since 1970.
pub fn timestamp(micros: i64) -> Timestamp {
    let moment = std::time::UNIX_EPOCH + std::time::Duration::from_micros(micros.unsigned_abs());
    Timestamp::from(moment)
}

/// The members of a header's list.
pub fn comma_separated(list: &str) -> BTreeSet<String> {
    list.split(',').map(|word| word.trim().to_owned()).collect()
}

/// The permissions of a file.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
