//! HTTP/1.1 on the wire, as RFC 9110 and 9112 have it: what is answered, how, and what is refused.

#![cfg(target_os = "linux")] // the server of other systems is not this strict

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::json;
use task_api::server::Server;

use crate::support::http_client::{Client, PATIENCE, exchange, statuses};
use crate::support::{self, TestApp};

/// A request that ends its connection.
const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

// ---- what is answered ---------------------------------------------------------------------------

#[test]
fn what_http_permits_is_answered() {
    let app = TestApp::new();
    let server = app.serve();
    let chunked = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let sized = "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let rows: &[(&str, String, &[u16])] = &[
        (
            "two at once",
            "GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[401, 404],
        ),
        (
            "a body and the next request behind it",
            sized.into(),
            &[422],
        ),
        (
            "a body that nobody asked for",
            "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /".into(),
            &[200],
        ),
        (
            "a line break too many behind a body",
            format!("{sized}\r\n"),
            &[422],
        ),
        (
            "line breaks before the first request",
            "\r\n\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[401],
        ),
        (
            "chunks",
            format!("{chunked}1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n"),
            &[422],
        ),
        (
            "a chunk's size in capitals and with zeros",
            format!("{chunked}0000A\r\n{{        }}\r\n0\r\n\r\n"),
            &[422],
        ),
        (
            "chunks with extensions",
            format!("{chunked}2;a=b;c=\"d;e\"\r\n{{}}\r\n0;last\r\n\r\n"),
            &[422],
        ),
        (
            "chunks with trailers",
            format!("{chunked}2\r\n{{}}\r\n0\r\nChecksum: 1\r\nContent-Length: 77\r\n\r\n"),
            &[422],
        ),
        ("chunks of nothing", format!("{chunked}0\r\n\r\n"), &[400]),
        (
            "the coding's name in any case",
            "POST /login HTTP/1.1\r\nHost: a\r\ntransfer-encoding:CHUNKED\r\n\r\n0\r\n\r\n".into(),
            &[415],
        ),
        (
            "an absolute target",
            "GET http://other:80/healthz HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[200],
        ),
        (
            "an absolute target without a path",
            "GET HTTPS://other?a=b HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            if cfg!(feature = "board") {
                &[200]
            } else {
                &[404]
            },
        ),
        (
            "OPTIONS of all",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".into(),
            &[204],
        ),
        (
            "OPTIONS of all through a proxy",
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
            "white space around values",
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
            "HTTP/1.0 that stays",
            "GET /healthz HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n".into(),
            &[200],
        ),
        (
            "HTTP/1.0 that expects, which it cannot",
            "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n"
                .into(),
            &[200],
        ),
    ];
    for (name, bytes, expected) in rows {
        let answers = exchange(server.address(), format!("{bytes}{LAST}"));
        assert_eq!(
            statuses(&answers),
            [expected, [200].as_slice()].concat(),
            "{name}: {answers:?}"
        );
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
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
    let answers = exchange(server.address(), bytes + LAST);
    assert_eq!(answers.len(), 201);
    for (number, answer) in answers[..200].iter().enumerate() {
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.json()["title"], format!("task {number}"));
        assert_eq!(answer.json()["id"], number + 1);
    }
}

#[test]
fn a_connection_ends_when_the_client_says_so_and_not_before() {
    let app = TestApp::new();
    let server = app.serve();
    let unanswered = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
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
        // Nothing behind the last request is looked at.
        let answers = exchange(server.address(), format!("{bytes}{unanswered}"));
        assert_eq!(statuses(&answers), [200], "{bytes:?}");
        assert_eq!(answers[0].header("Connection"), *connection, "{bytes:?}");
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
        let answers = exchange(server.address(), format!("{bytes}{LAST}"));
        assert_eq!(statuses(&answers), [200, 200], "{bytes:?}");
        assert_eq!(answers[0].header("Connection"), connection, "{bytes:?}");
    }
}

#[test]
fn a_client_that_ends_its_side_still_gets_its_answers() {
    let app = TestApp::new();
    let server = app.serve();
    let request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = Client::connect(server.address());
    client.write(request.repeat(3)).unwrap();
    client.end().unwrap();
    assert_eq!(statuses(&client.answers().unwrap()), [200, 200, 200]);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
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
        let go_on = client.answer(false).unwrap();
        assert_eq!(go_on.status, 100, "{framing}");
        assert_eq!(go_on.headers, [], "{framing}");
        client.write(format!("{body}{LAST}")).unwrap();
        assert_eq!(
            statuses(&client.answers().unwrap()),
            [422, 200],
            "{framing}"
        );

        // Whoever sends the body all the same need not be told.
        let answers = exchange(
            server.address(),
            format!("{head}{framing}\r\n\r\n{body}{LAST}"),
        );
        assert_eq!(statuses(&answers), [422, 200], "{framing}");
    }
    // What would be refused anyway need not be sent.
    let answers = exchange(
        server.address(),
        format!("{head}Content-Length: 99999999\r\n\r\n"),
    );
    assert_eq!(statuses(&answers), [413]);
    // There is no body to hold back.
    let answers = exchange(
        server.address(),
        format!("{head}Content-Length: 0\r\n\r\n{LAST}"),
    );
    assert_eq!(statuses(&answers), [400, 200]);
}

#[test]
fn head_and_no_content_have_no_body_on_a_kept_connection() {
    let app = TestApp::new();
    let server = app.serve();
    let mut client = Client::connect(server.address());
    client
        .write("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    client.write(LAST).unwrap();
    let head = client.answer(true).unwrap();
    assert_eq!(head.status, 200);
    assert_ne!(head.header("Content-Length"), Some("0"));
    let options = client.answer(false).unwrap();
    assert_eq!(
        (options.status, options.header("Content-Length")),
        (204, None)
    );
    assert!(options.header("Allow").unwrap().contains("PATCH"));
    assert_eq!(statuses(&client.answers().unwrap()), [200]);
}

#[test]
fn an_absolute_target_says_the_host_of_links() {
    let app = TestApp::new();
    let admin = app.admin();
    let server = app.serve();
    let bytes = format!(
        "POST http://tasks.example/tasks HTTP/1.1\r\nHost: liar\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n\
         {{\"title\":\"a\"}}",
        admin.token
    );
    let answers = exchange(server.address(), bytes);
    assert_eq!(statuses(&answers), [201], "{answers:?}");
    let location = answers[0].header("Location").unwrap();
    assert!(!location.contains("liar"), "{location}");
}

// ---- what is refused ----------------------------------------------------------------------------

/// Whatever two programs could read in two ways, and whatever is no HTTP.
const REFUSED: &[(&str, &[u8], u16)] = &[
    // How long is the body? (RFC 9112, 6.3)
    ("length and coding", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("coding and length", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400),
    ("two lengths", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 2\r\n\r\n{}", 400),
    ("one length twice", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    ("a list of lengths", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}", 400),
    ("a length with a sign", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", 400),
    ("a negative length", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}", 400),
    ("a hexadecimal length", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\n{}", 400),
    ("no length in Content-Length", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n{}", 400),
    ("a length with a space in it", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 1 2\r\n\r\n{}", 400),
    ("a length beyond all numbers", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551618\r\n\r\n{}", 413),
    ("another coding", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n{}", 400),
    ("two codings", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ("one coding twice", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("identity", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n{}", 400),
    ("something like chunked", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked with a vertical tab", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked in quotes", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 400),
    ("no coding in Transfer-Encoding", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 400),
    ("chunks in HTTP/1.0", b"POST /login HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    // Where does a chunk end? (RFC 9112, 7.1)
    ("a chunk longer than its size", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk's size with a sign", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk's size with 0x", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk without a size", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n", 400),
    ("a chunk with an extension alone", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n;a=b\r\n\r\n", 400),
    ("a chunk's size that overflows", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk's size that is the largest", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n0\r\n\r\n", 413),
    ("a chunk's line with LF alone", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n", 400),
    ("an extension with CR", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;a\rb\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk's data that ends with LF alone", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n", 400),
    ("a trailer that is no field", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\n\r\n", 400),
    ("a trailer with white space before the colon", b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA : b\r\n\r\n", 400),
    // Where does a field end? (RFC 9112, 5)
    ("white space before a colon", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", 400),
    ("white space before the colon of a length", b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\n{}", 400),
    ("a tab before a colon", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", 400),
    ("a folded field", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400),
    ("a folded first field", b"GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("a field without a colon", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    ("a field without a name", b"GET /healthz HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400),
    ("LF alone behind a field", b"GET /healthz HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    ("LF alone behind the request line", b"GET /healthz HTTP/1.1\nHost: a\r\n\r\n", 400),
    ("LF alone for the empty line", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("LF alone before the request", b"\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("CR alone in a value", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n", 400),
    ("CR alone behind a field", b"GET /healthz HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
    ("NUL in a value", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400),
    ("NUL in a name", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", 400),
    ("NUL in a target", b"GET /healthz\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a control character in a value", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: \x1b[2J\r\n\r\n", 400),
    // Whose request is it? (RFC 9112, 3.2)
    ("no host", b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("one host twice", b"GET /healthz HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400),
    ("two hosts in HTTP/1.0", b"GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("a host with a path", b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("a host with a user", b"GET /healthz HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    ("a host with a space", b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("a host with a port that is none", b"GET /healthz HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    ("an absolute target and no host", b"GET http://a/healthz HTTP/1.1\r\n\r\n", 400),
    ("an absolute target with a user", b"GET http://u@a/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an absolute target without an authority", b"GET http:///healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an absolute target of another scheme", b"GET ftp://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a target that is no path", b"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an asterisk for GET", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a tunnel", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 400),
    // Is it HTTP at all?
    ("no version", b"GET /healthz\r\nHost: a\r\n\r\n", 400),
    ("another version", b"GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("HTTP/2 without asking", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("a version in small letters", b"GET /healthz http/1.1\r\nHost: a\r\n\r\n", 400),
    ("two spaces", b"GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a space too many", b"GET /healthz HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    ("a space in the target", b"GET /heal thz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a target that is not ASCII", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("no method", b" /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a method with a colon", b"GE:T /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("bytes", b"\xff\xfe\xfd\xfc\r\n\r\n", 400),
    ("an expectation that nobody knows", b"POST /login HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\n{}", 417),
];

#[test]
fn a_target_with_raw_utf_8_is_400_and_the_message_says_to_percent_encode_it() {
    let app = TestApp::new();
    let server = app.serve();
    for target in ["/tasks/\u{e9}", "/tasks?q=\u{e9}", "/\u{1f600}"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = &exchange(server.address(), request)[0];
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "bad_request")
        );
        assert!(answer.msg().contains("percent-encode"), "{}", answer.msg());
    }
}

#[test]
fn what_could_smuggle_a_request_is_refused_and_ends_the_connection() {
    let app = TestApp::new();
    let server = app.serve();
    let smuggled = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n".as_slice();
    for (name, bytes, status) in REFUSED {
        let answers = exchange(server.address(), [*bytes, smuggled].concat());
        assert_eq!(statuses(&answers), [*status], "{name}: {answers:?}");
        let answer = &answers[0];
        let code = match status {
            413 => "body_too_large",
            417 => "expectation_failed",
            505 => "http_version_not_supported",
            _ => "bad_request",
        };
        assert_eq!(answer.code(), code, "{name}");
        assert_eq!(answer.header("Connection"), Some("close"), "{name}");
        assert_eq!(
            answer.header("Access-Control-Allow-Origin"),
            Some("*"),
            "{name}"
        );
        assert_eq!(
            answer
                .header("Content-Type")
                .map(|kind| kind.starts_with("application/json")),
            Some(true),
            "{name}"
        );
        assert!(answer.header("Date").is_some(), "{name}");
        assert!(answer.header("X-Request-Id").is_some(), "{name}");
    }
}

#[test]
fn what_was_asked_before_is_answered_before_the_refusal() {
    let app = TestApp::new();
    let server = app.serve();
    let answers = exchange(
        server.address(),
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\n\r\n",
    );
    assert_eq!(statuses(&answers), [200, 400]);
    assert_eq!(answers[0].header("Connection"), None);
}

#[test]
fn a_body_that_ends_early_is_not_taken_for_a_whole_one() {
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
        client.end().unwrap();
        let answers = client.answers().unwrap();
        assert_eq!(statuses(&answers), [400], "{framed}");
        assert_eq!(answers[0].code(), "bad_request");
    }
    let count = |sql| {
        app.sql()
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(count(r#"SELECT count(*) FROM "user""#), 0);
}

#[test]
fn a_request_that_is_refused_halfway_is_answered_as_what_it_began_as() {
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
        client.end().unwrap();
        let answer = client.answer(method == "HEAD").unwrap();
        assert_eq!(answer.status, 400, "{answer:?}");
        assert_eq!(answer.header("X-Request-Id"), Some("mine"));
        assert_eq!(
            answer.header("Access-Control-Allow-Origin"),
            Some("https://app.example")
        );
        // No body either, where none may be.
        assert_eq!(client.answers().unwrap().len(), 0);
    }
}

#[test]
fn whoever_speaks_tls_is_told_at_once() {
    let app = TestApp::new();
    let server = app.serve();
    // The beginning of a ClientHello, which has no line end; the client waits for an answer.
    let answers = exchange(server.address(), [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]);
    assert_eq!(statuses(&answers), [400]);
}

#[test]
fn no_header_of_an_answer_can_be_split_by_what_a_client_sends() {
    let app = TestApp::with(|config| {
        config.cors.cors_origins = "https://app.example".parse().unwrap();
    });
    let admin = app.admin();
    let server = app.serve();
    let split = "%0d%0aInjected:%20yes%0d%0a%0d%0aHTTP/1.1%20200%20OK";
    let quoted = "%3E%3B%20rel%3D%22prev%22";
    for _ in 0..2 {
        app.task(&admin, json!({ "title": ">; rel=\"prev\"" }));
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
        let answers = exchange(server.address(), bytes);
        assert_eq!(answers.len(), 1, "{line}: {answers:?}");
        assert_eq!(answers[0].header("Injected"), None, "{line}");
        for (name, value) in &answers[0].headers {
            assert!(!value.contains(['\r', '\n']), "{line}: {name}: {value:?}");
            assert!(!value.contains("\"prev\""), "{line}: {name}: {value:?}");
        }
    }
}

// ---- the stop -----------------------------------------------------------------------------------

#[test]
fn a_stop_answers_whoever_has_asked_and_says_that_nothing_follows() {
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
    // Some are accepted by now and some are not.
    assert!(server.stop(PATIENCE));
    for client in &mut clients {
        assert_eq!(statuses(&client.answers().unwrap()), [200]);
    }
}

#[test]
fn a_stop_closes_idle_connections_at_once_and_tells_the_unfinished_ones() {
    let app = TestApp::new();
    let server = app.serve();
    let mut idle = Client::connect(server.address());
    assert_eq!(idle.send("GET /healthz", None, None).status, 200);
    let mut unfinished = Client::connect(server.address());
    let get = "GET /healthz HTTP/1.1\r\nHost: a\r\n";
    // In one piece: whoever is answered has been read.
    unfinished.write(format!("{get}\r\n{get}")).unwrap();
    assert_eq!(unfinished.answer(false).unwrap().status, 200);
    let mut finished = Client::connect(server.address());
    finished.write(format!("{get}\r\n{get}")).unwrap();
    assert_eq!(finished.answer(false).unwrap().status, 200);

    let stopping = thread::spawn(move || server.stop(Duration::from_secs(4)));
    assert!(idle.answers().unwrap().is_empty());
    // There is time for the rest of a request.
    finished.write("\r\n").unwrap();
    let answers = finished.answers().unwrap();
    assert_eq!(statuses(&answers), [200]);
    assert_eq!(answers[0].header("Connection"), Some("close"));
    // But no more than half of the stop's.
    let answers = unfinished.answers().unwrap();
    assert_eq!(statuses(&answers), [503]);
    assert_eq!(answers[0].header("Connection"), Some("close"));
    assert!(answers[0].header("Retry-After").is_some());
    assert!(stopping.join().unwrap());
}

// ---- a panic ------------------------------------------------------------------------------------

/// Keeps what the program says about errors.
struct Errors(Mutex<Vec<String>>);

impl log::Log for Errors {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &log::Record) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

static ERRORS: Errors = Errors(Mutex::new(Vec::new()));

#[test]
fn a_panic_in_a_handler_is_an_answer_and_a_line_of_the_log_and_the_server_goes_on() {
    log::set_logger(&ERRORS).unwrap();
    log::set_max_level(log::LevelFilter::Error);
    let healthy = TestApp::new();
    let admin = healthy.admin();
    let config = support::config(&healthy.folder);
    let workers = config.concurrency.workers;
    // Whoever checks a token looks at the clock.
    let app = support::open(
        config,
        &support::keys(support::KEY, &[]),
        Box::new(|| panic!("the clock has stopped")),
    );
    let server = Server::start(Arc::new(app), "127.0.0.1", 0).unwrap();
    let mut client = Client::connect(server.address());
    for _ in 0..3 * workers {
        let answer = client.send("GET /hello", Some(&admin.token), None);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (500, "internal_error")
        );
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(answer.header("Connection"), None);
        let id = answer.header("X-Request-Id").unwrap();
        let lines = ERRORS.0.lock().unwrap();
        let of_this = lines.iter().filter(|line| line.contains(id));
        assert_eq!(of_this.count(), 1, "{lines:?}");
    }
    assert_eq!(client.send("GET /readyz", None, None).status, 200);
}
