//! `task-api migrate`: from SQLite to PostgreSQL and back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use url::Url;

use crate::support::http_client::Client;
use crate::support::postgres::TestDatabase;
use crate::support::program::{
    ChildGuard, CommandOutput, RunningServer, WorkDir, run_command, run_command_with_input,
};
use crate::support::sql::TestSql;
use crate::support::{PASSWORD, TestResponse, file_mode, wait_for};

/// A folder with SQLite's file and the keys of both databases, and an empty PostgreSQL database.
struct Site {
    folder: WorkDir,
    postgres: TestDatabase,
}

/// One of the databases: a SQLite file in the folder, or PostgreSQL, whose keys are in the folder too.
#[derive(Clone, Copy)]
enum Side {
    Sqlite(&'static str),
    Postgres,
}

const PROJECT: Side = Side::Sqlite("project.db");
const BACK: Side = Side::Sqlite("back.db");

impl Site {
    fn new() -> Site {
        let (folder, postgres) = (WorkDir::new(), TestDatabase::new());
        Site { folder, postgres }
    }

    /// A SQLite file with an account `ada`, an approved admin.
    fn with_account() -> Site {
        let site = Site::new();
        let create = "user create --username ada --email ada@example.com --role admin --approved";
        let mut arguments: Vec<_> = create.split(' ').collect();
        arguments.push("--password-stdin");
        let mut command = site.program(PROJECT, &arguments);
        let created = run_command_with_input(&mut command, &format!("{PASSWORD}\n"));
        assert_eq!(created.code, Some(0), "{created:?}");
        site
    }

    /// As [`Site::with_account`], with so many tasks that a copy takes a while.
    fn with_many_tasks() -> Site {
        let site = Site::with_account();
        site.sqlite("project.db")
            .execute_batch(
                "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 40000)
                 INSERT INTO task (id, title, status, created_at, assigned_user_id)
                 SELECT n, 'task ' || n, 'pending', '2026-11-23 04:22:41.136817', 1 FROM numbers",
            )
            .unwrap();
        site
    }

    /// A database of the real Flask app.
    fn with_flask_database() -> Site {
        let site = Site::new();
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/project.db");
        fs::copy(fixture, site.folder.path("project.db")).unwrap();
        site
    }

    fn url(&self, side: Side) -> String {
        match side {
            Side::Sqlite(file) => format!("sqlite:///{file}"),
            Side::Postgres => self.postgres.url.clone(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.command(arguments);
        command.env_remove("DATABASE_URL").env_remove("KEYS_PATH");
        command
    }

    /// The program with its settings for a database.
    fn program(&self, side: Side, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("DATABASE_URL", self.url(side));
        if let Side::Postgres = side {
            command.env("KEYS_PATH", "keys");
        }
        command
    }

    fn serve(&self, side: Side) -> RunningServer {
        RunningServer::start(&mut self.program(side, &[]))
    }

    /// A server whose signing key is set, for a source that has none in a file.
    fn serve_with_key(&self, side: Side) -> RunningServer {
        let mut command = self.program(side, &[]);
        command.env("JWT_SECRET_KEY", "a signing key of more than 32 bytes");
        RunningServer::start(&mut command)
    }

    fn migration(&self, from: Side, to: Side, more: &[&str]) -> Command {
        let mut command = self.command(&[&["migrate"], more].concat());
        command.env("MIGRATE_FROM", self.url(from));
        command.env("MIGRATE_TO", self.url(to));
        command.env("KEYS_PATH", "keys");
        command
    }

    fn migrate(&self, from: Side, to: Side, more: &[&str]) -> CommandOutput {
        // A server that has ended is listed for a moment.
        wait_for("end of all servers", || {
            (!self.has_sessions()).then_some(())
        });
        run_command(&mut self.migration(from, to, more))
    }

    fn has_sessions(&self) -> bool {
        let sql = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'task-api'";
        let count: i64 = self.postgres.connect().query_one(sql, &[]).unwrap().get(0);
        count > 0
    }

    /// The error of a migration that fails, without what each such line has.
    fn refusal(&self, from: Side, to: Side, more: &[&str]) -> String {
        let refused = self.migrate(from, to, more);
        assert_eq!(
            (refused.code, refused.out.as_str()),
            (Some(1), ""),
            "{refused:?}"
        );
        reason(refused.error_line()).to_owned()
    }

    /// Lets the URL name a new role, which may use all tables. Returns its name. A role belongs to the whole cluster.
    fn connect_as_new_role(&mut self, admin: &mut postgres::Client, prefix: &str) -> String {
        let role = format!("{prefix}_{}", std::process::id());
        let mut url = Url::parse(&self.postgres.url).unwrap();
        let password = url.password().unwrap().to_owned();
        admin
            .batch_execute(&format!(
                "CREATE ROLE {role} LOGIN PASSWORD '{password}'; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
            ))
            .unwrap();
        url.set_username(&role).unwrap();
        self.postgres.url = url.into();
        role
    }

    fn sqlite(&self, file: &str) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path(file)).unwrap()
    }

    fn sql(&self, side: Side) -> TestSql {
        match side {
            Side::Sqlite(file) => TestSql::Sqlite(self.sqlite(file)),
            Side::Postgres => TestSql::Postgres(self.postgres.connect().into()),
        }
    }

    /// All rows of all tables, but the mark of SQLite's file.
    fn rows(&self, side: Side) -> BTreeMap<String, Vec<String>> {
        let db = self.sql(side);
        let tables = match side {
            Side::Sqlite(_) => "SELECT name FROM sqlite_schema WHERE type = 'table'",
            Side::Postgres => "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
        };
        let tables: Vec<String> = db.query(tables, [], |row| row.get(0)).unwrap();
        let own = |name: &String| name != "storage_mark" && name != "schema_version";
        let rows = |table: String| {
            let sql = format!("SELECT * FROM \"{table}\"");
            let rows = db.query(&sql, [], |row| Ok(format!("{:?}", row.0)));
            let mut rows = rows.unwrap();
            // The engines order texts differently.
            rows.sort();
            (table, rows)
        };
        tables.into_iter().filter(own).map(rows).collect()
    }

    /// Nothing was written: PostgreSQL has no table.
    fn assert_no_table(&self) {
        let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        let count: i64 = self
            .sql(Side::Postgres)
            .query_row(sql, [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 0);
    }

    /// Starts a migration and waits until it copies tasks to PostgreSQL.
    fn start_copy_of_tasks(&self) -> ChildGuard {
        let child = start(&mut self.migration(PROJECT, Side::Postgres, &[]));
        let mut db = self.postgres.connect();
        let sql = r#"SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND query LIKE 'INSERT INTO "task"%'"#;
        wait_for("copy of tasks", || {
            let count: i64 = db.query_one(sql, &[]).unwrap().get(0);
            (count > 0).then_some(())
        });
        child
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path(".")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

fn reason(line: &str) -> &str {
    let why = line.strip_prefix("task-api: cannot migrate: ");
    why.and_then(|why| why.strip_suffix("; nothing was written"))
        .unwrap_or(line)
}

fn start(command: &mut Command) -> ChildGuard {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    ChildGuard(piped.spawn().unwrap())
}

fn signal(child: &Child, signal: &str) {
    let kill = format!("kill -s {signal} {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .unwrap()
            .success()
    );
}

fn text_of(pipe: Option<impl std::io::Read>) -> String {
    std::io::read_to_string(pipe.unwrap()).unwrap()
}

#[track_caller]
fn drop_role(admin: &mut postgres::Client, role: &str) {
    let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    admin.batch_execute(&drop).unwrap();
}

fn assert_done(output: &CommandOutput) {
    assert_eq!(
        (output.code, output.err.as_str()),
        (Some(0), ""),
        "{output:?}"
    );
}

fn create_task(client: &mut Client, token: &str, body: &Value) -> TestResponse {
    let body = body.to_string();
    let headers = format!(
        "Authorization: Bearer {token}\r\nContent-Type: application/json\r\nIdempotency-Key: once\r\nContent-Length: {}\r\n",
        body.len()
    );
    let request = client.head("POST /tasks", &headers) + &body;
    client.write(request).unwrap();
    client.read_response(false).unwrap()
}

// ---- there and back -----------------------------------------------------------------------------

/// What a client has before a move, and has to have after it.
struct Kept {
    token: String,
    script_token: String,
    task: Value,
}

const TASK: &str = "Überprüfen: \"Ωmega\"";

/// Lets a server write to as many tables as possible.
fn use_server(site: &Site) -> Kept {
    let server = site.serve(PROJECT);
    let mut client = server.client();
    let token = client.sign_in_for_token("ada");
    let task = create_task(
        &mut client,
        &token,
        &json!({ "title": TASK, "deadline": "2026-12-24T18:00:00Z", "assigned_user_id": 1 }),
    );
    assert_eq!(task.status, 201, "{task:?}");
    assert_eq!(client.sign_up("bob").status, 201);
    let mut post = |path: &str, body: Value| {
        let response = client.send(&format!("POST {path}"), Some(&token), Some(&body));
        assert_eq!(response.status, 201, "{response:?}");
        response.json()
    };
    post(
        "/invitations",
        json!({ "role": "manager", "email": "eve@example.com" }),
    );
    post("/users/2/password-reset", json!({}));
    let script = json!({ "name": "script", "scope": "full", "expires_in": 86400, "current_password": PASSWORD });
    let script_token = post("/me/tokens", script)["token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(server.stop("TERM").0.success());
    let task = task.json();
    Kept {
        token,
        script_token,
        task,
    }
}

/// A server on the copy knows the passwords, the tokens and the requests of before, and goes on with the ids.
fn check_server(site: &Site, side: Side, kept: &Kept, new_account: i64) {
    let server = site.serve(side);
    let mut client = server.client();
    for token in [&kept.token, &kept.script_token] {
        let hello = client.send("GET /hello", Some(token), None);
        assert_eq!(hello.status, 200, "{hello:?}");
    }
    let body = json!({ "title": TASK, "deadline": "2026-12-24T18:00:00Z", "assigned_user_id": 1 });
    let retried = create_task(&mut client, &kept.token, &body);
    assert_eq!((retried.status, retried.json()), (201, kept.task.clone()));
    let tasks = client.send("GET /tasks", Some(&kept.token), None);
    assert_eq!(tasks.items(), std::slice::from_ref(&kept.task));
    assert_eq!(client.sign_in("ada").status, 200);
    let name = format!("new-{new_account}");
    let signed_up = client.sign_up(&name);
    assert_eq!(signed_up.json()["id"], new_account, "{signed_up:?}");
    assert!(server.stop("TERM").0.success());
    let verified = run_command(&mut site.program(side, &["audit", "verify"]));
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[test]
fn there_and_back_all_rows_are_equal_and_a_server_goes_on_with_them() {
    let site = Site::with_account();
    let kept = use_server(&site);
    let before = site.rows(PROJECT);
    for table in [
        "session",
        "api_token",
        "invitation",
        "password_reset",
        "idempotency",
        "audit_seal",
    ] {
        assert!(!before[table].is_empty(), "{table}");
    }
    let there = site.migrate(PROJECT, Side::Postgres, &[]);
    assert_done(&there);
    for line in [
        "user: 2 rows, checksum ",
        "the audit log is intact\n",
        "copied the signing key and audit key to ",
        "migrated 2 accounts, 1 tasks and ",
        "next: set DATABASE_URL to this database and KEYS_PATH=",
    ] {
        assert!(there.out.contains(line), "{line}: {}", there.out);
    }
    assert_eq!(site.rows(Side::Postgres), before);
    assert_eq!(file_mode(&site.folder.path("keys.jwt_secret")), 0o600);
    assert_eq!(file_mode(&site.folder.path("keys.audit_key")), 0o600);
    check_server(&site, Side::Postgres, &kept, 3);
    let before = site.rows(Side::Postgres);
    let back = site.migrate(Side::Postgres, BACK, &[]);
    assert_done(&back);
    assert_eq!(site.rows(BACK), before);
    assert_eq!(file_mode(&site.folder.path("back.db")), 0o600);
    assert_eq!(file_mode(&site.folder.path("back.db.audit_key")), 0o600);
    check_server(&site, BACK, &kept, 4);
}

#[test]
fn the_password_of_a_url_is_not_printed() {
    let site = Site::with_account();
    let password = site
        .postgres
        .url
        .split([':', '@'])
        .nth(2)
        .unwrap()
        .to_owned();
    let there = site.migrate(PROJECT, Side::Postgres, &[]);
    let again = site.migrate(PROJECT, Side::Postgres, &[]);
    for output in [&there, &again] {
        assert!(!format!("{output:?}").contains(&password), "{output:?}");
    }
    let url = "postgres://u:S3cret@h:x/d";
    let refused =
        run_command(&mut site.command(&["migrate", "--from", "sqlite:///a", "--to", url]));
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.error_line(),
        "task-api: invalid value for '--to <DATABASE_URL>': the port must be a number from 1 to 65535"
    );
}

// ---- the Flask app ------------------------------------------------------------------------------

/// What the Flask app and other programs may have stored.
const ODD_ROWS: &str = "PRAGMA foreign_keys = OFF;
    ALTER TABLE user ADD COLUMN phone VARCHAR(20);
    UPDATE user SET role = NULL, is_approved = NULL, created_at = NULL WHERE id = 2;
    UPDATE user SET role = 'wizard' WHERE id = 3;
    UPDATE user SET is_approved = 2 WHERE id = 4;
    UPDATE user SET role = 'a role of more than twenty characters' WHERE id = 5;
    INSERT INTO task (id, title, description, deadline, assigned_user_id) VALUES
      (2, 'orphan', NULL, NULL, 99),
      (3, 'null', 'a' || char(0) || 'b', NULL, NULL),
      (4, printf('%.*c', 300, 'x'), NULL, NULL, NULL),
      (5, 'when', NULL, 'soon', NULL),
      (6, CAST(x'61ff' AS TEXT), NULL, NULL, NULL),
      (7, 'plain', NULL, '2026-11-23 04:22:41', 1),
      (8, x'0102', NULL, NULL, NULL),
      (3000000000, 'big', NULL, NULL, NULL)";

/// What is listed of them, and the two ends of each line: without `--convert`, and with it.
const LISTED: [(&str, &str, &str); 10] = [
    (
        "user: phone is a column that this program does not know",
        "--convert leaves it out",
        "left out",
    ),
    (
        "user 4: is_approved has a value of another type",
        SETS_NULL,
        "set to NULL",
    ),
    ("user 5: role is too long", SETS_NULL, "set to NULL"),
    (
        "task 2: assigned_user_id names an account that does not exist",
        SETS_NULL,
        "set to NULL",
    ),
    (
        "task 3: description has a character U+0000",
        REPLACES,
        "replaced by U+FFFD",
    ),
    ("task 4: title is too long", "--convert cuts it", "cut"),
    ("task 5: deadline is no timestamp", SETS_NULL, "set to NULL"),
    (
        "task 6: title is no valid UTF-8",
        REPLACES,
        "replaced by U+FFFD",
    ),
    ("task 8: title has a value of another type", CANNOT, CANNOT),
    (
        "task 3000000000: id is too large for the integers of PostgreSQL",
        CANNOT,
        CANNOT,
    ),
];
const SETS_NULL: &str = "--convert sets it to NULL";
const REPLACES: &str = "--convert replaces it by U+FFFD";
const CANNOT: &str = "--convert cannot change it: correct it in the source";

#[test]
fn what_postgresql_cannot_hold_is_listed_before_anything_is_written() {
    let site = Site::with_flask_database();
    site.sqlite("project.db").execute_batch(ODD_ROWS).unwrap();
    let refused = site.migrate(PROJECT, Side::Postgres, &[]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""));
    let lines: Vec<_> = refused.err.lines().collect();
    let expected = LISTED.map(|(what, offered, _)| format!("{what}; {offered}"));
    assert_eq!(lines[..LISTED.len()], expected);
    assert_eq!(
        reason(lines[LISTED.len()]),
        "the target cannot hold 10 values, see the lines before: correct them in the source, or change them in the \
         copy with --convert"
    );
    let refused = site.migrate(PROJECT, Side::Postgres, &["--convert"]);
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        reason(refused.err.lines().last().unwrap()),
        "2 values cannot be converted, see the lines before: correct them in the source"
    );
    site.assert_no_table();
}

#[test]
fn convert_changes_what_postgresql_cannot_hold_and_lists_each_change() {
    let site = Site::with_flask_database();
    let db = site.sqlite("project.db");
    db.execute_batch(ODD_ROWS).unwrap();
    db.execute_batch("DELETE FROM task WHERE id IN (8, 3000000000)")
        .unwrap();
    drop(db);
    let done = site.migrate(PROJECT, Side::Postgres, &["--convert"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let expected = LISTED[..8]
        .iter()
        .map(|(what, _, done)| format!("{what}; {done}\n"));
    assert_eq!(done.err, expected.collect::<String>());
    assert!(
        done.out.contains(", 8 values changed as listed\n"),
        "{}",
        done.out
    );
    let key = "the source has no signing key in a file: set JWT_SECRET_KEY to the key that it was used with\n";
    assert!(done.out.contains(key), "{}", done.out);
    let rows = site.rows(Side::Postgres);
    let users = &rows["user"];
    assert!(users[1].ends_with("Null, Null, Null]"), "{users:?}");
    assert!(users[2].contains("Text(\"wizard\")"), "{users:?}");
    let tasks = rows["task"].join("\n");
    assert!(tasks.contains("Text(\"a\u{fffd}b\")"), "{tasks}");
    assert!(tasks.contains("Text(\"a\u{fffd}\")"), "{tasks}");
    assert!(
        tasks.contains(&format!("Text(\"{}\")", "x".repeat(255))),
        "{tasks}"
    );
    assert!(
        tasks.contains("Text(\"2026-11-23 04:22:41.000000\")"),
        "{tasks}"
    );
    assert_eq!(rows["flask_takeover"].len(), 1);
    let server = site.serve_with_key(Side::Postgres);
    for name in ["scrypt", "pbkdf2-few"] {
        assert_eq!(server.client().sign_in(name).status, 200, "{name}");
    }
    assert!(server.stop("TERM").0.success());
    // The Flask app gets its ids from PostgreSQL's sequences.
    let db = site.sql(Side::Postgres);
    for (table, id) in [(r#""user""#, 7), ("task", 8)] {
        let sql = format!("SELECT nextval(pg_get_serial_sequence('{table}', 'id'))");
        assert_eq!(
            db.query_row(&sql, [], |row| row.get::<i64>(0)),
            Ok(id),
            "{table}"
        );
    }
}

#[test]
fn rows_of_accounts_that_the_flask_app_has_deleted_are_left_out() {
    let site = Site::with_account();
    use_server(&site);
    site.sqlite("project.db")
        .execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM user WHERE id = 2")
        .unwrap();
    let refused = site.migrate(PROJECT, Side::Postgres, &[]);
    let line = "password_reset 2: user_id names an account that does not exist; --convert leaves the row out";
    assert!(
        refused.err.lines().any(|found| found == line),
        "{refused:?}"
    );
    assert_eq!(refused.code, Some(1));
    let done = site.migrate(PROJECT, Side::Postgres, &["--convert"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let rows = site.rows(Side::Postgres);
    assert_eq!((rows["password_reset"].len(), rows["user"].len()), (0, 1));
    assert_eq!(rows["session"], site.rows(PROJECT)["session"]);
}

// ---- refusals -----------------------------------------------------------------------------------

#[test]
fn a_target_that_is_not_empty_is_refused() {
    let site = Site::with_account();
    assert_done(&site.migrate(PROJECT, Side::Postgres, &[]));
    let before = site.rows(Side::Postgres);
    assert_eq!(
        site.refusal(PROJECT, Side::Postgres, &[]),
        "--to: it is not empty: its table user has rows; name a new database"
    );
    assert_eq!(site.rows(Side::Postgres), before);
    let path = fs::canonicalize(site.folder.path("project.db")).unwrap();
    let content = fs::read(&path).unwrap();
    fs::remove_file(site.folder.path("project.db.audit_key")).unwrap();
    assert_eq!(
        site.refusal(Side::Postgres, PROJECT, &[]),
        format!("--to: {} exists: name a file that does not", path.display())
    );
    assert_eq!(fs::read(&path).unwrap(), content);
    // A log without its database would be applied to the new one.
    fs::write(site.folder.path("back.db-wal"), "log").unwrap();
    assert_eq!(
        site.refusal(Side::Postgres, BACK, &[]),
        format!(
            "--to: {}/back.db-wal exists: name a file that does not",
            path.parent().unwrap().display()
        )
    );
}

#[test]
fn tables_without_rows_are_an_empty_target() {
    let site = Site::with_account();
    let schema = include_str!("../../../schema.postgres.sql");
    site.postgres.connect().batch_execute(schema).unwrap();
    assert_done(&site.migrate(PROJECT, Side::Postgres, &[]));
    assert_eq!(site.rows(Side::Postgres), site.rows(PROJECT));
}

#[test]
fn a_source_that_is_missing_or_of_another_version_or_program_is_refused() {
    let site = Site::new();
    let path = fs::canonicalize(site.folder.path("."))
        .unwrap()
        .join("project.db");
    assert_eq!(
        site.refusal(PROJECT, Side::Postgres, &[]),
        format!("--from: there is no database {}", path.display())
    );
    assert_eq!(
        site.refusal(Side::Postgres, BACK, &[]),
        "--from: it is no database of Task API"
    );
    site.sqlite("project.db")
        .execute_batch("CREATE TABLE other (id INTEGER)")
        .unwrap();
    assert_eq!(
        site.refusal(PROJECT, Side::Postgres, &[]),
        "--from: it is no database of Task API"
    );
    let site = Site::with_account();
    site.sqlite("project.db")
        .execute_batch("PRAGMA user_version = 4")
        .unwrap();
    assert_eq!(
        site.refusal(PROJECT, Side::Postgres, &[]),
        "--from: it is of an earlier version of this program: start `task-api serve` on it once, which migrates it"
    );
    site.assert_no_table();
    let site = Site::with_account();
    for (from, to, line) in [
        (
            PROJECT,
            BACK,
            "task-api: --from and --to both name a SQLite file: `task-api backup` copies one",
        ),
        (
            Side::Postgres,
            Side::Postgres,
            "task-api: --from and --to both name a PostgreSQL database: pg_dump and pg_restore copy one",
        ),
    ] {
        assert_eq!(site.refusal(from, to, &[]), line);
    }
}

#[test]
fn a_source_that_a_server_uses_is_refused() {
    let site = Site::with_account();
    let server = site.serve(PROJECT);
    let path = fs::canonicalize(site.folder.path("project.db")).unwrap();
    assert_eq!(
        site.refusal(PROJECT, Side::Postgres, &[]),
        format!(
            "--from: {}: a process uses it: stop the server first",
            path.display()
        )
    );
    site.assert_no_table();
    server.stop("TERM");
    assert_done(&site.migrate(PROJECT, Side::Postgres, &[]));
    let server = site.serve(Side::Postgres);
    let refused = run_command(&mut site.migration(Side::Postgres, BACK, &[]));
    assert_eq!(
        reason(refused.error_line()),
        "--from: a server uses it: stop all servers first"
    );
    server.stop("TERM");
    assert!(!site.folder.path("back.db").exists());
}

#[test]
fn a_server_whose_url_names_another_application_is_found() {
    let mut site = Site::new();
    site.postgres.url += "?application_name=tasks";
    let server = site.serve_with_key(Side::Postgres);
    let refused = run_command(&mut site.migration(Side::Postgres, BACK, &[]));
    assert_eq!(
        reason(refused.error_line()),
        "--from: a server uses it: stop all servers first"
    );
    server.stop("TERM");
}

#[test]
fn a_source_may_be_read_only() {
    let site = Site::with_account();
    assert_done(&site.migrate(PROJECT, Side::Postgres, &[]));
    let sql = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
        END $$";
    site.postgres.connect().batch_execute(sql).unwrap();
    assert_done(&site.migrate(Side::Postgres, BACK, &[]));
}

#[test]
fn a_table_that_is_missing_or_may_not_be_read_is_an_error() {
    let mut site = Site::with_account();
    assert_done(&site.migrate(PROJECT, Side::Postgres, &[]));
    let mut admin = site.postgres.connect();
    let role = site.connect_as_new_role(&mut admin, "reader");
    let revoke = format!("REVOKE SELECT ON session FROM {role}");
    admin.batch_execute(&revoke).unwrap();
    let unreadable = run_command(&mut site.migration(Side::Postgres, BACK, &[]));
    admin.batch_execute("DROP TABLE session").unwrap();
    let missing = run_command(&mut site.migration(Side::Postgres, BACK, &[]));
    drop_role(&mut admin, &role);
    for (output, text) in [
        (unreadable, "permission denied for table session"),
        (missing, "--from: its table session is missing"),
    ] {
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(output.error_line().contains(text), "{output:?}");
    }
}

/// The copy would lack the rows that the role does not see.
#[test]
fn row_level_security_of_the_source_is_an_error() {
    let mut site = Site::with_account();
    assert_done(&site.migrate(PROJECT, Side::Postgres, &[]));
    let mut admin = site.postgres.connect();
    let role = site.connect_as_new_role(&mut admin, "limited");
    let policy = "ALTER TABLE task ENABLE ROW LEVEL SECURITY;
        CREATE POLICY visible ON task USING (title = 'visible')";
    admin.batch_execute(policy).unwrap();
    let refused = run_command(&mut site.migration(Side::Postgres, BACK, &[]));
    drop_role(&mut admin, &role);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let line = reason(refused.error_line());
    assert!(
        line.contains("row-level security policy for table"),
        "{line}"
    );
}

#[test]
fn a_source_that_changes_meanwhile_is_refused() {
    let site = Site::with_many_tasks();
    let mut child = site.start_copy_of_tasks();
    signal(&child.0, "STOP");
    let sql = "UPDATE task SET title = 'changed' WHERE id = 1";
    site.sqlite("project.db").execute_batch(sql).unwrap();
    signal(&child.0, "CONT");
    assert_eq!(child.wait().code(), Some(1));
    assert_eq!(
        reason(text_of(child.0.stderr.take()).trim_end()),
        "the table task of the source was changed meanwhile: stop all servers and run the command again"
    );
    site.assert_no_table();
}

#[test]
fn an_audit_log_that_is_not_intact_is_refused_unless_allowed() {
    let site = Site::with_account();
    site.sqlite("project.db")
        .execute_batch("UPDATE audit SET actor = 'eve' WHERE id = 1")
        .unwrap();
    assert_eq!(
        site.refusal_after_lines(PROJECT, Side::Postgres),
        "the audit log of the source is not intact: row 1 is not what was written; --allow-broken-audit-log copies it \
         all the same"
    );
    site.assert_no_table();
    let done = site.migrate(PROJECT, Side::Postgres, &["--allow-broken-audit-log"]);
    assert_done(&done);
    let line =
        "the audit log is copied, although it is not intact: row 1 is not what was written\n";
    assert!(done.out.contains(line), "{}", done.out);
    assert_eq!(site.rows(Side::Postgres), site.rows(PROJECT));
}

impl Site {
    /// As [`Site::refusal`], of a migration that has checked the rows.
    fn refusal_after_lines(&self, from: Side, to: Side) -> String {
        let refused = self.migrate(from, to, &[]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        reason(refused.err.trim_end()).to_owned()
    }
}

#[test]
fn key_files_are_never_replaced() {
    let site = Site::with_account();
    let keys = site.folder.path("keys.audit_key");
    fs::write(&keys, "another key").unwrap();
    assert_eq!(
        site.refusal(PROJECT, Side::Postgres, &[]),
        format!(
            "--to: {} has another audit key than the source: move it away, or name another path",
            canonical(&keys)
        )
    );
    site.assert_no_table();
    fs::copy(site.folder.path("project.db.audit_key"), &keys).unwrap();
    let done = site.migrate(PROJECT, Side::Postgres, &[]);
    assert_done(&done);
    assert!(
        done.out.contains("keys.* is the same already; "),
        "{}",
        done.out
    );
}

fn canonical(path: &Path) -> String {
    fs::canonicalize(path).unwrap().display().to_string()
}

// ---- interruptions ------------------------------------------------------------------------------

#[test]
fn after_a_kill_on_the_way_to_postgresql_the_target_is_empty_and_it_can_run_again() {
    let site = Site::with_many_tasks();
    let mut child = site.start_copy_of_tasks();
    child.0.kill().unwrap();
    child.wait();
    wait_for("end of the transaction", || {
        (!site.has_sessions()).then_some(())
    });
    site.assert_no_table();
    assert!(!site.files().iter().any(|name| name.starts_with("keys.")));
    assert_done(&site.migrate(PROJECT, Side::Postgres, &[]));
    assert_eq!(site.rows(Side::Postgres), site.rows(PROJECT));
}

#[test]
fn after_a_kill_on_the_way_back_there_is_no_database_and_it_can_run_again() {
    let site = Site::with_many_tasks();
    assert_done(&site.migrate(PROJECT, Side::Postgres, &[]));
    let mut child = start(&mut site.migration(Side::Postgres, BACK, &[]));
    wait_for("partial file", || {
        let part = site
            .files()
            .into_iter()
            .find(|name| name.ends_with(".part"))?;
        let written = fs::metadata(site.folder.path(&part)).ok()?.len();
        (written > 1 << 20).then_some(())
    });
    child.0.kill().unwrap();
    child.wait();
    assert!(!site.folder.path("back.db").exists());
    assert_done(&site.migrate(Side::Postgres, BACK, &[]));
    assert_eq!(site.rows(BACK), site.rows(PROJECT));
}

#[test]
fn a_signal_stops_it_and_nothing_is_left() {
    let site = Site::with_many_tasks();
    let mut child = site.start_copy_of_tasks();
    signal(&child.0, "INT");
    assert_eq!(child.wait().code(), Some(1));
    assert_eq!(
        text_of(child.0.stderr.take()),
        "task-api: cannot migrate: it was stopped; nothing was written\n"
    );
    wait_for("end of the transaction", || {
        (!site.has_sessions()).then_some(())
    });
    site.assert_no_table();
    let left = |name: &String| name.starts_with("keys.") || name.ends_with(".part");
    assert!(!site.files().iter().any(left));
}

#[test]
fn a_lost_connection_ends_it_and_it_can_run_again() {
    let site = Site::with_many_tasks();
    let mut child = site.start_copy_of_tasks();
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'task-api'";
    site.postgres.connect().query_one(sql, &[]).unwrap();
    assert_eq!(child.wait().code(), Some(1));
    let line = text_of(child.0.stderr.take());
    assert!(
        line.starts_with("task-api: cannot migrate: --to: table task: "),
        "{line}"
    );
    assert!(line.ends_with("; nothing was written\n"), "{line}");
    site.assert_no_table();
    assert_done(&site.migrate(PROJECT, Side::Postgres, &[]));
}

#[test]
fn a_server_that_starts_meanwhile_waits_for_the_copy() {
    let site = Site::with_many_tasks();
    let mut child = site.start_copy_of_tasks();
    let server = site.serve_with_key(Side::Postgres);
    assert_eq!(child.wait().code(), Some(0));
    let users = server.client().sign_in("ada");
    assert_eq!(users.status, 200);
}
