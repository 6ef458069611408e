//! The limits on what one client may use: bytes, time, connections and file descriptors. A client that uses
//! all of it does not delay or shut out other clients.

#![cfg(target_os = "linux")] // the rouille server has none of these limits

use std::fs;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;
use task_api::config::duration::Timeout;
use task_api::config::server_limits::ServerLimits;

use crate::support::http_client::{Client, TEST_TIMEOUT, exchange, statuses};
use crate::support::program::{RunningServer, WorkDir};
use crate::support::{PASSWORD, TestApp, one_core, wait_for};

// ---- size of head and body ----------------------------------------------------------------------

#[test]
fn a_head_at_the_limit_is_accepted_and_a_longer_one_refused() {
    let app = TestApp::new();
    let server = app.serve();
    let address = server.address();
    let request_line_and_host = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let with_length = |length: usize| {
        let empty = format!("{request_line_and_host}X: \r\n\r\n");
        format!(
            "{request_line_and_host}X: {}\r\n\r\n",
            "a".repeat(length - empty.len())
        )
    };
    let with_fields = |count: usize| {
        format!(
            "{request_line_and_host}{}\r\n",
            "X: y\r\n".repeat(count - 2)
        )
    };
    let with_target =
        |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length));
    for (name, bytes, status, code) in [
        ("16 KiB", with_length(16 << 10), 200, ""),
        (
            "16 KiB and one byte",
            with_length((16 << 10) + 1),
            431,
            "header_too_large",
        ),
        ("1 MiB", with_length(1 << 20), 431, "header_too_large"),
        ("100 fields", with_fields(100), 200, ""),
        ("101 fields", with_fields(101), 431, "header_too_large"),
        ("a long target", with_target(16 << 10), 414, "uri_too_long"),
        (
            "a target without an end",
            format!("GET /{}", "a".repeat(20 << 10)),
            414,
            "uri_too_long",
        ),
        (
            "trailers without an end",
            format!(
                "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{}",
                "X: y\r\n".repeat(4000)
            ),
            431,
            "header_too_large",
        ),
        (
            "an extension without an end",
            format!(
                "POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0;{}",
                "a".repeat(2000)
            ),
            400,
            "bad_request",
        ),
    ] {
        let mut client = Client::connect(address);
        // The server may close the connection before it has read all bytes; the write then fails.
        let _ = client.write(bytes);
        let responses = client.read_responses().unwrap();
        assert_eq!(statuses(&responses), [status], "{name}: {responses:?}");
        if status != 200 {
            assert_eq!(responses[0].code(), code, "{name}");
        }
    }
}

#[test]
fn a_body_over_the_limit_gets_413_before_the_client_sends_it() {
    let app = TestApp::new();
    let server = app.serve();
    let head = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    for framing in [
        "Content-Length: 1048577\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n100001\r\n",
        "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n",
    ] {
        // The client never sends the body.
        let responses = exchange(server.address(), format!("{head}{framing}"));
        assert_eq!(statuses(&responses), [413], "{framing}");
        assert_eq!(responses[0].code(), "body_too_large");
    }
}

#[test]
fn unfinished_requests_share_one_memory_budget() {
    // Three quarters of it are for large requests: room for one of these bodies.
    let app = TestApp::with(|config| config.limits.max_buffered_bytes = 3 << 19);
    let server = app.serve();
    let address = server.address();
    let body = format!("{{\"email\": \"{}\"}}", "a".repeat(900_000));
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    for _ in 0..3 {
        let (begin, end) = body.split_at(800_000);
        let mut clients = [Client::connect(address), Client::connect(address)];
        for client in &mut clients {
            client.write(format!("{head}{begin}")).unwrap();
        }
        // Both bodies together exceed the budget: one request is refused, the other continues.
        let refused = wait_for("response", || clients.iter().position(Client::is_readable));
        let responses = clients[refused].read_responses().unwrap();
        assert_eq!(statuses(&responses), [503], "{responses:?}");
        assert_eq!(responses[0].code(), "busy");
        let other = &mut clients[1 - refused];
        other.write(end).unwrap();
        assert_eq!(statuses(&other.read_responses().unwrap()), [422]);
        // The last quarter is left for small requests.
        assert_eq!(
            Client::connect(address)
                .send("GET /healthz", None, None)
                .status,
            200
        );
    }
}

// ---- timeouts -----------------------------------------------------------------------------------

/// Selects the timeout that a test shortens; all the others are an hour.
type TimeoutField = fn(&mut ServerLimits) -> &mut Timeout;

const HEAD: TimeoutField = |limits| &mut limits.head_timeout;
const BODY: TimeoutField = |limits| &mut limits.body_timeout;
const IDLE: TimeoutField = |limits| &mut limits.idle_timeout;
const RESPONSE: TimeoutField = |limits| &mut limits.response_timeout;

const SHORT_TIMEOUT: Duration = Duration::from_millis(300);

fn app_with_short_timeout(shortened: TimeoutField) -> TestApp {
    TestApp::with(|config| {
        for timeout in [HEAD, BODY, IDLE, RESPONSE] {
            *timeout(&mut config.limits) = "1h".parse().unwrap();
        }
        *shortened(&mut config.limits) = "300ms".parse().unwrap();
    })
}

#[test]
fn a_client_that_exceeds_a_timeout_gets_408_and_is_disconnected() {
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    let post = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let sized = format!("{post}Content-Length: 99999\r\n\r\n");
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n");
    // Description, timeout, bytes sent first, bytes sent repeatedly, statuses of the responses.
    let rows: [(&str, TimeoutField, String, &str, &[u16]); 14] = [
        ("nothing at all", HEAD, String::new(), "", &[]),
        ("half a line break", HEAD, "\r".into(), "", &[]),
        (
            "half a line break after a request",
            IDLE,
            format!("{get}\r\n\r"),
            "",
            &[200],
        ),
        ("half a head", HEAD, get.into(), "", &[408]),
        ("a head that never ends", HEAD, get.into(), "a", &[408]),
        (
            "header fields that never end",
            HEAD,
            get.into(),
            "X: y\r\n",
            &[408],
        ),
        (
            "half a second head",
            HEAD,
            format!("{get}\r\nGET"),
            "",
            &[200, 408],
        ),
        (
            "a second head that never ends",
            HEAD,
            format!("{get}\r\n{get}"),
            "a",
            &[200, 408],
        ),
        ("half a body", BODY, format!("{sized}{{}}"), "", &[408]),
        ("a body that never ends", BODY, sized, "a", &[408]),
        (
            "chunks that never end",
            BODY,
            chunked.clone(),
            "1\r\na\r\n",
            &[408],
        ),
        (
            "trailers that never end",
            BODY,
            format!("{chunked}0\r\n"),
            "X: y\r\n",
            &[408],
        ),
        (
            "no body after 100 Continue",
            BODY,
            format!("{post}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
            "",
            &[100, 408],
        ),
        ("no second request", IDLE, format!("{get}\r\n"), "", &[200]),
    ];
    thread::scope(|scope| {
        for (name, shortened, begin, more, expected) in rows {
            scope.spawn(move || {
                let app = app_with_short_timeout(shortened);
                let server = app.serve();
                let (start, mut client) =
                    Client::connect_and_write(server.address(), SHORT_TIMEOUT / 2, |_| {
                        begin.to_owned()
                    });
                while !more.is_empty() && !client.is_readable() {
                    let _ = client.write(more);
                    thread::sleep(Duration::from_millis(5));
                    assert!(start.elapsed() < TEST_TIMEOUT, "{name}");
                }
                let responses = client.read_responses().unwrap();
                let took = start.elapsed();
                assert!(
                    took >= SHORT_TIMEOUT && took < TEST_TIMEOUT,
                    "{name}: {took:?}"
                );
                assert_eq!(statuses(&responses), expected, "{name}: {responses:?}");
                if let Some(last) = responses.last().filter(|last| last.status == 408) {
                    assert_eq!(last.code(), "request_timeout", "{name}");
                    assert_eq!(last.header("Connection"), Some("close"), "{name}");
                    assert_eq!(
                        last.header("Access-Control-Allow-Origin"),
                        Some("*"),
                        "{name}"
                    );
                }
            });
        }
    });
}

#[test]
fn timeouts_are_enforced_while_an_event_loop_always_has_more_events() {
    let app = TestApp::with(|config| {
        one_core(config);
        // Much longer than the loop takes to read the first requests.
        config.limits.head_timeout = "5s".parse().unwrap();
        config.limits.idle_timeout = "1h".parse().unwrap();
    });
    let manager = app.manager();
    for _ in 0..100 {
        app.create_task(&manager, json!({ "title": "t" }));
    }
    let server = app.serve();
    let address = server.address();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Many more connections have a request than the loop takes events for in one wait, and each request is
        // much more work for the loop than for its client.
        for _ in 0..2 {
            scope.spawn(|| {
                let request = Client::connect(address).request(
                    "GET /tasks?limit=100",
                    Some(&manager.token),
                    None,
                );
                let mut clients: Vec<_> = iter::repeat_with(|| {
                    let mut client = Client::connect(address);
                    client.write(&request).unwrap();
                    client
                })
                .take(400)
                .collect();
                while !done.load(Ordering::SeqCst) {
                    for client in &mut clients {
                        assert_eq!(client.read_response(false).unwrap().status, 200);
                        client.write(&request).unwrap();
                    }
                }
            });
        }
        let mut slow = Client::connect(address);
        slow.write("GET /healthz HT").unwrap();
        let response = slow.read_response(false);
        done.store(true, Ordering::SeqCst);
        assert_eq!(response.unwrap().status, 408);
    });
}

#[test]
fn no_timeout_ends_a_request_that_is_waiting_or_being_processed() {
    let app = TestApp::with(|config| {
        // This many rounds keep a core busy for a few tenths of a second at least.
        config.passwords.password_iterations = 3_000_000;
        config.concurrency.hash_threads = 1;
        for timeout in [HEAD, BODY, IDLE, RESPONSE] {
            *timeout(&mut config.limits) = "50ms".parse().unwrap();
        }
    });
    let server = app.serve();
    let start = Instant::now();
    // The requests are complete. One is processed for longer than each timeout, and the other one waits for the
    // same thread meanwhile.
    let mut clients = ["ada", "ben"].map(|name| {
        let mut attempts = 0..;
        let within = Duration::from_millis(25);
        let (_, client) = Client::connect_and_write(server.address(), within, |client| {
            let name = format!("{name}{}", attempts.next().unwrap());
            let email = format!("{name}@example.com");
            let body = json!({ "username": name, "email": email, "password": PASSWORD });
            client.request("POST /signup", None, Some(&body))
        });
        client
    });
    for client in &mut clients {
        let response = client.read_response(false).unwrap();
        assert_eq!(response.status, 201, "{response:?}");
    }
    assert!(
        start.elapsed() > Duration::from_millis(300),
        "not slow enough for this test"
    );
}

#[test]
fn a_client_that_keeps_sending_after_connection_close_is_disconnected() {
    let app = TestApp::new();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    client.write("nonsense\r\n\r\n").unwrap();
    assert_eq!(statuses(&client.read_responses().unwrap()), [400]);
    wait_for("end of the connection", || client.write("more\r\n").err());
}

// ---- clients that do not read -------------------------------------------------------------------

/// An app with a hundred tasks of a megabyte together, which is far more than a socket buffer holds.
fn app_with_large_list(change: impl FnOnce(&mut task_api::config::Config)) -> (TestApp, String) {
    let app = TestApp::with(change);
    let admin = app.admin();
    let task = app.create_task(
        &admin,
        json!({ "title": "a", "description": "d".repeat(10_000) }),
    );
    let copy = "INSERT INTO task (title, description, status, created_at) \
                SELECT title, description, status, created_at FROM task WHERE id = ?1";
    for _ in 1..100 {
        app.sql().execute(copy, [task]).unwrap();
    }
    (app, admin.token)
}

/// Requests `count` lists without reading a response. Each list has one task fewer than the list before.
fn request_large_lists(client: &mut Client, token: &str, count: usize) {
    for number in 0..count {
        let line = format!("GET /tasks?limit={}", 100 - number);
        let head = client.head(&line, &format!("Authorization: Bearer {token}\r\n"));
        client.write(head).unwrap();
    }
}

#[test]
fn clients_that_do_not_read_block_no_thread_and_get_all_responses_when_they_read() {
    let (app, token) = app_with_large_list(|_| {});
    let server = app.serve();
    let mut not_reading: Vec<_> = (0..8).map(|_| Client::connect(server.address())).collect();
    for client in &mut not_reading {
        request_large_lists(client, &token, 10);
    }
    let mut client = Client::connect(server.address());
    for _ in 0..20 {
        let response = client.send("GET /hello", Some(&token), None);
        assert_eq!(response.status, 200);
    }
    for client in &mut not_reading {
        for number in 0..10 {
            let response = client.read_response(false).unwrap();
            assert_eq!((response.status, response.ids().len()), (200, 100 - number));
        }
    }
}

#[test]
fn a_connection_whose_responses_are_not_read_within_the_timeout_is_closed() {
    let (app, token) = app_with_large_list(|config| {
        config.limits.response_timeout = "300ms".parse().unwrap();
    });
    let server = app.serve();
    let mut client = Client::connect(server.address());
    let start = Instant::now();
    request_large_lists(&mut client, &token, 50);
    // The client keeps sending and does not read.
    wait_for("end of the connection", || client.write("\r\n").err());
    assert!(start.elapsed() >= SHORT_TIMEOUT);
    let complete = std::iter::from_fn(|| client.read_response(false).ok()).count();
    assert!(complete < 50, "{complete} complete responses were read");
    assert_eq!(
        Client::connect(server.address())
            .send("GET /readyz", None, None)
            .status,
        200
    );
}

#[test]
fn a_stop_does_not_wait_for_a_client_that_does_not_read() {
    let (app, token) = app_with_large_list(|_| {});
    let server = app.serve();
    let mut not_reading = Client::connect(server.address());
    request_large_lists(&mut not_reading, &token, 50);
    wait_for("response", || not_reading.is_readable().then_some(()));
    let start = Instant::now();
    server.stop(Duration::from_millis(500));
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    // Responses sent before the stop are read; the last one may be cut off.
    let complete = std::iter::from_fn(|| not_reading.read_response(false).ok()).count();
    assert!(complete < 50, "{complete} complete responses were read");
}

// ---- queues -------------------------------------------------------------------------------------

#[test]
fn while_the_database_is_locked_reads_go_on_and_writes_wait() {
    let app = TestApp::new();
    let admin = app.admin();
    let server = app.serve();
    let lock = app.sql();
    lock.lock_writes();
    let task = json!({ "title": "a" });
    let mut writers: Vec<_> = (0..3).map(|_| Client::connect(server.address())).collect();
    for writer in &mut writers {
        let request = writer.request("POST /tasks", Some(&admin.token), Some(&task));
        writer.write(request).unwrap();
    }
    wait_for("running write", || {
        (app.metric(r#"queue_running{kind="write"}"#) > 0.0).then_some(())
    });
    let mut client = Client::connect(server.address());
    for _ in 0..3 {
        let response = client.send("GET /tasks", Some(&admin.token), None);
        assert_eq!(response.status, 200, "{response:?}");
    }
    assert!(!writers.iter().any(Client::is_readable));
    lock.execute_batch("COMMIT").unwrap();
    for writer in &mut writers {
        let response = writer.read_response(false).unwrap();
        assert_eq!(response.status, 201, "{response:?}");
    }
}

#[test]
fn a_list_is_a_search_only_with_a_parameter_that_no_index_answers() {
    let app = TestApp::new();
    let admin = app.admin();
    app.create_task(&admin, json!({ "title": "t" }));
    let server = app.serve();
    let mut client = Client::connect(server.address());
    let searches = r#"queue_wait_seconds_count{kind="search"}"#;
    for (query, is_search) in [
        ("", false),
        ("?", false),
        ("?limit=100", false),
        ("?sort=-title&limit=1", false),
        ("?status=pending", true),
        ("?assigned_user_id=1", false),
        ("?q=t", true),
        ("?q=nowhere&limit=1", true),
        ("?limit=1&%71=t", true),
        ("?deadline_before=2026-01-01", true),
    ] {
        let before = app.metric(searches);
        let response = client.send(&format!("GET /tasks{query}"), Some(&admin.token), None);
        assert!(
            [200, 422].contains(&response.status),
            "{query}: {response:?}"
        );
        let searched = app.metric(searches) - before;
        assert_eq!(searched, f64::from(u8::from(is_search)), "{query}");
    }
}

// ---- connections --------------------------------------------------------------------------------

#[test]
fn a_new_connection_evicts_the_longest_idle_one_and_none_with_an_unfinished_request() {
    let app = TestApp::with(|config| {
        config.limits.max_connections = 4;
        // Each event loop has its part of the connections.
        one_core(config);
    });
    let server = app.serve();
    let address = server.address();
    let idle_connection = || {
        let mut client = Client::connect(address);
        assert_eq!(client.send("GET /healthz", None, None).status, 200);
        client
    };
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    let mut in_head = Client::connect(address);
    // In one write: once the first response is here, the server has read the second request's part too.
    in_head.write(format!("{get}\r\n{get}Conn")).unwrap();
    assert_eq!(in_head.read_response(false).unwrap().status, 200);
    let mut in_body = idle_connection();
    in_body
        .write("POST /login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n")
        .unwrap();
    assert_eq!(in_body.read_response(false).unwrap().status, 100);
    let mut first = idle_connection();
    let mut second = idle_connection();
    let mut third = idle_connection();
    // All four slots were in use: the server closed the first idle connection and keeps the second.
    assert!(first.read_responses().unwrap().is_empty());
    assert_eq!(second.send("GET /healthz", None, None).status, 200);
    // The second connection has sent a request since, so the third is idle for longest.
    let fourth = idle_connection();
    assert!(third.read_responses().unwrap().is_empty());
    assert_eq!(second.send("GET /healthz", None, None).status, 200);
    drop(fourth);
    in_head.write("ection: close\r\n\r\n").unwrap();
    assert_eq!(statuses(&in_head.read_responses().unwrap()), [200]);
    in_body.write("{}").unwrap();
    assert_eq!(statuses(&in_body.read_responses().unwrap()), [415]);
}

#[test]
fn a_connection_without_a_request_is_evicted_before_one_with_a_request() {
    let app = TestApp::with(|config| {
        config.limits.max_connections = 3;
        one_core(config);
    });
    let server = app.serve();
    let mut upload = Client::connect(server.address());
    upload
        .write("POST /login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n")
        .unwrap();
    assert_eq!(upload.read_response(false).unwrap().status, 100);
    let silent: Vec<_> = (0..10).map(|_| Client::connect(server.address())).collect();
    assert_eq!(
        Client::connect(server.address())
            .send("GET /healthz", None, None)
            .status,
        200
    );
    upload.write("{}").unwrap();
    assert_eq!(statuses(&upload.read_responses().unwrap()), [415]);
    drop(silent);
}

#[test]
fn silent_connections_shut_no_client_out() {
    let app = TestApp::with(|config| {
        config.limits.max_connections = 8;
        one_core(config);
    });
    let server = app.serve();
    let silent: Vec<_> = (0..50).map(|_| Client::connect(server.address())).collect();
    for _ in 0..50 {
        let response = Client::connect(server.address()).send("GET /healthz", None, None);
        assert_eq!(response.status, 200);
    }
    drop(silent);
}

// ---- file descriptors ---------------------------------------------------------------------------

fn serve_with_ulimit(work_dir: &WorkDir, ulimit: &str) -> RunningServer {
    RunningServer::start(&mut work_dir.command_after(ulimit))
}

#[test]
fn the_program_raises_its_soft_limit_of_descriptors_to_the_hard_limit() {
    let work_dir = WorkDir::new();
    let server = serve_with_ulimit(&work_dir, "ulimit -S -n 256");
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.child.0.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
    assert_ne!(words[3], "256");
}

#[test]
fn a_hard_limit_below_max_connections_is_logged_and_never_exceeded() {
    let work_dir = WorkDir::new();
    let server = serve_with_ulimit(&work_dir, "ulimit -n 400");
    let mut clients = Vec::new();
    for _ in 0..400 {
        let mut client = server.client();
        assert_eq!(client.send("GET /healthz", None, None).status, 200);
        clients.push(client);
    }
    let log = server.log();
    let warning = log.iter().find(|line| line.contains("MAX_CONNECTIONS"));
    assert!(warning.is_some_and(|line| line.contains("400")), "{log:?}");
    assert!(
        !log.iter().any(|line| line.contains("cannot accept")),
        "{log:?}"
    );
}

#[test]
fn the_server_keeps_answering_when_descriptors_run_out() {
    let work_dir = WorkDir::new();
    let mut server = work_dir.serve();
    assert_eq!(server.client().send("GET /readyz", None, None).status, 200);
    let pid = Pid::from_raw(server.child.0.id() as i32).unwrap();
    let open = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()))
        .unwrap()
        .count() as u64;
    // The program inherits the limits of this process and has raised the soft one to the hard one.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let set = |current| prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum }).unwrap();
    let before = set(Some(open + 4));
    let mut clients: Vec<_> = (0..20).map(|_| server.client()).collect();
    server.wait_for_line("cannot accept a connection");
    // The server closes the longest idle connection to accept this one.
    assert_eq!(server.client().send("GET /healthz", None, None).status, 200);
    set(before.current);
    clients.clear();
    for _ in 0..20 {
        let mut client = server.client();
        assert_eq!(client.send("GET /readyz", None, None).status, 200);
        clients.push(client);
    }
    server.log();
}

mod sqlite_only {
    use super::*;

    #[test]
    fn a_checkpoint_fails_within_three_seconds_while_the_database_is_locked() {
        let app = TestApp::new();
        let lock = app.sqlite();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let start = Instant::now();
        assert!(app.app.store.checkpoint().is_err());
        assert!(start.elapsed() < Duration::from_secs(3));
    }
}
