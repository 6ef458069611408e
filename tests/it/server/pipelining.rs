//! Several requests on one connection, some of which wait for a lane: the responses come in the order of the
//! requests. Clients that send nothing more still get their response.

#![cfg(target_os = "linux")] // the rouille server does not pipeline

use serde_json::json;

use crate::support::http_client::{Client, statuses};
use crate::support::sql::TestSql;
use crate::support::{Account, PASSWORD, TestApp};

fn lock(app: &TestApp) -> TestSql {
    let lock = app.sql();
    lock.lock_writes();
    lock
}

/// One request for each kind of work, with its status.
fn requests(client: &Client, manager: &Account) -> Vec<(String, u16)> {
    let token = Some(manager.token.as_str());
    let task = json!({ "title": "t" });
    let credentials = json!({ "email": manager.email, "password": PASSWORD });
    let rows = [
        ("GET /healthz", None, 200),
        ("POST /tasks", Some(&task), 201),
        ("GET /tasks?q=t", None, 200),
        ("POST /login", Some(&credentials), 200),
        ("GET /nowhere", None, 404),
        ("DELETE /tasks/1000", None, 404),
        ("POST /login", Some(&task), 422),
        ("GET /hello", None, 200),
    ];
    let request = |(line, body, status)| (client.request(line, token, body), status);
    rows.into_iter().map(request).collect()
}

#[test]
fn requests_of_every_kind_in_one_write_get_their_responses_in_order() {
    let app = TestApp::new();
    let manager = app.manager();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    let (bytes, expected): (Vec<_>, Vec<_>) = requests(&client, &manager).into_iter().unzip();
    for _ in 0..20 {
        client.write(bytes.concat()).unwrap();
        for status in &expected {
            assert_eq!(client.read_response(false).unwrap().status, *status);
        }
    }
    // Whatever pieces they arrive in.
    let bytes = bytes.concat();
    for size in [1, 7, 100, 1000] {
        for piece in bytes.as_bytes().chunks(size) {
            client.write(piece).unwrap();
        }
        for status in &expected {
            assert_eq!(
                client.read_response(false).unwrap().status,
                *status,
                "{size}"
            );
        }
    }
}

#[test]
fn a_request_behind_one_that_waits_is_answered_after_it() {
    let app = TestApp::new();
    let manager = app.manager();
    let server = app.serve();
    for is_one_write in [true, false] {
        let lock = lock(&app);
        let mut client = Client::connect(server.address());
        let task = json!({ "title": "t" });
        let first = client.request("POST /tasks", Some(&manager.token), Some(&task));
        let second = client.request("GET /healthz", None, None);
        if is_one_write {
            client.write(first + &second).unwrap();
            app.wait_for_metric(r#"queue_running{kind="write"}"#, 1.0);
        } else {
            client.write(first).unwrap();
            app.wait_for_metric(r#"queue_running{kind="write"}"#, 1.0);
            client.write(second).unwrap();
        }
        // The server is not busy: it answers another connection at once.
        assert_eq!(
            Client::connect(server.address())
                .send("GET /healthz", None, None)
                .status,
            200
        );
        assert!(!client.is_readable());
        lock.execute_batch("COMMIT").unwrap();
        assert_eq!(client.read_response(false).unwrap().status, 201);
        assert_eq!(client.read_response(false).unwrap().status, 200);
        app.wait_for_metric(r#"queue_running{kind="write"}"#, 0.0);
    }
}

#[test]
fn a_client_that_half_closes_gets_its_response_from_an_idle_server() {
    let app = TestApp::new();
    let manager = app.manager();
    let server = app.serve();
    for round in 0..50 {
        let client = Client::connect(server.address());
        for (bytes, status) in requests(&client, &manager) {
            for kind in ["write", "password_hash", "search"] {
                app.wait_for_metric(&format!("queue_running{{kind=\"{kind}\"}}"), 0.0);
            }
            let mut client = Client::connect(server.address());
            client.write(bytes).unwrap();
            client.half_close().unwrap();
            let responses = client.read_responses().unwrap();
            assert_eq!(statuses(&responses), [status], "round {round}");
        }
    }
}

#[test]
fn http_1_0_and_expect_work_for_requests_that_wait_for_a_lane() {
    let app = TestApp::new();
    let manager = app.manager();
    let server = app.serve();
    let client = Client::connect(server.address());
    for (request, status) in requests(&client, &manager) {
        let old = request.replacen("HTTP/1.1", "HTTP/1.0", 1);
        let mut client = Client::connect(server.address());
        client.write(old).unwrap();
        let responses = client.read_responses().unwrap();
        assert_eq!(statuses(&responses), [status]);
        assert_eq!(responses[0].header("Connection"), Some("close"));

        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        if body.is_empty() {
            continue;
        }
        let mut client = Client::connect(server.address());
        client
            .write(format!("{head}\r\nExpect: 100-continue\r\n\r\n"))
            .unwrap();
        assert_eq!(client.read_response(false).unwrap().status, 100);
        client.write(body).unwrap();
        assert_eq!(client.read_response(false).unwrap().status, status);
        assert_eq!(client.send("GET /healthz", None, None).status, 200);
    }
}

#[test]
fn a_long_pipeline_keeps_its_order_while_a_request_in_it_waits() {
    /// Requests of each client that arrive one by one.
    const LATER: usize = 40;
    let app = TestApp::new();
    let manager = app.manager();
    let server = app.serve();
    let lock = lock(&app);
    let task = json!({ "title": "t" });
    // The event loop runs a connection for a few steps and then again, in the same round as an event that reports
    // one of the later writes. The number of requests before the one that waits is different for each client.
    let mut clients: Vec<_> = (0..192)
        .map(|number| {
            let mut client = Client::connect(server.address());
            // The loop knows the connection by now, so it runs it while the later requests arrive.
            assert_eq!(client.send("GET /healthz", None, None).status, 200);
            let quick = client.request("GET /healthz", None, None);
            let count = 8 + number % 48;
            let waiting = client.request("POST /tasks", Some(&manager.token), Some(&task));
            let after = client.request("GET /nowhere", None, None);
            let requests = quick.repeat(count) + &waiting + &after;
            client.write(requests).unwrap();
            for _ in 0..LATER {
                client.write(&quick).unwrap();
            }
            (client, count)
        })
        .collect();
    for (client, count) in &mut clients {
        for _ in 0..*count {
            assert_eq!(client.read_response(false).unwrap().status, 200);
        }
    }
    lock.execute_batch("COMMIT").unwrap();
    for (mut client, _) in clients {
        for status in [201, 404].into_iter().chain([200; LATER]) {
            assert_eq!(client.read_response(false).unwrap().status, status);
        }
    }
    assert_eq!(app.count("task"), 192);
}
