//! On the right file or not at all: files that are moved, replaced, overwritten or left over.

#![cfg(unix)]

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::program::{RunningServer, WorkDir};
use crate::support::{TestResponse, wait_for};

struct Fixture {
    work_dir: WorkDir,
    server: RunningServer,
    token: String,
}

impl Fixture {
    /// A server with an admin and a task.
    fn new() -> Fixture {
        let work_dir = WorkDir::new();
        work_dir.create_account("admin", &["--role", "admin", "--approved"]);
        Fixture::serve(work_dir)
    }

    fn serve(work_dir: WorkDir) -> Fixture {
        let server = work_dir.serve();
        let token = server.client().sign_in_for_token("admin");
        let fixture = Fixture {
            work_dir,
            server,
            token,
        };
        assert_eq!(fixture.create_task("before").status, 201);
        fixture
    }

    fn create_task(&self, title: &str) -> TestResponse {
        let task = json!({ "title": title });
        let mut client = self.server.client();
        client.send("POST /tasks", Some(&self.token), Some(&task))
    }

    fn ready(&self) -> TestResponse {
        self.server.client().send("GET /readyz", None, None)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.work_dir.path(name)
    }

    /// Stops the server, which moves the write-ahead log into the file.
    fn stop(self) -> WorkDir {
        self.server.log();
        self.work_dir
    }

    /// Ends the server with `kill -9`, which leaves the write-ahead log.
    fn kill(mut self) -> WorkDir {
        self.server.child.0.kill().unwrap();
        self.server.child.wait();
        self.work_dir
    }
}

fn is_unavailable(response: &TestResponse, reason: &str) -> bool {
    (response.status, response.code().as_str()) == (503, "storage_unavailable")
        && response.text().contains(reason)
}

#[test]
fn no_write_is_acknowledged_after_the_database_or_its_log_was_moved() {
    for name in ["project.db", "project.db-wal", "project.db-shm"] {
        let mut fixture = Fixture::new();
        fs::rename(fixture.path(name), fixture.path("elsewhere")).unwrap();
        let refused = fixture.create_task("lost");
        assert!(
            is_unavailable(&refused, "moved, removed or replaced"),
            "{name}: {refused:?}"
        );
        assert!(is_unavailable(
            &fixture.ready(),
            "moved, removed or replaced"
        ));
        let line = fixture.server.wait_for_line("requests that write get 503");
        assert!(line.contains(name), "{line}");
        // Reads go on.
        let list = fixture
            .server
            .client()
            .send("GET /tasks", Some(&fixture.token), None);
        assert_eq!(list.status, 200);
        fs::rename(fixture.path("elsewhere"), fixture.path(name)).unwrap();
        wait_for("the right file", || {
            (fixture.ready().status == 200).then_some(())
        });
        assert_eq!(fixture.create_task("after").status, 201);
    }
}

#[test]
fn no_write_is_acknowledged_after_the_database_was_replaced_by_another_file() {
    let fixture = Fixture::new();
    fs::copy(fixture.path("project.db"), fixture.path("copy.db")).unwrap();
    fs::rename(fixture.path("copy.db"), fixture.path("project.db")).unwrap();
    let refused = fixture.create_task("lost");
    assert!(
        is_unavailable(&refused, "moved, removed or replaced"),
        "{refused:?}"
    );
    assert!(is_unavailable(
        &fixture.ready(),
        "moved, removed or replaced"
    ));
}

#[test]
fn readiness_ends_without_a_request_that_writes_after_the_database_was_removed() {
    let mut fixture = Fixture::new();
    fs::remove_file(fixture.path("project.db")).unwrap();
    fixture.server.wait_for_line("requests that write get 503");
    assert!(is_unavailable(
        &fixture.ready(),
        "moved, removed or replaced"
    ));
}

#[test]
fn a_database_that_is_overwritten_in_place_is_noticed() {
    // A file of zeros, an empty file, and an older copy.
    let damages: [fn(&Fixture); 3] = [
        |fixture| fs::write(fixture.path("project.db"), [0; 65536]).unwrap(),
        |fixture| fs::write(fixture.path("project.db"), []).unwrap(),
        |fixture| {
            fs::write(
                fixture.path("project.db"),
                fs::read(fixture.path("old.db")).unwrap(),
            )
            .unwrap()
        },
    ];
    for damage in damages {
        let fixture = Fixture::new();
        let work_dir = fixture.stop();
        fs::copy(work_dir.path("project.db"), work_dir.path("old.db")).unwrap();
        // Two more starts and stops, each of which moves the log into the file.
        let work_dir = Fixture::serve(work_dir).stop();
        let mut fixture = Fixture::serve(work_dir);
        wait_for("readiness", || {
            (fixture.ready().status == 200).then_some(())
        });
        // Its first integrity check would find the damage too, and report it with other words.
        fixture.server.wait_until_blocked("maintenance");
        damage(&fixture);
        fixture.server.wait_for_line("was overwritten");
        let log_file = fixture.path("project.db-wal");
        let log_before = fs::read(&log_file).unwrap();
        assert!(is_unavailable(&fixture.ready(), "damaged"));
        // The session may be missing in the older copy, or unreadable.
        assert_ne!(fixture.create_task("lost").status, 201);
        // What is left in the log is not moved into the wrong file.
        fixture.server.log();
        assert_eq!(fs::read(&log_file).unwrap(), log_before);
    }
}

#[test]
fn a_newer_version_of_the_database_ends_writes_and_readiness() {
    let fixture = Fixture::new();
    let db = fixture.work_dir.sqlite();
    db.execute_batch("PRAGMA user_version = 999").unwrap();
    let refused = fixture.create_task("lost");
    assert!(is_unavailable(&refused, "newer version"), "{refused:?}");
    assert!(is_unavailable(&fixture.ready(), "newer version"));
    let count: i64 = db
        .query_row(
            "SELECT count(*) FROM task WHERE title = 'lost'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(count, 0);
}

/// Overwrites the pages of the table `task` while no server runs, or under a server whose caches are empty.
fn damage_tasks(work_dir: &WorkDir) {
    let sql = "SELECT rootpage FROM sqlite_master WHERE name IN ('task', 'task_by_created')";
    let db = work_dir.sqlite();
    let mut statement = db.prepare(sql).unwrap();
    let pages = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    let file = File::options()
        .write(true)
        .open(work_dir.path("project.db"))
        .unwrap();
    for page in pages.map(Result::unwrap) {
        file.write_all_at(&[0xA5; 4096], (page as u64 - 1) * 4096)
            .unwrap();
    }
}

/// A folder with a database of many tasks, whose server was stopped.
fn work_dir_with_tasks() -> WorkDir {
    let fixture = Fixture::new();
    for number in 0..200 {
        let title = format!("{number} {}", "x".repeat(200));
        assert_eq!(fixture.create_task(&title).status, 201);
    }
    fixture.stop()
}

fn wait_for_damage(server: RunningServer) {
    wait_for("damage", || {
        let ready = server.client().send("GET /readyz", None, None);
        is_unavailable(&ready, "damaged").then_some(())
    });
    let log = server.log();
    let line = log
        .iter()
        .find(|line| line.contains("since the database is damaged"));
    let line = line.unwrap();
    assert!(
        line.contains("project.db") || line.contains("malformed"),
        "{line}"
    );
}

#[test]
fn a_damaged_page_is_found_at_the_start() {
    let work_dir = work_dir_with_tasks();
    damage_tasks(&work_dir);
    wait_for_damage(work_dir.serve());
}

#[test]
fn a_damaged_page_is_found_by_the_request_that_reads_it() {
    let work_dir = work_dir_with_tasks();
    let server = work_dir.serve();
    let mut client = server.client();
    let token = client.sign_in_for_token("admin");
    wait_for("readiness", || {
        (client.send("GET /readyz", None, None).status == 200).then_some(())
    });
    damage_tasks(&work_dir);
    let list = client.send("GET /tasks", Some(&token), None);
    assert_eq!((list.status, list.code().as_str()), (500, "internal_error"));
    let task = json!({ "title": "lost" });
    let refused = client.send("POST /tasks", Some(&token), Some(&task));
    assert!(is_unavailable(&refused, "damaged"), "{refused:?}");
    wait_for_damage(server);
}

#[test]
fn a_start_refuses_a_missing_or_empty_database_beside_what_an_earlier_one_left() {
    let work_dir = Fixture::new().kill();
    let before = fs::read(work_dir.path("project.db-wal")).unwrap();
    assert!(!before.is_empty());
    for damage in [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::write(path, []).unwrap(),
    ] {
        let path: PathBuf = work_dir.path("project.db");
        damage(path.clone());
        let line = work_dir.run(&["serve"]).error_line().to_owned();
        assert!(
            line.contains("project.db-wal belongs to an earlier database"),
            "{line}"
        );
        assert_eq!(fs::read(work_dir.path("project.db-wal")).unwrap(), before);
    }
    fs::remove_file(work_dir.path("project.db-wal")).unwrap();
    let line = work_dir.run(&["serve"]).error_line().to_owned();
    assert!(
        line.contains("project.db.jwt_secret belongs to an earlier database"),
        "{line}"
    );
}

#[test]
fn a_start_refuses_an_older_copy_beside_a_newer_log() {
    let fixture = Fixture::new();
    let work_dir = fixture.stop();
    fs::copy(work_dir.path("project.db"), work_dir.path("old.db")).unwrap();
    let work_dir = Fixture::serve(work_dir).stop();
    let fixture = Fixture::serve(work_dir);
    for number in 0..50 {
        assert_eq!(fixture.create_task(&number.to_string()).status, 201);
    }
    let work_dir = fixture.kill();
    let right = fs::read(work_dir.path("project.db")).unwrap();
    let log = fs::read(work_dir.path("project.db-wal")).unwrap();
    let old = fs::read(work_dir.path("old.db")).unwrap();
    fs::write(work_dir.path("project.db"), &old).unwrap();
    let line = work_dir.run(&["serve"]).error_line().to_owned();
    assert!(
        line.contains("older copy") && line.contains("project.db-wal"),
        "{line}"
    );
    assert_eq!(fs::read(work_dir.path("project.db")).unwrap(), old);
    assert_eq!(fs::read(work_dir.path("project.db-wal")).unwrap(), log);
    // The right file starts, with everything.
    fs::write(work_dir.path("project.db"), right).unwrap();
    let server = work_dir.serve();
    let token = server.client().sign_in_for_token("admin");
    let list = server
        .client()
        .send("GET /tasks?limit=100", Some(&token), None)
        .json();
    assert_eq!(list["items"].as_array().unwrap().len(), 53);
}

#[test]
fn a_start_refuses_an_older_log_beside_a_newer_database() {
    let mut work_dir = Fixture::new().kill();
    fs::copy(work_dir.path("project.db-wal"), work_dir.path("old-wal")).unwrap();
    for _ in 0..2 {
        work_dir = Fixture::serve(work_dir).stop();
    }
    fs::rename(work_dir.path("old-wal"), work_dir.path("project.db-wal")).unwrap();
    let _ = fs::remove_file(work_dir.path("project.db-shm"));
    let line = work_dir.run(&["serve"]).error_line().to_owned();
    assert!(
        line.contains("project.db-wal is older than the database"),
        "{line}"
    );
}

#[test]
fn a_start_refuses_an_older_copy_also_if_another_program_has_checkpointed() {
    let fixture = Fixture::new();
    fs::copy(fixture.path("project.db"), fixture.path("old.db")).unwrap();
    let db = fixture.work_dir.sqlite();
    for number in 0..3 {
        // A checkpoint may be blocked for a moment by a snapshot of the server.
        wait_for("a checkpoint", || {
            let is_blocked: bool = db
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
                .unwrap();
            (!is_blocked).then_some(())
        });
        // The server notices the checkpoint, and marks the file with a write.
        let marked = || -> i64 {
            db.query_row("SELECT in_file FROM storage_mark", [], |row| row.get(0))
                .unwrap()
        };
        // So few writes that the server itself runs no checkpoint, which would mark the file too.
        let (before, mut writes) = (marked(), 0);
        wait_for("a mark", || {
            writes += 1;
            assert!(writes < 100, "no mark");
            assert_eq!(fixture.create_task(&number.to_string()).status, 201);
            thread::sleep(Duration::from_millis(100));
            (marked() > before).then_some(())
        });
    }
    let work_dir = fixture.kill();
    fs::copy(work_dir.path("old.db"), work_dir.path("project.db")).unwrap();
    let line = work_dir.run(&["serve"]).error_line().to_owned();
    assert!(line.contains("older copy"), "{line}");
}

#[test]
fn a_new_database_that_is_truncated_is_noticed() {
    let work_dir = WorkDir::new();
    let server = work_dir.serve();
    File::options()
        .write(true)
        .open(work_dir.path("project.db"))
        .unwrap()
        .set_len(0)
        .unwrap();
    wait_for("damage", || {
        let ready = server.client().send("GET /readyz", None, None);
        // SQLite deletes the log of an empty file when a connection is opened, and then the log is missing.
        (is_unavailable(&ready, "damaged") || is_unavailable(&ready, "removed")).then_some(())
    });
}

#[test]
fn a_new_database_is_announced_and_a_symbolic_link_gets_no_files_of_its_own() {
    let work_dir = WorkDir::new();
    fs::create_dir(work_dir.path("data")).unwrap();
    symlink("data/real.db", work_dir.path("project.db")).unwrap();
    let log = work_dir.serve().log();
    assert!(
        log.iter()
            .any(|line| line.contains("created the database") && line.contains("data/real.db")),
        "{log:?}"
    );
    let log = work_dir.serve().log();
    assert!(
        !log.iter().any(|line| line.contains("created the database")),
        "{log:?}"
    );
    let mut names: Vec<_> = fs::read_dir(work_dir.0.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["data", "project.db"]);
    assert!(work_dir.path("data/real.db.jwt_secret").exists());
}
