//! The start and the stop of the real program: signals at any moment, full queues, and systems that grant too
//! little.

#![cfg(target_os = "linux")] // it sets limits of Linux

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use task_api::config::Config;
use task_api::config::concurrency::Concurrency;

use crate::support::data_dir::Engine;
use crate::support::http_client::Client;
use crate::support::program::{
    ChildGuard, RunningServer, WorkDir, copy_program, free_port, run_command,
};
use crate::support::{PASSWORD, TestResponse, config, wait_for};

// ---- signals ------------------------------------------------------------------------------------

#[test]
fn a_signal_right_after_the_first_readyz_stops_the_program_gracefully() {
    for round in 0..21 {
        let signal = ["TERM", "HUP", "INT"][round % 3];
        let work_dir = WorkDir::new();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut command = work_dir.command(&[]);
        command
            .env("HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .stderr(Stdio::null());
        let mut child = ChildGuard(command.spawn().unwrap());
        let ready = || {
            let timeout = Duration::from_secs(10);
            let mut client = Client::try_connect(address, timeout).ok()?;
            let response = client.try_send("GET /readyz", None, None).ok()?;
            (response.status == 200).then_some(())
        };
        let start = Instant::now();
        while ready().is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "not ready");
        }
        let kill = format!("kill -s {signal} {}", child.0.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(child.wait().code(), Some(0), "{signal}, round {round}");
        assert_log_is_empty(&work_dir);
    }
}

/// The database is one file: the write-ahead log is empty or gone.
fn assert_log_is_empty(work_dir: &WorkDir) {
    let log = fs::metadata(work_dir.path("project.db-wal"));
    assert_eq!(log.map_or(0, |log| log.len()), 0);
}

#[test]
fn a_stop_with_full_queues_answers_what_is_in_hand_and_refuses_what_waits() {
    let work_dir = WorkDir::new();
    work_dir.create_account("admin", &["--role", "admin", "--approved"]);
    let server = work_dir.serve();
    let token = server.client().sign_in_for_token("admin");
    let lock = work_dir.sql();
    lock.lock_writes();
    let send = |line: &str, body| {
        let mut client = server.client();
        let request = client.request(line, Some(&token), Some(&body));
        client.write(request).unwrap();
        client
    };
    // The threads of both lanes wait for the lock with these, and the others wait for the threads.
    let create_task = || send("POST /tasks", json!({ "title": "t" }));
    let sign_in = || {
        let body = json!({ "email": "admin@example.com", "password": PASSWORD });
        send("POST /login", body)
    };
    let concurrency = concurrency_of_program(&work_dir);
    let writers = concurrency.write_threads;
    let mut clients: Vec<_> = (0..writers).map(|_| create_task()).collect();
    wait_for("running writes", || {
        (metric(&server, "queue_running", "write") == writers).then_some(())
    });
    clients.extend((0..20).map(|_| create_task()));
    clients.extend((0..20).map(|_| sign_in()));
    // As many threads as cores hash passwords.
    let threads = concurrency.hash_threads.min(20);
    wait_for("full queues", || {
        let queued = ["write", "password_hash"].map(|kind| metric(&server, "queue_length", kind));
        (queued == [20, 20 - threads]).then_some(())
    });
    let in_hand = writers + threads;
    let begin = Instant::now();
    server.signal("TERM");
    wait_for("refusals", || {
        let answered = clients.iter().filter(|client| client.is_readable()).count();
        (answered == clients.len() - in_hand).then_some(())
    });
    lock.execute_batch("COMMIT").unwrap();
    let responses: Vec<TestResponse> = clients
        .iter_mut()
        .map(|client| client.read_response(false).unwrap())
        .collect();
    let (status, log) = server.wait_for_exit();
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    let is_refused =
        |response: &&TestResponse| response.status == 503 && response.code() == "stopping";
    let (refused, done): (Vec<_>, Vec<_>) = responses.iter().partition(is_refused);
    assert_eq!(done.len(), in_hand, "{log:?}");
    for response in done {
        // On a machine so slow that they wait for the lock longer than 5 s, they get 503 `busy`.
        let is_late = response.status == 503 && response.code() == "busy";
        assert!(
            [200, 201].contains(&response.status) || is_late,
            "{response:?}"
        );
    }
    for response in &refused {
        assert!(response.header("Retry-After").is_some());
        assert_eq!(response.header("Connection"), Some("close"));
    }
    let created = responses
        .iter()
        .filter(|response| response.status == 201)
        .count() as i64;
    drop(lock);
    if Engine::current() == Engine::Sqlite {
        let is_empty = |line: &String| line.contains("the write-ahead log is empty");
        assert!(log.iter().any(is_empty), "{log:?}");
    }
    let tasks: i64 = work_dir
        .sql()
        .query_row("SELECT count(*) FROM task", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tasks, created);
}

/// The numbers of threads of the program on this machine.
fn concurrency_of_program(work_dir: &WorkDir) -> Concurrency {
    let mut config = Config {
        concurrency: Concurrency::default(),
        ..config(&work_dir.0)
    };
    #[cfg(feature = "postgres")]
    {
        config.database.postgres.database_connections = None;
    }
    config.adapt_to_database();
    config.concurrency
}

fn metric(server: &RunningServer, name: &str, kind: &str) -> usize {
    let metrics = server.client().send("GET /metrics", None, None);
    let series = format!("{name}{{kind=\"{kind}\"}} ");
    let value = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(&series));
    value.unwrap().parse().unwrap()
}

// ---- systems that grant too little --------------------------------------------------------------

#[test]
fn with_fewer_than_128_descriptors_the_start_fails_with_one_line() {
    let work_dir = WorkDir::new();
    // The log of a first start has lines about the new database and the new key.
    work_dir.serve().log();
    let mut command = work_dir.command_after("ulimit -n 100");
    // Fewer iterations are a warning, which is a line too.
    let output = run_command(command.env("PASSWORD_ITERATIONS", "600000"));
    assert_eq!(output.code, Some(1), "{output:?}");
    let line = output.error_line();
    assert!(
        line.contains("100 file descriptors") && line.contains("ulimit -n"),
        "{line}"
    );
}

#[test]
fn with_too_few_threads_the_start_fails_with_one_line_that_names_the_number() {
    // The limit of processes does not apply to root, so the program runs as another user.
    let is_root = rustix::process::getuid().is_root();
    if !is_root {
        eprintln!("SKIPPED: only root can run the program as a user without other processes");
        return;
    }
    let work_dir = WorkDir::new();
    // That user needs the folder, and the program outside of the folders of this one.
    fs::set_permissions(work_dir.0.path(), Permissions::from_mode(0o777)).unwrap();
    let program = work_dir.path("task-api");
    copy_program(&program);
    let run = |threads: u32| {
        let mut command = work_dir.command_after(&format!(
            "exec setpriv --reuid=64123 --regid=64123 --clear-groups prlimit --nproc={threads} ./task-api; true"
        ));
        run_command(&mut command)
    };
    let output = run(8);
    assert_eq!(output.code, Some(1), "{output:?}");
    let line = output.error_line();
    assert!(
        line.contains(" threads") && line.contains("ulimit -u"),
        "{line}"
    );
    let numbers: Vec<u32> = line
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    let (needed, granted) = (numbers[0], numbers[1]);
    assert!(needed > granted && granted < 8, "{line}");
    // No database is made, and no address is served.
    assert!(!work_dir.path("project.db").exists());
}
