//! Admission control: what a request waits for, and for how long. Each kind of work has a queue of its own, in
//! which client networks and accounts take turns.
//!
//! A locked database holds a lane up: its thread has a request that waits for the lock, so the order of the
//! queue behind it is seen when the lock is released.

#![cfg(target_os = "linux")] // the rouille server has no queues

use std::fs;
use std::net::SocketAddr;

use rusqlite::params;
use rustix::process::{Resource, getrlimit};
use serde_json::{Value, json};
use task_api::config::Config;
use task_api::model::Role;

use crate::support::http_client::Client;
use crate::support::program::{RunningServer, WorkDir};
use crate::support::sql::TestSql;
use crate::support::{Account, PASSWORD, TestApp, TestResponse, concurrently, wait_for};

/// One thread for each lane, so that the order of a queue is the order in which its requests are handled.
fn one_thread_each(config: &mut Config) {
    config.concurrency.hash_threads = 1;
    config.concurrency.search_threads = 1;
    config.concurrency.write_threads = 1;
}

/// Takes the write lock of the database, as another process does.
fn lock(app: &TestApp) -> TestSql {
    let lock = app.sql();
    lock.lock_writes();
    lock
}

fn unlock(lock: &TestSql) {
    lock.execute_batch("COMMIT").unwrap();
}

fn queued(kind: &str) -> String {
    format!("queue_length{{kind=\"{kind}\"}}")
}

fn running(kind: &str) -> String {
    format!("queue_running{{kind=\"{kind}\"}}")
}

fn left(kind: &str, reason: &str) -> String {
    format!("queue_left_total{{kind=\"{kind}\",reason=\"{reason}\"}}")
}

fn sign_in_body(account: &Account) -> Value {
    json!({ "email": account.email, "password": PASSWORD })
}

fn sign_up_body(name: &str) -> Value {
    json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD })
}

/// Sends a request from a loopback address, and returns the connection without waiting for the response.
fn send_from(
    source: &str,
    address: SocketAddr,
    line: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Client {
    let mut client = Client::connect_from(source, address);
    let request = client.request(line, token, body);
    client.write(request).unwrap();
    client
}

fn read(mut client: Client) -> TestResponse {
    client.read_response(false).unwrap()
}

/// Occupies the only hash thread with a sign-in that waits for the write lock, which the caller holds.
fn occupy_hash_thread(app: &TestApp, address: SocketAddr, account: &Account) -> Client {
    let body = sign_in_body(account);
    let client = send_from("127.0.0.9", address, "POST /login", None, Some(&body));
    app.wait_for_metric(&running("password_hash"), 1.0);
    client
}

// ---- waiting ------------------------------------------------------------------------------------

#[test]
fn many_sign_ins_at_the_same_moment_all_succeed() {
    for (count, iterations) in [(30, 20_000), (200, 10)] {
        let app = TestApp::with(|config| config.passwords.password_iterations = iterations);
        app.employee();
        let server = app.serve();
        let address = server.address();
        let statuses = concurrently(count, |_| {
            Client::connect(address).sign_in("employee").status
        });
        assert_eq!(statuses, vec![200; count]);
    }
}

#[test]
fn a_request_that_waits_longer_than_queue_timeout_gets_503_and_its_connection_stays_usable() {
    let app = TestApp::with(|config| {
        one_thread_each(config);
        config.limits.queue_timeout = "200ms".parse().unwrap();
    });
    let manager = app.manager();
    let server = app.serve();
    let address = server.address();
    let lock = lock(&app);
    let in_progress = occupy_hash_thread(&app, address, &manager);
    let mut late = Client::connect(address);
    let response = late.sign_in("manager");
    assert_eq!((response.status, response.code().as_str()), (503, "busy"));
    let seconds: u32 = response.header("Retry-After").unwrap().parse().unwrap();
    assert!(seconds >= 1);
    assert_eq!(response.header("Connection"), None);
    assert_eq!(app.metric(&left("password_hash", "queue_timeout")), 1.0);
    assert_eq!(late.send("GET /healthz", None, None).status, 200);
    unlock(&lock);
    // The timeout does not end a request that a thread has.
    assert_eq!(read(in_progress).status, 200);
    assert_eq!(late.sign_in("manager").status, 200);
    // The refused sign-in was not carried out: there are the session of `manager` and two more.
    assert_eq!(app.count("session"), 3);
}

#[test]
fn quick_reads_are_answered_while_every_lane_is_busy() {
    let app = TestApp::with(|config| config.concurrency.search_threads = 1);
    let admin = app.admin();
    insert_tasks(&app, 20_000);
    let server = app.serve();
    let address = server.address();
    let token = Some(admin.token.as_str());
    let lock = lock(&app);
    let mut waiting = Vec::new();
    for number in 0..6 {
        let source = format!("127.0.0.{}", 10 + number);
        let body = sign_in_body(&admin);
        waiting.push(send_from(
            &source,
            address,
            "POST /login",
            None,
            Some(&body),
        ));
        let task = json!({ "title": "t" });
        waiting.push(send_from(
            &source,
            address,
            "POST /tasks",
            token,
            Some(&task),
        ));
    }
    app.wait_for_metric(&running("password_hash"), 2.0);
    app.wait_for_metric(&queued("password_hash"), 4.0);
    for _ in 0..8 {
        let search = "GET /tasks?q=nowhere";
        waiting.push(send_from("127.0.0.8", address, search, token, None));
    }
    // On several connections, which both event loops have.
    let mut clients: Vec<_> = (0..4).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        for line in [
            "GET /healthz",
            "GET /hello",
            "GET /tasks?limit=1",
            "GET /readyz",
        ] {
            assert_eq!(client.send(line, token, None).status, 200, "{line}");
        }
    }
    assert!(
        app.metric(&queued("search")) > 0.0,
        "the searches are too quick for this test"
    );
    assert_eq!(app.metric(&running("password_hash")), 2.0);
    assert!(app.metric(&running("write")) > 0.0);
    unlock(&lock);
    for client in waiting {
        let response = read(client);
        assert!([200, 201].contains(&response.status), "{response:?}");
    }
}

/// Inserts tasks that make a search take a while.
fn insert_tasks(app: &TestApp, count: usize) {
    let sql = "INSERT INTO task (title, description, status) WITH RECURSIVE n (i) AS \
               (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
               SELECT 'task ' || i, ?2, 'pending' FROM n";
    let (count, text) = (count as i64, "x".repeat(200));
    app.sql().execute(sql, params![count, text]).unwrap();
}

// ---- turns --------------------------------------------------------------------------------------

#[test]
fn a_network_with_many_sign_ups_delays_another_one_by_one_turn() {
    let app = TestApp::with(one_thread_each);
    let manager = app.manager();
    let server = app.serve();
    let address = server.address();
    let lock = lock(&app);
    let in_progress = occupy_hash_thread(&app, address, &manager);
    let sign_up = |source: &str, name: &str| {
        let body = sign_up_body(name);
        send_from(source, address, "POST /signup", None, Some(&body))
    };
    let mut clients: Vec<_> = (0..20)
        .map(|number| sign_up("127.0.0.2", &format!("crowd{number}")))
        .collect();
    app.wait_for_metric(&queued("password_hash"), 20.0);
    clients.push(sign_up("127.0.0.3", "single"));
    app.wait_for_metric(&queued("password_hash"), 21.0);
    unlock(&lock);
    assert_eq!(read(in_progress).status, 200);
    for client in clients {
        assert_eq!(read(client).status, 201);
    }
    // Ids are in the order in which the sign-ups were handled.
    let names = column(
        &app,
        r#"SELECT username FROM "user" WHERE username <> 'manager' ORDER BY id"#,
    );
    let turn = names.iter().position(|name| name == "single").unwrap();
    assert!(turn <= 1, "{names:?}");
}

#[test]
fn a_network_with_the_tokens_of_many_accounts_has_one_turn_for_password_hashes() {
    let app = TestApp::with(one_thread_each);
    let manager = app.manager();
    let accounts: Vec<_> = (0..20)
        .map(|number| app.account(&format!("account{number}"), Role::Employee, true))
        .collect();
    let server = app.serve();
    let address = server.address();
    let lock = lock(&app);
    let in_progress = occupy_hash_thread(&app, address, &manager);
    let sign_up = |source: &str, name: &str, token: Option<&str>| {
        let body = sign_up_body(name);
        send_from(source, address, "POST /signup", token, Some(&body))
    };
    let mut clients: Vec<_> = accounts
        .iter()
        .enumerate()
        .map(|(number, account)| {
            sign_up("127.0.0.2", &format!("crowd{number}"), Some(&account.token))
        })
        .collect();
    app.wait_for_metric(&queued("password_hash"), 20.0);
    clients.push(sign_up("127.0.0.3", "single", None));
    app.wait_for_metric(&queued("password_hash"), 21.0);
    unlock(&lock);
    assert_eq!(read(in_progress).status, 200);
    for client in clients {
        assert_eq!(read(client).status, 201);
    }
    let names = column(
        &app,
        r#"SELECT username FROM "user" WHERE username LIKE 'crowd%' OR username = 'single' ORDER BY id"#,
    );
    let turn = names.iter().position(|name| name == "single").unwrap();
    assert!(turn <= 1, "{names:?}");
}

fn column(app: &TestApp, sql: &str) -> Vec<String> {
    app.sql().query(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn an_account_with_many_writes_delays_another_one_at_the_same_address_by_one_turn() {
    let app = TestApp::with(one_thread_each);
    let busy = app.account("busy", Role::Manager, true);
    let other = app.account("other", Role::Manager, true);
    let server = app.serve();
    let write = |account: &Account, title: &str| {
        let (body, token) = (json!({ "title": title }), Some(account.token.as_str()));
        send_from(
            "127.0.0.2",
            server.address(),
            "POST /tasks",
            token,
            Some(&body),
        )
    };
    let lock = lock(&app);
    let in_progress = write(&busy, "first");
    app.wait_for_metric(&running("write"), 1.0);
    let mut clients: Vec<_> = (0..30)
        .map(|n| write(&busy, &format!("busy {n}")))
        .collect();
    app.wait_for_metric(&queued("write"), 30.0);
    clients.push(write(&other, "other"));
    app.wait_for_metric(&queued("write"), 31.0);
    unlock(&lock);
    assert_eq!(read(in_progress).status, 201);
    for client in clients {
        assert_eq!(read(client).status, 201);
    }
    let titles = column(&app, "SELECT title FROM task ORDER BY id");
    let turn = titles.iter().position(|title| title == "other").unwrap();
    // After the write in progress, and one of the busy account.
    assert!(turn <= 2, "{titles:?}");
}

#[test]
fn an_account_with_many_searches_delays_another_one_at_the_same_address_by_one_turn() {
    let app = TestApp::with(one_thread_each);
    let busy = app.account("busy", Role::Manager, true);
    let other = app.account("other", Role::Manager, true);
    insert_tasks(&app, 20_000);
    let server = app.serve();
    let search = |account: &Account| {
        let (line, token) = ("GET /tasks?q=nowhere", Some(account.token.as_str()));
        send_from("127.0.0.2", server.address(), line, token, None)
    };
    let clients: Vec<_> = (0..20).map(|_| search(&busy)).collect();
    wait_for("queue", || {
        (app.metric(&queued("search")) >= 10.0).then_some(())
    });
    assert_eq!(read(search(&other)).status, 200);
    // In one queue for all, the search would have come last.
    let waiting = app.metric(&queued("search"));
    assert!(waiting > 0.0, "all others were handled before");
    for client in clients {
        assert_eq!(read(client).status, 200);
    }
}

// ---- clients that have gone ---------------------------------------------------------------------

#[test]
fn the_request_of_a_client_that_hangs_up_in_the_queue_is_not_carried_out() {
    const ROUNDS: usize = 40;
    const CLIENTS: usize = 250;
    let app = TestApp::with(one_thread_each);
    let manager = app.manager();
    let server = app.serve();
    let address = server.address();
    for round in 1..=ROUNDS {
        let lock = lock(&app);
        let in_progress = occupy_hash_thread(&app, address, &manager);
        // Another address for each round: closed connections keep their ports for a minute.
        let source = format!("127.0.{round}.2");
        for number in 0..CLIENTS {
            let (line, body) = match number % 2 {
                0 => ("POST /login", sign_in_body(&manager)),
                _ => ("POST /signup", sign_up_body(&format!("gone{number}"))),
            };
            drop(send_from(&source, address, line, None, Some(&body)));
        }
        let gone = (round * CLIENTS) as f64;
        app.wait_for_metric(&left("password_hash", "client_gone"), gone);
        assert_eq!(app.metric(&queued("password_hash")), 0.0);
        unlock(&lock);
        assert_eq!(read(in_progress).status, 200);
    }
    assert_eq!(app.count("user"), 1);
    assert_eq!(app.count("session"), 1 + ROUNDS as i64);
    app.wait_for_metric("http_connections_open", 0.0);
}

#[test]
fn thousands_of_connections_that_ask_for_a_hash_shut_no_other_network_out() {
    // The descriptors of this process and of the server, with room for the tests that run beside this one.
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = (descriptors.saturating_sub(2000) as usize).min(10_000);
    assert!(
        count >= 2_000,
        "this test needs 4,000 descriptors (ulimit -n)"
    );
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let mut command = work_dir.command(&[]);
    command
        .env("PASSWORD_ITERATIONS", "200000")
        .env("RUST_LOG", "warn,task_api::cli=info");
    let server = RunningServer::start(&mut command);
    let descriptors = || {
        let path = format!("/proc/{}/fd", server.child.0.id());
        fs::read_dir(path).unwrap().count()
    };
    assert_eq!(server.client().sign_in("ada").status, 200);
    let before = descriptors();
    let body = json!({ "email": "eve@example.com", "password": "not the password" });
    // An address of this process alone: closed connections keep their ports for a minute.
    let [.., high, low] = std::process::id().to_be_bytes();
    let flood_address = format!("127.1.{high}.{low}");
    let flood: Vec<_> = (0..count)
        .map(|number| {
            let source = format!("{flood_address}:{}", 10_000 + number);
            let mut client = Client::connect_from_port(&source, server.address);
            let request = client.request("POST /login", None, Some(&body));
            client.write(request).unwrap();
            client
        })
        .collect();
    let queue = || {
        let metrics = server.client().send("GET /metrics", None, None);
        let line = metrics
            .text()
            .lines()
            .find(|line| line.starts_with(&queued("password_hash")));
        line.unwrap()
            .rsplit_once(' ')
            .unwrap()
            .1
            .parse::<usize>()
            .unwrap()
    };
    wait_for("queue", || (queue() > count / 2).then_some(()));
    for _ in 0..10 {
        assert_eq!(server.client().send("GET /healthz", None, None).status, 200);
    }
    let mut honest = Client::connect_from("127.0.0.3", server.address);
    let response = honest.sign_in("ada");
    assert_eq!(response.status, 200, "{response:?}");
    assert!(queue() > count / 4, "the flood was over before the sign-in");
    drop((flood, honest));
    wait_for("empty queue", || (queue() == 0).then_some(()));
    wait_for("closed connections", || {
        (descriptors() <= before).then_some(())
    });
    assert_eq!(server.client().sign_in("ada").status, 200);
    eprintln!("{count} connections");
}
