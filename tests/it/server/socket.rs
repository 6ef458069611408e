//! The server on real sockets: the headers of each response, many clients at once, and a graceful shutdown
//! that completes the requests in progress.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use task_api::server::{ListenOn, Server};

use crate::support::http_client::{Client, TEST_TIMEOUT};
use crate::support::sql::TestSql;
use crate::support::{TestApp, TestResponse, wait_for};

/// Whether a text has the form of `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
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
fn every_response_has_date_length_type_request_id_and_cors_headers() {
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
        let response = client.send(line, None, None);
        assert_eq!(response.status, status, "{line}");
        let header = |name| {
            response
                .header(name)
                .unwrap_or_else(|| panic!("{line}: no {name} in {response:?}"))
        };
        assert!(is_http_date(header("Date")), "{response:?}");
        assert_eq!(header("Content-Length"), response.body.len().to_string());
        assert!(header("Content-Type").starts_with("application/json"));
        assert!(!header("X-Request-Id").is_empty());
        assert_eq!(header("Access-Control-Allow-Origin"), "*");
        assert!(header("Access-Control-Expose-Headers").contains("X-Request-Id"));
        assert!(response.json().is_object());
    }
}

#[test]
fn a_preflight_gets_204_without_a_body() {
    let app = TestApp::new();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    let headers = "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n";
    for _ in 0..2 {
        let head = client.head("OPTIONS /login", headers);
        client.write(&head).unwrap();
        let response = client.read_response(false).unwrap();
        assert_eq!(response.status, 204);
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
        let methods = response.header("Access-Control-Allow-Methods").unwrap();
        assert!(methods.contains("POST"), "{methods}");
    }
    // If the server had sent a body, its bytes would be read here as the beginning of a response.
    assert_eq!(client.send("GET /healthz", None, None).status, 200);
}

#[test]
fn head_gets_the_status_and_length_of_get_without_the_body() {
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
        // If the response to HEAD had a body, its bytes would be read here as the beginning of this response.
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
        let created = client.send("POST /tasks", Some(&admin.token), Some(&body));
        assert_eq!(created.status, 201, "{created:?}");
        let path = created.header("Location").unwrap();
        let read = client.send(&format!("GET {path}"), Some(&admin.token), None);
        assert_eq!(read.json()["title"], title.as_str());
    }
}

#[test]
fn thirty_two_clients_at_once_each_get_their_own_data() {
    let app = TestApp::new();
    let server = app.serve();
    let address = server.address();
    thread::scope(|scope| {
        for number in 0..32 {
            scope.spawn(move || {
                let name = format!("user{number}");
                let mut client = Client::connect(address);
                let created = client.sign_up(&name);
                assert_eq!(created.status, 201, "{created:?}");
                assert_eq!(created.json()["username"], name.as_str());
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
fn thirty_two_open_connections_at_once_are_all_served() {
    let app = TestApp::new();
    let server = app.serve();
    for _ in 0..20 {
        let connect = || Client::try_connect(server.address(), Duration::from_secs(10)).unwrap();
        let mut clients: Vec<_> = (0..32).map(|_| connect()).collect();
        for client in &mut clients {
            let head = client.head("GET /healthz", "");
            client.write(&head).unwrap();
        }
        // All connections stay open until each has its response.
        for client in &mut clients {
            assert_eq!(client.read_response(false).unwrap().status, 200);
        }
    }
}

#[test]
fn the_status_line_has_the_reason_phrase_of_rfc_9110() {
    let app = TestApp::new();
    let server = app.serve();
    for (request, expected) in [
        ("GET /healthz HTTP/1.1\r\n\r\n", "200 OK"),
        ("GET /nothing HTTP/1.1\r\n\r\n", "404 Not Found"),
        (
            "POST /login HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
            "413 Content Too Large",
        ),
        (
            "POST /login HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            "422 Unprocessable Content",
        ),
    ] {
        let request = request.replacen("\r\n", "\r\nHost: a\r\n", 1);
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(TEST_TIMEOUT)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(line, format!("HTTP/1.1 {expected}\r\n"), "{request}");
    }
}

#[test]
fn a_body_over_the_limit_gets_413() {
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
        // The server may respond and close the connection before it has read the whole body.
        let mut writer = client.writer();
        let writing = thread::spawn(move || writer.write_all(body.as_bytes()));
        let response = client.read_response(false).unwrap();
        assert_eq!(
            (response.status, response.code().as_str()),
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
fn a_body_of_exactly_the_limit_is_accepted() {
    let app = TestApp::with(|config| config.limits.max_body_bytes = 1000);
    let server = app.serve();
    let mut client = Client::connect(server.address());
    for (bytes, status) in [(1000, 401), (1001, 413)] {
        let mut body = json!({ "email": "", "password": "p" });
        let padding = bytes - body.to_string().len();
        body["email"] = Value::from("a".repeat(padding));
        let response = client.send("POST /login", None, Some(&body));
        assert_eq!(response.status, status, "{bytes}");
        client = Client::connect(server.address());
    }
}

/// Starts a request that creates a task, and returns when it waits for the lock on writes, which it gets after `COMMIT`.
fn start_write_that_waits(
    app: &TestApp,
    address: SocketAddr,
) -> (JoinHandle<TestResponse>, TestSql) {
    let admin = app.admin();
    let lock = app.sql();
    lock.lock_writes();
    let write = thread::spawn(move || {
        let task = json!({ "title": "t" });
        Client::connect(address).send("POST /tasks", Some(&admin.token), Some(&task))
    });
    app.wait_for_metric(r#"queue_running{kind="write"}"#, 1.0);
    (write, lock)
}

#[test]
fn a_stop_completes_the_request_in_progress() {
    let app = TestApp::new();
    let server = app.serve();
    let address = server.address();
    let (write, lock) = start_write_that_waits(&app, address);
    let stopping = thread::spawn(move || server.stop(TEST_TIMEOUT));
    wait_for("begin of the stop", || {
        let ready = Client::try_connect(address, Duration::from_millis(500))
            .and_then(|mut client| client.try_send("GET /healthz", None, None));
        ready
            .map_or(true, |response| response.status != 200)
            .then_some(())
    });
    lock.execute_batch("COMMIT").unwrap();
    assert!(stopping.join().unwrap());
    let response = write.join().unwrap();
    assert_eq!(response.status, 201, "{response:?}");
    assert_eq!(response.json()["title"], "t");
}

#[test]
fn after_the_stop_no_request_gets_a_response() {
    let app = TestApp::new();
    let server = app.serve();
    let address = server.address();
    let mut open = Client::connect(address);
    assert_eq!(open.send("GET /healthz", None, None).status, 200);
    assert!(server.stop(Duration::from_secs(10)));
    assert!(open.try_send("GET /healthz", None, None).is_err());
    let response = Client::try_connect(address, Duration::from_secs(2))
        .and_then(|mut client| client.try_send("GET /healthz", None, None));
    assert!(response.is_err(), "{response:?}");
}

#[test]
fn an_idle_connection_does_not_delay_the_stop() {
    let app = TestApp::new();
    let server = app.serve();
    let mut idle = Client::connect(server.address());
    assert_eq!(idle.send("GET /healthz", None, None).status, 200);
    let mut unfinished = Client::connect(server.address());
    unfinished.write("GET /healthz HTTP/1.1\r\nHost:").unwrap();
    // The server waits half of the deadline for the rest of an unfinished request.
    assert!(server.stop(Duration::from_secs(8)));
}

#[test]
fn the_stop_meets_its_deadline_while_clients_keep_sending_requests() {
    let app = TestApp::new();
    let server = app.serve();
    let address = server.address();
    let done = AtomicBool::new(false);
    let response_count = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let timeout = Duration::from_millis(500);
                while !done.load(Ordering::SeqCst) {
                    let Ok(mut client) = Client::try_connect(address, timeout) else {
                        continue;
                    };
                    while let Ok(response) = client.try_send("GET /healthz", None, None) {
                        assert!([200, 503].contains(&response.status), "{response:?}");
                        response_count.fetch_add(1, Ordering::SeqCst);
                        if done.load(Ordering::SeqCst) {
                            return;
                        }
                    }
                }
            });
        }
        while response_count.load(Ordering::SeqCst) < 100 {
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
fn the_stop_returns_false_when_a_request_takes_longer_than_the_deadline() {
    let app = TestApp::new();
    let server = app.serve();
    let (write, lock) = start_write_that_waits(&app, server.address());
    let begin = Instant::now();
    let all_completed = server.stop(Duration::from_millis(20));
    assert!(!all_completed);
    assert!(begin.elapsed() < Duration::from_secs(5));
    // The connection ends without a response.
    assert!(write.join().is_err());
    drop(lock);
}

#[test]
fn starting_on_a_port_in_use_gives_one_line_with_address_and_port() {
    let app = TestApp::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error =
        Server::start(Arc::clone(&app.app), ListenOn::address("127.0.0.1", port)).unwrap_err();
    assert!(
        error.contains(&format!("cannot listen on 127.0.0.1:{port}: ")),
        "{error}"
    );
    assert!(error.to_lowercase().contains("in use"), "{error}");
    assert_eq!(error.lines().count(), 1);
}
