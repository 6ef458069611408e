//! Which of several servers is used, and what is said if none can be.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use task_api::config::postgres::PostgresUrl;
use task_api::store::postgres::{ConnectionManager, LastServer, connect};

use super::cluster::{Cluster, PASSWORD};

fn url(servers: &str, rest: &str) -> PostgresUrl {
    let text = format!("postgres://postgres:{PASSWORD}@{servers}/{rest}");
    text.parse().unwrap()
}

/// The port of the server.
fn port_of(client: &mut postgres::Client) -> u16 {
    let port: String = client.query_one("SHOW port", &[]).unwrap().get(0);
    port.parse().unwrap()
}

#[test]
fn a_refused_connection_is_one_line_in_the_words_of_libpq() {
    let port = Cluster::with_tls().port;
    for (role, password, server, database, why) in [
        (
            "postgres",
            "wr0ng",
            "localhost",
            "postgres",
            "FATAL: password authentication failed for user \"postgres\"",
        ),
        (
            "nobody",
            "wr0ng",
            "localhost",
            "postgres",
            "FATAL: password authentication failed for user \"nobody\"",
        ),
        (
            "postgres",
            "",
            "localhost",
            "postgres",
            "no password supplied",
        ),
        (
            "postgres",
            PASSWORD,
            "localhost",
            "nothing",
            "FATAL: database \"nothing\" does not exist; create it with: CREATE DATABASE name ENCODING 'UTF8' \
             TEMPLATE template0",
        ),
        (
            "postgres",
            PASSWORD,
            "no-such-host.invalid",
            "postgres",
            "could not translate host name to address: ",
        ),
    ] {
        let text = format!("postgres://{role}:{password}@{server}:{port}/{database}");
        let why_not = connect(&text.parse().unwrap()).map(drop).unwrap_err();
        let expected = format!("connection to server at {server}:{port} failed: {why}");
        match why.ends_with(": ") {
            true => assert!(why_not.starts_with(&expected), "{why_not}"),
            false => assert_eq!(why_not, expected),
        }
        assert!(!why_not.contains("wr0ng") && !why_not.contains(PASSWORD));
    }
}

#[test]
fn each_server_is_tried_and_named() {
    let (with_tls, read_only) = (Cluster::with_tls().port, Cluster::read_only().port);
    let closed = closed_port();
    // The first refuses connections, the second is read-only.
    let servers = format!("127.0.0.1:{closed},127.0.0.1:{read_only}");
    let why = connect(&url(&servers, "postgres")).map(drop).unwrap_err();
    assert_eq!(
        why,
        format!(
            "connection to server at 127.0.0.1:{closed} failed: Connection refused (os error 111); connection to \
             server at 127.0.0.1:{read_only} failed: session is read-only"
        )
    );
    let mut client = connect(&url(&format!("{servers},127.0.0.1:{with_tls}"), "postgres")).unwrap();
    assert_eq!(port_of(&mut client), with_tls);
    let any = url(&servers, "postgres?target_session_attrs=any");
    assert_eq!(port_of(&mut connect(&any).unwrap()), read_only);
    let only_reads = url(
        &format!("127.0.0.1:{with_tls},127.0.0.1:{read_only}"),
        "postgres?target_session_attrs=read-only",
    );
    assert_eq!(port_of(&mut connect(&only_reads).unwrap()), read_only);
}

#[test]
fn the_next_connection_begins_with_the_server_that_answered_last() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let servers = format!("{silent},127.0.0.1:{}", Cluster::with_tls().port);
    let url = url(&servers, "postgres?connect_timeout=1");
    let manager =
        ConnectionManager::new(&url, Duration::from_secs(1), &LastServer::default()).unwrap();
    let time = || {
        let start = Instant::now();
        manager.connect().unwrap();
        start.elapsed()
    };
    assert!(time() >= Duration::from_secs(1));
    // Sooner than the server that says nothing allows; a busy machine may need several attempts.
    assert!((0..5).any(|_| time() < Duration::from_secs(1)));
}

#[test]
fn in_random_order_each_server_is_used() {
    let (first, second) = (Cluster::with_tls().port, Cluster::read_only().port);
    let servers = format!("127.0.0.1:{first},127.0.0.1:{second}");
    let rest = "postgres?target_session_attrs=any&load_balance_hosts=random";
    let manager = ConnectionManager::new(
        &url(&servers, rest),
        Duration::from_secs(5),
        &LastServer::default(),
    )
    .unwrap();
    let used = |port| (0..100).any(|_| port_of(&mut manager.connect().unwrap()) == port);
    assert!(used(first) && used(second));
}

#[test]
fn a_unix_socket_can_be_used() {
    let cluster = Cluster::with_tls();
    let folder = cluster.folder().replace('/', "%2F");
    let socket = format!("{folder}:{}", cluster.port);
    let mut client = connect(&url(&socket, "postgres?sslmode=require")).unwrap();
    assert_eq!(port_of(&mut client), cluster.port);
}

#[test]
fn the_server_sees_the_parameters_of_the_session() {
    let cluster = Cluster::with_tls();
    let url = cluster.url(
        "postgres",
        "application_name=it's%20%5C&options=-c%20work_mem%3D5MB",
    );
    let mut client = connect(&url).unwrap();
    for (name, value) in [("application_name", "it's \\"), ("work_mem", "5MB")] {
        let row = client.query_one("SELECT current_setting($1)", &[&name]);
        assert_eq!(row.unwrap().get::<_, &str>(0), value);
    }
}

fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
