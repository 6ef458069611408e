//! Group commit: writes that share a commit are independent of each other, and each is on the disk before it is
//! acknowledged. The program is killed, its disk fills up, and another process holds the lock.

#![cfg(target_os = "linux")] // it starts the program under limits of Linux

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use task_api::error::Error;
use task_api::store::Connection;

use crate::support::http_client::{Client, TEST_TIMEOUT};
use crate::support::program::{RunningServer, WorkDir};
use crate::support::{TestApp, TestResponse, wait_for};

// ---- one group ----------------------------------------------------------------------------------

fn insert_task(db: &Connection, title: &str) -> Result<(), Error> {
    let sql = "INSERT INTO task (title, status) VALUES (?1, 'pending')";
    db.execute(sql, &[title.into()])?;
    Ok(())
}

fn titles(db: &rusqlite::Connection) -> BTreeSet<String> {
    let mut statement = db.prepare("SELECT title FROM task").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn an_error_or_a_panic_undoes_only_its_own_write_of_a_group() {
    let app = TestApp::new();
    let store = &app.app.store;
    let results = store.write_group(0..6, |number| {
        let write = || {
            store.write(|db| {
                insert_task(db, &format!("task {number}"))?;
                match number {
                    1 => Err(Error::NotFound),
                    3 => panic!("in the middle of a write"),
                    _ => Ok(()),
                }
            })
        };
        // The middleware catches a panic of a handler.
        catch_unwind(AssertUnwindSafe(write))
    });
    for (number, (result, committed)) in results.iter().enumerate() {
        assert!(committed.is_ok(), "{number}");
        let is_done = matches!(result, Ok(Ok(())));
        assert_eq!(is_done, ![1, 3].contains(&number), "{number}");
    }
    let expected = ["task 0", "task 2", "task 4", "task 5"];
    assert_eq!(titles(&app.sqlite()), expected.map(str::to_owned).into());
    // The connection is free again.
    store.write(|db| insert_task(db, "afterwards")).unwrap();
}

#[test]
fn a_panic_that_ends_a_group_undoes_all_of_it_and_the_next_write_succeeds() {
    let app = TestApp::new();
    let store = &app.app.store;
    let group = || {
        store.write_group(0..3, |number| {
            assert!(number < 2, "outside of a write");
            store.write(|db| insert_task(db, "undone"))
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(group)).is_err());
    store.write(|db| insert_task(db, "afterwards")).unwrap();
    assert_eq!(
        titles(&app.sqlite()),
        BTreeSet::from(["afterwards".to_owned()])
    );
}

#[test]
fn an_error_of_one_request_undoes_nothing_of_the_others_in_its_group() {
    const CLIENTS: usize = 64;
    let app = TestApp::new();
    let admin = app.admin();
    let tasks: Vec<i64> = (0..CLIENTS)
        .map(|number| app.create_task(&admin, json!({ "title": format!("old {number}") })))
        .collect();
    let server = app.serve();
    let token = Some(admin.token.as_str());
    let lock = app.sqlite();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    // All of them wait for the lock, and so share a few commits.
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut client = Client::connect(server.address());
            let task = tasks[number];
            let title = json!({ "title": format!("new {number}") });
            let (line, etag, body, status) = match number % 8 {
                0 | 1 => ("POST /tasks".to_owned(), "", Some(title), 201),
                2 => (format!("PATCH /tasks/{task}"), "", Some(title), 200),
                3 => (format!("DELETE /tasks/{task}"), "", None, 204),
                4 => (
                    "POST /tasks".to_owned(),
                    "",
                    Some(json!({ "title": "" })),
                    422,
                ),
                5 => (format!("PATCH /tasks/{}", 1_000_000), "", Some(title), 404),
                6 => (
                    format!("PATCH /tasks/{task}"),
                    "If-Match: \"another\"\r\n",
                    Some(title),
                    412,
                ),
                _ => {
                    let demotion = json!({ "role": "employee" });
                    (
                        format!("PATCH /users/{}", admin.id),
                        "",
                        Some(demotion),
                        409,
                    )
                }
            };
            let request = client.request(&line, token, body.as_ref());
            client
                .write(request.replacen("Host:", &format!("{etag}Host:"), 1))
                .unwrap();
            (client, status)
        })
        .collect();
    wait_for("all requests", || {
        let [queued, running] = ["queue_length", "queue_running"]
            .map(|name| app.metric(&format!("{name}{{kind=\"write\"}}")));
        (queued + running == CLIENTS as f64).then_some(())
    });
    lock.execute_batch("COMMIT").unwrap();
    for (number, (client, status)) in clients.iter_mut().enumerate() {
        let response = client.read_response(false).unwrap();
        assert_eq!(response.status, *status, "{number}: {response:?}");
    }
    let expected: BTreeSet<String> = (0..CLIENTS)
        .flat_map(|number| {
            let (old, new) = (format!("old {number}"), format!("new {number}"));
            match number % 8 {
                0 | 1 => vec![old, new],
                2 => vec![new],
                3 => vec![],
                _ => vec![old],
            }
        })
        .collect();
    assert_eq!(titles(&app.sqlite()), expected);
    assert_eq!(app.get("/me", &admin).json()["role"], "admin");
    assert!(app.metric(r#"write_group_size{quantile="1"}"#) > 4.0);
}

// ---- the program under concurrent writers -------------------------------------------------------

/// What 32 clients were told about the tasks that they created, by title.
#[derive(Debug, Default)]
struct Told {
    created: BTreeSet<String>,
    failed: BTreeSet<String>,
    /// Responses that are neither 201 nor 503 `storage_unavailable` with `Retry-After`.
    others: Vec<TestResponse>,
}

/// The most tasks that one client creates, so that a test ends where no write fails.
const MAX_TASKS: usize = 1_000;

/// Creates tasks over 32 connections until `is_enough`, or until the server is gone.
fn write_until(
    server: &RunningServer,
    token: &str,
    is_enough: impl Fn(&Told) -> bool + Sync,
) -> Told {
    let (told, done) = (Mutex::new(Told::default()), AtomicBool::new(false));
    let address = server.address;
    thread::scope(|scope| {
        for writer in 0..32 {
            let (told, done, is_enough) = (&told, &done, &is_enough);
            scope.spawn(move || {
                // The server may be gone before all clients are connected.
                let Ok(mut client) = Client::try_connect(address, TEST_TIMEOUT) else {
                    return;
                };
                for number in 0..MAX_TASKS {
                    let title = format!("{writer}/{number}");
                    let body = json!({ "title": title, "description": "d".repeat(2_000) });
                    let Ok(response) = client.try_send("POST /tasks", Some(token), Some(&body))
                    else {
                        return;
                    };
                    let mut told = told.lock().unwrap();
                    note(&mut told, title, response);
                    if is_enough(&told) {
                        done.store(true, Ordering::SeqCst);
                    }
                    if done.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
        }
    });
    told.into_inner().unwrap()
}

fn note(told: &mut Told, title: String, response: TestResponse) {
    let is_unavailable = response.status == 503
        && response.code() == "storage_unavailable"
        && response.header("Retry-After").is_some();
    match response.status {
        201 => _ = told.created.insert(title),
        _ if is_unavailable => _ = told.failed.insert(title),
        _ => told.others.push(response),
    }
}

fn work_dir_with_admin() -> WorkDir {
    let work_dir = WorkDir::new();
    work_dir.create_account("admin", &["--role", "admin", "--approved"]);
    work_dir
}

/// Starts the program so that a write beyond the limit of file sizes fails, where SIGXFSZ would end it.
fn serve_without_sigxfsz(work_dir: &WorkDir) -> RunningServer {
    RunningServer::start(&mut work_dir.command_after("trap '' XFSZ"))
}

fn limit_file_size(process: u32, current: Option<u64>) {
    let maximum = rustix::process::getrlimit(Resource::Fsize).maximum;
    prlimit(
        Pid::from_raw(process as i32),
        Resource::Fsize,
        Rlimit { current, maximum },
    )
    .unwrap();
}

#[test]
fn when_the_disk_is_full_each_write_is_either_stored_or_gets_503_and_reads_go_on() {
    let work_dir = work_dir_with_admin();
    let server = serve_without_sigxfsz(&work_dir);
    let token = server.client().sign_in_for_token("admin");
    let process = server.child.0.id();
    limit_file_size(process, Some(2 << 20));
    let told = write_until(&server, &token, |told| {
        if told.failed.len() == 1 {
            // The server looks for room with a small write, which would still fit.
            limit_file_size(process, Some(1 << 10));
        }
        told.failed.len() >= 200
    });
    assert!(told.others.is_empty(), "{:?}", told.others);
    assert!(!told.created.is_empty() && told.failed.len() >= 200);
    let mut client = server.client();
    for line in ["GET /healthz", "GET /hello", "GET /tasks?limit=100"] {
        assert_eq!(client.send(line, Some(&token), None).status, 200, "{line}");
    }
    let not_ready = client.send("GET /readyz", None, None);
    assert_eq!(
        (not_ready.status, not_ready.code().as_str()),
        (503, "storage_unavailable")
    );
    // Another failure counts as little as the first, and there is room again.
    limit_file_size(process, None);
    let body = json!({ "title": "afterwards" });
    wait_for("room", || {
        let created = client.send("POST /tasks", Some(&token), Some(&body));
        (created.status == 201).then_some(())
    });
    assert_eq!(client.send("GET /readyz", None, None).status, 200);
    let log = server.log();
    let count = |text| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        count("requests that write get 503, since the disk"),
        1,
        "{log:?}"
    );
    assert_eq!(count("the outage ended"), 1, "{log:?}");
    let mut expected = told.created;
    expected.insert("afterwards".to_owned());
    // Each acknowledged task is stored, and none that a client was told had failed.
    assert_eq!(titles(&work_dir.sqlite()), expected);
    check_integrity(&work_dir);
}

#[test]
fn a_full_disk_survives_a_restart_without_a_loss() {
    let work_dir = work_dir_with_admin();
    let mut server = serve_without_sigxfsz(&work_dir);
    let token = server.client().sign_in_for_token("admin");
    limit_file_size(server.child.0.id(), Some(1 << 20));
    let told = write_until(&server, &token, |told| told.failed.len() >= 64);
    assert!(told.others.is_empty(), "{:?}", told.others);
    assert!(told.failed.len() >= 64);
    server.child.0.kill().unwrap();
    server.child.wait();
    let restarted = work_dir.serve();
    let list = restarted
        .client()
        .send("GET /tasks?limit=1", Some(&token), None);
    assert_eq!(list.status, 200, "{list:?}");
    assert_eq!(titles(&work_dir.sqlite()), told.created);
    check_integrity(&work_dir);
}

fn check_integrity(work_dir: &WorkDir) {
    let db = work_dir.sqlite();
    let check: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    assert_eq!(work_dir.run(&["audit", "verify"]).code, Some(0));
}

#[test]
fn each_acknowledged_write_is_there_after_kill_9() {
    for acknowledged in [100, 500, 1500] {
        let work_dir = work_dir_with_admin();
        let server = work_dir.serve();
        let token = server.client().sign_in_for_token("admin");
        let pid = Pid::from_raw(server.child.0.id() as i32).unwrap();
        let kill = |told: &Told| {
            if told.created.len() == acknowledged {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            }
            false
        };
        let told = write_until(&server, &token, kill);
        assert!(told.others.is_empty() && told.failed.is_empty(), "{told:?}");
        drop(server);
        let restarted = work_dir.serve();
        assert_eq!(
            restarted
                .client()
                .send("GET /hello", Some(&token), None)
                .status,
            200
        );
        let stored = titles(&work_dir.sqlite());
        assert!(
            told.created.is_subset(&stored),
            "{:?}",
            told.created.difference(&stored)
        );
        // At most the requests that were in progress are stored besides.
        assert!(stored.len() <= told.created.len() + 32);
        check_integrity(&work_dir);
    }
}

#[test]
fn writes_get_503_busy_when_another_process_keeps_the_database_locked() {
    let app = TestApp::new();
    let admin = app.admin();
    let server = app.serve();
    let token = Some(admin.token.as_str());
    let lock = app.sqlite();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let task = |title: &str| -> Value { json!({ "title": title }) };
    let mut clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = Client::connect(server.address());
            let request = client.request("POST /tasks", token, Some(&task("refused")));
            client.write(request).unwrap();
            client
        })
        .collect();
    // The lock is held for longer than the busy timeout of 5 s. A group waits for it once and not for each of
    // its writes.
    let start = Instant::now();
    for client in &mut clients {
        let response = client.read_response(false).unwrap();
        assert_eq!((response.status, response.code().as_str()), (503, "busy"));
        assert!(response.header("Retry-After").is_some());
    }
    assert!(start.elapsed() < TEST_TIMEOUT / 2, "{:?}", start.elapsed());
    lock.execute_batch("COMMIT").unwrap();
    for client in &mut clients {
        let created = client.send("POST /tasks", token, Some(&task("accepted")));
        assert_eq!(created.status, 201, "{created:?}");
    }
    assert_eq!(
        titles(&app.sqlite()),
        BTreeSet::from(["accepted".to_owned()])
    );
    assert_eq!(app.count("task"), 20);
    wait_for("empty queue", || {
        (app.metric(r#"queue_running{kind="write"}"#) == 0.0).then_some(())
    });
}
