//! Whose word about a client counts: `X-Forwarded-For` and `X-Forwarded-Proto` of trusted proxies, and
//! nobody else's.

use rouille::Request;
use task_api::config::proxies::TrustedProxies;
use task_api::http::client_address::Client;

use crate::support::program::{RunningServer, WorkDir};
use crate::support::{self, TestApp, request_from};

/// A request from `peer` with these headers, `"Name: value"` each.
fn from(peer: &str, headers: &[&str]) -> Request {
    request_from(peer, "GET /healthz", headers, "")
}

fn client(trusted: &str, peer: &str, headers: &[&str]) -> Client {
    let trusted: TrustedProxies = trusted.parse().unwrap();
    Client::of(&from(peer, headers), &trusted)
}

#[test]
fn nobody_is_believed_by_default() {
    for header in [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=203.0.113.9",
        "X-Real-IP: 203.0.113.9",
    ] {
        let client = client("", "127.0.0.1", &[header, "X-Forwarded-Proto: https"]);
        assert_eq!(client.address.to_string(), "127.0.0.1", "{header}");
        assert!(!client.https, "{header}");
    }
}

#[test]
fn an_address_counts_as_long_as_who_added_it_is_trusted() {
    const TRUSTED: &str = "10.0.0.0/8, 192.168.1.5,2001:db8::/32";
    let endless = format!("X-Forwarded-For: {}203.0.113.9", "10.0.0.9, ".repeat(1000));
    for (peer, headers, address) in [
        // A client that is no proxy says what it likes.
        (
            "203.0.113.7",
            &["X-Forwarded-For: 198.51.100.1"][..],
            "203.0.113.7",
        ),
        (
            "192.168.1.6",
            &["X-Forwarded-For: 198.51.100.1"],
            "192.168.1.6",
        ),
        // One proxy, several, and in several lines.
        ("10.0.0.1", &["X-Forwarded-For: 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", &["x-forwarded-for: 203.0.113.9"], "203.0.113.9"),
        (
            "192.168.1.5",
            &["X-Forwarded-For: 203.0.113.9,10.1.2.3"],
            "203.0.113.9",
        ),
        (
            "10.0.0.1",
            &["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 10.1.2.3"],
            "203.0.113.9",
        ),
        // What the client wrote in front of what the proxy added.
        (
            "10.0.0.1",
            &["X-Forwarded-For: 198.51.100.1, 203.0.113.9"],
            "203.0.113.9",
        ),
        (
            "10.0.0.1",
            &["X-Forwarded-For: 10.0.0.2, 203.0.113.9, 10.0.0.3"],
            "203.0.113.9",
        ),
        (
            "10.0.0.1",
            &["X-Forwarded-For: <script>, 203.0.113.9"],
            "203.0.113.9",
        ),
        // What cannot be read ends the way back at whoever wrote it.
        ("10.0.0.1", &["X-Forwarded-For: unknown"], "10.0.0.1"),
        ("10.0.0.1", &["X-Forwarded-For: "], "10.0.0.1"),
        (
            "10.0.0.1",
            &["X-Forwarded-For: 203.0.113.9, , 10.0.0.3"],
            "10.0.0.3",
        ),
        ("10.0.0.1", &["X-Forwarded-For: 203.0.113.999"], "10.0.0.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
        // Everybody on the way is a proxy.
        (
            "10.0.0.1",
            &["X-Forwarded-For: 10.0.0.3, 10.0.0.2"],
            "10.0.0.3",
        ),
        ("10.0.0.1", &[&endless], "203.0.113.9"),
        // IPv6, ports, and IPv4 inside IPv6, as a socket for both has it.
        (
            "2001:db8::1",
            &["X-Forwarded-For: 2606:4700::7"],
            "2606:4700::7",
        ),
        (
            "2001:db9::1",
            &["X-Forwarded-For: 2606:4700::7"],
            "2001:db9::1",
        ),
        (
            "10.0.0.1",
            &["X-Forwarded-For: 203.0.113.9:4711"],
            "203.0.113.9",
        ),
        (
            "10.0.0.1",
            &["X-Forwarded-For: [2606:4700::7]:4711"],
            "2606:4700::7",
        ),
        (
            "::ffff:10.0.0.1",
            &["X-Forwarded-For: ::ffff:203.0.113.9"],
            "203.0.113.9",
        ),
        ("::ffff:203.0.113.7", &[], "203.0.113.7"),
    ] {
        let found = client(TRUSTED, peer, headers).address;
        assert_eq!(found.to_string(), address, "{peer} {headers:?}");
    }
}

#[test]
fn who_comes_by_tls_is_told_to_do_so_for_a_year() {
    let app = TestApp::with(|config| config.trusted_proxies = "10.0.0.1".parse().unwrap());
    for (peer, headers, https) in [
        ("10.0.0.1", &["X-Forwarded-Proto: https"][..], true),
        ("10.0.0.1", &["X-Forwarded-Proto: HTTPS"], true),
        ("10.0.0.1", &["X-Forwarded-Proto: http"], false),
        ("10.0.0.1", &["X-Forwarded-Proto: https, http"], false),
        (
            "10.0.0.1",
            &["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"],
            false,
        ),
        ("10.0.0.1", &["X-Forwarded-Proto: "], false),
        ("10.0.0.1", &[], false),
        ("10.0.0.2", &["X-Forwarded-Proto: https"], false),
    ] {
        let answer = support::respond(&app.app, &from(peer, headers));
        assert_eq!(
            answer.header("Strict-Transport-Security"),
            https.then_some("max-age=31536000"),
            "{peer} {headers:?}"
        );
    }
}

#[test]
fn what_is_no_network_stops_the_start() {
    for (text, mentions) in [
        ("proxy.example", "proxy.example"),
        ("10.0.0.0/33", "10.0.0.0/33"),
        ("10.0.0.5/8", "10.0.0.0/8 or 10.0.0.5"),
        ("10.0.0.0/8,", "''"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("*", "*"),
    ] {
        let refused = text.parse::<TrustedProxies>().unwrap_err();
        assert!(refused.contains(mentions), "{text}: {refused}");
    }
    for text in [
        "",
        " ",
        "127.0.0.1",
        "::1,10.0.0.0/8",
        " 10.0.0.0/8 , ::/0 ",
    ] {
        assert!(text.parse::<TrustedProxies>().is_ok(), "{text:?}");
    }
}

#[test]
fn the_log_names_the_client_behind_a_trusted_proxy() {
    for (trusted, client) in [("127.0.0.0/8", "203.0.113.9"), ("", "127.0.0.1")] {
        let work_dir = WorkDir::new();
        let mut command = work_dir.command(&[]);
        command.env("TRUSTED_PROXIES", trusted);
        let mut server = RunningServer::start(&mut command);
        let mut proxy = server.client();
        let head = proxy.head(
            "GET /healthz",
            "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\n",
        );
        proxy.write(head).unwrap();
        assert_eq!(proxy.read_response(false).unwrap().status, 200);
        let line = server.wait_for_line("path=/healthz");
        assert!(line.ends_with(&format!(" client={client}")), "{line}");
        // Who is trusted has been named, and the log tells nobody to do so.
        let told = server
            .log()
            .iter()
            .any(|line| line.contains("TRUSTED_PROXIES"));
        assert_eq!(told, trusted.is_empty());
    }
}
