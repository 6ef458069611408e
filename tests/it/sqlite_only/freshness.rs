//! Freshness: a change of an account or a session acts on the next request, although threads keep a snapshot of
//! the database and verified tokens are cached.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use task_api::model::Role;
use task_api::server::{ListenOn, Server};

use crate::support::http_client::Client;
use crate::support::program::WorkDir;
use crate::support::{self, Account, CLOCK_START, PASSWORD, TestApp, timestamp};

/// Connections that have sent requests, so that the snapshot and the token cache of each loop are in use. The
/// server gives them to its event loops in turn.
struct WarmClients {
    clients: Vec<Client>,
    line: &'static str,
    token: String,
}

impl WarmClients {
    fn new(address: SocketAddr, line: &'static str, token: &str) -> WarmClients {
        let clients = (0..8).map(|_| Client::connect(address)).collect();
        let mut clients = WarmClients {
            clients,
            line,
            token: token.to_owned(),
        };
        for _ in 0..3 {
            assert_eq!(clients.statuses(), [200; 8]);
        }
        clients
    }

    /// The status of one request over each connection.
    fn statuses(&mut self) -> [u16; 8] {
        let (line, token) = (self.line, Some(self.token.as_str()));
        let mut statuses = self
            .clients
            .iter_mut()
            .map(|client| client.send(line, token, None).status);
        std::array::from_fn(|_| statuses.next().unwrap())
    }
}

/// A change through the server.
struct Change<'a> {
    name: &'a str,
    /// The request that the change acts on, and its status afterwards.
    line: &'static str,
    status: u16,
    /// The request that makes the change, by whom, and its status.
    change: (String, &'a str, Option<Value>),
    changed: u16,
}

#[test]
fn a_change_through_the_server_acts_on_the_next_request_of_every_connection() {
    for round in 0..5 {
        for case in 0..6 {
            let app = TestApp::new();
            let admin = app.admin();
            let ben = app.account("ben", Role::Manager, true);
            let second = app.token_of_new_session(&ben);
            let server = app.serve();
            let sessions = app.get("/me/sessions", &ben).items();
            let is_first = |session: &&Value| session["current"] == true;
            let session = sessions.iter().find(is_first).unwrap()["id"].clone();
            let session = session
                .as_str()
                .map_or_else(|| session.to_string(), str::to_owned);
            let user = format!("/users/{}", ben.id);
            let password = json!({ "password": "another password", "current_password": PASSWORD });
            let case = match case {
                0 => Change {
                    name: "a demotion",
                    line: "GET /users",
                    status: 403,
                    change: (
                        format!("PATCH {user}"),
                        &admin.token,
                        Some(json!({ "role": "employee" })),
                    ),
                    changed: 200,
                },
                1 => Change {
                    name: "a withdrawn approval",
                    line: "GET /tasks",
                    status: 401,
                    change: (
                        format!("PATCH {user}"),
                        &admin.token,
                        Some(json!({ "is_approved": false })),
                    ),
                    changed: 200,
                },
                2 => Change {
                    name: "a deleted account",
                    line: "GET /hello",
                    status: 401,
                    change: (format!("DELETE {user}"), &admin.token, None),
                    changed: 204,
                },
                3 => Change {
                    name: "a sign-out",
                    line: "GET /hello",
                    status: 401,
                    change: ("POST /logout".to_owned(), &ben.token, None),
                    changed: 204,
                },
                4 => Change {
                    name: "an ended session",
                    line: "GET /hello",
                    status: 401,
                    change: (format!("DELETE /me/sessions/{session}"), &second, None),
                    changed: 204,
                },
                _ => Change {
                    name: "a new password",
                    line: "GET /hello",
                    status: 401,
                    change: ("PATCH /me".to_owned(), &second, Some(password)),
                    changed: 200,
                },
            };
            check(&server, &ben, case, round);
        }
    }
}

fn check(server: &Server, account: &Account, case: Change, round: usize) {
    let mut clients = WarmClients::new(server.address(), case.line, &account.token);
    let mut other = Client::connect(server.address());
    let (line, token, body) = &case.change;
    // The snapshots are fresh.
    assert_eq!(clients.statuses(), [200; 8]);
    let changed = other.send(line, Some(token), body.as_ref());
    assert_eq!(changed.status, case.changed, "{}: {changed:?}", case.name);
    assert_eq!(
        clients.statuses(),
        [case.status; 8],
        "{}, round {round}",
        case.name
    );
}

/// Sends requests until each connection has noticed a change by another process. It may take 20 ms: each
/// request that is sent 25 ms after the change or later has to notice it.
fn assert_acts_soon(clients: &mut WarmClients, changed: Instant, status: u16, name: &str) {
    loop {
        let sent = Instant::now();
        let statuses = clients.statuses();
        if statuses == [status; 8] {
            return;
        }
        let late = sent.duration_since(changed) >= Duration::from_millis(25);
        assert!(!late, "{name}: {statuses:?}");
    }
}

#[test]
fn a_change_by_another_connection_acts_within_20_ms() {
    let rows: [(&str, &str, u16, &str); 4] = [
        (
            "a demotion",
            "GET /users",
            403,
            r#"UPDATE "user" SET role = 'employee' WHERE username = 'ben'"#,
        ),
        (
            "a withdrawn approval",
            "GET /tasks",
            403,
            r#"UPDATE "user" SET is_approved = 0 WHERE username = 'ben'"#,
        ),
        ("an ended session", "GET /hello", 401, "DELETE FROM session"),
        (
            "a deleted account",
            "GET /hello",
            401,
            r#"DELETE FROM "user" WHERE username = 'ben'"#,
        ),
    ];
    for (name, line, status, sql) in rows {
        for _ in 0..3 {
            let app = TestApp::new();
            let ben = app.account("ben", Role::Manager, true);
            let server = app.serve();
            let db = app.sqlite();
            db.pragma_update(None, "foreign_keys", true).unwrap();
            let mut clients = WarmClients::new(server.address(), line, &ben.token);
            db.execute(sql, []).unwrap();
            assert_acts_soon(&mut clients, Instant::now(), status, name);
        }
    }
}

#[test]
fn a_change_by_the_command_line_acts_within_20_ms() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ben", &["--role", "manager", "--approved"]);
    let server = work_dir.serve();
    let token = server.client().sign_in_for_token("ben");
    let mut clients = WarmClients::new(server.address, "GET /users", &token);
    for (role, status) in [("employee", 403), ("manager", 200), ("employee", 403)] {
        let changed = work_dir.run(&["user", "set-role", "ben", role]);
        let now = Instant::now();
        assert_eq!(changed.code, Some(0), "{changed:?}");
        assert_acts_soon(&mut clients, now, status, role);
    }
    let mut clients = WarmClients::new(server.address, "GET /hello", &token);
    let arguments = ["user", "set-password", "ben", "--password-stdin"];
    let changed = work_dir.run_with_input(&arguments, "another password, another horse\n");
    let now = Instant::now();
    assert_eq!(changed.code, Some(0), "{changed:?}");
    assert_acts_soon(&mut clients, now, 401, "a new password");
}

#[test]
fn a_cached_token_is_refused_once_it_has_expired() {
    let app = TestApp::with(|config| config.jwt_access_token_expires = "15m".parse().unwrap());
    let ben = app.account("ben", Role::Manager, true);
    let server = app.serve();
    let mut clients = WarmClients::new(server.address(), "GET /hello", &ben.token);
    app.advance(14 * 60);
    assert_eq!(clients.statuses(), [200; 8]);
    app.advance(60);
    assert_eq!(clients.statuses(), [401; 8]);
    let response = clients.clients[0].send("GET /hello", Some(&ben.token), None);
    response.assert_token_refused("Token has expired", "cached");
}

#[test]
fn servers_with_different_keys_share_no_verified_token() {
    let app = TestApp::new();
    let ben = app.account("ben", Role::Manager, true);
    // Another application on the same database, with the same accounts and sessions.
    let now = timestamp((CLOCK_START + 60) * 1_000_000);
    let clock = Box::new(move || now);
    let other_keys = support::keys(b"another key for tests, of thirty-two bytes", &[]);
    let other = Arc::new(support::open_app(
        support::config(&app.folder),
        &other_keys,
        clock,
    ));
    let servers = [
        app.serve(),
        Server::start(Arc::clone(&other), ListenOn::address("127.0.0.1", 0)).unwrap(),
    ];
    let mut clients = servers.map(|server| Client::connect(server.address()));
    for _ in 0..10 {
        let statuses = clients
            .each_mut()
            .map(|client| client.send("GET /hello", Some(&ben.token), None).status);
        assert_eq!(statuses, [200, 401]);
        // On one thread too.
        assert_eq!(app.get("/hello", &ben).status, 200);
        let headers = [format!("Authorization: Bearer {}", ben.token)];
        let headers = headers.each_ref().map(String::as_str);
        let request = support::request_from("127.0.0.1", "GET /hello", &headers, "");
        assert_eq!(support::respond(&other, &request).status, 401);
    }
}
