//! What another program does to the database: values that this program never writes, and tables that are gone.

use serde_json::json;

use crate::support::postgres::TestDatabase;
use crate::support::program::{RunningServer, WorkDir, run_command};
use crate::support::{Fixture, TestApp};

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
fn wider_types_and_further_columns_of_a_flask_app_are_accepted() {
    let (database, work_dir) = (TestDatabase::new(), WorkDir::new());
    database
        .connect()
        .batch_execute(&format!(
            r#"{FLASK_TABLES} ALTER TABLE task ALTER title TYPE TEXT, ALTER id TYPE BIGINT, ADD COLUMN team JSON,
             ADD COLUMN weight NUMERIC NOT NULL DEFAULT 1; ALTER TABLE "user" ALTER email TYPE TEXT"#
        ))
        .unwrap();
    let mut command = work_dir.command(&[]);
    let server = RunningServer::start(command.env("DATABASE_URL", &database.url));
    assert_eq!(server.client().send("GET /readyz", None, None).status, 200);
    server.log();
}
