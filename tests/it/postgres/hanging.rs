//! A server that keeps its connections open and says nothing more.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use task_api::config::postgres::PostgresUrl;
use task_api::store::postgres::{ConnectionManager, LastServer, connect};

use super::cluster::{Cluster, PASSWORD};
use super::proxy::Proxy;

const LIMIT: Duration = Duration::from_secs(1);

fn url(address: impl std::fmt::Display, parameters: &str) -> PostgresUrl {
    let text =
        format!("postgres://postgres:{PASSWORD}@{address}/postgres?connect_timeout=1&{parameters}");
    text.parse().unwrap()
}

/// The time that it takes, which is about the limit.
fn assert_takes_the_limit(action: impl FnOnce()) {
    let start = Instant::now();
    action();
    let time = start.elapsed();
    assert!(time >= LIMIT / 2 && time < 3 * LIMIT, "{time:?}");
}

#[test]
fn connecting_to_a_server_that_says_nothing_ends_after_connect_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for mode in ["disable", "allow", "prefer", "require"] {
        assert_takes_the_limit(|| {
            let why = connect(&url(address, &format!("sslmode={mode}"))).map(drop);
            let expected = format!("connection to server at {address} failed: timeout expired");
            assert_eq!(why, Err(expected), "{mode}");
        });
    }
}

#[test]
fn connecting_ends_also_if_the_server_hangs_during_the_handshake() {
    for (mode, bytes) in [
        ("disable", 10),
        ("require", 1),
        ("require", 500),
        ("require", 1700),
    ] {
        let proxy = Proxy::start(Cluster::with_tls().port);
        proxy.hang_after(bytes);
        assert_takes_the_limit(|| {
            let why = connect(&url(proxy.address, &format!("sslmode={mode}"))).map(drop);
            assert!(
                why.unwrap_err().ends_with("failed: timeout expired"),
                "{mode} {bytes}"
            );
        });
    }
}

#[test]
fn a_statement_ends_when_the_server_hangs() {
    for mode in ["disable", "require"] {
        let proxy = Proxy::start(Cluster::with_tls().port);
        let url = url(proxy.address, &format!("sslmode={mode}"));
        let manager = ConnectionManager::new(&url, LIMIT, &LastServer::default()).unwrap();
        let mut client = manager.connect().unwrap();
        client.simple_query("SELECT 1").unwrap();
        proxy.hang_after(0);
        assert_takes_the_limit(|| assert!(client.simple_query("SELECT 1").is_err(), "{mode}"));
        assert!(client.is_closed());
    }
}

#[test]
fn a_statement_ends_when_the_server_hangs_in_the_middle_of_its_answer() {
    for mode in ["disable", "require"] {
        let proxy = Proxy::start(Cluster::with_tls().port);
        let url = url(proxy.address, &format!("sslmode={mode}"));
        let manager = ConnectionManager::new(&url, LIMIT, &LastServer::default()).unwrap();
        let mut client = manager.connect().unwrap();
        proxy.hang_after(50_000);
        assert_takes_the_limit(|| {
            let rows = client.query(
                "SELECT repeat('a', 1000) FROM generate_series(1, 1000)",
                &[],
            );
            assert!(rows.is_err(), "{mode}");
        });
    }
}

#[test]
fn a_connection_may_be_idle_for_longer_than_the_limit() {
    for mode in ["disable", "require"] {
        let url = Cluster::with_tls().url("postgres", &format!("sslmode={mode}"));
        let manager = ConnectionManager::new(&url, LIMIT, &LastServer::default()).unwrap();
        let mut client = manager.connect().unwrap();
        for _ in 0..2 {
            thread::sleep(LIMIT * 3 / 2);
            // The time before the request does not count.
            client.simple_query("SELECT pg_sleep(0.1)").unwrap();
        }
    }
}

#[test]
fn a_statement_may_take_longer_only_on_a_connection_without_limit() {
    let url = Cluster::with_tls().url("postgres", "connect_timeout=1");
    let manager = ConnectionManager::new(&url, LIMIT, &LastServer::default()).unwrap();
    let mut client = manager.connect().unwrap();
    assert_takes_the_limit(|| assert!(client.simple_query("SELECT pg_sleep(30)").is_err()));
    connect(&url)
        .unwrap()
        .simple_query("SELECT pg_sleep(2)")
        .unwrap();
}
