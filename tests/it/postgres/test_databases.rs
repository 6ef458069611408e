//! The PostgreSQL of the tests itself: its cluster, its databases, and statements that mean the same on both engines.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use postgres::{Client, NoTls};
use rusqlite::params;
use rusqlite::types::Value as SqlValue;

use crate::support::data_dir::Engine;
use crate::support::postgres::{Collation, TestDatabase};
use crate::support::program::{ChildGuard, run_command};
use crate::support::sql::{TestRow, TestSql};
use crate::support::{TestApp, concurrently, wait_for};

/// A connection to each engine, on an empty database.
fn both_engines(database: &TestDatabase) -> [TestSql; 2] {
    [
        TestSql::Sqlite(rusqlite::Connection::open_in_memory().unwrap()),
        TestSql::Postgres(database.connect().into()),
    ]
}

fn all_values(db: &TestSql, sql: &str) -> Vec<Vec<SqlValue>> {
    db.query(sql, [], |row: &TestRow| Ok(row.0.clone()))
        .unwrap()
}

// ---- databases ----------------------------------------------------------------------------------

#[test]
fn each_database_is_empty_and_removed_at_its_end() {
    let (one, other) = (TestDatabase::new(), TestDatabase::new());
    let db = TestSql::Postgres(one.connect().into());
    db.execute_batch("CREATE TABLE a (b int); INSERT INTO a VALUES (1)")
        .unwrap();
    let mut in_other = other.connect();
    assert!(in_other.batch_execute("SELECT * FROM a").is_err());
    let count = "SELECT count(*) FROM pg_database WHERE datname = ?1";
    let name = one.url.rsplit_once('/').unwrap().1.to_owned();
    let in_other = TestSql::Postgres(in_other.into());
    let count = || -> i64 {
        let count = in_other.query_row(count, [&name], |row| row.get(0));
        count.unwrap()
    };
    assert_eq!(count(), 1);
    // A connection that is still open does not keep it.
    drop(one);
    assert_eq!(count(), 0);
    assert!(db.execute_batch("SELECT 1").is_err());
}

/// The columns, indexes and constraints of all tables, and their rows.
fn content(database: &TestDatabase) -> Vec<Vec<SqlValue>> {
    let db = TestSql::Postgres(database.connect().into());
    let columns = "SELECT table_name, column_name, data_type, column_default, is_nullable
        FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2";
    let indexes =
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1";
    let constraints = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1, 2";
    let sequences = "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1";
    let rows = "SELECT CAST(schema_to_xml('public', true, false, '') AS text)";
    let sql = [columns, indexes, constraints, sequences, rows];
    let content: Vec<_> = sql.iter().flat_map(|sql| all_values(&db, sql)).collect();
    assert!(content.len() > 100);
    content
}

#[test]
fn a_start_makes_of_an_empty_database_what_the_other_tests_begin_with() {
    let [empty, migrated] = [TestDatabase::new(), TestDatabase::migrated()];
    let [empty, migrated] = [empty, migrated].map(|database| {
        let folder = TestApp::in_folder(database, |_| {}).close();
        // The seal of each is made with a key of its own.
        let sql = folder.sql();
        assert_eq!(sql.execute("DELETE FROM audit_seal", []), Ok(1));
        content(folder.database().unwrap())
    });
    assert_eq!(empty, migrated);
}

#[test]
fn a_copy_of_a_database_has_its_content() {
    let original = TestDatabase::new();
    let sql = "CREATE TABLE a (b int); INSERT INTO a VALUES (5)";
    original.connect().batch_execute(sql).unwrap();
    let copies = concurrently(4, |_| original.copy());
    for copy in copies {
        let copy = TestSql::Postgres(copy.connect().into());
        let content = all_values(&copy, "SELECT b FROM a");
        assert_eq!(content, [[SqlValue::Integer(5)]]);
    }
}

#[test]
fn a_database_orders_text_by_code_points_or_by_the_rules_of_a_language() {
    let sql = "SELECT x FROM (VALUES ('b'), ('B'), ('a'), ('å'), ('z')) AS words (x) ORDER BY x";
    for (collation, expected) in [
        (Collation::CodePoints, ["B", "a", "b", "z", "å"]),
        (Collation::Icu("sv-SE"), ["a", "b", "B", "z", "å"]),
        (Collation::Icu("en"), ["a", "å", "b", "B", "z"]),
    ] {
        let database = TestDatabase::ordered(collation);
        let db = TestSql::Postgres(database.connect().into());
        let words: Vec<String> = db.query(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(words, expected);
    }
}

// ---- statements ---------------------------------------------------------------------------------

#[test]
fn a_statement_has_the_same_parameters_and_values_on_both_engines() {
    let database = TestDatabase::new();
    let times = ["DATETIME", "TIMESTAMP"];
    let blobs = ["BLOB", "BYTEA"];
    for (db, (time, blob)) in both_engines(&database).iter().zip(times.iter().zip(blobs)) {
        let table = format!(
            "CREATE TABLE t (id INTEGER, word VARCHAR(20), flag BOOLEAN, at {time}, bytes {blob}, big BIGINT)"
        );
        db.execute_batch(&table).unwrap();
        let insert = "INSERT INTO t VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (word, at) = ("it's \"?1\" \\ å", "2026-11-23 04:22:41.136817");
        let (bytes, big) = (vec![0_u8, 255, 39], i64::MAX);
        let changed = db.execute(insert, params![1, word, true, at, bytes, big]);
        assert_eq!(changed, Ok(1));
        let nothing: Option<i64> = None;
        let early = "1969-12-31 23:59:59.000000";
        db.execute(insert, params![2, "", 0, early, nothing, -1])
            .unwrap();
        let rows = all_values(db, "SELECT * FROM t ORDER BY id");
        let text = |text: &str| SqlValue::Text(text.to_owned());
        let first = [
            SqlValue::Integer(1),
            text(word),
            SqlValue::Integer(1),
            text(at),
            SqlValue::Blob(bytes),
            SqlValue::Integer(big),
        ];
        assert_eq!(rows[0], first);
        assert_eq!(rows[1][1..4], [text(""), SqlValue::Integer(0), text(early)]);
        assert_eq!(rows[1][4..], [SqlValue::Null, SqlValue::Integer(-1)]);
        let count = "SELECT count(*), '?1' FROM t WHERE word = ?1 AND at <= ?2 AND flag = ?3";
        let read = |row: &TestRow| Ok((row.get(0)?, row.get(1)?));
        let found: (i64, String) = db.query_row(count, params![word, at, true], read).unwrap();
        assert_eq!(found, (1, "?1".to_owned()));
        assert_eq!(db.execute("UPDATE t SET word = ?1", ["x"]), Ok(2));
        assert!(db.execute("UPDATE missing SET word = ?1", ["x"]).is_err());
        let none = db.query_row("SELECT 1 FROM t WHERE id = 3", [], |row| row.get::<i64>(0));
        assert_eq!(none.unwrap_err().0, "no row");
    }
}

#[test]
fn foreign_keys_and_writes_can_be_broken_on_both_engines() {
    let database = TestDatabase::new();
    for db in both_engines(&database) {
        db.execute_batch(
            r#"CREATE TABLE "user" (id INTEGER PRIMARY KEY);
               CREATE TABLE task (owner INTEGER REFERENCES "user" (id));
               INSERT INTO "user" VALUES (1); INSERT INTO task VALUES (1)"#,
        )
        .unwrap();
        db.break_writes("INSERT", "user");
        db.break_writes("UPDATE", "user");
        let insert = || db.execute(r#"INSERT INTO "user" VALUES (2)"#, []);
        let why = insert().unwrap_err().0;
        assert!(why.contains("broken"), "{why}");
        assert!(db.execute(r#"UPDATE "user" SET id = 1"#, []).is_err());
        db.repair_writes("INSERT", "user");
        assert_eq!(insert(), Ok(1));
        assert!(db.execute(r#"UPDATE "user" SET id = 1"#, []).is_err());
        db.without_foreign_keys();
        assert_eq!(db.execute(r#"DELETE FROM "user""#, []), Ok(2));
        assert_eq!(all_values(&db, "SELECT * FROM task").len(), 1);
    }
}

#[test]
fn while_writes_are_locked_reads_go_on() {
    let database = TestDatabase::new();
    let connect = || TestSql::Postgres(database.connect().into());
    let lock = connect();
    lock.execute_batch(r#"CREATE TABLE "user" (id int); CREATE TABLE task (id int)"#)
        .unwrap();
    lock.lock_writes();
    let (sender, written) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            let sender = sender;
            connect()
                .execute("INSERT INTO task VALUES (1)", [])
                .unwrap();
            sender.send(()).unwrap();
        });
        let waits = written.recv_timeout(Duration::from_millis(100));
        assert!(waits.is_err());
        let reader = connect();
        // Fails instead of waiting for ever.
        reader.execute_batch("SET lock_timeout = '5s'").unwrap();
        for table in ["task", r#""user""#] {
            let sql = format!("SELECT * FROM {table}");
            assert!(all_values(&reader, &sql).is_empty());
        }
        lock.execute_batch("COMMIT").unwrap();
        written.recv().unwrap();
    });
}

// ---- the cluster --------------------------------------------------------------------------------

/// Not a test of its own: the next one starts it in a process, and kills the process.
#[test]
#[ignore = "started by another test"]
fn hold_a_cluster() {
    let database = TestDatabase::new();
    writeln!(io::stdout(), "url {}", database.url).unwrap();
    thread::sleep(Duration::from_secs(60));
}

/// The folder of the cluster's data.
fn data_folder(url: &str) -> PathBuf {
    let mut client = Client::connect(url, NoTls).unwrap();
    let folder: String = client.query_one("SHOW data_directory", &[]).unwrap().get(0);
    folder.into()
}

#[test]
fn the_cluster_of_a_process_ends_when_the_process_is_killed() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "postgres::test_databases::hold_a_cluster",
            "--ignored",
            "--nocapture",
        ])
        .env_remove("TEST_POSTGRES_URL")
        .stdout(Stdio::piped());
    let mut child = ChildGuard(command.spawn().unwrap());
    let output = BufReader::new(child.0.stdout.take().unwrap());
    let line = output
        .lines()
        .map(Result::unwrap)
        .find(|line| line.contains("url "));
    let url = line.unwrap().split_once("url ").unwrap().1.to_owned();
    let folder = data_folder(&url);
    // SIGKILL.
    child.0.kill().unwrap();
    wait_for("end of the cluster", || {
        let is_gone = !folder.parent().unwrap().exists() && Client::connect(&url, NoTls).is_err();
        is_gone.then_some(())
    });
}

#[test]
fn a_command_has_a_cluster_that_ends_with_it_and_its_exit_code() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres/cluster");
    let print_url = r#"echo "$TEST_POSTGRES_URL"; exit 7"#;
    let done = run_command(Command::new(script).args(["sh", "-c", print_url]));
    assert_eq!((done.code, done.err.as_str()), (Some(7), ""));
    let url = done.out.trim();
    assert!(url.starts_with("postgres://postgres:"), "{url}");
    assert!(Client::connect(url, NoTls).is_err());
    let killed = run_command(Command::new(script).args(["sh", "-c", "kill -s KILL $$"]));
    assert_eq!(killed.code, Some(128 + 9));
    for arguments in [&[][..], &["--serve", "true"]] {
        let refused = run_command(Command::new(script).args(arguments));
        assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""));
    }
    let missing = run_command(Command::new(script).arg("/no/such/program"));
    assert_ne!(missing.code, Some(0));
    assert!(missing.err.contains("/no/such/program"), "{missing:?}");
}

// ---- the tests that this run leaves out ---------------------------------------------------------

/// Names what a run on PostgreSQL leaves out, on standard error, which the test harness does not capture here.
#[test]
fn the_tests_for_sqlite_only_are_counted() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let listed = run_command(command.args(["--list", "sqlite_only::"]));
    let mut modules = BTreeMap::<&str, usize>::new();
    for line in listed.out.lines() {
        if let Some(name) = line.strip_suffix(": test") {
            let module = name.rsplit_once("::").unwrap().0;
            *modules.entry(module).or_default() += 1;
        }
    }
    assert!(modules.contains_key("sqlite_only::storage::growth"));
    assert!(modules.contains_key("api::audit_log::sqlite_only"));
    if Engine::current() == Engine::Postgres {
        let total: usize = modules.values().sum();
        let modules: Vec<_> = modules
            .iter()
            .map(|(module, count)| format!("\n  {count:3} {module}"))
            .collect();
        let text = format!("only for SQLite, {total} tests:{}\n", modules.concat());
        io::stderr().write_all(text.as_bytes()).unwrap();
    }
}
