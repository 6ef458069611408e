//! What another program does to the database: values that this program never writes, and tables that are gone.

use std::time::{Duration, Instant};

use serde_json::json;
use task_api::config::postgres::PostgresUrl;

use crate::support::postgres::TestDatabase;
use crate::support::program::{RunningServer, WorkDir, run_command};
use crate::support::{Fixture, PASSWORD, TestApp, wait_for};

/// The tables as SQLAlchemy creates them.
const FLASK_TABLES: &str = r#"
    CREATE TABLE "user" (id SERIAL NOT NULL, username VARCHAR(80) NOT NULL, email VARCHAR(120) NOT NULL,
      password_hash VARCHAR(255) NOT NULL, role VARCHAR(20), is_approved BOOLEAN,
      created_at TIMESTAMP WITHOUT TIME ZONE, PRIMARY KEY (id), UNIQUE (username), UNIQUE (email));
    CREATE TABLE task (id SERIAL NOT NULL, title VARCHAR(255) NOT NULL, description TEXT, status VARCHAR(20),
      deadline TIMESTAMP WITHOUT TIME ZONE, created_at TIMESTAMP WITHOUT TIME ZONE, assigned_user_id INTEGER,
      PRIMARY KEY (id), FOREIGN KEY(assigned_user_id) REFERENCES "user" (id));"#;

fn fixture() -> Fixture {
    Fixture::with_app(TestApp::in_folder(TestDatabase::migrated(), |_| {}))
}

#[test]
fn a_moment_that_is_no_date_reads_as_null_and_hides_no_other_row() {
    let Fixture { app, admin, .. } = fixture();
    for title in ["b", "c", "d", "e", "f"] {
        app.create_task(
            &admin,
            json!({ "title": title, "deadline": "2027-01-01T00:00:00Z" }),
        );
    }
    let db = app.sql();
    for (title, moment) in [
        ("b", "infinity"),
        ("c", "-infinity"),
        ("d", "0044-03-15 BC"),
    ] {
        let sql = "UPDATE task SET created_at = ?1, deadline = ?1 WHERE title = ?2";
        db.execute(sql, [moment, title]).unwrap();
    }
    for sort in ["created_at", "-created_at", "deadline", "-deadline"] {
        let (mut titles, mut path) = (Vec::new(), format!("/tasks?sort={sort}&limit=1"));
        loop {
            let page = app.get(&path, &admin);
            assert_eq!(page.status, 200, "{page:?}");
            let page = page.json();
            for item in page["items"].as_array().unwrap() {
                titles.push(item["title"].as_str().unwrap().to_owned());
                let is_odd = ["b", "c", "d"].contains(&titles.last().unwrap().as_str());
                assert_eq!(item["created_at"].is_null(), is_odd, "{item}");
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/tasks?sort={sort}&limit=1&cursor={cursor}"),
                None => break,
            }
        }
        titles.sort();
        assert_eq!(
            titles,
            ["b", "c", "d", "e", "f", "water the plants"],
            "{sort}"
        );
    }
}

#[test]
fn while_a_table_is_gone_requests_get_503_and_then_they_go_on() {
    let Fixture { app, admin, .. } = fixture();
    assert_eq!(app.get("/tasks", &admin).status, 200);
    let db = app.sql();
    db.execute_batch("ALTER TABLE task RENAME TO hidden")
        .unwrap();
    let gone = app.get("/tasks", &admin);
    assert_eq!(gone.status, 503, "{gone:?}");
    assert_eq!(gone.json()["code"], "storage_unavailable");
    assert!(gone.header("Retry-After").is_some());
    // The outage does not end in between, and begin again.
    app.app.store.watch();
    assert_eq!(app.send_raw("GET /readyz", &[], b"").status, 503);
    db.execute_batch("ALTER TABLE hidden RENAME TO task")
        .unwrap();
    app.app.store.watch();
    assert_eq!(app.get("/tasks", &admin).status, 200);
    let body = r#"{"title": "t"}"#;
    assert_eq!(app.send("POST /tasks", admin, body).status, 201);
}

#[test]
fn tables_that_are_not_the_tutorials_are_refused_and_stay_as_they_are() {
    for (change, expected) in [
        (
            "CREATE TYPE progress AS ENUM ('todo'); ALTER TABLE task ALTER status TYPE progress USING 'todo'::progress",
            "table task has a column status of the type progress, which must be varchar or text",
        ),
        (
            "ALTER TABLE task ALTER description TYPE JSONB USING NULL",
            "table task has a column description of the type jsonb, which must be varchar or text",
        ),
        (
            "ALTER TABLE task ALTER deadline TYPE TIMESTAMP WITH TIME ZONE",
            "table task has a column deadline of the type timestamptz, which must be timestamp",
        ),
        (
            r#"ALTER TABLE "user" ALTER username TYPE CHAR(80)"#,
            "table user has a column username of the type bpchar, which must be varchar or text",
        ),
        (
            r#"ALTER TABLE "user" ALTER is_approved TYPE INTEGER USING 1"#,
            "table user has a column is_approved of the type int4, which must be bool",
        ),
        (
            "ALTER TABLE task ALTER id TYPE NUMERIC",
            "table task has a column id of the type numeric, which must be int4 or int8",
        ),
        (
            "ALTER TABLE task DROP COLUMN id, ADD COLUMN id INTEGER GENERATED ALWAYS AS IDENTITY",
            "table task has a column id whose values PostgreSQL generates",
        ),
        (
            "ALTER TABLE task RENAME TO tasks; CREATE VIEW task AS SELECT * FROM tasks",
            "table task is no table",
        ),
        (
            "ALTER TABLE task ALTER deadline SET NOT NULL",
            "table task has a column deadline that must not be NULL, and a task need not have one",
        ),
        (
            "ALTER TABLE task ALTER id DROP DEFAULT",
            "table task has a column id without a default",
        ),
        (
            "CREATE DOMAIN word AS VARCHAR(20) CHECK (VALUE <> 'x'); ALTER TABLE task ALTER status TYPE word",
            "table task has a column status of the type word, which must be varchar or text",
        ),
        (
            "ALTER TABLE task RENAME TO tasks; CREATE MATERIALIZED VIEW task AS SELECT * FROM tasks",
            "table task is no table",
        ),
        (
            "ALTER TABLE task DROP COLUMN title",
            "table task has no column title",
        ),
        (
            "ALTER TABLE task ADD COLUMN team INTEGER NOT NULL",
            "table task requires a value for team, a column that this program does not know",
        ),
    ] {
        let (database, work_dir) = (TestDatabase::new(), WorkDir::new());
        let mut db = database.connect();
        db.batch_execute(&format!("{FLASK_TABLES} {change}"))
            .unwrap();
        let mut command = work_dir.command(&[]);
        let refused = run_command(command.env("DATABASE_URL", &database.url));
        assert_eq!(refused.code, Some(1), "{change}: {refused:?}");
        let line = format!(
            "task-api: DATABASE_URL: the database is neither this program's nor the tutorial's: its {expected}\n"
        );
        assert!(refused.err.ends_with(&line), "{change}: {refused:?}");
        let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        let tables: i64 = db.query_one(sql, &[]).unwrap().get(0);
        assert_eq!(tables, 2, "{change}");
    }
}

#[test]
fn a_version_table_of_another_program_is_refused() {
    for table in [
        "schema_version (id TEXT, version TEXT)",
        "schema_version (name TEXT)",
    ] {
        let (database, work_dir) = (TestDatabase::new(), WorkDir::new());
        let script = format!("CREATE TABLE {table}");
        database.connect().batch_execute(&script).unwrap();
        let mut command = work_dir.command(&[]);
        let refused = run_command(command.env("DATABASE_URL", &database.url));
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let text = "task-api: DATABASE_URL: the table schema_version is not this program's: ";
        assert!(refused.err.contains(text), "{refused:?}");
    }
}

#[test]
fn a_view_of_a_column_that_has_to_change_is_named() {
    let (database, work_dir) = (TestDatabase::new(), WorkDir::new());
    let mut db = database.connect();
    let view = "CREATE VIEW titles AS SELECT title FROM task";
    db.batch_execute(&format!("{FLASK_TABLES} {view}")).unwrap();
    let mut command = work_dir.command(&[]);
    let refused = run_command(command.env("DATABASE_URL", &database.url));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for part in ["task.title cannot become", "view titles depends on column"] {
        assert!(refused.err.contains(part), "{refused:?}");
    }
    // A title that is ordered by its bytes already need not change.
    db.batch_execute(&format!(
        r#"DROP VIEW titles; ALTER TABLE task ALTER title TYPE VARCHAR(255) COLLATE "C"; {view}"#
    ))
    .unwrap();
    RunningServer::start(&mut command).log();
}

/// A server that has taken over tables which differ from the tutorial's.
fn take_over(change: &str) -> (RunningServer, TestDatabase, WorkDir) {
    let (database, work_dir) = (TestDatabase::new(), WorkDir::new());
    let script = format!("{FLASK_TABLES} {change}");
    database.connect().batch_execute(&script).unwrap();
    let mut command = work_dir.command(&[]);
    let server = RunningServer::start(command.env("DATABASE_URL", &database.url));
    (server, database, work_dir)
}

#[test]
fn wider_types_and_further_columns_of_a_flask_app_are_kept() {
    let (server, database, _work_dir) = take_over(
        r#"ALTER TABLE task ALTER title TYPE TEXT, ALTER id TYPE BIGINT, ALTER status TYPE VARCHAR(500),
             ADD COLUMN team JSON, ADD COLUMN weight NUMERIC NOT NULL DEFAULT 1;
           ALTER TABLE "user" ALTER email TYPE TEXT;
           INSERT INTO task (title) VALUES (repeat('a', 255) || '    ')"#,
    );
    assert_eq!(server.client().send("GET /readyz", None, None).status, 200);
    let sql = "SELECT length(title), pg_typeof(status)::text FROM task";
    let row = database.connect().query_one(sql, &[]).unwrap();
    assert_eq!(row.get::<_, i32>(0), 259);
    let sql = "SELECT character_maximum_length FROM information_schema.columns WHERE table_name = 'task' AND column_name = 'status'";
    let row = database.connect().query_one(sql, &[]).unwrap();
    assert_eq!(row.get::<_, i32>(0), 500);
}

#[test]
fn narrower_texts_of_a_flask_app_are_widened() {
    let (server, _database, _work_dir) = take_over(
        r#"ALTER TABLE task ALTER description TYPE VARCHAR(10), ALTER status TYPE VARCHAR(5), ALTER title TYPE VARCHAR(9);
           ALTER TABLE "user" ALTER username TYPE VARCHAR(10), ALTER email TYPE VARCHAR(20), ALTER role TYPE VARCHAR(5)"#,
    );
    let mut client = server.client();
    let name = "a".repeat(80);
    let body =
        json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
    let signed_up = client.send("POST /signup", None, Some(&body));
    assert_eq!(signed_up.status, 201, "{signed_up:?}");
}

/// The standby is another server: what is wrong with it is no fault of the primary.
#[test]
fn a_fault_of_the_standby_does_not_stop_writes() {
    let database = TestDatabase::migrated();
    let standby = database.copy();
    let broken = "CREATE FUNCTION broken() RETURNS BIGINT LANGUAGE plpgsql AS
          $$ BEGIN RAISE 'the page is damaged' USING ERRCODE = 'XX001'; END $$;
        DROP TABLE session CASCADE; CREATE VIEW session AS SELECT broken() AS id, broken() AS user_id";
    standby.connect().batch_execute(broken).unwrap();
    let url: PostgresUrl = standby.url.parse().unwrap();
    let app = TestApp::in_folder(database, |config| {
        config.database.postgres.read_database_url = Some(url);
    });
    let admin = app.admin();
    let db = app.sql();
    let name: String = db
        .query_row("SELECT current_database()", [], |row| row.get(0))
        .unwrap();
    let allow = |is_allowed: bool| {
        let allow = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {is_allowed}");
        standby.connect().batch_execute(&allow).unwrap();
    };
    allow(false);
    db.execute_batch(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .unwrap();
    let read = app.get("/tasks", &admin);
    assert_eq!(
        (read.status, read.code().as_str()),
        (503, "storage_unavailable")
    );
    assert!(read.text().contains("cannot be reached"), "{read:?}");
    allow(true);
    wait_for("the primary", || {
        app.app.store.watch();
        (app.send_raw("GET /readyz", &[], b"").status == 200).then_some(())
    });
    assert_eq!(app.get("/tasks", &admin).status, 200);
    assert_eq!(
        app.send("POST /tasks", admin, r#"{"title": "t"}"#).status,
        201
    );
}

/// The probe writes one row, which succeeds without this right.
#[test]
fn an_outage_that_the_probe_does_not_see_ends_and_begins_ever_more_rarely() {
    let (database, work_dir) = (TestDatabase::migrated(), WorkDir::new());
    let mut command = work_dir.command(&[]);
    let server = RunningServer::start(command.env("DATABASE_URL", &database.url));
    let broken = "CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS
          $$ BEGIN RAISE 'no room' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON \"user\" FOR EACH ROW EXECUTE FUNCTION refuse()";
    database.connect().batch_execute(broken).unwrap();
    let mut client = server.client();
    let body = json!({ "username": "ada", "email": "ada@example.com", "password": PASSWORD });
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        assert_eq!(client.send("POST /signup", None, Some(&body)).status, 503);
    }
    let log = server.log();
    let begins = log
        .iter()
        .filter(|line| line.contains("requests that write get 503"));
    // At once, after half a second, and after each pause: 1 and 2 seconds.
    assert!((2..=4).contains(&begins.count()), "{log:?}");
}
