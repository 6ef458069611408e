//! The headers `X-Forwarded-For` and `X-Forwarded-Proto` are used if a trusted proxy sent them, and ignored
//! otherwise.

use rouille::Request;
use task_api::config::proxies::TrustedProxies;
use task_api::http::client_address::Client;

use crate::support::program::{RunningServer, WorkDir};
use crate::support::{self, TestApp, request_from};

/// A request from `peer` with these headers, each `"Name: value"`.
fn request(peer: &str, headers: &[&str]) -> Request {
    request_from(peer, "GET /healthz", headers, "")
}

fn client(trusted: &str, peer: &str, headers: &[&str]) -> Client {
    let trusted: TrustedProxies = trusted.parse().unwrap();
    Client::of(&request(peer, headers), &trusted)
}

#[test]
fn without_trusted_proxies_forwarding_headers_are_ignored() {
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
fn a_proxy_may_be_listed_by_its_ipv4_mapped_ipv6_address() {
    const FORWARDED: &str = "X-Forwarded-For: 203.0.113.9";
    for (trusted, peer, is_trusted) in [
        ("::ffff:127.0.0.1", "127.0.0.1", true),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", true),
        ("::ffff:127.0.0.1", "127.0.0.2", false),
        ("::ffff:7f00:1", "127.0.0.1", true),
        ("::ffff:10.0.0.0/104", "10.9.9.9", true),
        ("::ffff:10.0.0.0/104", "11.0.0.1", false),
        ("::ffff:10.0.0.0/104", "::1", false),
        ("::ffff:0.0.0.0/96", "192.0.2.1", true),
        ("::ffff:192.0.2.1/128", "192.0.2.1", true),
        // This is not mapped IPv4 but more, and no IPv4 address is in it.
        ("::/0", "192.0.2.1", false),
        ("::/0", "2001:db8::1", true),
    ] {
        let found = client(trusted, peer, &[FORWARDED]).address.to_string();
        assert_eq!(
            found == "203.0.113.9",
            is_trusted,
            "{trusted} {peer}: {found}"
        );
    }
    let slip = "::ffff:10.0.0.5/104".parse::<TrustedProxies>().unwrap_err();
    assert!(slip.contains("is not a network"), "{slip}");
}

#[test]
fn the_client_is_the_last_forwarded_address_that_is_not_a_trusted_proxy() {
    const TRUSTED: &str = "10.0.0.0/8, 192.168.1.5,2001:db8::/32";
    let long_list = format!("X-Forwarded-For: {}203.0.113.9", "10.0.0.9, ".repeat(1000));
    for (peer, headers, address) in [
        // The peer is not a trusted proxy.
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
        // One proxy; several proxies; several header lines.
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
        // The client itself sent the header, and the proxy appended to it.
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
        // An entry that is not an address: the client is the proxy that added it.
        ("10.0.0.1", &["X-Forwarded-For: unknown"], "10.0.0.1"),
        ("10.0.0.1", &["X-Forwarded-For: "], "10.0.0.1"),
        (
            "10.0.0.1",
            &["X-Forwarded-For: 203.0.113.9, , 10.0.0.3"],
            "10.0.0.3",
        ),
        ("10.0.0.1", &["X-Forwarded-For: 203.0.113.999"], "10.0.0.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
        // All addresses are trusted proxies.
        (
            "10.0.0.1",
            &["X-Forwarded-For: 10.0.0.3, 10.0.0.2"],
            "10.0.0.3",
        ),
        ("10.0.0.1", &[&long_list], "203.0.113.9"),
        // IPv6; addresses with ports; IPv4-mapped IPv6 addresses, which a dual-stack socket reports.
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
fn a_client_that_reached_a_trusted_proxy_by_tls_gets_hsts_for_a_year() {
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
        let response = support::respond(&app.app, &request(peer, headers));
        assert_eq!(
            response.header("Strict-Transport-Security"),
            https.then_some("max-age=31536000"),
            "{peer} {headers:?}"
        );
    }
}

#[test]
fn an_invalid_network_is_refused_with_a_message_that_names_it() {
    for (text, mentions) in [
        ("proxy.example", "proxy.example"),
        ("10.0.0.0/33", "10.0.0.0/33"),
        ("10.0.0.5/8", "10.0.0.0/8 or 10.0.0.5"),
        ("10.0.0.0/8,", "''"),
        ("10.0.0.1:80", "10.0.0.1:80"),
        ("*", "*"),
    ] {
        let message = text.parse::<TrustedProxies>().unwrap_err();
        assert!(message.contains(mentions), "{text}: {message}");
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
fn the_access_log_has_the_client_address_that_a_trusted_proxy_forwards() {
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
        // Without TRUSTED_PROXIES the log advises to set it; with it, the log does not.
        let is_advised = server
            .log()
            .iter()
            .any(|line| line.contains("TRUSTED_PROXIES"));
        assert_eq!(is_advised, trusted.is_empty());
    }
}
