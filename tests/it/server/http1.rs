//! HTTP/1.1 on the wire (RFC 9110, RFC 9112): which requests the server accepts, which it refuses, and what
//! it does with the connection.

#![cfg(target_os = "linux")] // the rouille server of other systems is less strict

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;
use task_api::server::{ListenOn, Server};

use crate::support::data_dir::Engine;
use crate::support::http_client::{Client, TEST_TIMEOUT, exchange, statuses};
use crate::support::{self, TestApp, timestamp};

/// A valid request after which the server closes the connection.
const LAST_REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

// ---- accepted requests --------------------------------------------------------------------------

#[test]
fn each_valid_form_of_a_request_gets_its_response() {
    let app = TestApp::new();
    let server = app.serve();
    let chunked = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let sized = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let rows: &[(&str, String, &[u16])] = &[
        (
            "two pipelined requests",
            "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[401, 404],
        ),
        (
            "a body with the next request right after it",
            sized.into(),
            &[422],
        ),
        (
            "a body in a GET request",
            "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /".into(),
            &[200],
        ),
        (
            "an extra line break after a body",
            format!("{sized}\r\n"),
            &[422],
        ),
        (
            "line breaks before the first request",
            "\r\n\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[401],
        ),
        (
            "a chunked body",
            format!("{chunked}1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n"),
            &[422],
        ),
        (
            "a chunk size with upper-case digits and leading zeros",
            format!("{chunked}0000A\r\n{{        }}\r\n0\r\n\r\n"),
            &[422],
        ),
        (
            "chunk extensions",
            format!("{chunked}2;a=b;c=\"d;e\"\r\n{{}}\r\n0;last\r\n\r\n"),
            &[422],
        ),
        (
            "trailer fields",
            format!("{chunked}2\r\n{{}}\r\n0\r\nChecksum: 1\r\nContent-Length: 77\r\n\r\n"),
            &[422],
        ),
        (
            "an empty chunked body",
            format!("{chunked}0\r\n\r\n"),
            &[400],
        ),
        (
            "Transfer-Encoding in any case",
            "POST /login HTTP/1.1\r\nHost: a\r\ntransfer-encoding:CHUNKED\r\n\r\n0\r\n\r\n".into(),
            &[415],
        ),
        (
            "a target in absolute form",
            "GET http://other:80/healthz HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[200],
        ),
        (
            "a target in absolute form without a path",
            "GET HTTPS://other?a=b HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            if cfg!(feature = "board") {
                &[200]
            } else {
                &[404]
            },
        ),
        (
            "OPTIONS *",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[204],
        ),
        (
            "OPTIONS * as a proxy forwards it",
            "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[204],
        ),
        (
            "an empty Host",
            "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n".into(),
            &[200],
        ),
        (
            "a Host with an IPv6 address",
            "GET /healthz HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n".into(),
            &[200],
        ),
        (
            "whitespace around values",
            "GET /healthz HTTP/1.1\r\nHost: \t a \t\r\nX:\r\n\r\n".into(),
            &[200],
        ),
        (
            "a value that is not ASCII",
            "GET /healthz HTTP/1.1\r\nHost: a\r\nX: é\r\n\r\n".into(),
            &[200],
        ),
        (
            "an unknown method",
            "BREW /hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[405],
        ),
        (
            "HTTP/1.0 with keep-alive",
            "GET /healthz HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n".into(),
            &[200],
        ),
        (
            "HTTP/1.0 with Expect, which the server ignores",
            "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n"
                .into(),
            &[200],
        ),
    ];
    for (name, bytes, expected) in rows {
        let responses = exchange(server.address(), format!("{bytes}{LAST_REQUEST}"));
        assert_eq!(
            statuses(&responses),
            [expected, [200].as_slice()].concat(),
            "{name}: {responses:?}"
        );
    }
}

#[test]
fn pipelined_requests_get_their_responses_in_order() {
    let app = TestApp::new();
    let admin = app.admin();
    let server = app.serve();
    let mut bytes = String::new();
    for number in 0..200 {
        let body = json!({ "title": format!("task {number}") }).to_string();
        bytes += &format!(
            "POST /tasks HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            admin.token,
            body.len()
        );
    }
    let responses = exchange(server.address(), bytes + LAST_REQUEST);
    assert_eq!(responses.len(), 201);
    for (number, response) in responses[..200].iter().enumerate() {
        assert_eq!(response.status, 201, "{response:?}");
        assert_eq!(response.json()["title"], format!("task {number}"));
        assert_eq!(response.json()["id"], number + 1);
    }
}

#[test]
fn the_server_closes_a_connection_only_when_the_client_asks_for_it() {
    let app = TestApp::new();
    let server = app.serve();
    let ignored = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    let rows: &[(&str, Option<&str>)] = &[
        (
            "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            Some("close"),
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: foo , CLOSE\r\n\r\n",
            Some("close"),
        ),
        ("GET /healthz HTTP/1.0\r\n\r\n", Some("close")),
        (
            "GET /healthz HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
            Some("close"),
        ),
    ];
    for (bytes, connection) in rows {
        // The server ignores bytes after the last request.
        let responses = exchange(server.address(), format!("{bytes}{ignored}"));
        assert_eq!(statuses(&responses), [200], "{bytes:?}");
        assert_eq!(responses[0].header("Connection"), *connection, "{bytes:?}");
    }
    for (bytes, connection) in [
        ("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", None),
        (
            "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n",
            None,
        ),
        (
            "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            Some("keep-alive"),
        ),
    ] {
        let responses = exchange(server.address(), format!("{bytes}{LAST_REQUEST}"));
        assert_eq!(statuses(&responses), [200, 200], "{bytes:?}");
        assert_eq!(responses[0].header("Connection"), connection, "{bytes:?}");
    }
}

#[test]
fn a_client_that_half_closes_still_gets_its_responses() {
    let app = TestApp::new();
    let server = app.serve();
    let request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = Client::connect(server.address());
    client.write(request.repeat(3)).unwrap();
    client.half_close().unwrap();
    assert_eq!(statuses(&client.read_responses().unwrap()), [200, 200, 200]);
}

#[test]
fn a_client_that_expects_100_continue_gets_it_before_it_sends_the_body() {
    let app = TestApp::new();
    let server = app.serve();
    let head = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                Expect: 100-Continue\r\n";
    for (framing, body) in [
        ("Content-Length: 2", "{}"),
        ("Transfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n"),
    ] {
        let mut client = Client::connect(server.address());
        client.write(format!("{head}{framing}\r\n\r\n")).unwrap();
        let interim = client.read_response(false).unwrap();
        assert_eq!(interim.status, 100, "{framing}");
        assert_eq!(interim.headers, [], "{framing}");
        client.write(format!("{body}{LAST_REQUEST}")).unwrap();
        assert_eq!(
            statuses(&client.read_responses().unwrap()),
            [422, 200],
            "{framing}"
        );

        // When the body arrives together with the head, the server omits the 100.
        let responses = exchange(
            server.address(),
            format!("{head}{framing}\r\n\r\n{body}{LAST_REQUEST}"),
        );
        assert_eq!(statuses(&responses), [422, 200], "{framing}");
    }
    // A body over the limit is refused before the client sends it.
    let responses = exchange(
        server.address(),
        format!("{head}Content-Length: 99999999\r\n\r\n"),
    );
    assert_eq!(statuses(&responses), [413]);
    // With an empty body there is nothing to wait for.
    let responses = exchange(
        server.address(),
        format!("{head}Content-Length: 0\r\n\r\n{LAST_REQUEST}"),
    );
    assert_eq!(statuses(&responses), [400, 200]);
}

#[test]
fn responses_to_head_and_204_have_no_body_on_a_persistent_connection() {
    let app = TestApp::new();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    client
        .write("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    client.write(LAST_REQUEST).unwrap();
    let head = client.read_response(true).unwrap();
    assert_eq!(head.status, 200);
    assert_ne!(head.header("Content-Length"), Some("0"));
    let options = client.read_response(false).unwrap();
    assert_eq!(
        (options.status, options.header("Content-Length")),
        (204, None)
    );
    assert!(options.header("Allow").unwrap().contains("PATCH"));
    assert_eq!(statuses(&client.read_responses().unwrap()), [200]);
}

#[test]
fn a_host_header_that_contradicts_an_absolute_target_is_not_in_location() {
    let app = TestApp::new();
    let admin = app.admin();
    let server = app.serve();
    let bytes = format!(
        "POST http://tasks.example/tasks HTTP/1.1\r\nHost: liar\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n\
         {{\"title\":\"a\"}}",
        admin.token
    );
    let responses = exchange(server.address(), bytes);
    assert_eq!(statuses(&responses), [201], "{responses:?}");
    let location = responses[0].header("Location").unwrap();
    assert!(!location.contains("liar"), "{location}");
}

// ---- refused requests ---------------------------------------------------------------------------

/// Requests that two programs could parse differently (request smuggling), and bytes that are not HTTP:
/// description, bytes, status.
const REFUSED_REQUESTS: &[(&str, &[u8], u16)] = &[
    // The length of the body (RFC 9112, 6.3)
    ("Content-Length, then Transfer-Encoding", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("Transfer-Encoding, then Content-Length", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
    ("two different lengths", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n{}", 400),
    ("the same length twice", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    ("a list of lengths", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}", 400),
    ("a length with a sign", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", 400),
    ("a negative length", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}", 400),
    ("a hexadecimal length", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\n{}", 400),
    ("an empty Content-Length", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n{}", 400),
    ("a length with a space in it", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 1 2\r\n\r\n{}", 400),
    ("a length over 64 bits", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551618\r\n\r\n{}", 413),
    ("an unsupported coding", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n{}", 400),
    ("two codings", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ("the same coding twice", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("identity", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n{}", 400),
    ("a coding whose name ends with chunked", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked with a vertical tab", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked in quotes", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
    ("an empty Transfer-Encoding", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    ("a chunked body in HTTP/1.0", b"POST /login HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    // The end of a chunk (RFC 9112, 7.1)
    ("a chunk longer than its size", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk size with a sign", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk size with 0x", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk without a size", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n", 400),
    ("a chunk with an extension and no size", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n;a=b\r\n\r\n", 400),
    ("a chunk size over 64 bits", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", 400),
    ("the largest chunk size in 64 bits", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n0\r\n\r\n", 413),
    ("a chunk size line that ends with a bare LF", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", 400),
    ("a bare CR in a chunk extension", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a\rb\r\n{}\r\n0\r\n\r\n", 400),
    ("chunk data that ends with a bare LF", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n", 400),
    ("a trailer line that is not a field", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\n\r\n", 400),
    ("whitespace before the colon of a trailer field", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA : b\r\n\r\n", 400),
    // The boundaries of a field (RFC 9112, 5)
    ("a space before the colon", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400),
    ("a space before the colon of Content-Length", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\n{}", 400),
    ("a tab before the colon", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", 400),
    ("a folded field (obs-fold)", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400),
    ("a folded first field", b"GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("a field without a colon", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    ("a field without a name", b"GET /healthz HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    ("a bare LF after a field", b"GET /healthz HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    ("a bare LF after the request line", b"GET /healthz HTTP/1.1\nHost: a\r\n\r\n", 400),
    ("a bare LF as the empty line", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("a bare LF before the request", b"\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a bare CR in a value", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n", 400),
    ("a bare CR after a field", b"GET /healthz HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
    ("NUL in a value", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400),
    ("NUL in a name", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", 400),
    ("NUL in a target", b"GET /healthz\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a control character in a value", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: \x1b[2J\r\n\r\n", 400),
    // The target and its host (RFC 9112, 3.2)
    ("no Host", b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    ("two different Host fields", b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("the same Host twice", b"GET /healthz HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400),
    ("two different Host fields in HTTP/1.0", b"GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("a Host with a path", b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("a Host with userinfo", b"GET /healthz HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    ("a Host with a space", b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("a Host with a port that is not a number", b"GET /healthz HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    ("an absolute target and no Host", b"GET http://a/healthz HTTP/1.1\r\n\r\n", 400),
    ("an absolute target with userinfo", b"GET http://u@a/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an absolute target without an authority", b"GET http:///healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an absolute target of another scheme", b"GET ftp://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a target that does not begin with a slash", b"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET *", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CONNECT", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
    // The request line and the version
    ("no version", b"GET /healthz\r\nHost: a\r\n\r\n", 400),
    ("an unsupported minor version", b"GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("HTTP/2 with prior knowledge", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("a version in lower case", b"GET /healthz http/1.1\r\nHost: a\r\n\r\n", 400),
    ("two spaces", b"GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a space after the version", b"GET /healthz HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("a space in the target", b"GET /heal thz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a target that is not ASCII", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("no method", b" /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a method with a colon", b"GE:T /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("bytes that are not text", b"\xff\xfe\xfd\xfc\r\n\r\n", 400),
    ("an unknown expectation", b"POST /login HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\n{}", 417),
];

#[test]
fn a_target_with_raw_utf_8_is_400_and_the_message_says_to_percent_encode_it() {
    let app = TestApp::new();
    let server = app.serve();
    for target in ["/tasks/\u{e9}", "/tasks?q=\u{e9}", "/\u{1f600}"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let response = &exchange(server.address(), request)[0];
        assert_eq!(
            (response.status, response.code().as_str()),
            (400, "bad_request")
        );
        assert!(
            response.msg().contains("percent-encode"),
            "{}",
            response.msg()
        );
    }
}

#[test]
fn an_ambiguous_or_malformed_request_is_refused_and_the_connection_closed() {
    let app = TestApp::new();
    let server = app.serve();
    let smuggled = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n".as_slice();
    for (name, bytes, status) in REFUSED_REQUESTS {
        let responses = exchange(server.address(), [*bytes, smuggled].concat());
        assert_eq!(statuses(&responses), [*status], "{name}: {responses:?}");
        let response = &responses[0];
        let code = match status {
            413 => "body_too_large",
            417 => "expectation_failed",
            505 => "http_version_not_supported",
            _ => "bad_request",
        };
        assert_eq!(response.code(), code, "{name}");
        assert_eq!(response.header("Connection"), Some("close"), "{name}");
        assert_eq!(
            response.header("Access-Control-Allow-Origin"),
            Some("*"),
            "{name}"
        );
        assert_eq!(
            response
                .header("Content-Type")
                .map(|kind| kind.starts_with("application/json")),
            Some(true),
            "{name}"
        );
        assert!(response.header("Date").is_some(), "{name}");
        assert!(response.header("X-Request-Id").is_some(), "{name}");
    }
}

#[test]
fn a_request_before_a_refused_one_still_gets_its_response() {
    let app = TestApp::new();
    let server = app.serve();
    let responses = exchange(
        server.address(),
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\n\r\n",
    );
    assert_eq!(statuses(&responses), [200, 400]);
    assert_eq!(responses[0].header("Connection"), None);
}

#[test]
fn a_body_that_ends_early_gets_400_and_creates_no_account() {
    let app = TestApp::new();
    let server = app.serve();
    let body =
        json!({ "username": "ada", "email": "a@b.c", "password": "long enough" }).to_string();
    let head = "POST /signup HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    for framed in [
        format!("Content-Length: {}\r\n\r\n{body}", body.len() + 1),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}",
            body.len()
        ),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n",
            body.len()
        ),
    ] {
        let mut client = Client::connect(server.address());
        client.write(format!("{head}{framed}")).unwrap();
        client.half_close().unwrap();
        let responses = client.read_responses().unwrap();
        assert_eq!(statuses(&responses), [400], "{framed}");
        assert_eq!(responses[0].code(), "bad_request");
    }
    let count = |sql| {
        app.sql()
            .query_row(sql, [], |row| row.get::<i64>(0))
            .unwrap()
    };
    assert_eq!(count(r#"SELECT count(*) FROM "user""#), 0);
}

#[test]
fn a_request_refused_in_its_body_keeps_its_request_id_its_origin_and_its_method() {
    let app = TestApp::with(|config| {
        config.cors.cors_origins = "https://app.example".parse().unwrap();
    });
    let server = app.serve();
    let headers = "Host: a\r\nX-Request-Id: mine\r\nOrigin: https://app.example\r\n";
    for (method, rest) in [
        ("POST", "Content-Length: 5\r\n\r\n{}"),
        ("POST", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}"),
        ("HEAD", "Content-Length: 5\r\n\r\n{}"),
    ] {
        let mut client = Client::connect(server.address());
        client
            .write(format!("{method} /login HTTP/1.1\r\n{headers}{rest}"))
            .unwrap();
        client.half_close().unwrap();
        let response = client.read_response(method == "HEAD").unwrap();
        assert_eq!(response.status, 400, "{response:?}");
        assert_eq!(response.header("X-Request-Id"), Some("mine"));
        assert_eq!(
            response.header("Access-Control-Allow-Origin"),
            Some("https://app.example")
        );
        // No bytes are left: the response to HEAD has no body.
        assert_eq!(client.read_responses().unwrap().len(), 0);
    }
}

#[test]
fn a_tls_client_hello_gets_400_without_waiting_for_a_line_end() {
    let app = TestApp::new();
    let server = app.serve();
    // The beginning of a ClientHello has no line end, and the client then waits for the server.
    let responses = exchange(server.address(), [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);
    assert_eq!(statuses(&responses), [400]);
}

#[test]
fn no_input_of_a_client_splits_a_header_of_the_response() {
    let app = TestApp::with(|config| {
        config.cors.cors_origins = "https://app.example".parse().unwrap();
    });
    let admin = app.admin();
    let server = app.serve();
    let split = "%0d%0aInjected:%20yes%0d%0a%0d%0aHTTP/1.1%20200%20OK";
    let quoted = "%3E%3B%20rel%3D%22prev%22";
    for _ in 0..2 {
        app.create_task(&admin, json!({ "title": ">; rel=\"prev\"" }));
    }
    let token = format!("Authorization: Bearer {}\r\n", admin.token);
    for (line, headers) in [
        (format!("GET /tasks?limit=1&q={split}"), token.clone()),
        (format!("GET /tasks?limit=1&q={quoted}"), token.clone()),
        (format!("GET /{split}"), String::new()),
        (
            format!("OPTIONS /{split}"),
            "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n".into(),
        ),
        (
            "GET /healthz".into(),
            "X-Request-Id: a\tInjected\r\nOrigin: https://app.example%0d%0aInjected: yes\r\n"
                .into(),
        ),
    ] {
        let bytes = format!(
            "{line} HTTP/1.1\r\nHost: a%0d%0aInjected\r\n{headers}Connection: close\r\n\r\n"
        );
        let responses = exchange(server.address(), bytes);
        assert_eq!(responses.len(), 1, "{line}: {responses:?}");
        assert_eq!(responses[0].header("Injected"), None, "{line}");
        for (name, value) in &responses[0].headers {
            assert!(!value.contains(['\r', '\n']), "{line}: {name}: {value:?}");
            assert!(!value.contains("\"prev\""), "{line}: {name}: {value:?}");
        }
    }
}

// ---- graceful shutdown --------------------------------------------------------------------------

#[test]
fn a_stop_completes_all_requests_sent_so_far_and_closes_the_connections() {
    let app = TestApp::new();
    let server = app.serve();
    let mut clients: Vec<_> = (0..200)
        .map(|_| Client::connect(server.address()))
        .collect();
    for client in &mut clients {
        client
            .write("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
    }
    // By now the server has accepted some of the connections; the others are in the kernel's queue.
    assert!(server.stop(TEST_TIMEOUT));
    for client in &mut clients {
        assert_eq!(statuses(&client.read_responses().unwrap()), [200]);
    }
}

#[test]
fn a_stop_closes_idle_connections_at_once_and_answers_unfinished_requests_with_503() {
    let app = TestApp::new();
    let server = app.serve();
    let mut idle = Client::connect(server.address());
    assert_eq!(idle.send("GET /healthz", None, None).status, 200);
    let mut unfinished = Client::connect(server.address());
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    // In one write: once the first response is here, the server has read the second request's part too.
    unfinished.write(format!("{get}\r\n{get}")).unwrap();
    assert_eq!(unfinished.read_response(false).unwrap().status, 200);
    let mut finished = Client::connect(server.address());
    finished.write(format!("{get}\r\n{get}")).unwrap();
    assert_eq!(finished.read_response(false).unwrap().status, 200);

    let stopping = thread::spawn(move || server.stop(Duration::from_secs(12)));
    assert!(idle.read_responses().unwrap().is_empty());
    // The server waits for the rest of a request.
    finished.write("\r\n").unwrap();
    let responses = finished.read_responses().unwrap();
    assert_eq!(statuses(&responses), [200]);
    assert_eq!(responses[0].header("Connection"), Some("close"));
    // It waits for half of the stop's deadline at most.
    let responses = unfinished.read_responses().unwrap();
    assert_eq!(statuses(&responses), [503]);
    assert_eq!(responses[0].header("Connection"), Some("close"));
    assert!(responses[0].header("Retry-After").is_some());
    assert!(stopping.join().unwrap());
}

// ---- a panic in a handler -----------------------------------------------------------------------

/// A logger that collects the request ids of records of level ERROR.
struct ErrorLog(Mutex<Vec<String>>);

impl log::Log for ErrorLog {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &log::Record) {
        // A record about the storage belongs to no request.
        let id = record.key_values().get("request_id".into());
        if let Some(id) = id.filter(|_| self.enabled(record.metadata())) {
            self.0.lock().unwrap().push(id.to_string());
        }
    }

    fn flush(&self) {}
}

static ERROR_LOG: ErrorLog = ErrorLog(Mutex::new(Vec::new()));

#[test]
fn a_panic_in_a_handler_gives_500_and_one_log_line_and_the_server_goes_on() {
    log::set_logger(&ERROR_LOG).unwrap();
    log::set_max_level(log::LevelFilter::Error);
    let healthy = TestApp::new();
    let admin = healthy.admin();
    let config = support::config(&healthy.folder);
    // Checking a token reads the clock, which panics. With PostgreSQL an event loop checks it too, for the queue of the
    // quick reads. A panic there closes the connection.
    let clock = || {
        let thread = thread::current();
        let is_event_loop = thread.name().is_some_and(|name| name.starts_with("loop-"));
        match Engine::current() {
            Engine::Postgres if is_event_loop => timestamp(support::CLOCK_START * 1_000_000),
            _ => panic!("the clock has stopped"),
        }
    };
    let keys = support::keys(support::SIGNING_KEY, &[]);
    let app = support::open_app(config, &keys, Box::new(clock));
    let server = Server::start(Arc::new(app), ListenOn::address("127.0.0.1", 0)).unwrap();
    let mut client = Client::connect(server.address());
    for _ in 0..6 {
        let response = client.send("GET /hello", Some(&admin.token), None);
        assert_eq!(
            (response.status, response.code().as_str()),
            (500, "internal_error")
        );
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(response.header("Connection"), None);
        let id = response.header("X-Request-Id").unwrap();
        let logged = ERROR_LOG.0.lock().unwrap();
        let matching = logged.iter().filter(|logged| *logged == id);
        assert_eq!(matching.count(), 1, "{logged:?}");
    }
    assert_eq!(client.send("GET /readyz", None, None).status, 200);
}
