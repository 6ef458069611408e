//! Shared by the tests: the application under test, an HTTP client, and the program in a child process.

pub mod data_dir;
pub mod failing_disk;
pub mod http_client;
pub mod jwt;
pub mod openapi_check;
pub mod pagination;
pub mod parser_invariants;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod program;
pub mod sql;
mod test_app;
mod test_response;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use task_api::model::Timestamp;

use http_client::TEST_TIMEOUT;

pub use test_app::{
    Account, CLOCK_START, Fixture, SIGNING_KEY, TestApp, config, keys, metrics_token, one_core,
    open_app, open_store, request_from, respond,
};
pub use test_response::TestResponse;

/// Each route of the API contract and who may call it. It repeats the route table in `src/router` on
/// purpose: a change there fails a test until the contract changes too.
pub const CONTRACT: &[(&str, &str)] = &[
    ("POST /signup", "anyone"),
    ("POST /login", "anyone"),
    ("POST /password-reset", "anyone"),
    ("POST /refresh", "refresh"),
    ("POST /logout", "sign out"),
    ("GET /hello", "signed in"),
    ("GET /me", "signed in"),
    ("PATCH /me", "in session"),
    ("GET /me/sessions", "in session"),
    ("POST /me/sessions/revoke-all", "in session"),
    ("DELETE /me/sessions/{id}", "in session"),
    ("GET /me/tokens", "in session"),
    ("POST /me/tokens", "in session"),
    ("DELETE /me/tokens/{id}", "in session"),
    ("GET /users", "manager"),
    ("GET /users/{id}", "manager"),
    ("PATCH /users/{id}", "admin"),
    ("DELETE /users/{id}", "admin"),
    ("DELETE /users/{id}/sessions", "admin"),
    ("POST /users/{id}/password-reset", "admin in session"),
    ("GET /invitations", "admin in session"),
    ("POST /invitations", "admin in session"),
    ("DELETE /invitations/{id}", "admin in session"),
    ("GET /tasks", "approved"),
    ("GET /tasks/summary", "approved"),
    ("POST /tasks", "manager"),
    ("GET /tasks/{id}", "approved"),
    ("GET /tasks/{id}/history", "approved"),
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

/// The password of every test account.
pub const PASSWORD: &str = "correct horse battery";

/// All values of `sort` for a list of tasks.
pub const SORTS: [&str; 6] = [
    "created_at",
    "-created_at",
    "deadline",
    "-deadline",
    "title",
    "-title",
];

/// Calls `act(0)`, `act(1)`, ... `act(count - 1)` on one thread each, all at the same time, and returns
/// their results in this order.
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

/// Calls `poll` until it returns a value; panics after a minute.
#[track_caller]
pub fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + TEST_TIMEOUT;
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < end, "no {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until a thread of this process waits for a lock: until it has slept at each of twenty looks in a row.
#[cfg(target_os = "linux")]
pub fn wait_until_blocked(thread: rustix::thread::Pid) {
    let stat = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
    wait_until_asleep(stat.as_ref());
}

/// `stat` is the file of a thread in `/proc`.
#[cfg(target_os = "linux")]
pub fn wait_until_asleep(stat: &Path) {
    let mut looks_asleep = 0;
    wait_for("blocked thread", || {
        // The state is the first letter after the name, which is in parentheses.
        let stat = fs::read_to_string(stat).unwrap();
        let is_asleep = stat.rsplit_once(") ").unwrap().1.starts_with('S');
        looks_asleep = if is_asleep { looks_asleep + 1 } else { 0 };
        (looks_asleep == 20).then_some(())
    });
}

/// A timestamp, given in microseconds since 1970; not negative.
pub fn timestamp(micros: i64) -> Timestamp {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_micros(micros.unsigned_abs());
    Timestamp::from(time)
}

/// The items of a comma-separated header value.
pub fn comma_separated(list: &str) -> BTreeSet<String> {
    list.split(',').map(|item| item.trim().to_owned()).collect()
}

/// The permission bits of a file.
pub fn file_mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The names and contents of all files in a folder, for a comparison before and after a command. Without the index
/// of a write-ahead log and an empty log, which every reader of a database creates.
pub fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.path().is_file());
    files
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .filter(|(name, content)| {
            let is_empty_log = name.ends_with("-wal") && content.is_empty();
            !is_empty_log && !name.ends_with("-shm")
        })
        .collect()
}

/// Overwrites the first page of an index with bytes that are no page of a database.
pub fn overwrite_page_of(database: &Path, index: &str) {
    let db = rusqlite::Connection::open(database).unwrap();
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let page: i64 = db.query_row(sql, [index], |row| row.get(0)).unwrap();
    drop(db);
    let file = fs::OpenOptions::new().write(true).open(database).unwrap();
    let offset = (page - 1) as u64 * 4096;
    file.write_all_at(&[0xff; 4096], offset).unwrap();
}
