//! A proxy that `TRUSTED_PROXIES` does not name: a forgotten setting does not lock out all clients behind it, and a
//! client that invents addresses in `X-Forwarded-For` gains little.

use serde_json::json;
use task_api::model::Role;

use crate::support::{Account, PASSWORD, TestApp, TestResponse};

/// The address of a proxy in the same network of containers.
const PROXY: &str = "172.18.0.2";
const CLIENT: &str = "203.0.113.7";

fn log_in(app: &TestApp, peer: &str, reported: &str, email: &str, password: &str) -> TestResponse {
    let body = json!({ "email": email, "password": password });
    let header = format!("X-Forwarded-For: {reported}");
    app.log_in_with(peer, &[&header], &body)
}

fn wrong(app: &TestApp, peer: &str, reported: &str, email: &str) -> u16 {
    log_in(app, peer, reported, email, "a wrong one").status
}

#[test]
fn one_attacker_behind_it_does_not_keep_thirty_others_from_signing_in() {
    let app = TestApp::with_rate_limits();
    let account = |n| app.account(&format!("person-{n}"), Role::Employee, true);
    let others: Vec<Account> = (0..30).map(account).collect();
    let attack = |n| wrong(&app, PROXY, "198.51.100.9", &format!("x{n}@y.example"));
    assert_eq!((0..1_000).filter(|n| attack(*n) == 401).count(), 120);
    for (n, other) in others.iter().enumerate() {
        let reported = format!("203.0.113.{n}");
        let response = log_in(&app, PROXY, &reported, &other.email, PASSWORD);
        assert_eq!(response.status, 200, "{response:?}");
    }
}

#[test]
fn invented_addresses_are_bounded_by_the_proxy_and_the_account() {
    for peer in [PROXY, "127.0.0.1", "::1", "fd00::1"] {
        let app = TestApp::with_rate_limits();
        let anna = app.employee();
        // The guesses at one account count by the address of the peer.
        let guess = |n: usize| wrong(&app, peer, &format!("192.0.2.{n}"), &anna.email);
        assert_eq!((0..100).filter(|n| guess(*n) == 401).count(), 10, "{peer}");
        // All invented addresses together have the limit of one site.
        let attack = |n: usize| {
            let reported = format!("192.{}.{}.1", n / 256, n % 256);
            wrong(&app, peer, &reported, &format!("x{n}@y.example"))
        };
        let attempts = (0..1_000).filter(|n| attack(*n) == 401).count();
        assert_eq!(attempts, 480 - 10, "{peer}");
        // They leave what the peer may send without the header.
        let body = json!({ "email": "z@y.example", "password": "a wrong one" });
        assert_eq!(app.log_in_with(peer, &[], &body).status, 401, "{peer}");
    }
}

#[test]
fn a_client_with_a_public_address_gains_nothing_by_the_header() {
    for peer in [CLIENT, "2a00:1450:4001::1"] {
        let app = TestApp::with_rate_limits();
        let attack = |n: usize| {
            let reported = format!("192.{}.{}.1", n / 256, n % 256);
            wrong(&app, peer, &reported, &format!("x{n}@y.example"))
        };
        assert_eq!((0..1_000).filter(|n| attack(*n) == 401).count(), 120);
        let body = json!({ "email": "z@y.example", "password": "a wrong one" });
        assert_eq!(app.log_in_with(peer, &[], &body).status, 429);
    }
}

#[test]
fn only_the_last_address_counts_and_text_that_is_no_address_is_none() {
    let app = TestApp::with_rate_limits();
    let attack = |reported: &str, n: usize| {
        wrong(&app, PROXY, reported, &format!("x{reported}{n}@y.example"))
    };
    let count = |reported: &dyn Fn(usize) -> String| {
        (0..130)
            .filter(|n| attack(&reported(*n), *n) == 401)
            .count()
    };
    // The client invents what stands further left.
    assert_eq!(count(&|n| format!("192.0.2.{n}, 198.51.100.9")), 120);
    // One IPv6 network.
    assert_eq!(count(&|n| format!("2001:db8:1:2::{n:x}")), 120);
    // These requests count for the peer.
    let texts = ["", "unknown", "192.0.2.999", "<script>"];
    assert_eq!(count(&|n| texts[n % 4].to_owned()), 120);
    let body = json!({ "email": "z@y.example", "password": "a wrong one" });
    assert_eq!(app.log_in_with(PROXY, &[], &body).status, 429);
}
