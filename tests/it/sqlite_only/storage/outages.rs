//! The database cannot be written: writes get 503, reads go on, the operator is told once, and nothing is lost.

#![cfg(target_os = "linux")] // the failing disk is a library for Linux

use std::collections::BTreeSet;
use std::time::Instant;

use rustix::io::Errno;
use serde_json::json;

use crate::support::failing_disk::FailingDisk;
use crate::support::http_client::{Client, TEST_TIMEOUT};
use crate::support::program::{RunningServer, WorkDir};
use crate::support::{PASSWORD, TestResponse, wait_for};

/// Where `/metrics` has a sample with this name, its value.
fn metric(client: &mut Client, sample: &str) -> f64 {
    let text = client.send("GET /metrics", None, None);
    let line = text.text().lines().find(|line| line.starts_with(sample));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value
        .unwrap_or_else(|| panic!("no {sample}"))
        .parse()
        .unwrap()
}

fn create_task(client: &mut Client, token: &str, title: &str) -> TestResponse {
    client.send("POST /tasks", Some(token), Some(&json!({ "title": title })))
}

fn titles(work_dir: &WorkDir) -> BTreeSet<String> {
    let db = work_dir.sqlite();
    let mut statement = db.prepare("SELECT title FROM task").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn is_unavailable(response: &TestResponse) -> bool {
    (response.status, response.code().as_str()) == (503, "storage_unavailable")
        && response.header("Retry-After").is_some()
}

fn serve_on(work_dir: &WorkDir, disk: &FailingDisk) -> RunningServer {
    work_dir.create_account("admin", &["--role", "admin", "--approved"]);
    RunningServer::start(work_dir.command(&[]).envs(disk.environment()))
}

#[test]
fn a_disk_that_is_full_or_fails_is_an_outage_of_writes_only_and_ends_without_a_restart() {
    for (error, reason, code) in [
        (Errno::NOSPC, "the disk is full", "full"),
        (Errno::IO, "the disk reports an error", "failing"),
    ] {
        let work_dir = WorkDir::new();
        let disk = FailingDisk::new(&work_dir);
        let server = serve_on(&work_dir, &disk);
        let mut client = server.client();
        let token = client.sign_in_for_token("admin");
        assert_eq!(create_task(&mut client, &token, "before").status, 201);

        disk.fail(error);
        for _ in 0..50 {
            let refused = create_task(&mut client, &token, "refused");
            assert!(is_unavailable(&refused), "{refused:?}");
            assert!(refused.text().contains(reason), "{refused:?}");
        }
        let not_ready = client.send("GET /readyz", None, None);
        assert!(is_unavailable(&not_ready), "{not_ready:?}");
        for line in [
            "GET /healthz",
            "GET /hello",
            "GET /tasks",
            "GET /me/sessions",
        ] {
            assert_eq!(client.send(line, Some(&token), None).status, 200, "{line}");
        }
        let sign_in = json!({ "email": "admin@example.com", "password": PASSWORD });
        assert!(is_unavailable(&client.send(
            "POST /login",
            None,
            Some(&sign_in)
        )));
        assert_eq!(metric(&mut client, "storage_ready"), 0.0);
        let counter = format!("storage_errors_total{{code=\"{code}\"}}");
        assert!(metric(&mut client, &counter) >= 1.0);

        disk.repair();
        wait_for("the end of the outage", || {
            (client.send("GET /readyz", None, None).status == 200).then_some(())
        });
        assert_eq!(metric(&mut client, "storage_ready"), 1.0);
        assert_eq!(create_task(&mut client, &token, "after").status, 201);
        assert_eq!(client.send("POST /login", None, Some(&sign_in)).status, 200);
        let log = server.log();
        let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
        assert_eq!(count("requests that write get 503"), 1);
        assert_eq!(count("the outage ended"), 1);
        assert_eq!(count(reason), 2);
        assert_eq!(
            titles(&work_dir),
            BTreeSet::from(["before", "after"].map(str::to_owned))
        );
        assert_eq!(work_dir.run(&["audit", "verify"]).code, Some(0));
    }
}

#[test]
fn a_failing_disk_is_noticed_without_a_request_that_writes() {
    let work_dir = WorkDir::new();
    let disk = FailingDisk::new(&work_dir);
    let server = serve_on(&work_dir, &disk);
    let mut client = server.client();
    disk.fail(Errno::IO);
    wait_for("a test whether the database can be written", || {
        (client.send("GET /readyz", None, None).status == 503).then_some(())
    });
    disk.repair();
    wait_for("the end of the outage", || {
        (client.send("GET /readyz", None, None).status == 200).then_some(())
    });
}

#[test]
fn a_sign_out_during_an_outage_takes_effect_at_once_and_is_written_later() {
    let work_dir = WorkDir::new();
    let disk = FailingDisk::new(&work_dir);
    let server = serve_on(&work_dir, &disk);
    let mut client = server.client();
    let tokens: Vec<_> = (0..5).map(|_| client.sign_in_for_token("admin")).collect();
    let sessions = client
        .send("GET /me/sessions", Some(&tokens[1]), None)
        .json();
    let current = |session: &&serde_json::Value| session["current"] == true;
    let second = sessions["items"].as_array().unwrap().iter().find(current);
    let second = second.unwrap()["id"].as_str().unwrap().to_owned();

    disk.fail(Errno::NOSPC);
    // The write that discovers the outage.
    assert!(is_unavailable(&create_task(
        &mut client,
        &tokens[0],
        "refused"
    )));
    let mut status =
        |line: &str, token: usize| client.send(line, Some(&tokens[token]), None).status;
    assert_eq!(status("POST /logout", 0), 204);
    assert_eq!(status("GET /hello", 0), 401);
    assert_eq!(status(&format!("DELETE /me/sessions/{second}"), 2), 204);
    assert_eq!(status("GET /hello", 1), 401);
    assert_eq!(status("GET /hello", 2), 200);
    assert_eq!(status("POST /me/sessions/revoke-all", 3), 204);
    for token in 0..5 {
        assert_eq!(status("GET /hello", token), 401, "{token}");
    }
    disk.repair();
    wait_for("the sign-outs in the database", || {
        let sql = "SELECT count(*) FROM session";
        let left: i64 = work_dir
            .sqlite()
            .query_row(sql, [], |row| row.get(0))
            .unwrap();
        (left == 0).then_some(())
    });
    // The account can sign in again, and its new session stays.
    let token = client.sign_in_for_token("admin");
    assert_eq!(client.send("GET /hello", Some(&token), None).status, 200);
    server.log();
    let mut actions = Vec::new();
    let db = work_dir.sqlite();
    let mut statement = db.prepare("SELECT action FROM audit ORDER BY id").unwrap();
    let rows = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    actions.extend(
        rows.map(Result::unwrap)
            .filter(|action| action.contains("out") || action.contains("ended")),
    );
    assert_eq!(actions, ["sign_out", "session_ended", "sessions_ended"]);
    assert_eq!(work_dir.run(&["audit", "verify"]).code, Some(0));
}

#[test]
fn an_account_is_signed_out_and_a_token_is_revoked_during_an_outage() {
    let work_dir = WorkDir::new();
    let disk = FailingDisk::new(&work_dir);
    work_dir.create_account("anna", &["--approved"]);
    let server = serve_on(&work_dir, &disk);
    let mut client = server.client();
    let admin = client.sign_in_for_token("admin");
    let anna = client.sign_in_for_token("anna");
    let mut script = |token: &str| {
        let body = json!({ "name": "s", "scope": "full", "current_password": PASSWORD });
        let created = client.send("POST /me/tokens", Some(token), Some(&body));
        created.json()["token"].as_str().unwrap().to_owned()
    };
    let scripts = [script(&admin), script(&admin), script(&anna)];

    disk.fail(Errno::NOSPC);
    // The write that discovers the outage.
    assert!(is_unavailable(&create_task(&mut client, &admin, "refused")));
    let mut status = |line: &str, token: &str| client.send(line, Some(token), None).status;
    assert_eq!(status("DELETE /me/tokens/1", &admin), 204);
    assert_eq!(status("DELETE /users/1/sessions", &admin), 204);
    let tokens = [&scripts[0], &scripts[1], &scripts[2], &admin, &anna];
    let accepted = tokens.map(|token| status("GET /hello", token) == 200);
    assert_eq!(accepted, [false, true, false, true, false]);

    disk.repair();
    wait_for("the end of the tokens in the database", || {
        let sql = "SELECT count(*) FROM api_token";
        let left: i64 = work_dir
            .sqlite()
            .query_row(sql, [], |row| row.get(0))
            .unwrap();
        (left == 1).then_some(())
    });
    let accepted = tokens.map(|token| status("GET /hello", token) == 200);
    assert_eq!(accepted, [false, true, false, true, false]);
    server.log();
    let db = work_dir.sqlite();
    let sql = "SELECT actor || ' ' || action || ' ' || subject FROM audit ORDER BY id DESC LIMIT 2";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0));
    let rows: Vec<_> = rows.unwrap().map(Result::unwrap).collect();
    assert_eq!(
        rows,
        ["admin sessions_ended anna", "admin token_revoked admin"]
    );
    assert_eq!(work_dir.run(&["audit", "verify"]).code, Some(0));
}

#[test]
fn a_sign_out_that_discovers_the_outage_takes_effect_and_a_stop_writes_it() {
    let work_dir = WorkDir::new();
    let disk = FailingDisk::new(&work_dir);
    let server = serve_on(&work_dir, &disk);
    let mut client = server.client();
    let tokens: Vec<_> = (0..2).map(|_| client.sign_in_for_token("admin")).collect();
    disk.fail(Errno::NOSPC);
    let first = client.send("POST /logout", Some(&tokens[0]), None);
    assert!(is_unavailable(&first), "{first:?}");
    let second = client.send("POST /logout", Some(&tokens[1]), None);
    assert_eq!(second.status, 204);
    disk.repair();
    // At once, before the server has noticed that the disk works.
    server.log();
    let server = work_dir.serve();
    for token in &tokens {
        assert_eq!(
            server.client().send("GET /hello", Some(token), None).status,
            401
        );
    }
}

#[test]
fn a_stop_waits_for_the_end_of_the_outage_to_write_a_sign_out() {
    let work_dir = WorkDir::new();
    let disk = FailingDisk::new(&work_dir);
    let mut server = serve_on(&work_dir, &disk);
    let mut client = server.client();
    let token = client.sign_in_for_token("admin");
    disk.fail(Errno::NOSPC);
    assert!(is_unavailable(&create_task(&mut client, &token, "refused")));
    assert_eq!(client.send("POST /logout", Some(&token), None).status, 204);
    server.signal("TERM");
    server.wait_for_line("the stop waits for the end of the outage");
    disk.repair();
    let (status, log) = server.wait_for_exit();
    assert_eq!(status.code(), Some(0));
    assert!(
        !log.iter().any(|line| line.contains("sign-outs are lost")),
        "{log:?}"
    );
    let server = work_dir.serve();
    let mut client = server.client();
    assert_eq!(client.send("GET /hello", Some(&token), None).status, 401);
}

#[test]
fn a_lock_that_lasts_is_an_outage_and_is_waited_for_only_once() {
    let work_dir = WorkDir::new();
    work_dir.create_account("admin", &["--role", "admin", "--approved"]);
    let server = work_dir.serve();
    let mut client = server.client();
    let token = client.sign_in_for_token("admin");
    let lock = work_dir.sqlite();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy =
        |response: &TestResponse| (response.status, response.code() == "busy") == (503, true);
    assert!(busy(&create_task(&mut client, &token, "a")));
    assert!(busy(&client.send("GET /readyz", None, None)));
    assert_eq!(client.send("GET /tasks", Some(&token), None).status, 200);
    // Each of them would wait for five seconds.
    let start = Instant::now();
    for _ in 0..100 {
        assert!(busy(&create_task(&mut client, &token, "b")));
    }
    assert!(start.elapsed() < TEST_TIMEOUT);
    lock.execute_batch("COMMIT").unwrap();
    wait_for("the end of the lock", || {
        (create_task(&mut client, &token, "c").status == 201).then_some(())
    });
    assert_eq!(client.send("GET /readyz", None, None).status, 200);
}

#[test]
fn the_log_that_a_long_reader_has_kept_is_truncated_when_it_is_gone() {
    const LARGE: u64 = 64 << 20;
    let work_dir = WorkDir::new();
    work_dir.create_account("admin", &[]);
    let mut server = work_dir.serve();
    let log_bytes = || work_dir.path("project.db-wal").metadata().unwrap().len();
    let reader = work_dir.sqlite();
    reader.execute_batch("BEGIN; SELECT * FROM user").unwrap();
    let writer = work_dir.sqlite();
    writer
        .execute_batch(
            "CREATE TABLE large (content BLOB); INSERT INTO large VALUES (zeroblob(80000000))",
        )
        .unwrap();
    server.wait_for_line("holds an old state of the database");
    assert!(log_bytes() > LARGE);
    assert_eq!(
        metric(&mut server.client(), "database_log_bytes"),
        log_bytes() as f64
    );
    reader.execute_batch("COMMIT").unwrap();
    wait_for("a short log", || (log_bytes() <= LARGE).then_some(()));
    server.wait_for_line("the write-ahead log is short again");
}
