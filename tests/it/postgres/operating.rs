//! Operating the program on PostgreSQL: its commands, and the keys of several servers on one database.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use serde_json::json;
use task_api::config::postgres::PostgresUrl;

use crate::support::postgres::TestDatabase;
use crate::support::program::{
    CommandOutput, RunningServer, WorkDir, run_command, run_command_with_input,
};
use crate::support::{PASSWORD, wait_for};

/// A database, and a working directory in which each server has its keys at a path of its own.
struct Site {
    database: TestDatabase,
    work_dir: WorkDir,
}

impl Site {
    fn new() -> Site {
        Site {
            database: TestDatabase::new(),
            work_dir: WorkDir::new(),
        }
    }

    /// A command of the server whose keys are at this path.
    fn command(&self, keys: &str, arguments: &[&str]) -> Command {
        let mut command = self.work_dir.command(arguments);
        command
            .env("DATABASE_URL", &self.database.url)
            .env("KEYS_PATH", keys)
            .env("PUBLIC_URL", "https://tasks.example");
        command
    }

    fn run(&self, keys: &str, arguments: &[&str]) -> CommandOutput {
        run_command(&mut self.command(keys, arguments))
    }

    fn serve(&self, keys: &str) -> RunningServer {
        RunningServer::start(&mut self.command(keys, &[]))
    }

    fn has_file(&self, name: &str) -> bool {
        self.work_dir.path(name).exists()
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.work_dir.path(from), self.work_dir.path(to)).unwrap();
    }

    /// The start of this server is refused, since it has no signing key and other servers have one.
    #[track_caller]
    fn assert_needs_key(&self, keys: &str) {
        let refused = self.run(keys, &["serve"]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let folder = self.work_dir.0.path().canonicalize().unwrap();
        let line = format!(
            "task-api: KEYS_PATH: the file {} does not exist, and the database is in use: copy the file of another \
             server, or set JWT_SECRET_KEY\n",
            folder.join(format!("{keys}.jwt_secret")).display()
        );
        assert!(refused.err.ends_with(&line), "{refused:?}");
        assert!(!self.has_file(&format!("{keys}.jwt_secret")));
    }

    /// This command is refused, and writes nothing: without the audit key it would leave the log without a seal.
    #[track_caller]
    fn assert_needs_audit_key(&self, keys: &str, arguments: &[&str]) {
        let refused = self.run(keys, arguments);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let folder = self.work_dir.0.path().canonicalize().unwrap();
        let line = format!(
            "task-api: KEYS_PATH: the file {} does not exist, and the audit log is sealed: copy the file of another \
             server\n",
            folder.join(format!("{keys}.audit_key")).display()
        );
        assert!(refused.err.ends_with(&line), "{refused:?}");
        assert!(!refused.err.contains("ERROR"), "{refused:?}");
    }

    fn has_tables(&self) -> bool {
        let sql = "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = 'public')";
        self.database.connect().query_one(sql, &[]).unwrap().get(0)
    }
}

// ---- commands -----------------------------------------------------------------------------------

#[test]
fn backup_restore_and_backup_dir_name_the_tools_of_postgresql() {
    let site = Site::new();
    for (arguments, tools) in [
        (
            ["backup", "x.db"],
            "back it up: pg_dump -Fc, or pg_basebackup with continuous archiving",
        ),
        (
            ["restore", "x.db"],
            "restore it: pg_restore for a file of pg_dump, or a base backup with the archived write-ahead log",
        ),
    ] {
        let refused = site.run("a", &arguments);
        let line = format!(
            "task-api: this command is for SQLite, and DATABASE_URL names a PostgreSQL database: PostgreSQL's own tools \
             {tools}"
        );
        assert_eq!(
            (refused.code, refused.error_line()),
            (Some(1), &*line),
            "{arguments:?}"
        );
    }
    let refused = run_command(site.command("a", &["serve"]).env("BACKUP_DIR", "."));
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        refused.error_line(),
        "task-api: BACKUP_DIR is only for SQLite, and DATABASE_URL names a PostgreSQL database, which PostgreSQL's own \
         tools back up (pg_dump -Fc, or pg_basebackup with continuous archiving): unset BACKUP_DIR"
    );
    assert!(!site.has_tables() && !site.has_file("a.audit_key"));
}

#[test]
fn a_command_on_an_empty_database_creates_no_tables() {
    let site = Site::new();
    for arguments in [
        &["audit", "verify"][..],
        &["audit", "reseal"],
        &["user", "list"],
        &["invite", "--role", "admin", "--port", "80"],
    ] {
        let refused = site.run("a", arguments);
        let line = refused.error_line();
        assert!(
            line.starts_with("task-api: DATABASE_URL: the database postgres://")
                && line.ends_with(" is empty: the first start of the server creates its tables"),
            "{line}"
        );
    }
    assert!(!site.has_tables() && !site.has_file("a.audit_key"));
}

/// The lines of `task-api check`: by its name, the label and the text.
fn check(site: &Site, variables: &[(&str, &str)]) -> BTreeMap<String, (String, String)> {
    let mut command = site.command("a", &["check"]);
    command
        .env("PASSWORD_ITERATIONS", "600000")
        .env("RATE_LIMITS", "on")
        .env("CORS_ORIGINS", "https://app.example")
        .env("TRUSTED_PROXIES", "192.0.2.1");
    let output = run_command(command.envs(variables.iter().copied()));
    let lines = output.out.lines().map(|line| {
        let (label, rest) = line.split_at(8);
        let (name, text) = rest.split_at(20);
        (
            name.trim().to_owned(),
            (label.trim().to_owned(), text.to_owned()),
        )
    });
    lines.collect()
}

#[track_caller]
fn assert_failed(lines: &BTreeMap<String, (String, String)>, name: &str, text: &str) {
    let failed = lines.iter().filter(|(_, (label, _))| label == "FAILED");
    let failed: Vec<_> = failed.map(|(name, _)| name).collect();
    assert_eq!(failed, [name], "{lines:?}");
    assert!(lines[name].1.contains(text), "{lines:?}");
}

#[test]
fn check_looks_at_the_server_and_leaves_out_what_is_about_sqlites_file() {
    let site = Site::new();
    let lines = check(&site, &[]);
    assert_eq!(lines["database"].0, "ok");
    assert!(!site.has_tables() && !site.has_file("a.audit_key"));
    for name in ["ada", "bea"] {
        let email = format!("{name}@example.com");
        let arguments = ["user", "create", "--username", name, "--email", &email];
        let more = ["--password-stdin", "--role", "admin", "--approved"];
        let mut command = site.command("a", &[&arguments[..], &more].concat());
        let input = format!("{PASSWORD}\n");
        let created = run_command_with_input(&mut command, &input);
        assert_eq!(created.code, Some(0), "{created:?}");
    }
    site.serve("a").log();
    let lines = check(&site, &[]);
    assert!(
        lines.values().all(|(label, _)| label != "FAILED"),
        "{lines:?}"
    );
    for name in ["database-file", "file-system", "disk", "damage", "backups"] {
        let (label, text) = &lines[name];
        assert!(
            label == "skipped" && text.starts_with("for SQLite only; "),
            "{name} {text}"
        );
    }
    let (_, version) = &lines["database"];
    assert!(
        version.starts_with("PostgreSQL ") && version.contains(", schema version "),
        "{version}"
    );
    assert_eq!(lines["audit-log"], ("ok".to_owned(), "intact".to_owned()));
    assert_eq!(lines["admins"].1, "2 are approved");
    assert!(lines["connections"].1.contains(" of "), "{lines:?}");
}

#[test]
fn check_finds_what_is_wrong_with_the_server_or_the_way_to_it() {
    let site = Site::new();
    site.serve("a").log();
    let sql = r#"INSERT INTO "user" (username, email, password_hash, role, is_approved)
        VALUES ('ada', 'ada@example.com', '', 'admin', true), ('bea', 'bea@example.com', '', 'admin', true)"#;
    site.database.connect().batch_execute(sql).unwrap();
    assert!(
        check(&site, &[])
            .values()
            .all(|(label, _)| label != "FAILED")
    );
    let unreachable = [("READ_DATABASE_URL", "postgres://u:S3cret@127.0.0.1:1/d")];
    assert_failed(&check(&site, &unreachable), "read-database", "127.0.0.1:1");
    let empty = TestDatabase::new();
    let other = [("READ_DATABASE_URL", &*empty.url)];
    assert_failed(&check(&site, &other), "read-database", "must be a copy");
    let many = [("DATABASE_CONNECTIONS", "1000")];
    assert_failed(
        &check(&site, &many),
        "connections",
        "lower DATABASE_CONNECTIONS",
    );
    // A name that leads to this machine, and does not say so.
    let url = site.database.url.replace("127.0.0.1", "db.example");
    for (parameters, text) in [
        ("sslmode=disable", "need not be encrypted"),
        ("sslmode=prefer", "need not be encrypted"),
        ("sslmode=require", "no certificate is verified"),
    ] {
        let url = format!("{url}?hostaddr=192.0.2.1&connect_timeout=1&{parameters}");
        let lines = check(&site, &[("DATABASE_URL", &*url)]);
        let (label, found) = &lines["encryption"];
        assert!(label == "FAILED" && found.contains(text), "{lines:?}");
    }
    fs::remove_file(site.work_dir.path("a.audit_key")).unwrap();
    let lines = check(&site, &[]);
    assert_failed(
        &lines,
        "audit-log",
        "copy the file of another server on this database",
    );
}

// ---- the keys of several servers ----------------------------------------------------------------

#[test]
fn a_second_server_needs_the_keys_of_the_first() {
    let site = Site::new();
    let first = site.serve("a");
    // There is no account yet, but the audit log is sealed with the key of the first server.
    site.assert_needs_audit_key("b", &["serve"]);
    site.assert_needs_audit_key("b", &["user", "list"]);
    assert_eq!(first.client().sign_up("ada").status, 201);
    let token = first.client().sign_in_for_token("ada");
    // With the audit key alone, the session shows that tokens are signed.
    site.copy("a.audit_key", "b.audit_key");
    site.assert_needs_key("b");
    site.copy("a.jwt_secret", "b.jwt_secret");
    let second = site.serve("b");
    let hello = second.client().send("GET /hello", Some(&token), None);
    assert_eq!(hello.status, 200, "{hello:?}");
    // Each advances its own key, and both seal.
    let body = json!({ "email": "ada@example.com", "password": PASSWORD });
    for server in [&first, &second, &first] {
        assert_eq!(
            server
                .client()
                .send("POST /login", None, Some(&body))
                .status,
            200
        );
    }
    for (server, keys) in [(first, "a"), (second, "b")] {
        let log = server.log();
        assert!(
            !log.iter().any(|line| line.contains("authenticated")),
            "{log:?}"
        );
        let verified = site.run(keys, &["audit", "verify"]);
        assert!(verified.out.contains(" rows, intact"), "{verified:?}");
    }
}

#[test]
fn the_key_for_tokens_can_be_set_instead_of_copied() {
    let site = Site::new();
    let key = ("JWT_SECRET_KEY", "Ahsh4eeGeiph5oomaeGhaen0ietieliv");
    let start = |keys| RunningServer::start(site.command(keys, &[]).env(key.0, key.1));
    let first = start("a");
    assert_eq!(first.client().sign_up("ada").status, 201);
    let token = first.client().sign_in_for_token("ada");
    site.assert_needs_audit_key("b", &["serve"]);
    site.copy("a.audit_key", "b.audit_key");
    let second = start("b");
    assert_eq!(
        second
            .client()
            .send("GET /hello", Some(&token), None)
            .status,
        200
    );
    for server in [first, second] {
        let log = server.log();
        assert!(!log.iter().any(|line| line.contains("ERROR")), "{log:?}");
    }
    assert!(!site.has_file("b.jwt_secret"));
}

#[test]
fn servers_that_share_their_keys_can_start_at_the_same_moment() {
    let site = Site::new();
    let servers: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| site.serve("keys"))).collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert_eq!(servers[0].client().sign_up("ada").status, 201);
    let token = servers[0].client().sign_in_for_token("ada");
    for server in &servers {
        let hello = server.client().send("GET /hello", Some(&token), None);
        assert_eq!(hello.status, 200, "{hello:?}");
    }
    for server in servers {
        let log = server.log();
        assert!(!log.iter().any(|line| line.contains("ERROR")), "{log:?}");
    }
    let verified = site.run("keys", &["audit", "verify"]);
    assert!(verified.out.contains(" rows, intact"), "{verified:?}");
}

#[test]
fn a_lost_audit_key_is_replaced_by_a_reseal() {
    let site = Site::new();
    site.serve("a").log();
    fs::remove_file(site.work_dir.path("a.audit_key")).unwrap();
    site.assert_needs_audit_key("a", &["serve"]);
    let verified = site.run("a", &["audit", "verify"]);
    assert!(
        verified.err.contains("there is no audit key"),
        "{verified:?}"
    );
    assert_eq!(site.run("a", &["audit", "reseal"]).code, Some(0));
    assert_eq!(site.run("a", &["audit", "verify"]).code, Some(0));
    let log = site.serve("a").log();
    assert!(!log.iter().any(|line| line.contains("ERROR")), "{log:?}");
}

#[test]
fn after_a_reseal_the_other_servers_need_the_new_key() {
    let site = Site::new();
    site.serve("a").log();
    site.copy("a.audit_key", "b.audit_key");
    let sealed = site.run("a", &["audit", "reseal"]);
    assert_eq!(sealed.code, Some(0), "{sealed:?}");
    assert!(
        sealed
            .err
            .contains("a.audit_key to each other server on this database"),
        "{sealed:?}"
    );
    let old = site.run("b", &["audit", "verify"]);
    assert!(
        old.err.contains("was not made with the audit key"),
        "{old:?}"
    );
    site.copy("a.audit_key", "b.audit_key");
    assert_eq!(site.run("b", &["audit", "verify"]).code, Some(0));
}

// ---- the standby, and the password ---------------------------------------------------------------

#[test]
fn a_server_starts_without_its_standby() {
    let site = Site::new();
    let standby = ("READ_DATABASE_URL", "postgres://u@127.0.0.1:1/d");
    let server = RunningServer::start(site.command("a", &[]).env(standby.0, standby.1));
    let mut client = server.client();
    assert_eq!(client.send("GET /readyz", None, None).status, 200);
    let metrics = client.send("GET /metrics", None, None);
    for line in [
        "database_connections_max{pool=\"standby\"} ",
        "database_connections_idle{pool=\"standby\"} 0\n",
        "database_primary_reachable 1\n",
        "database_reads_from_standby 0\n",
    ] {
        assert!(metrics.text().contains(line), "{line} {}", metrics.text());
    }
    server.log();
}

#[test]
fn the_password_is_found_in_the_file_that_passfile_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pgpass");
    let lines = "# a comment\n\
        db:5433:d:u:the port\n\
        db:*:d:u:with \\: and \\\\ and : in it\n\
        \\:\\:1:5432:d:u:IPv6\n\
        localhost:*:*:u:socket\n\
        *:*:other:*:any server\n\
        too:few:fields\n";
    fs::write(&path, lines).unwrap();
    let password = |url: &str| {
        let url = format!("{url}passfile={}", path.display());
        let url: PostgresUrl = url.parse().unwrap();
        url.stored_password(&url.servers()[0]).unwrap()
    };
    for (url, expected) in [
        ("postgres://u@db/d?", Some("with : and \\ and : in it")),
        ("postgres://u@db:5433/d?", Some("the port")),
        ("postgres://u@[::1]/d?", Some("IPv6")),
        ("postgres://u@%2Frun/d?", Some("socket")),
        ("postgres://v@elsewhere/other?", Some("any server")),
        ("postgres://v@db/d?", None),
        ("postgres://u:its own@db/d?", None),
    ] {
        assert_eq!(password(url).as_deref(), expected, "{url}");
    }
    let missing: PostgresUrl = "postgres://u@db/d?passfile=no/such/file".parse().unwrap();
    let why = missing.stored_password(&missing.servers()[0]).unwrap_err();
    assert!(why.starts_with("passfile no/such/file: "), "{why}");
}

/// A machine that is gone answers nothing, also after the failover that it has caused.
#[test]
fn a_server_starts_while_the_first_host_of_its_url_is_silent() {
    let mut site = Site::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let first = format!("@{},", silent.local_addr().unwrap());
    site.database.url = site.database.url.replacen('@', &first, 1);
    let server = site.serve("keys");
    assert_eq!(server.client().send("GET /readyz", None, None).status, 200);
}

/// The start checks that the system grants this many threads.
#[test]
#[cfg(target_os = "linux")]
fn a_server_starts_as_many_threads_as_it_has_checked() {
    let site = Site::new();
    let cores = thread::available_parallelism().unwrap().get().min(64);
    for standby in [None, Some(&site.database.url)] {
        let mut command = site.command("keys", &[]);
        command.envs(standby.map(|url| ("READ_DATABASE_URL", url)));
        let server = RunningServer::start(&mut command);
        let quick_reads = 2 * cores + 2;
        let lanes = quick_reads.max(4) + quick_reads.max(4).div_ceil(2) + 2 * cores;
        let pools = 3 * (2 + usize::from(standby.is_some()));
        // Main, log, signals, maintenance, storage watch, accept, timer.
        let expected = lanes + cores + pools + 7;
        let threads = fs::read_dir(format!("/proc/{}/task", server.child.0.id())).unwrap();
        assert_eq!(threads.count(), expected, "{standby:?}");
    }
}

// ---- file descriptors ----------------------------------------------------------------------------

/// Whether all connections for quick reads and searches are open.
fn has_all_connections(server: &RunningServer) -> bool {
    let metrics = server.client().send("GET /metrics", None, None);
    let sample = |name: &str| {
        let name = format!("database_connections_{name}{{pool=\"readers\"}} ");
        let line = metrics
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(&name));
        line.unwrap().parse::<u32>().unwrap()
    };
    sample("idle") + sample("in_use") == sample("max")
}

#[test]
fn too_few_descriptors_for_the_connections_are_one_line_before_the_database_changes() {
    let site = Site::new();
    let mut command = site.command("keys", &[]);
    command.env("DATABASE_CONNECTIONS", "100");
    let refused = run_command(&mut site.work_dir.run_after("ulimit -n 300", &command));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let line = refused.error_line().to_owned();
    assert!(line.contains("300 file descriptors is too low"), "{line}");
    assert!(!site.has_tables());
}

#[test]
#[cfg(target_os = "linux")] // it uses prlimit
fn connections_that_are_lost_while_no_descriptor_is_left_are_opened_later() {
    let site = Site::new();
    let mut server = site.serve("keys");
    wait_for("all connections", || {
        has_all_connections(&server).then_some(())
    });
    let process = server.child.0.id().to_string();
    let set_limit = |soft: &str| {
        let limit = format!("--nofile={soft}:");
        let mut prlimit = Command::new("prlimit");
        let done = prlimit.args(["--pid", &process, &limit]).status();
        assert!(done.unwrap().success());
    };
    set_limit("16");
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    site.database.connect().query_one(sql, &[]).unwrap();
    server.wait_for_line("Too many open files");
    set_limit("20000");
    wait_for("all connections", || {
        has_all_connections(&server).then_some(())
    });
    assert_eq!(server.client().send("GET /readyz", None, None).status, 200);
}
