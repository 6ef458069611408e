//! The server on real sockets: what a browser or a load balancer gets, many clients at once, and a
//! stop that answers what is in hand.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use task_api::model::Role;
use task_api::server::Server;

use crate::support::TestApp;
use crate::support::http_client::{Client, TEST_TIMEOUT};

/// Rounds that keep a core busy for a few tenths of a second at least.
const SLOW: u32 = 3_000_000;

/// A day and time as in `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
fn is_http_date(text: &str) -> bool {
    let pattern = "Aaa, 00 Aaa 0000 00:00:00 GMT";
    text.len() == pattern.len()
        && text.ends_with(" GMT")
        && text
            .chars()
            .zip(pattern.chars())
            .all(|(c, kind)| match kind {
                '0' => c.is_ascii_digit(),
                'A' => c.is_ascii_uppercase() || kind == c,
                'a' => c.is_ascii_lowercase(),
                other => c == other || c.is_ascii_uppercase(),
            })
}

#[test]
fn every_answer_carries_the_headers_that_clients_rely_on() {
    let app = TestApp::new();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    for (line, status) in [
        ("GET /healthz", 200),
        ("GET /readyz", 200),
        ("GET /hello", 401),
        ("GET /nowhere", 404),
        ("DELETE /hello", 405),
        ("POST /login", 415),
    ] {
        let answer = client.send(line, None, None);
        assert_eq!(answer.status, status, "{line}");
        let header = |name| {
            answer
                .header(name)
                .unwrap_or_else(|| panic!("{line}: no {name} in {answer:?}"))
        };
        assert!(is_http_date(header("Date")), "{answer:?}");
        assert_eq!(header("Content-Length"), answer.body.len().to_string());
        assert!(header("Content-Type").starts_with("application/json"));
        assert!(!header("X-Request-Id").is_empty());
        assert_eq!(header("Access-Control-Allow-Origin"), "*");
        assert!(header("Access-Control-Expose-Headers").contains("X-Request-Id"));
        assert!(answer.json().is_object());
    }
}

#[test]
fn a_preflight_is_answered_without_a_body() {
    let app = TestApp::new();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    let headers = "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n";
    for _ in 0..2 {
        let head = client.head("OPTIONS /login", headers);
        client.write(&head).unwrap();
        let answer = client.read_response(false).unwrap();
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
        let methods = answer.header("Access-Control-Allow-Methods").unwrap();
        assert!(methods.contains("POST"), "{methods}");
    }
    // Nothing of a body is left on the line.
    assert_eq!(client.send("GET /healthz", None, None).status, 200);
}

#[test]
fn head_is_answered_as_get_is_but_without_the_body() {
    let app = TestApp::new();
    let admin = app.admin();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    for (path, token) in [
        ("/healthz", None),
        ("/hello", Some(admin.token.as_str())),
        ("/hello", None),
        ("/nowhere", None),
    ] {
        let head = client.send(&format!("HEAD {path}"), token, None);
        // A body would be read here as the beginning of the next answer.
        let get = client.send(&format!("GET {path}"), token, None);
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(
            head.header("Content-Length"),
            get.header("Content-Length"),
            "{path}"
        );
    }
}

#[test]
fn one_connection_carries_many_requests() {
    let app = TestApp::new();
    let admin = app.admin();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    for number in 0..50 {
        let title = format!("task {number}");
        let body = json!({ "title": title });
        let made = client.send("POST /tasks", Some(&admin.token), Some(&body));
        assert_eq!(made.status, 201, "{made:?}");
        let path = made.header("Location").unwrap();
        let read = client.send(&format!("GET {path}"), Some(&admin.token), None);
        assert_eq!(read.json()["title"], title.as_str());
    }
}

#[test]
fn thirty_two_clients_at_once_each_get_their_own_data() {
    // Sign-ups beyond the queue are answered 503 by intention; that is another test's matter.
    let app = TestApp::with(|config| config.concurrency.hashes.max_queued = 64);
    let server = app.serve();
    let address = server.address();
    thread::scope(|scope| {
        for number in 0..32 {
            scope.spawn(move || {
                let name = format!("user{number}");
                let mut client = Client::connect(address);
                let made = client.sign_up(&name);
                assert_eq!(made.status, 201, "{made:?}");
                assert_eq!(made.json()["username"], name.as_str());
                let token = client.sign_in_for_token(&name);
                for _ in 0..10 {
                    let hello = client.send("GET /hello", Some(&token), None);
                    assert_eq!(hello.status, 200, "{hello:?}");
                    assert_eq!(hello.json()["user_name"], name.as_str());
                }
            });
        }
    });
    let users: i64 = app
        .sql()
        .query_row(
            r#"SELECT count(DISTINCT username) FROM "user""#,
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(users, 32);
}

#[test]
fn connections_that_stay_open_keep_nobody_waiting() {
    let app = TestApp::new();
    let server = app.serve();
    for _ in 0..20 {
        let connect = || Client::try_connect(server.address(), Duration::from_secs(10)).unwrap();
        let mut clients: Vec<_> = (0..32).map(|_| connect()).collect();
        for client in &mut clients {
            let head = client.head("GET /healthz", "");
            client.write(&head).unwrap();
        }
        // All are open until all are answered.
        for client in &mut clients {
            assert_eq!(client.read_response(false).unwrap().status, 200);
        }
    }
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let app = TestApp::new();
    let server = app.serve();
    for framing in ["Content-Length", "Transfer-Encoding"] {
        let mut client = Client::connect(server.address());
        let body = json!({ "email": "a".repeat(1 << 20), "password": "p" }).to_string();
        let (header, body) = match framing {
            "Content-Length" => (body.len().to_string(), body),
            _ => (
                "chunked".to_owned(),
                format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
            ),
        };
        let headers = format!("Content-Type: application/json\r\n{framing}: {header}\r\n");
        let head = client.head("POST /login", &headers);
        client.write(&head).unwrap();
        // The server may answer, and close, before it has seen all of the body.
        let mut writer = client.writer();
        let writing = thread::spawn(move || writer.write_all(body.as_bytes()));
        let answer = client.read_response(false).unwrap();
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (413, "body_too_large"),
            "{framing}"
        );
        drop(client);
        let _ = writing.join().unwrap();
    }
    let mut client = Client::connect(server.address());
    assert_eq!(client.send("GET /readyz", None, None).status, 200);
}

#[test]
fn a_body_of_just_the_limit_is_read() {
    let app = TestApp::with(|config| config.limits.max_body_bytes = 1000);
    let server = app.serve();
    let mut client = Client::connect(server.address());
    for (bytes, status) in [(1000, 401), (1001, 413)] {
        let mut body = json!({ "email": "", "password": "p" });
        let padding = bytes - body.to_string().len();
        body["email"] = Value::from("a".repeat(padding));
        let answer = client.send("POST /login", None, Some(&body));
        assert_eq!(answer.status, status, "{bytes}");
        client = Client::connect(server.address());
    }
}

/// A person whose password takes long to check and a person whose does not, behind a gate that lets
/// one check in at a time and makes nobody wait.
fn one_slow_hash() -> TestApp {
    let quick = TestApp::new();
    quick.account("quick", Role::Employee, true);
    let slow = TestApp::in_folder(quick.folder, |config| {
        config.passwords.password_iterations = SLOW;
        config.concurrency.hashes.max_concurrent = 1;
        config.concurrency.hashes.max_queued = 0;
    });
    slow.account("slow", Role::Employee, true);
    slow
}

#[test]
fn a_request_in_hand_is_answered_before_the_server_stops() {
    let app = one_slow_hash();
    let server = app.serve();
    let address = server.address();
    // The quick check below may be in the slow one's way for a moment.
    let login = thread::spawn(move || {
        loop {
            let answer = Client::connect(address).sign_in("slow");
            if answer.status != 503 {
                return answer;
            }
        }
    });
    let mut probe = Client::connect(address);
    while probe.sign_in("quick").status != 503 {}
    assert!(server.stop(TEST_TIMEOUT));
    let answer = login.join().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["user"]["username"], "slow");
}

#[test]
fn nobody_is_answered_after_the_stop() {
    let app = TestApp::new();
    let server = app.serve();
    let address = server.address();
    let mut kept = Client::try_connect(address, Duration::from_secs(2)).unwrap();
    assert_eq!(kept.send("GET /healthz", None, None).status, 200);
    assert!(server.stop(Duration::from_secs(10)));
    assert!(kept.try_send("GET /healthz", None, None).is_err());
    let answer = Client::try_connect(address, Duration::from_secs(2))
        .and_then(|mut client| client.try_send("GET /healthz", None, None));
    assert!(answer.is_err(), "{answer:?}");
}

#[test]
fn an_idle_connection_does_not_hold_up_the_stop() {
    let app = TestApp::new();
    let server = app.serve();
    let mut idle = Client::connect(server.address());
    assert_eq!(idle.send("GET /healthz", None, None).status, 200);
    let mut half = Client::connect(server.address());
    half.write("GET /healthz HTTP/1.1\r\nHost:").unwrap();
    // Half a request has half of the time to become a whole one.
    assert!(server.stop(Duration::from_secs(2)));
}

#[test]
fn the_stop_keeps_its_deadline_while_requests_keep_coming() {
    let app = TestApp::new();
    let server = app.serve();
    let address = server.address();
    let done = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let patience = Duration::from_millis(500);
                while !done.load(Ordering::SeqCst) {
                    let Ok(mut client) = Client::try_connect(address, patience) else {
                        continue;
                    };
                    while let Ok(answer) = client.try_send("GET /healthz", None, None) {
                        assert!([200, 503].contains(&answer.status), "{answer:?}");
                        answered.fetch_add(1, Ordering::SeqCst);
                        if done.load(Ordering::SeqCst) {
                            return;
                        }
                    }
                }
            });
        }
        while answered.load(Ordering::SeqCst) < 100 {
            thread::yield_now();
        }
        let begin = Instant::now();
        server.stop(Duration::from_secs(4));
        let took = begin.elapsed();
        done.store(true, Ordering::SeqCst);
        assert!(took < Duration::from_secs(8), "{took:?}");
    });
}

#[test]
fn the_stop_gives_up_on_a_request_that_takes_longer_than_the_deadline() {
    let app = one_slow_hash();
    let server = app.serve();
    let address = server.address();
    let login = thread::spawn(
        move || {
            while Client::connect(address).sign_in("slow").status == 503 {}
        },
    );
    let mut probe = Client::connect(address);
    while probe.sign_in("quick").status != 503 {}
    let begin = Instant::now();
    let all_answered = server.stop(Duration::from_millis(20));
    assert!(!all_answered);
    assert!(begin.elapsed() < Duration::from_secs(5));
    login.join().unwrap();
}

#[test]
fn a_port_in_use_is_named() {
    let app = TestApp::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let why = Server::start(Arc::clone(&app.app), "127.0.0.1", port).unwrap_err();
    assert!(why.contains(&format!("127.0.0.1 port {port}")), "{why}");
    assert!(why.to_lowercase().contains("in use"), "{why}");
    assert_eq!(why.lines().count(), 1);
}

#[test]
fn others_are_served_while_sign_ins_use_all_that_they_may() {
    let app = TestApp::with(|config| config.passwords.password_iterations = SLOW);
    let admin = app.admin();
    let server = app.serve();
    let address = server.address();
    let threads = app.app.config.concurrency;
    let (done, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    // One after the other: how a rush of connections is met is another test's matter.
    let connected = || {
        let mut client = Client::connect(address);
        assert_eq!(client.send("GET /healthz", None, None).status, 200);
        client
    };
    let sign_in_again_and_again = |mut client: Client| {
        while !done.load(Ordering::SeqCst) {
            let answer = client.sign_in("admin");
            if answer.status == 503 {
                assert_eq!(answer.code(), "busy");
                assert!(answer.header("Retry-After").is_some());
                refused.fetch_add(1, Ordering::SeqCst);
            } else {
                assert_eq!(answer.status, 200, "{answer:?}");
            }
        }
    };
    let mut client = connected();
    thread::scope(|scope| {
        // Two more than can be hashing and waiting: somebody is turned away while all is full.
        for _ in 0..threads.hashes.max_concurrent + threads.hashes.max_queued + 2 {
            let client = connected();
            scope.spawn(|| sign_in_again_and_again(client));
        }
        let until_refused = || {
            let (before, end) = (
                refused.load(Ordering::SeqCst),
                Instant::now() + TEST_TIMEOUT,
            );
            while refused.load(Ordering::SeqCst) == before && Instant::now() < end {
                thread::yield_now();
            }
        };
        until_refused();
        let answers: Vec<_> = (0..20)
            .map(|_| client.send("GET /hello", Some(&admin.token), None))
            .collect();
        until_refused();
        done.store(true, Ordering::SeqCst);
        for answer in answers {
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    });
    assert!(refused.into_inner() >= 2);
}
