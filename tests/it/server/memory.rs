//! The memory budget of all connections, `MAX_BUFFERED_BYTES`: every byte counts, and large requests leave room
//! for small ones.

#![cfg(target_os = "linux")] // the rouille server has no budget

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use serde_json::json;

use crate::support::http_client::{Client, statuses};
use crate::support::{TestApp, wait_for};

/// A head of `POST /login` with a body of this length.
fn head(length: usize) -> String {
    format!(
        "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// Sends a request but for the last byte of its body.
fn begin_upload(address: SocketAddr, length: usize) -> Client {
    let mut client = Client::connect(address);
    // The server may refuse the request before it has read all of it.
    let _ = client.write(head(length) + &" ".repeat(length - 1));
    client
}

/// Sends the last byte of each upload that is not answered yet. Returns how many were read in full (400, since spaces
/// are no JSON), and how many did not fit (503). The server may still refuse some of them while this runs.
fn finish_uploads(uploads: Vec<Client>) -> (usize, usize) {
    let mut statuses_of_all = Vec::new();
    for mut upload in uploads {
        if !upload.is_readable() {
            // The server may close the connection at this moment.
            let _ = upload.write(" ");
        }
        let responses = upload.read_responses().unwrap();
        let statuses = statuses(&responses);
        if statuses == [503] {
            assert_eq!(responses[0].code(), "busy");
            assert!(responses[0].header("Retry-After").is_some());
        }
        statuses_of_all.push(statuses);
    }
    let count = |status| {
        let with_status = |statuses: &&Vec<u16>| **statuses == [status];
        statuses_of_all.iter().filter(with_status).count()
    };
    let counts = (count(400), count(503));
    assert_eq!(
        counts.0 + counts.1,
        statuses_of_all.len(),
        "{statuses_of_all:?}"
    );
    counts
}

#[test]
fn large_uploads_get_503_while_small_requests_are_served() {
    let app = TestApp::with(|config| config.limits.max_buffered_bytes = 2 << 20);
    let manager = app.manager();
    let server = app.serve();
    let address = server.address();
    // Room for 15 of them in three quarters of the budget, and for 20 in all of it.
    let uploads: Vec<_> = (0..30).map(|_| begin_upload(address, 100_000)).collect();
    wait_for("refusals", || {
        let refused = uploads.iter().filter(|upload| upload.is_readable()).count();
        (refused >= 15).then_some(())
    });
    // The rest of the budget is for connections that hold little.
    let small: Vec<_> = (0..10).map(|_| begin_upload(address, 20_000)).collect();
    let mut client = Client::connect(address);
    for number in 0..20 {
        let task = json!({ "title": "t", "description": "d".repeat(500 * number) });
        let created = client.send("POST /tasks", Some(&manager.token), Some(&task));
        assert_eq!(created.status, 201, "{created:?}");
        assert_eq!(client.send("GET /healthz", None, None).status, 200);
    }
    let (read, refused) = finish_uploads(uploads);
    assert!(read > 10 && refused >= 15, "{read} fit");
    assert_eq!(finish_uploads(small), (10, 0));
}

#[test]
fn the_bytes_of_many_small_unfinished_requests_count() {
    const COUNT: usize = 200;
    const SIZE: usize = 10_000;
    let app = TestApp::with(|config| config.limits.max_buffered_bytes = 1 << 20);
    let server = app.serve();
    let address = server.address();
    for _ in 0..3 {
        let uploads: Vec<_> = (0..COUNT).map(|_| begin_upload(address, SIZE)).collect();
        let fit = (1 << 20) / SIZE;
        wait_for("refusals", || {
            let refused = uploads.iter().filter(|upload| upload.is_readable()).count();
            (refused >= COUNT - fit).then_some(())
        });
        let (read, refused) = finish_uploads(uploads);
        // The memory that is allocated counts, which may be a little more than the bytes.
        assert!(read > fit / 2 && refused >= COUNT - fit, "{read} fit");
    }
}

#[test]
fn twenty_uploads_of_a_megabyte_and_64_writers_fit_into_32_mib() {
    let app = TestApp::with(|config| config.limits.max_buffered_bytes = 33_554_432);
    let manager = app.manager();
    let server = app.serve();
    let address = server.address();
    // Several times: what is not returned to the budget would be missing in the next round.
    for round in 0..4 {
        // Clients that reset their connections in the middle of an upload: the server can only close its side.
        let accepted = app.metric("http_connections_accepted_total");
        let hanging_up: Vec<_> = (0..20).map(|_| begin_upload(address, 1_000_000)).collect();
        app.wait_for_metric("http_connections_accepted_total", accepted + 20.0);
        for client in &hanging_up {
            // With a linger time of zero, close sends RST.
            set_socket_linger(client.writer(), Some(Duration::ZERO)).unwrap();
        }
        drop(hanging_up);
        app.wait_for_metric("http_connections_open", 0.0);
        let uploads: Vec<_> = (0..20).map(|_| begin_upload(address, 1_000_000)).collect();
        thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let mut client = Client::connect(address);
                    let task = json!({ "title": "t", "description": "d".repeat(9_000) });
                    for _ in 0..3 {
                        let created = client.send("POST /tasks", Some(&manager.token), Some(&task));
                        assert_eq!(created.status, 201, "{created:?}");
                    }
                });
            }
        });
        for mut upload in uploads {
            upload.write(" ").unwrap();
            let responses = upload.read_responses().unwrap();
            assert_eq!(statuses(&responses), [400], "round {round}: {responses:?}");
        }
    }
    assert_eq!(app.count("task"), 4 * 64 * 3);
}
