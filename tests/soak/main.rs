//! Good and hostile clients together, for a while: the good ones are served without a fault, and
//! when all have gone the program is as small as it was.
//!
//! `SOAK_SECONDS` says for how long.
//!
//! It is a binary of its own, since `cargo test` runs one binary after the other: this load does not slow
//! the tests in `tests/it` that measure time.

#![cfg(target_os = "linux")] // for /proc, and for the limits that this is about

#[allow(dead_code, unused_imports)] // this test uses a part of it
#[path = "../it/support/mod.rs"]
mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use serde_json::json;

use support::http_client::{Client, TEST_TIMEOUT};
use support::program::{RunningServer, WorkDir};

/// What the clients have in common.
struct Crowd {
    address: SocketAddr,
    token: String,
    over: AtomicBool,
    served: AtomicUsize,
    attacks: AtomicUsize,
}

impl Crowd {
    fn until_over(&self, counter: &AtomicUsize, mut act: impl FnMut()) {
        while !self.over.load(Ordering::SeqCst) {
            act();
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Everything that a page does, each answer as it has to be.
    fn work(&self) {
        let mut client = self.connect();
        let token = Some(self.token.as_str());
        self.until_over(&self.served, || {
            let task = json!({ "title": "a", "description": "d".repeat(500) });
            let made = client.send("POST /tasks", token, Some(&task));
            assert_eq!(made.status, 201, "{made:?}");
            let path = made.header("Location").unwrap();
            let done = json!({ "status": "completed" });
            let changed = client.send(&format!("PATCH {path}"), token, Some(&done));
            assert_eq!(changed.status, 200, "{changed:?}");
            assert_eq!(
                client.send("GET /tasks?sort=-title", token, None).status,
                200
            );
            assert_eq!(client.send("GET /hello", token, None).status, 200);
            assert_eq!(
                client.send(&format!("DELETE {path}"), token, None).status,
                204
            );
            // A page comes on a connection of its own.
            assert_eq!(self.connect().send("GET /readyz", None, None).status, 200);
        });
    }

    /// Hundreds of heads and bodies that never end, a byte at a time.
    fn drip(&self, begin: &str) {
        self.until_over(&self.attacks, || {
            let mut clients: Vec<_> = (0..20).map(|_| self.connect()).collect();
            for client in &mut clients {
                let _ = client.write(begin);
            }
            while !self.over.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(20));
                clients.retain_mut(|client| client.write("a").is_ok());
                if clients.is_empty() {
                    break;
                }
            }
        });
    }

    /// Requests that could be two, and no requests at all.
    fn confuse(&self) {
        let head = "POST /tasks HTTP/1.1\r\nHost: a\r\n";
        let mut confusing = [
            format!("{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
            format!("{head}Content-Length: 99999999\r\n\r\n{{}}"),
            format!("{head}X: {}", "a".repeat(20_000)),
            format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000)),
            "\u{16}\u{3}\u{1}\0\0".to_owned(),
        ]
        .into_iter()
        .cycle();
        self.until_over(&self.attacks, || {
            let mut client = self.connect();
            let _ = client.write(confusing.next().unwrap());
            // The server may have closed, and taken its answer back, while more was being sent.
            if let Ok(answer) = client.read_response(false) {
                assert!((400..=505).contains(&answer.status), "{answer:?}");
            }
        });
    }

    /// Asks for much and takes nothing of it.
    fn ask_and_not_read(&self) {
        self.until_over(&self.attacks, || {
            let mut client = self.connect();
            let authorization = format!("Authorization: Bearer {}\r\n", self.token);
            let request = client.head("GET /tasks?limit=100", &authorization);
            // Until the server reads no more, or closes.
            let _ = client
                .writer()
                .set_write_timeout(Some(Duration::from_millis(100)));
            while client.write(&request).is_ok() && !self.over.load(Ordering::SeqCst) {}
        });
    }

    /// Sends a part of a body and resets the connection.
    fn break_off(&self) {
        self.until_over(&self.attacks, || {
            let mut client = self.connect();
            let head = client.head("POST /login", "Content-Length: 100000\r\n");
            let _ = client.write(head + &"a".repeat(50_000));
            set_socket_linger(client.writer(), Some(Duration::ZERO)).unwrap();
        });
    }

    /// Wrong passwords and forged tokens.
    fn guess(&self) {
        let mut client = self.connect();
        self.until_over(&self.attacks, || {
            let body = json!({ "email": "root@example.com", "password": "12345678" });
            let answer = client.send("POST /login", None, Some(&body));
            assert!([401, 503].contains(&answer.status), "{answer:?}");
            let forged = format!("{}x", self.token);
            assert_eq!(client.send("GET /hello", Some(&forged), None).status, 401);
        });
    }

    /// Runs everybody for a while.
    fn run(&mut self, time: Duration) {
        let crowd = &*self;
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| crowd.work());
            }
            scope.spawn(|| crowd.drip("GET /hello HTTP/1.1\r\nHost: a\r\nX: "));
            scope.spawn(|| {
                crowd.drip("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 900000\r\n\r\n")
            });
            scope.spawn(|| crowd.confuse());
            scope.spawn(|| crowd.ask_and_not_read());
            scope.spawn(|| crowd.break_off());
            scope.spawn(|| crowd.guess());
            thread::sleep(time);
            crowd.over.store(true, Ordering::SeqCst);
        });
        *self.over.get_mut() = false;
    }
}

/// What a process takes up.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Without the database's, which SQLite opens when it first needs them and keeps.
    descriptors: usize,
    threads: usize,
    /// Resident memory in KiB.
    memory: usize,
}

impl Size {
    fn of(pid: u32) -> Size {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let value = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let is_database = |path: PathBuf| path.to_string_lossy().contains("project.db");
        let others = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        Size {
            descriptors: others.filter(|path| !is_database(path.clone())).count(),
            threads: value("Threads:"),
            memory: value("VmRSS:"),
        }
    }

    /// Once all connections have been closed.
    fn at_rest(pid: u32, before: Size) -> Size {
        let end = Instant::now() + TEST_TIMEOUT;
        loop {
            let size = Size::of(pid);
            if size.descriptors == before.descriptors {
                return size;
            }
            assert!(Instant::now() < end, "{before:?}, {size:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn hostile_clients_disturb_nobody_and_leave_nothing_behind() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(6, |seconds| {
        seconds.parse().expect("SOAK_SECONDS is a number")
    });
    let work_dir = WorkDir::new();
    work_dir.create_account("admin", &["--role", "admin", "--approved"]);
    let mut command = work_dir.command(&[]);
    for (name, value) in [
        ("HEAD_TIMEOUT", "1s"),
        ("BODY_TIMEOUT", "1s"),
        ("RESPONSE_TIMEOUT", "1s"),
        ("RUST_LOG", "warn,task_api::cli=info"),
        // With one arena the allocator keeps little that is free, so that a leak can be seen.
        ("MALLOC_ARENA_MAX", "1"),
    ] {
        command.env(name, value);
    }
    let server = RunningServer::start(&mut command);
    let pid = server.child.0.id();
    let before = Size::of(pid);
    let mut crowd = Crowd {
        address: server.address,
        token: server.client().sign_in_for_token("admin"),
        over: AtomicBool::new(false),
        served: AtomicUsize::new(0),
        attacks: AtomicUsize::new(0),
    };
    let token = Some(crowd.token.as_str());
    let mut client = server.client();
    for _ in 0..100 {
        let task = json!({ "title": "b", "description": "d".repeat(10_000) });
        assert_eq!(client.send("POST /tasks", token, Some(&task)).status, 201);
    }
    drop(client);
    // Caches fill once; what comes after that has to go again. A busy machine takes longer to fill them.
    let mut warm_up = || {
        crowd.run(Duration::from_secs(seconds).min(Duration::from_secs(30)) / 3);
        Size::at_rest(pid, before)
    };
    let mut warm = warm_up();
    for _ in 0..10 {
        let colder = warm;
        warm = warm_up();
        if warm.memory < colder.memory + (2 << 10) {
            break;
        }
    }
    crowd.run(Duration::from_secs(seconds));
    let after = Size::at_rest(pid, before);
    let (served, attacks) = (crowd.served.into_inner(), crowd.attacks.into_inner());
    eprintln!("{served} rounds of work, {attacks} attacks");
    eprintln!("before {before:?}, warm {warm:?}, after {after:?}");
    assert!(served > 10 && attacks > 100);
    assert_eq!(after.threads, before.threads);
    // A short run is not quite warm; a leak of ten bytes an attack comes to more in two minutes.
    assert!(after.memory < warm.memory + (20 << 10));
    let log = server.log();
    let is_error = |line: &&String| line.contains("ERROR") || line.contains("panic");
    assert_eq!(log.iter().find(is_error), None);
}
