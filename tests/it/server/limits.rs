//! What a client may take up: bytes, time, connections and descriptors; and that one which takes all
//! of it is in nobody's way.

#![cfg(target_os = "linux")] // the server of other systems has none of these limits

use std::fs;
use std::io::ErrorKind;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::json;
use task_api::config::concurrency::BulkheadSize;
use task_api::config::duration::Timeout;
use task_api::config::limits::ServerLimits;

use crate::support::http_client::{Client, PATIENCE, exchange, statuses};
use crate::support::program::{Place, Running};
use crate::support::{PASSWORD, TestApp};

// ---- bytes --------------------------------------------------------------------------------------

#[test]
fn a_head_up_to_the_limit_is_read_and_a_longer_one_refused() {
    let app = TestApp::new();
    let server = app.serve();
    let address = server.address();
    let last = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let with_length = |length: usize| {
        let empty = format!("{last}X: \r\n\r\n");
        format!("{last}X: {}\r\n\r\n", "a".repeat(length - empty.len()))
    };
    let with_fields = |count: usize| format!("{last}{}\r\n", "X: y\r\n".repeat(count - 2));
    let with_target =
        |length: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(length));
    for (name, bytes, status, code) in [
        ("16 KiB", with_length(16 << 10), 200, ""),
        (
            "a byte more",
            with_length((16 << 10) + 1),
            431,
            "header_too_large",
        ),
        ("far more", with_length(1 << 20), 431, "header_too_large"),
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
        // The server may close before it has seen all.
        let _ = client.write(bytes);
        let answers = client.answers().unwrap();
        assert_eq!(statuses(&answers), [status], "{name}: {answers:?}");
        if status != 200 {
            assert_eq!(answers[0].code(), code, "{name}");
        }
    }
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_is_sent() {
    let app = TestApp::new();
    let server = app.serve();
    let head = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    for framing in [
        "Content-Length: 1048577\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n100001\r\n",
        "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n",
    ] {
        // The client waits with the body, for ever.
        let answers = exchange(server.address(), format!("{head}{framing}"));
        assert_eq!(statuses(&answers), [413], "{framing}");
        assert_eq!(answers[0].code(), "body_too_large");
    }
}

#[test]
fn unfinished_requests_share_a_memory_of_their_own() {
    let app = TestApp::with(|config| config.limits.max_buffered_bytes = 1 << 20);
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
        // One of the two is one too many, and the other is not disturbed.
        let refused = wait_for("an answer", || clients.iter().position(has_answer));
        let answers = clients[refused].answers().unwrap();
        assert_eq!(statuses(&answers), [503], "{answers:?}");
        assert_eq!(answers[0].code(), "busy");
        let other = &mut clients[1 - refused];
        other.write(end).unwrap();
        assert_eq!(statuses(&other.answers().unwrap()), [422]);
        // Small requests are not counted.
        assert_eq!(
            Client::connect(address)
                .send("GET /healthz", None, None)
                .status,
            200
        );
    }
}

/// Asks again and again until there is something.
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < end, "no {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Whether something has come for this client, which may be the end.
fn has_answer(client: &Client) -> bool {
    let stream = client.writer();
    stream.set_nonblocking(true).unwrap();
    let seen = stream.peek(&mut [0]);
    stream.set_nonblocking(false).unwrap();
    seen.map_or_else(|why| why.kind() != ErrorKind::WouldBlock, |_| true)
}

// ---- time ---------------------------------------------------------------------------------------

/// What is shortened for a test; everything else takes an hour.
type Shortened = fn(&mut ServerLimits) -> &mut Timeout;

const HEAD: Shortened = |limits| &mut limits.head_timeout;
const BODY: Shortened = |limits| &mut limits.body_timeout;
const IDLE: Shortened = |limits| &mut limits.idle_timeout;
const RESPONSE: Shortened = |limits| &mut limits.response_timeout;

const SHORT: Duration = Duration::from_millis(300);

fn impatient(shortened: Shortened) -> TestApp {
    TestApp::with(|config| {
        for timeout in [HEAD, BODY, IDLE, RESPONSE] {
            *timeout(&mut config.limits) = "1h".parse().unwrap();
        }
        *shortened(&mut config.limits) = "300ms".parse().unwrap();
    })
}

#[test]
fn whoever_takes_too_long_is_told_and_disconnected() {
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    let post = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let sized = format!("{post}Content-Length: 99999\r\n\r\n");
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n");
    // Name, deadline, what is sent at once, what is sent again and again, what is answered.
    let rows: [(&str, Shortened, String, &str, &[u16]); 14] = [
        ("nothing at all", HEAD, String::new(), "", &[]),
        ("half a line break", HEAD, "\r".into(), "", &[]),
        (
            "half a line break behind a request",
            IDLE,
            format!("{get}\r\n\r"),
            "",
            &[200],
        ),
        ("half a head", HEAD, get.into(), "", &[408]),
        ("a head that never ends", HEAD, get.into(), "a", &[408]),
        (
            "fields that never end",
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
            "a body that was asked for",
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
                let app = impatient(shortened);
                let server = app.serve();
                let start = Instant::now();
                let mut client = Client::connect(server.address());
                client.write(begin).unwrap();
                while !more.is_empty() && !has_answer(&client) {
                    let _ = client.write(more);
                    thread::sleep(Duration::from_millis(5));
                    assert!(start.elapsed() < PATIENCE, "{name}");
                }
                let answers = client.answers().unwrap();
                let took = start.elapsed();
                assert!(took >= SHORT && took < PATIENCE, "{name}: {took:?}");
                assert_eq!(statuses(&answers), expected, "{name}: {answers:?}");
                if let Some(last) = answers.last().filter(|last| last.status == 408) {
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
fn a_request_in_hand_takes_as_long_as_it_takes() {
    let quick = TestApp::new();
    let slow = TestApp::on(quick.folder, |config| {
        // A core is busy for a few tenths of a second at least.
        config.passwords.password_iterations = 3_000_000;
        config.concurrency.workers = 1;
        for timeout in [HEAD, BODY, IDLE, RESPONSE] {
            *timeout(&mut config.limits) = "50ms".parse().unwrap();
        }
    });
    let server = slow.serve();
    let start = Instant::now();
    let mut first = Client::connect(server.address());
    let mut second = Client::connect(server.address());
    let body = json!({ "username": "ada", "email": "ada@example.com", "password": PASSWORD });
    let body = body.to_string();
    let headers = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    let request = first.head("POST /signup", &headers) + &body;
    first.write(request).unwrap();
    // It comes whole and has to wait for the one worker.
    let answer = second.send("GET /healthz", None, None);
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = first.answer(false).unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(
        start.elapsed() > Duration::from_millis(150),
        "not slow enough for this test"
    );
}

#[test]
fn whoever_is_told_that_nothing_follows_and_stays_is_disconnected() {
    let app = TestApp::new();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    client.write("nonsense\r\n\r\n").unwrap();
    assert_eq!(statuses(&client.answers().unwrap()), [400]);
    wait_for("end", || client.write("more\r\n").err());
}

// ---- answers that nobody takes ------------------------------------------------------------------

/// With a hundred tasks that fill a megabyte together: far more than a socket takes at once.
fn full_of_text(change: impl FnOnce(&mut task_api::config::Config)) -> (TestApp, String) {
    let app = TestApp::with(change);
    let admin = app.admin();
    let made = app.task(
        &admin,
        json!({ "title": "a", "description": "d".repeat(10_000) }),
    );
    let copy = "INSERT INTO task (title, description, status, created_at) \
                SELECT title, description, status, created_at FROM task WHERE id = ?1";
    for _ in 1..100 {
        app.sql().execute(copy, [made]).unwrap();
    }
    (app, admin.token)
}

/// Asks for more than a connection takes, one answer a little smaller than the other.
fn ask_for_a_lot(client: &mut Client, token: &str, count: usize) {
    for number in 0..count {
        let line = format!("GET /tasks?limit={}", 100 - number);
        let head = client.head(&line, &format!("Authorization: Bearer {token}\r\n"));
        client.write(head).unwrap();
    }
}

#[test]
fn clients_that_do_not_read_hold_no_thread_and_get_every_answer_in_the_end() {
    let workers = 4;
    let (app, token) = full_of_text(|config| {
        config.concurrency.workers = workers;
        config.concurrency.run_permits = 2;
    });
    let server = app.serve();
    let mut lazy: Vec<_> = (0..2 * workers)
        .map(|_| Client::connect(server.address()))
        .collect();
    for client in &mut lazy {
        ask_for_a_lot(client, &token, 10);
    }
    let mut client = Client::connect(server.address());
    for _ in 0..20 {
        let answer = client.send("GET /hello", Some(&token), None);
        assert_eq!(answer.status, 200);
    }
    for client in &mut lazy {
        for number in 0..10 {
            let answer = client.answer(false).unwrap();
            assert_eq!((answer.status, answer.ids().len()), (200, 100 - number));
        }
    }
}

#[test]
fn an_answer_that_is_not_taken_in_time_is_dropped() {
    let (app, token) = full_of_text(|config| {
        config.limits.response_timeout = "300ms".parse().unwrap();
    });
    let server = app.serve();
    let mut client = Client::connect(server.address());
    let start = Instant::now();
    ask_for_a_lot(&mut client, &token, 50);
    // The client goes on sending and does not read.
    wait_for("end", || client.write("\r\n").err());
    assert!(start.elapsed() >= SHORT);
    let whole = std::iter::from_fn(|| client.answer(false).ok()).count();
    assert!(whole < 50, "{whole} answers were taken");
    assert_eq!(
        Client::connect(server.address())
            .send("GET /readyz", None, None)
            .status,
        200
    );
}

#[test]
fn a_stop_does_not_wait_for_a_client_that_does_not_read() {
    let (app, token) = full_of_text(|_| {});
    let server = app.serve();
    let mut lazy = Client::connect(server.address());
    ask_for_a_lot(&mut lazy, &token, 50);
    wait_for("answer", || has_answer(&lazy).then_some(()));
    let start = Instant::now();
    server.stop(Duration::from_millis(500));
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    // What was on its way came before the end, whole or not; nothing was made up.
    let whole = std::iter::from_fn(|| lazy.answer(false).ok()).count();
    assert!(whole < 50, "{whole} answers were taken");
}

// ---- what takes long ----------------------------------------------------------------------------

#[test]
fn a_locked_database_leaves_threads_to_those_who_do_not_write() {
    let app = TestApp::with(|config| {
        config.concurrency.run_permits = 1;
        config.concurrency.workers = 4;
        config.concurrency.writes.max_queued = 1;
    });
    let admin = app.admin();
    let server = app.serve();
    let other = app.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let body = r#"{"title":"a"}"#;
    let mut writers: Vec<_> = (0..3).map(|_| Client::connect(server.address())).collect();
    for writer in &mut writers {
        let headers = format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            admin.token,
            body.len()
        );
        let request = writer.head("POST /tasks", &headers) + body;
        writer.write(request).unwrap();
    }
    // One writes, one waits, and the third is told at once.
    let at = wait_for("refusal", || writers.iter().position(has_answer));
    let answer = writers.swap_remove(at).answer(false).unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (503, "busy"));
    assert!(answer.header("Retry-After").is_some());
    let mut client = Client::connect(server.address());
    for _ in 0..3 {
        let answer = client.send("GET /tasks", Some(&admin.token), None);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(!writers.iter().any(has_answer));
    other.execute_batch("COMMIT").unwrap();
    for writer in &mut writers {
        let answer = writer.answer(false).unwrap();
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

#[test]
fn many_short_searches_are_no_long_one() {
    let app = TestApp::new();
    let manager = app.manager();
    for _ in 0..100 {
        app.task(&manager, json!({ "title": "t" }));
    }
    for _ in 0..1_000 {
        assert_eq!(app.get("/tasks?limit=100", &manager).status, 200);
    }
    let metrics = app.send("GET /metrics", None, "");
    let none = r#"bulkhead_wait_seconds_count{bulkhead="long searches"} 0"#;
    assert!(metrics.text().contains(none), "{}", metrics.text());
}

#[test]
fn long_searches_are_bounded_and_short_ones_are_not() {
    let many = "INSERT INTO task (title, status) WITH RECURSIVE n (i) AS \
                (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
                SELECT 'task ' || i, 'pending' FROM n";
    let app = TestApp::new();
    let admin = app.admin();
    app.sql().execute_batch(many).unwrap();
    let search = "/tasks?q=nowhere";
    // Again and again: whoever has searched leaves room for the next one.
    for _ in 0..20 {
        assert_eq!(app.get(search, &admin).ids(), [0; 0]);
    }
    let full = TestApp::on(app.folder, |config| {
        config.concurrency.searches = BulkheadSize {
            max_concurrent: 0,
            max_queued: 0,
        };
    });
    let answer = full.get(search, &admin);
    assert_eq!((answer.status, answer.code().as_str()), (503, "busy"));
    assert!(answer.header("Retry-After").is_some());
    assert_eq!(full.get("/tasks?q=task", &admin).ids().len(), 20);
}

#[test]
fn the_last_checkpoint_does_not_wait_for_long() {
    let app = TestApp::new();
    let other = app.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = Instant::now();
    assert!(app.app.store.checkpoint().is_err());
    assert!(start.elapsed() < Duration::from_secs(3));
}

// ---- connections --------------------------------------------------------------------------------

#[test]
fn the_longest_idle_makes_room_and_nobody_in_the_middle_of_a_request() {
    let app = TestApp::with(|config| {
        config.limits.max_connections = 4;
        // A connection whose answer has come may still be in its thread's hands; with one thread it
        // is not any more when the next one is answered.
        config.concurrency.workers = 1;
    });
    let server = app.serve();
    let address = server.address();
    let used = || {
        let mut client = Client::connect(address);
        assert_eq!(client.send("GET /healthz", None, None).status, 200);
        client
    };
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    let mut in_head = Client::connect(address);
    // In one piece: whoever is answered has been read.
    in_head.write(format!("{get}\r\n{get}Conn")).unwrap();
    assert_eq!(in_head.answer(false).unwrap().status, 200);
    let mut in_body = used();
    in_body
        .write("POST /login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n")
        .unwrap();
    assert_eq!(in_body.answer(false).unwrap().status, 100);
    let mut first = used();
    let mut second = used();
    let mut third = used();
    // All four slots are taken; the first idle one was closed, and the second is still served.
    assert!(first.answers().unwrap().is_empty());
    assert_eq!(second.send("GET /healthz", None, None).status, 200);
    // The second has been used since, so that now it is the third's turn.
    let fourth = used();
    assert!(third.answers().unwrap().is_empty());
    assert_eq!(second.send("GET /healthz", None, None).status, 200);
    drop(fourth);
    in_head.write("ection: close\r\n\r\n").unwrap();
    assert_eq!(statuses(&in_head.answers().unwrap()), [200]);
    in_body.write("{}").unwrap();
    assert_eq!(statuses(&in_body.answers().unwrap()), [415]);
}

#[test]
fn whoever_has_not_asked_for_anything_gives_way_to_whoever_has() {
    let app = TestApp::with(|config| config.limits.max_connections = 3);
    let server = app.serve();
    let mut upload = Client::connect(server.address());
    upload
        .write("POST /login HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n")
        .unwrap();
    assert_eq!(upload.answer(false).unwrap().status, 100);
    let silent: Vec<_> = (0..10).map(|_| Client::connect(server.address())).collect();
    assert_eq!(
        Client::connect(server.address())
            .send("GET /healthz", None, None)
            .status,
        200
    );
    upload.write("{}").unwrap();
    assert_eq!(statuses(&upload.answers().unwrap()), [415]);
    drop(silent);
}

#[test]
fn connections_that_never_send_anything_shut_nobody_out() {
    let app = TestApp::with(|config| config.limits.max_connections = 8);
    let server = app.serve();
    let silent: Vec<_> = (0..50).map(|_| Client::connect(server.address())).collect();
    for _ in 0..50 {
        let answer = Client::connect(server.address()).send("GET /healthz", None, None);
        assert_eq!(answer.status, 200);
    }
    drop(silent);
}

// ---- descriptors --------------------------------------------------------------------------------

/// The program, started with limits on its descriptors, which `ulimit` sets.
fn limited(place: &Place, ulimit: &str) -> Running {
    let program = place.command(&[]);
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{ulimit} && exec \"$0\"")])
        .arg(program.get_program())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(place.0.path());
    Running::start(&mut command)
}

#[test]
fn the_soft_limit_of_descriptors_is_raised_to_the_hard_one() {
    let place = Place::new();
    let server = limited(&place, "ulimit -S -n 256");
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
fn a_hard_limit_below_the_connections_is_said_and_kept() {
    let place = Place::new();
    let server = limited(&place, "ulimit -n 400");
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
fn a_system_out_of_descriptors_is_survived() {
    let place = Place::new();
    let mut server = place.serve();
    assert_eq!(server.client().send("GET /readyz", None, None).status, 200);
    let pid = Pid::from_raw(server.child.0.id() as i32).unwrap();
    let open = fs::read_dir(format!("/proc/{}/fd", pid.as_raw_nonzero()))
        .unwrap()
        .count() as u64;
    // The program has the limits of its parent, and has raised the soft one.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let set = |current| prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum }).unwrap();
    let before = set(Some(open + 4));
    let mut clients: Vec<_> = (0..20).map(|_| server.client()).collect();
    server.wait_for_line("cannot accept a connection");
    // Whoever has waited longest gives way, so that there is an answer all the same.
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
