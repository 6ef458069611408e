//! The program as an operator uses it: commands, settings and their error messages, files, signals and the
//! log.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::data_dir::Engine;
use crate::support::http_client::{Client, TEST_TIMEOUT};
use crate::support::program::{ChildGuard, RunningServer, WorkDir, run_command};
use crate::support::{PASSWORD, TestResponse, file_mode, wait_for};

fn user_names(work_dir: &WorkDir) -> Vec<String> {
    let sql = r#"SELECT username FROM "user""#;
    work_dir.sql().query(sql, [], |row| row.get(0)).unwrap()
}

#[cfg(not(feature = "postgres"))]
#[test]
fn migrate_says_which_build_it_needs() {
    let work_dir = WorkDir::new();
    let build = "this program is built without PostgreSQL: build it with `cargo build --release --features postgres`";
    let url = "postgres://u:S3cret@h/d";
    let refused = work_dir.run(&["migrate", "--from", "sqlite:///a.db", "--to", url]);
    assert_eq!(refused.code, Some(2));
    assert_eq!(
        refused.error_line(),
        format!("task-api: invalid value for '--to <DATABASE_URL>': {build}")
    );
    let other = "sqlite:///b.db";
    let refused = work_dir.run(&["migrate", "--from", "sqlite:///a.db", "--to", other]);
    assert_eq!(refused.code, Some(1));
    assert_eq!(
        refused.error_line(),
        format!("task-api: migrate copies between SQLite and PostgreSQL, and {build}")
    );
}

// ---- commands ---------------------------------------------------------------------------------

#[test]
fn each_command_lists_its_arguments_and_settings_with_help() {
    let work_dir = WorkDir::new();
    for (command, mentions) in [
        (
            "",
            &[
                "serve",
                "user",
                "invite",
                "audit",
                "backup",
                "restore",
                "migrate",
                "check",
                "openapi",
                "healthcheck",
                "serve --help",
            ][..],
        ),
        (
            "serve",
            &[
                "--host",
                "--port",
                "PORT",
                "5000",
                "DATABASE_URL",
                "sqlite:///project.db",
                "BACKUP_DIR",
                "BACKUP_EVERY",
                "BACKUP_KEEP",
                "JWT_SECRET_KEY",
                "JWT_SECRET_KEY_FILE",
                "JWT_SECRET_KEY_PREVIOUS_FILE",
                "ALLOW_WEAK_JWT_SECRET",
                "ADMIN_USERNAME",
                "ADMIN_EMAIL",
                "ADMIN_PASSWORD_FILE",
                "JWT_ACCESS_TOKEN_EXPIRES",
                "24h",
                "JWT_REFRESH_TOKEN_EXPIRES",
                "30d",
                "SIGNUPS",
                "PUBLIC_URL",
                "LINKS_EXPIRE",
                "PASSWORD_ITERATIONS",
                "600000",
                "CORS_ORIGINS",
                "CORS_ALLOW_HEADERS",
                "CORS_SUPPORTS_CREDENTIALS",
                "TRUSTED_PROXIES",
                "RATE_LIMITS",
                "REQUESTS_PER_MINUTE",
                "6000",
                "METRICS_TOKEN_FILE",
                "SERVER",
                "event-loop",
                "rouille",
                "MAX_BODY_BYTES",
                "1048576",
                "MAX_HEAD_BYTES",
                "16384",
                "MAX_HEADER_FIELDS",
                "HEAD_TIMEOUT",
                "10s",
                "BODY_TIMEOUT",
                "RESPONSE_TIMEOUT",
                "30s",
                "IDLE_TIMEOUT",
                "75s",
                "MAX_CONNECTIONS",
                "10000",
                "MAX_BUFFERED_BYTES",
                "64 MiB",
                "RUST_LOG",
                "LOG_FORMAT",
                "json",
                "Examples:",
            ],
        ),
        (
            "user",
            &[
                "create",
                "list",
                "set-role",
                "approve",
                "set-password",
                "reset-link",
            ],
        ),
        (
            "user create",
            &[
                "--username",
                "--email",
                "--role",
                "--approved",
                "--password-stdin",
                "DATABASE_URL",
                "Examples:",
            ],
        ),
        ("user list", &["--role", "--approved", "DATABASE_URL"]),
        ("user set-role", &["<ACCOUNT>", "<ROLE>", "admin"]),
        ("user approve", &["<ACCOUNT>", "e-mail"]),
        ("user set-password", &["<ACCOUNT>", "--password-stdin"]),
        (
            "user reset-link",
            &[
                "<ACCOUNT>",
                "PUBLIC_URL",
                "LINKS_EXPIRE",
                "DATABASE_URL",
                "Examples:",
            ],
        ),
        (
            "invite",
            &[
                "--role",
                "--email",
                "PUBLIC_URL",
                "PORT",
                "LINKS_EXPIRE",
                "DATABASE_URL",
                "Examples:",
            ],
        ),
        ("audit", &["verify"]),
        ("audit verify", &["DATABASE_URL", "exit code 0"]),
        (
            "backup",
            &[
                "--to-stdout",
                "--key",
                "inside",
                "beside",
                "none",
                "DATABASE_URL",
                "Examples:",
            ],
        ),
        (
            "restore",
            &[
                "--sha256",
                "--discard-wal",
                "--allow-broken-audit-log",
                "DATABASE_URL",
                "Examples:",
            ],
        ),
        (
            "migrate",
            &[
                "--from",
                "--to",
                "MIGRATE_FROM",
                "MIGRATE_TO",
                "--convert",
                "--allow-broken-audit-log",
                "servers are stopped",
                "Examples:",
            ],
        ),
        (
            "check",
            &[
                "--ignore",
                "trusted-proxies",
                "DATABASE_URL",
                "BACKUP_DIR",
                "exit code 0",
                "Examples:",
            ],
        ),
        ("openapi", &["OpenAPI 3.1", "GET /openapi.json"]),
        ("healthcheck", &["--host", "--port", "PORT"]),
    ] {
        let mut arguments: Vec<_> = command.split_whitespace().collect();
        arguments.push("--help");
        let help = work_dir.run(&arguments);
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""), "{command}");
        for text in mentions {
            assert!(
                help.out.contains(text),
                "{command}: no {text}: {}",
                help.out
            );
        }
        let long = help.out.lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{command}");
    }
    let version = work_dir.run(&["--version"]);
    assert_eq!(
        version.out,
        format!("task-api {}\n", env!("CARGO_PKG_VERSION"))
    );
    let files = fs::read_dir(work_dir.0.path()).unwrap().count();
    assert_eq!(files, 0, "--help creates no files");
}

#[test]
fn help_shows_no_value_of_an_environment_variable() {
    let work_dir = WorkDir::new();
    let secret = "a value that is nobody else's business";
    let help = run_command(
        work_dir
            .command(&["serve", "--help"])
            .env("JWT_SECRET_KEY", secret)
            .env("JWT_SECRET_KEY_FILE", secret),
    );
    assert_eq!(help.code, Some(0));
    assert!(!help.out.contains(secret), "{}", help.out);
}

#[test]
fn a_created_account_can_sign_in_and_its_password_is_not_printed() {
    let work_dir = WorkDir::new();
    let created = work_dir.create_account("ada", &["--role", "admin", "--approved"]);
    assert_eq!(
        created.out,
        "created account 1 ada <ada@example.com>: admin, approved\n"
    );
    assert_eq!(created.err, "");
    let created = work_dir.create_account("bob", &[]);
    assert_eq!(
        created.out,
        "created account 2 bob <bob@example.com>: employee, awaiting approval\n"
    );
    assert!(!created.out.contains(PASSWORD));
    let server = work_dir.serve();
    let mut client = server.client();
    let token = client.sign_in_for_token("ada");
    let users = client.send("GET /users", Some(&token), None);
    assert_eq!(users.ids(), [1, 2]);
    if Engine::current() == Engine::Sqlite {
        assert_eq!(file_mode(&work_dir.path("project.db")), 0o600);
    }
}

#[test]
fn an_invalid_or_existing_account_is_refused_with_the_reason() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let long = "x".repeat(81);
    for (username, email, password, names) in [
        ("ada", "new@example.com", PASSWORD, "already exists"),
        ("new", "ada@example.com", PASSWORD, "already exists"),
        ("new", "ADA@Example.Com", PASSWORD, "already exists"),
        ("new", "new@example.com", "short", "8 to 128"),
        ("new", "new@example.com", "", "8 to 128"),
        ("", "new@example.com", PASSWORD, "--username"),
        (&long, "new@example.com", PASSWORD, "--username"),
        ("new", "nobody", PASSWORD, "--email"),
    ] {
        let arguments = ["user", "create", "--username", username, "--email", email];
        let arguments = [&arguments[..], &["--password-stdin"]].concat();
        let refused = work_dir.run_with_input(&arguments, &format!("{password}\n"));
        assert!(refused.error_line().contains(names), "{refused:?}");
        assert!(!refused.err.contains(PASSWORD), "{refused:?}");
        if names == "already exists" {
            assert_eq!(refused.code, Some(1));
        }
    }
    assert_eq!(user_names(&work_dir), ["ada"]);
}

#[test]
fn a_name_with_control_characters_is_refused_and_printed_without_them() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    for bad in ["a\nb", "a\tb", "a\u{1b}[31mb", "a\u{7f}b", "a\u{2028}b"] {
        for (username, email) in [(bad, "new@example.com"), ("new", bad)] {
            let arguments = ["user", "create", "--username", username, "--email", email];
            let arguments = [&arguments[..], &["--password-stdin"]].concat();
            let refused = work_dir.run_with_input(&arguments, PASSWORD);
            let line = refused.error_line();
            let named = if username == bad {
                "--username"
            } else {
                "--email"
            };
            assert!(line.contains(named), "{line:?}");
            assert!(line.contains("control characters"), "{line:?}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
    assert_eq!(user_names(&work_dir), ["ada"]);
}

#[test]
fn without_a_terminal_a_password_needs_password_stdin() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let create = [
        "user",
        "create",
        "--username",
        "bob",
        "--email",
        "b@b.example",
    ];
    for arguments in [&create[..], &["user", "set-password", "ada"]] {
        let refused = work_dir.run(arguments);
        assert_eq!(refused.code, Some(1));
        assert!(refused.error_line().contains("--password-stdin"));
    }
    assert_eq!(user_names(&work_dir), ["ada"]);
}

#[test]
fn user_list_prints_columns_and_filters_by_role_and_approval() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &["--role", "admin", "--approved"]);
    work_dir.create_account("bob", &[]);
    work_dir.create_account("eve", &["--role", "manager"]);
    let rows = |more: &[&str]| {
        let list = work_dir.run(&[&["user", "list"], more].concat());
        assert_eq!((list.code, list.err.as_str()), (Some(0), ""));
        let mut lines = list.out.lines();
        assert_eq!(
            lines.next().unwrap().split_whitespace().collect::<Vec<_>>(),
            [
                "ID", "ROLE", "APPROVED", "CREATED", "(UTC)", "USERNAME", "<E-MAIL>"
            ]
        );
        lines
            .map(|line| {
                let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
                let [id, role, approved, _day, _time, name, email] = &words[..] else {
                    panic!("{line:?}");
                };
                format!("{id} {role} {approved} {name} {email}")
            })
            .collect::<Vec<_>>()
    };
    let ada = "1 admin yes ada <ada@example.com>";
    let bob = "2 employee no bob <bob@example.com>";
    let eve = "3 manager no eve <eve@example.com>";
    assert_eq!(rows(&[]), [ada, bob, eve]);
    assert_eq!(rows(&["--approved", "true"]), [ada]);
    assert_eq!(rows(&["--approved", "false"]), [bob, eve]);
    assert_eq!(rows(&["--role", "manager"]), [eve]);
    assert_eq!(rows(&["--role", "manager", "--approved", "true"]), [""; 0]);
    let refused = work_dir.run(&["user", "list", "--role", "boss"]);
    assert!(refused.error_line().contains("--role"));
}

#[test]
fn user_list_prints_all_accounts_of_several_pages() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let db = work_dir.sql();
    for number in 2..=250 {
        db.execute(
            r#"INSERT INTO "user" (username, email, password_hash) VALUES (?1, ?1, '')"#,
            [format!("user{number}")],
        )
        .unwrap();
    }
    let list = work_dir.run(&["user", "list"]);
    let ids: Vec<i64> = list
        .out
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids, (1..=250).collect::<Vec<_>>());
}

#[test]
fn a_stored_name_with_a_line_break_adds_no_row_to_user_list() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let forged = "x\n     9  admin     yes       2026-01-01 00:00:00  root <root@example.com>";
    let db = work_dir.sql();
    db.execute(
        r#"INSERT INTO "user" (username, email, password_hash, role) VALUES (?1, ?2, '', ?3)"#,
        [
            forged,
            "e\r\u{1b}[2J@example.com",
            "admin\n 8 admin\u{1b}[1m",
        ],
    )
    .unwrap();
    let list = work_dir.run(&["user", "list"]);
    assert_eq!(list.code, Some(0));
    assert_eq!(list.out.lines().count(), 3, "{}", list.out);
    assert!(!list.out.contains(['\r', '\u{1b}']), "{:?}", list.out);
    let approved = work_dir.run(&["user", "approve", "e\r\u{1b}[2J@example.com"]);
    assert_eq!(approved.code, Some(0));
    assert_eq!(approved.out.lines().count(), 1, "{}", approved.out);
    assert!(!approved.out.contains(['\r', '\u{1b}']), "{approved:?}");
    let unknown = work_dir.run(&["user", "approve", "y\n\u{1b}[2J"]);
    assert!(!unknown.error_line().contains('\u{1b}'));
}

#[test]
fn set_role_and_approve_find_the_account_by_name_or_email() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let server = work_dir.serve();
    let mut client = server.client();
    let token = client.sign_in_for_token("ada");
    assert_eq!(client.send("GET /users", Some(&token), None).status, 403);
    let changed = work_dir.run(&["user", "set-role", "ada", "manager"]);
    assert_eq!(
        changed.out,
        "changed account 1 ada <ada@example.com>: manager, awaiting approval\n"
    );
    assert_eq!(client.send("GET /users", Some(&token), None).status, 403);
    let changed = work_dir.run(&["user", "approve", "Ada@Example.com"]);
    assert_eq!(
        changed.out,
        "changed account 1 ada <ada@example.com>: manager, approved\n"
    );
    // The running server reads the account for each request; another process's change takes up to 20 ms.
    wait_for("permission", || {
        let status = client.send("GET /users", Some(&token), None).status;
        (status == 200).then_some(())
    });
}

#[test]
fn set_password_replaces_the_password_and_revokes_the_tokens() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let token = work_dir.serve().client().sign_in_for_token("ada");
    let new = "another horse, another battery";
    let arguments = ["user", "set-password", "ada", "--password-stdin"];
    let short = work_dir.run_with_input(&arguments, "short");
    assert_eq!(short.code, Some(1));
    assert!(short.error_line().contains("8 to 128"));
    let changed = work_dir.run_with_input(&arguments, &format!("{new}\r\n"));
    assert_eq!(changed.code, Some(0), "{changed:?}");
    assert_eq!(
        changed.out,
        "changed the password of account 1 ada <ada@example.com>: employee, awaiting approval\n"
    );
    let server = work_dir.serve();
    let mut client = server.client();
    assert_eq!(client.sign_in("ada").status, 401);
    let hello = client.send("GET /hello", Some(&token), None);
    assert_eq!(hello.msg(), "Token has been revoked");
    let body = json!({ "email": "ada@example.com", "password": new });
    assert_eq!(client.send("POST /login", None, Some(&body)).status, 200);
}

#[test]
fn the_last_admin_keeps_the_role() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &["--role", "admin", "--approved"]);
    let refused = work_dir.run(&["user", "set-role", "ada", "manager"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.error_line().contains("admin"), "{refused:?}");
    work_dir.create_account("bob", &["--role", "admin", "--approved"]);
    let changed = work_dir.run(&["user", "set-role", "ada", "manager"]);
    assert_eq!(changed.code, Some(0), "{changed:?}");
}

#[test]
fn an_unknown_account_is_refused_with_a_message_that_names_it() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    for arguments in [
        &["user", "approve", "nobody"][..],
        &["user", "set-role", "nobody", "admin"],
        &["user", "set-password", "nobody", "--password-stdin"],
    ] {
        let refused = work_dir.run_with_input(arguments, PASSWORD);
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.error_line().contains("no account nobody"),
            "{refused:?}"
        );
    }
}

// ---- settings ---------------------------------------------------------------------------------

#[test]
fn an_invalid_setting_stops_the_start_with_one_line_that_names_it() {
    let work_dir = WorkDir::new();
    for (name, value) in [
        ("PORT", "abc"),
        ("PORT", "70000"),
        ("PORT", ""),
        ("DATABASE_URL", "mysql://localhost/project"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", ""),
        ("JWT_ACCESS_TOKEN_EXPIRES", "soon"),
        ("JWT_ACCESS_TOKEN_EXPIRES", "0"),
        ("JWT_ACCESS_TOKEN_EXPIRES", "-1"),
        ("JWT_ACCESS_TOKEN_EXPIRES", "11 years"),
        ("PASSWORD_ITERATIONS", "0"),
        ("PASSWORD_ITERATIONS", "many"),
        ("CORS_ORIGINS", "foo"),
        ("CORS_ORIGINS", ""),
        ("CORS_ORIGINS", "https://app.example/"),
        ("CORS_ORIGINS", "https://app.example,*"),
        ("CORS_SUPPORTS_CREDENTIALS", "maybe"),
        ("CORS_ALLOW_HEADERS", "X-A,"),
        ("CORS_ALLOW_HEADERS", "X-A: 1"),
        ("HOST", "[localhost]"),
        ("HOST", "[127.0.0.1]"),
        ("HOST", "[]"),
        ("CORS_SUPPORTS_CREDENTIALS", "true"), // not with the default of CORS_ORIGINS, *
        ("MAX_BODY_BYTES", "-1"),
        ("MAX_BODY_BYTES", "0"),
        ("MAX_BODY_BYTES", "1MB"),
        ("SERVER", "apache"),
        ("MAX_HEAD_BYTES", "0"),
        ("MAX_HEAD_BYTES", "16k"),
        ("MAX_HEADER_FIELDS", "0"),
        ("MAX_HEADER_FIELDS", "1001"),
        ("HEAD_TIMEOUT", "0"),
        ("HEAD_TIMEOUT", "soon"),
        ("BODY_TIMEOUT", "-1s"),
        ("RESPONSE_TIMEOUT", "2 days"),
        ("IDLE_TIMEOUT", ""),
        ("MAX_CONNECTIONS", "0"),
        ("MAX_CONNECTIONS", "1000001"),
        ("MAX_BUFFERED_BYTES", "64M"),
        ("ALLOW_WEAK_JWT_SECRET", "perhaps"),
        ("RUST_LOG", "a=b=c"),
        ("RUST_LOG", "inof"),
        ("RUST_LOG", "warn,access"),
        ("RUST_LOG", "access=inof"),
        ("LOG_FORMAT", "xml"),
        ("JWT_SECRET_KEY", ""),
        ("JWT_SECRET_KEY", "brief"),
        ("JWT_SECRET_KEY", "aStrongSecretKey"),
        ("JWT_SECRET_KEY", "thirty-one bytes are one short!"),
        ("JWT_SECRET_KEY_FILE", "missing.txt"),
        ("JWT_SECRET_KEY_PREVIOUS", "brief"),
        ("JWT_SECRET_KEY_PREVIOUS_FILE", "missing.txt"),
        ("METRICS_TOKEN", ""),
        ("METRICS_TOKEN", "fifteen-bytes-x"),
        ("METRICS_TOKEN", "two words, which no header has"),
        ("METRICS_TOKEN", "sixteen bytes and ümläuts"),
        ("METRICS_TOKEN_FILE", "missing.txt"),
    ] {
        let refused = run_command(work_dir.command(&[]).env(name, value));
        assert!(
            refused.error_line().contains(name),
            "{name}={value}: {refused:?}"
        );
        if matches!(name, "JWT_SECRET_KEY" | "METRICS_TOKEN") && !value.is_empty() {
            assert!(!refused.err.contains(value), "{refused:?}");
        }
    }
    let files = fs::read_dir(work_dir.0.path()).unwrap().count();
    assert_eq!(files, 0, "a refused start creates no files");
}

#[test]
fn a_value_that_is_not_on_a_fixed_list_is_refused_with_the_list() {
    let work_dir = WorkDir::new();
    let boolean = "expected one of: true, false, yes, no, on, off, 1, 0";
    for (name, expected) in [
        ("RATE_LIMITS", "expected one of: on, off"),
        ("SERVER", "expected one of: event-loop, rouille"),
        ("LOG_FORMAT", "expected one of: text, json"),
        ("SIGNUPS", "expected one of: open, closed"),
        ("ACCEPT_FLASK_TOKENS", "expected one of: auto, on, off"),
        ("ALLOW_WEAK_JWT_SECRET", boolean),
        ("CORS_SUPPORTS_CREDENTIALS", boolean),
    ] {
        let refused = run_command(work_dir.command(&[]).env(name, "perhaps"));
        let line = refused.error_line();
        assert!(line.contains(name) && line.ends_with(expected), "{line}");
    }
    for value in [
        "1", "TRUE", "yes", "t", "y", "on", "0", "False", "no", "f", "n", "off",
    ] {
        let mut command = work_dir.command(&["check"]);
        let output = run_command(command.env("ALLOW_WEAK_JWT_SECRET", value));
        assert_eq!(output.code, Some(1), "{value}: {output:?}");
    }
}

#[test]
fn an_address_that_is_refused_names_host_in_the_environment() {
    let work_dir = WorkDir::new();
    // An address for documentation, which no machine has. The start has logged before.
    for (arguments, host, text) in [
        (
            &[][..],
            "192.0.2.1",
            "cannot listen on 192.0.2.1:5999 (HOST is from the environment): ",
        ),
        (
            &["--server", "rouille"],
            "192.0.2.1",
            "cannot listen on 192.0.2.1:5999 (HOST is from the environment): ",
        ),
        (
            &["--host", "192.0.2.1"],
            "mybox",
            "cannot listen on 192.0.2.1:5999: ",
        ),
    ] {
        let mut command = work_dir.command(&["serve", "--port", "5999"]);
        let refused = run_command(command.args(arguments).env("HOST", host));
        let line = refused.err.lines().last().unwrap();
        assert!(
            refused.code == Some(1) && line.contains(text),
            "{refused:?}"
        );
    }
    for (arguments, text) in [
        (
            &[][..],
            "cannot reach 127.0.0.1:1 (HOST is from the environment): ",
        ),
        (&["--host", "127.0.0.2"], "cannot reach 127.0.0.2:1: "),
        (&["--host", "[::1]"], "cannot reach [::1]:1: "),
    ] {
        let mut command = work_dir.command(&["healthcheck", "--port", "1"]);
        let failed = run_command(command.args(arguments).env("HOST", "127.0.0.1"));
        assert!(failed.error_line().contains(text), "{failed:?}");
    }
}

#[test]
fn an_ipv6_address_to_listen_on_may_be_in_brackets() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    }
    let work_dir = WorkDir::new();
    for host in ["[::1]", "::1", "[::]"] {
        let server = RunningServer::start(work_dir.command(&[]).env("HOST", host));
        assert!(server.address.is_ipv6(), "{host}: {}", server.address);
        let port = server.address.port().to_string();
        for host in ["[::1]", "::1", "[::]"] {
            let check = run_command(&mut work_dir.command(&[
                "healthcheck",
                "--host",
                host,
                "--port",
                &port,
            ]));
            assert_eq!(check.code, Some(0), "{host}: {check:?}");
        }
        server.log();
    }
}

#[test]
fn each_start_warns_of_a_byte_order_mark_or_quotation_marks_around_a_secret_and_uses_it_as_it_is() {
    let work_dir = WorkDir::new();
    // Without an admin, each start warns of that too.
    work_dir.create_account("ada", &["--role", "admin", "--approved"]);
    let secret = "a secret of more than thirty-two bytes";
    let bom = format!("\u{feff}{secret}\n");
    let quoted = format!("\"{secret}\"\r\n");
    fs::write(work_dir.path("bom.txt"), &bom).unwrap();
    fs::write(work_dir.path("quoted.txt"), &quoted).unwrap();
    let start = |name: &str, value: &str| {
        let mut command = work_dir.command(&[]);
        command.env("PASSWORD_ITERATIONS", "600000");
        if name != "JWT_SECRET_KEY" && name != "JWT_SECRET_KEY_FILE" {
            command.env("JWT_SECRET_KEY", secret);
        }
        let server = RunningServer::start(command.env(name, value));
        let log = server.log();
        assert!(
            log.iter().all(|line| !line.contains("thirty-two")),
            "{log:?}"
        );
        let warnings = log.into_iter().filter(|line| line.contains("WARN"));
        warnings.collect::<Vec<String>>()
    };
    let token = "'a-token-of-16-bytes'";
    for (name, value, warning) in [
        (
            "JWT_SECRET_KEY",
            quoted.trim_end(),
            "JWT_SECRET_KEY is in quotation marks",
        ),
        (
            "JWT_SECRET_KEY_FILE",
            "quoted.txt",
            "JWT_SECRET_KEY_FILE quoted.txt is in quotation marks",
        ),
        (
            "JWT_SECRET_KEY_FILE",
            "bom.txt",
            "JWT_SECRET_KEY_FILE bom.txt begins with a byte order mark",
        ),
        (
            "JWT_SECRET_KEY_PREVIOUS",
            quoted.trim_end(),
            "JWT_SECRET_KEY_PREVIOUS is in quotation marks",
        ),
        (
            "JWT_SECRET_KEY_PREVIOUS_FILE",
            "bom.txt",
            "JWT_SECRET_KEY_PREVIOUS_FILE bom.txt begins with",
        ),
        (
            "METRICS_TOKEN",
            token,
            "METRICS_TOKEN is in quotation marks",
        ),
    ] {
        for _ in 0..2 {
            let warnings = start(name, value);
            assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
            assert!(warnings[0].contains(warning), "{name}: {warnings:?}");
        }
    }
    for unquoted in [
        format!("\"{secret}"),
        format!("{secret}'"),
        format!("\"{secret}'"),
    ] {
        assert_eq!(start("JWT_SECRET_KEY", &unquoted), [""; 0], "{unquoted}");
    }
    // A byte order mark cannot be sent in a header, so the token is refused, and the reason is named.
    fs::write(work_dir.path("token.txt"), "\u{feff}sixteen-bytes-ok").unwrap();
    let refused = run_command(work_dir.command(&[]).env("METRICS_TOKEN_FILE", "token.txt"));
    let line = refused.error_line();
    assert!(
        line.contains("METRICS_TOKEN_FILE token.txt begins with a byte order mark"),
        "{line}"
    );
}

#[test]
fn a_value_with_a_line_break_stops_the_start_with_one_line_that_names_the_setting() {
    let work_dir = WorkDir::new();
    for name in ["PORT", "CORS_ORIGINS", "RUST_LOG", "DATABASE_URL"] {
        let refused = run_command(work_dir.command(&[]).env(name, "a=b=c\nsecond line"));
        assert!(refused.error_line().contains(name), "{name}: {refused:?}");
    }
}

#[test]
fn a_value_that_is_not_utf_8_stops_the_start_with_one_line_that_names_the_setting() {
    use std::os::unix::ffi::OsStrExt;
    let work_dir = WorkDir::new();
    let value = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for name in [
        "JWT_SECRET_KEY",
        "METRICS_TOKEN",
        "PORT",
        "HOST",
        "CORS_ORIGINS",
    ] {
        let refused = run_command(work_dir.command(&[]).env(name, value));
        assert!(refused.error_line().contains(name), "{name}: {refused:?}");
    }
}

#[test]
fn two_metrics_tokens_or_an_invalid_one_in_a_file_stop_the_start() {
    let work_dir = WorkDir::new();
    let start = |token: &str, file: &str| {
        fs::write(work_dir.path("token.txt"), file).unwrap();
        let mut command = work_dir.command(&["serve", "--metrics-token-file", "token.txt"]);
        if !token.is_empty() {
            command.env("METRICS_TOKEN", token);
        }
        run_command(&mut command).error_line().to_owned()
    };
    let both = start("sixteen-bytes-ok", "sixteen-bytes-ok");
    assert!(both.contains("METRICS_TOKEN and METRICS_TOKEN_FILE"));
    for short in [
        "",
        "\n",
        "fifteen-bytes-x\n",
        "one-token-a-file\nand-no-second",
    ] {
        let line = start("", short);
        assert!(line.contains("METRICS_TOKEN_FILE token.txt"), "{line}");
    }
}

#[test]
fn a_key_and_a_key_file_together_stop_the_start() {
    let work_dir = WorkDir::new();
    fs::write(work_dir.path("key.txt"), "k".repeat(40)).unwrap();
    let refused = run_command(
        work_dir
            .command(&[])
            .env("JWT_SECRET_KEY", "j".repeat(40))
            .env("JWT_SECRET_KEY_FILE", "key.txt"),
    );
    let line = refused.error_line();
    assert!(line.contains("JWT_SECRET_KEY and JWT_SECRET_KEY_FILE"));
}

#[test]
fn a_weak_key_in_a_file_stops_the_start() {
    let work_dir = WorkDir::new();
    for weak in ["", "\n", "aStrongSecretKey\n"] {
        fs::write(work_dir.path("key.txt"), weak).unwrap();
        let refused = run_command(work_dir.command(&[]).env("JWT_SECRET_KEY_FILE", "key.txt"));
        assert!(refused.error_line().contains("key.txt"), "{refused:?}");
    }
}

#[test]
fn a_weak_key_is_accepted_with_allow_weak_jwt_secret_and_logged_as_a_warning() {
    let work_dir = WorkDir::new();
    let weak = "aStrongSecretKey";
    let server = RunningServer::start(
        work_dir
            .command(&[])
            .env("JWT_SECRET_KEY", weak)
            .env("ALLOW_WEAK_JWT_SECRET", "1"),
    );
    let mut client = server.client();
    assert_eq!(client.sign_up("ada").status, 201);
    let token = client.sign_in_for_token("ada");
    assert_eq!(client.send("GET /hello", Some(&token), None).status, 200);
    let log = server.log();
    let warning = log
        .iter()
        .find(|line| line.contains("WARN") && line.contains("JWT_SECRET_KEY"));
    assert!(warning.is_some(), "{log:?}");
    assert!(log.iter().all(|line| !line.contains(weak)), "{log:?}");
    assert!(!work_dir.path("project.db.jwt_secret").exists());
    // An empty key is refused even so: any client could sign tokens with it.
    let empty = run_command(
        work_dir
            .command(&[])
            .env("JWT_SECRET_KEY", "")
            .env("ALLOW_WEAK_JWT_SECRET", "1"),
    );
    assert!(empty.error_line().contains("JWT_SECRET_KEY"));
}

#[test]
fn after_a_key_rotation_tokens_of_the_previous_key_stay_valid() {
    let work_dir = WorkDir::new();
    let old = "aStrongSecretKey";
    let weak = |command: &mut Command| {
        command.env("ALLOW_WEAK_JWT_SECRET", "1");
        RunningServer::start(command)
    };
    let server = weak(work_dir.command(&[]).env("JWT_SECRET_KEY", old));
    assert_eq!(server.client().sign_up("ada").status, 201);
    let token = server.client().sign_in_for_token("ada");
    server.log();

    let new = "n".repeat(40);
    fs::write(
        work_dir.path("old.txt"),
        format!("{}\n{old}\n", "x".repeat(40)),
    )
    .unwrap();
    let keys = [
        (
            "JWT_SECRET_KEY_PREVIOUS",
            format!("{}, {old}", "x".repeat(40)),
        ),
        ("JWT_SECRET_KEY_PREVIOUS_FILE", "old.txt".to_owned()),
    ];
    let mut newer = String::new();
    for (name, value) in &keys {
        let mut command = work_dir.command(&[]);
        let server = weak(command.env("JWT_SECRET_KEY", &new).env(name, value));
        let mut client = server.client();
        assert_eq!(client.send("GET /hello", Some(&token), None).status, 200);
        newer = client.sign_in_for_token("ada");
        let log = server.log();
        let warning = log.iter().find(|line| line.contains("WARN"));
        assert!(warning.is_some_and(|line| line.contains(name)), "{log:?}");
        assert!(log.iter().all(|line| !line.contains(old)), "{log:?}");
    }
    // With the new key alone the new token stays valid, and there is no warning.
    let server = RunningServer::start(work_dir.command(&[]).env("JWT_SECRET_KEY", &new));
    let mut client = server.client();
    assert_eq!(client.send("GET /hello", Some(&newer), None).status, 200);
    assert_eq!(client.send("GET /hello", Some(&token), None).status, 401);
    assert!(
        !server
            .log()
            .iter()
            .any(|line| line.contains("JWT_SECRET_KEY_PREVIOUS"))
    );

    let both = run_command(work_dir.command(&[]).envs(keys));
    assert!(
        both.error_line().contains("JWT_SECRET_KEY_PREVIOUS and"),
        "{both:?}"
    );
}

#[test]
fn the_first_start_creates_the_first_admin_and_later_starts_create_no_account() {
    let work_dir = WorkDir::new();
    fs::write(work_dir.path("password.txt"), format!("{PASSWORD}\n")).unwrap();
    let named = |name: &str| {
        let mut command = work_dir.command(&[]);
        command.env("ADMIN_USERNAME", name);
        command.env("ADMIN_EMAIL", format!("{name}@example.com"));
        command
    };
    let server = RunningServer::start(named("first").env("ADMIN_PASSWORD_FILE", "password.txt"));
    let mut client = server.client();
    let token = client.sign_in_for_token("first");
    let me = client.send("GET /me", Some(&token), None).json();
    assert_eq!(
        (&me["role"], &me["is_approved"]),
        (&json!("admin"), &json!(true))
    );
    assert_eq!(client.send("GET /users", Some(&token), None).status, 200);
    let audit_log = client.send("GET /audit", Some(&token), None).json();
    let entry = &audit_log["items"][1];
    assert_eq!(
        [&entry["action"], &entry["subject"], &entry["actor"]],
        [&json!("account_made"), &json!("first"), &Value::Null]
    );
    let log = server.log();
    assert!(
        log.iter()
            .any(|line| line.contains("created the first admin"))
    );
    assert!(log.iter().all(|line| !line.contains(PASSWORD)), "{log:?}");

    // A second start with another password, and one with another name, change nothing.
    for name in ["first", "second"] {
        let server = RunningServer::start(named(name).env("ADMIN_PASSWORD", "another password"));
        let mut client = server.client();
        let token = client.sign_in_for_token("first");
        let users = client.send("GET /users", Some(&token), None);
        assert_eq!(users.ids(), [1]);
        server.log();
    }
}

/// Signs up with the invitation in a link.
fn sign_up_with(client: &mut Client, name: &str, link: &str) -> TestResponse {
    let (_, token) = link.split_once("/#invitation=").unwrap();
    let body = json!({
        "username": name, "email": format!("{name}@example.com"), "password": PASSWORD,
        "invitation": token,
    });
    client.send("POST /signup", None, Some(&body))
}

/// Sets a new password with the link.
fn reset_with(client: &mut Client, link: &str, password: &str) -> u16 {
    let (_, token) = link.split_once("/#reset=").unwrap();
    let body = json!({ "token": token, "password": password });
    client
        .send("POST /password-reset", None, Some(&body))
        .status
}

/// The link in the log line of a start without an admin.
#[cfg(feature = "board")]
fn first_link(server: &mut RunningServer) -> String {
    let line = server.wait_for_line("there is no admin yet");
    let word = |word: &&str| word.starts_with("http");
    line.split(' ').find(word).unwrap().to_owned()
}

#[cfg(feature = "board")]
#[test]
fn the_link_that_the_first_start_logs_makes_the_first_admin() {
    let work_dir = WorkDir::new();
    let mut server = work_dir.serve();
    let link = first_link(&mut server);
    assert!(
        link.starts_with(&format!("http://{}/#invitation=", server.address)),
        "{link}"
    );
    let mut client = server.client();
    assert_eq!(sign_up_with(&mut client, "grace", &link).status, 201);
    assert_eq!(sign_up_with(&mut client, "eve", &link).status, 410);
    let token = client.sign_in_for_token("grace");
    let audit_log = client.send("GET /audit", Some(&token), None).json();
    let [_, sign_up, made] = &audit_log["items"].as_array().unwrap()[..] else {
        panic!("{audit_log}");
    };
    assert_eq!(
        (&sign_up["action"], &made["action"]),
        (&json!("sign_up"), &json!("invitation_made"))
    );
    assert_eq!(sign_up["detail"], made["detail"]);
    assert_eq!(
        (&made["actor"], &made["os_user"]),
        (&Value::Null, &Value::Null)
    );
    let is_about_link = |line: &String| line.contains("no admin yet");
    assert_eq!(server.log().into_iter().filter(is_about_link).count(), 1);

    let log = work_dir.serve().log();
    assert!(!log.iter().any(is_about_link), "{log:?}");
}

#[cfg(feature = "board")]
#[test]
fn the_links_of_two_starts_are_valid_until_one_is_used() {
    let work_dir = WorkDir::new();
    let start = || {
        let url = "https://tasks.example/board/";
        let mut server = RunningServer::start(work_dir.command(&[]).env("PUBLIC_URL", url));
        let link = first_link(&mut server);
        assert!(
            link.starts_with("https://tasks.example/board/#invitation="),
            "{link}"
        );
        (server, link)
    };
    let ((first, first_link), (second, second_link)) = (start(), start());
    assert_ne!(first_link, second_link);
    assert_eq!(
        sign_up_with(&mut first.client(), "grace", &second_link).status,
        201
    );
    assert_eq!(
        sign_up_with(&mut second.client(), "eve", &first_link).status,
        410
    );
}

#[test]
fn a_start_with_the_settings_of_the_first_admin_makes_no_link() {
    let work_dir = WorkDir::new();
    let mut command = work_dir.command(&[]);
    command.env("ADMIN_USERNAME", "first");
    command.env("ADMIN_EMAIL", "first@example.com");
    command.env("ADMIN_PASSWORD", PASSWORD);
    let log = RunningServer::start(&mut command).log();
    assert!(
        !log.iter().any(|line| line.contains("no admin yet")),
        "{log:?}"
    );
    let count = "SELECT count(*) FROM invitation";
    let count: i64 = work_dir
        .sql()
        .query_row(count, [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 0);
}

#[test]
fn invite_prints_a_link_alone_while_the_server_runs() {
    let work_dir = WorkDir::new();
    let server = work_dir.serve();
    let mut client = server.client();
    let invite = |arguments: &[&str]| {
        let mut command = work_dir.command(&["invite"]);
        let printed = run_command(command.args(arguments).env("PORT", "5000"));
        assert_eq!(printed.code, Some(0), "{printed:?}");
        let link = printed.out.strip_suffix('\n').unwrap().to_owned();
        assert!(
            link.starts_with("http://127.0.0.1:5000/#invitation="),
            "{printed:?}"
        );
        assert_eq!(link.len(), "http://127.0.0.1:5000/#invitation=".len() + 43);
        assert_eq!(printed.err.lines().count(), 1, "{printed:?}");
        link
    };
    let admin = invite(&["--role", "admin"]);
    let manager = invite(&["--role", "manager", "--email", "ada@example.com"]);
    assert_eq!(sign_up_with(&mut client, "grace", &admin).status, 201);
    assert_eq!(sign_up_with(&mut client, "eve", &manager).status, 422);
    let ada = sign_up_with(&mut client, "ada", &manager);
    assert_eq!((ada.status, &ada.json()["role"]), (201, &json!("manager")));
    let token = client.sign_in_for_token("grace");
    let made = client.send("GET /audit?action=invitation_made", Some(&token), None);
    let newest = &made.json()["items"][0];
    assert_eq!(newest["detail"]["email"], "ada@example.com");
    assert!(newest["os_user"].is_string(), "{newest}");
}

#[test]
fn reset_link_prints_a_link_alone_while_the_server_runs() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let server = work_dir.serve();
    let mut client = server.client();
    let token = client.sign_in_for_token("ada");
    for (n, account) in ["ada", "ada@example.com"].iter().enumerate() {
        let mut command = work_dir.command(&["user", "reset-link", account]);
        let printed = run_command(command.env("PUBLIC_URL", "https://tasks.example"));
        assert_eq!(printed.code, Some(0), "{printed:?}");
        let link = printed.out.strip_suffix('\n').unwrap();
        assert!(
            link.starts_with("https://tasks.example/#reset="),
            "{printed:?}"
        );
        assert_eq!(
            reset_with(&mut client, link, &format!("a new password {n}")),
            204
        );
        assert_eq!(reset_with(&mut client, link, PASSWORD), 410);
    }
    assert_eq!(client.send("GET /me", Some(&token), None).status, 401);
    let body = json!({ "email": "ada@example.com", "password": "a new password 1" });
    assert_eq!(client.send("POST /login", None, Some(&body)).status, 200);
}

#[test]
fn a_link_begins_with_an_address_that_a_browser_can_open() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    for (settings, start) in [
        (&[("PORT", "80")][..], "http://127.0.0.1:80/#reset="),
        (
            &[("PORT", "80"), ("HOST", "0.0.0.0")],
            "http://127.0.0.1:80/#reset=",
        ),
        (&[("PORT", "80"), ("HOST", "::")], "http://[::1]:80/#reset="),
        (
            &[("PORT", "80"), ("HOST", "::1")],
            "http://[::1]:80/#reset=",
        ),
        (
            &[("PORT", "80"), ("HOST", "tasks.lan")],
            "http://tasks.lan:80/#reset=",
        ),
        (
            &[("PUBLIC_URL", "https://TASKS.example:443/")],
            "https://tasks.example/#reset=",
        ),
        (
            &[("PUBLIC_URL", "http://10.0.0.5:8000/a/b/")],
            "http://10.0.0.5:8000/a/b/#reset=",
        ),
    ] {
        let mut command = work_dir.command(&["user", "reset-link", "ada"]);
        let printed = run_command(command.envs(settings.iter().copied()));
        assert!(printed.out.starts_with(start), "{settings:?} {printed:?}");
    }
}

#[test]
fn a_link_that_cannot_be_made_is_refused_with_the_reason() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    for (arguments, reason) in [
        (&["user", "reset-link", "ada"][..], "set PUBLIC_URL"),
        (&["invite", "--role", "admin"], "set PUBLIC_URL"),
        (&["user", "reset-link", "eve", "--port", "80"], "eve"),
        (&["invite", "--role", "owner", "--port", "80"], "--role"),
        (
            &[
                "invite", "--role", "admin", "--email", "ada", "--port", "80",
            ],
            "--email",
        ),
        (
            &["invite", "--role", "admin", "--public-url", "tasks.example"],
            "--public-url",
        ),
        (
            &["invite", "--role", "admin", "--links-expire", "0"],
            "--links-expire",
        ),
    ] {
        let refused = work_dir.run(arguments);
        assert!(
            refused.error_line().contains(reason),
            "{arguments:?} {refused:?}"
        );
    }
    for url in [
        "",
        "tasks.example",
        "ftp://a.example",
        "https://",
        "https://a.example?x",
        "https://a.example/#x",
        "https://me:secret@a.example",
        "https://a.example//b.example",
    ] {
        let refused = run_command(work_dir.command(&[]).env("PUBLIC_URL", url));
        assert!(
            refused.error_line().contains("public-url"),
            "{url} {refused:?}"
        );
    }
    let count = "SELECT count(*) FROM invitation";
    let count: i64 = work_dir
        .sql()
        .query_row(count, [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 0);
}

#[test]
fn a_line_end_after_the_first_admins_password_is_not_part_of_it() {
    for line_end in ["\n", "\r\n"] {
        let work_dir = WorkDir::new();
        let mut command = work_dir.command(&[]);
        command.env("ADMIN_USERNAME", "first");
        command.env("ADMIN_EMAIL", "first@example.com");
        command.env("ADMIN_PASSWORD", format!("{PASSWORD}{line_end}"));
        let server = RunningServer::start(&mut command);
        server.client().sign_in_for_token("first");
    }
}

#[test]
fn incomplete_or_invalid_settings_of_the_first_admin_stop_the_start() {
    let work_dir = WorkDir::new();
    fs::write(work_dir.path("short.txt"), "1234567\n").unwrap();
    let complete = [
        ("ADMIN_USERNAME", "root"),
        ("ADMIN_EMAIL", "root@example.com"),
        ("ADMIN_PASSWORD", PASSWORD),
    ];
    let start = |settings: &[(&str, &str)]| {
        let mut command = work_dir.command(&[]);
        let settings = settings.iter().copied();
        let refused = run_command(command.envs(settings).env("RUST_LOG", "error"));
        refused.error_line().to_owned()
    };
    for missing in complete {
        let settings: Vec<_> = complete.into_iter().filter(|set| *set != missing).collect();
        let line = start(&settings);
        assert!(line.contains(missing.0), "{line}");
    }
    for (name, value) in [
        ("ADMIN_PASSWORD", ""),
        ("ADMIN_PASSWORD_FILE", "short.txt"),
        ("ADMIN_PASSWORD_FILE", "missing.txt"),
        ("ADMIN_EMAIL", "nobody"),
    ] {
        let mut settings = complete[..2].to_vec();
        settings.push((name, value));
        if name == "ADMIN_EMAIL" {
            settings.push(complete[2]);
        }
        let line = start(&settings);
        assert!(line.contains(name), "{line}");
    }
    let both = [&complete[..], &[("ADMIN_PASSWORD_FILE", "short.txt")]].concat();
    assert!(start(&both).contains("ADMIN_PASSWORD and ADMIN_PASSWORD_FILE"));
    // An existing account with this name is not promoted.
    work_dir.create_account("root", &[]);
    let line = start(&complete);
    assert!(line.contains("ADMIN_USERNAME"), "{line}");
}

#[test]
fn an_unknown_command_or_argument_exits_with_2() {
    let work_dir = WorkDir::new();
    for arguments in [
        &["sevre"][..],
        &["user"],
        &["user", "create"],
        &["serve", "--prot", "1"],
        &["serve", "--jwt-secret-key", "k"],
    ] {
        let refused = work_dir.run(arguments);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert_eq!(refused.out, "");
        assert!(!refused.err.is_empty());
    }
}

#[test]
fn an_argument_takes_precedence_over_an_environment_variable() {
    let work_dir = WorkDir::new();
    let url = "sqlite:///flag.db";
    let mut command = work_dir.command(&["serve", "--database-url", url, "--port", "0"]);
    let server = RunningServer::start(
        command
            .env("DATABASE_URL", "sqlite:///environment.db")
            .env_remove("KEYS_PATH")
            .env("PORT", "1"),
    );
    assert_ne!(server.address.port(), 1);
    server.log();
    assert!(work_dir.path("flag.db").exists());
    assert!(!work_dir.path("environment.db").exists());
}

// ---- running the server -----------------------------------------------------------------------

#[test]
fn the_rouille_server_serves_the_requests_of_the_tutorial() {
    let work_dir = WorkDir::new();
    let server = RunningServer::start(&mut work_dir.command(&["serve", "--server", "rouille"]));
    let mut client = server.client();
    assert_eq!(client.sign_up("ada").status, 201);
    let token = client.sign_in_for_token("ada");
    let hello = client.send("GET /hello", Some(&token), None);
    assert_eq!(
        (hello.status, &hello.json()["user_name"]),
        (200, &json!("ada"))
    );
    assert_eq!(hello.header("Server"), Some("task-api"));
    server.log();
}

#[test]
fn a_key_in_a_file_and_in_the_environment_are_the_same_key() {
    let work_dir = WorkDir::new();
    let key = "forty bytes that somebody chose himself!";
    // Editors add a line break at the end, which is not part of the key.
    fs::write(work_dir.path("key.txt"), format!("{key}\n")).unwrap();
    let server = RunningServer::start(work_dir.command(&[]).env("JWT_SECRET_KEY_FILE", "key.txt"));
    let mut client = server.client();
    assert_eq!(client.sign_up("ada").status, 201);
    let token = client.sign_in_for_token("ada");
    server.log();
    let server = RunningServer::start(work_dir.command(&[]).env("JWT_SECRET_KEY", key));
    let hello = server.client().send("GET /hello", Some(&token), None);
    assert_eq!(hello.status, 200, "{hello:?}");
    assert!(!work_dir.path("project.db.jwt_secret").exists());
}

#[test]
fn two_servers_that_create_the_same_database_at_once_both_start() {
    for _ in 0..5 {
        let work_dir = WorkDir::new();
        let [first, second] = thread::scope(|scope| {
            [(); 2]
                .map(|()| scope.spawn(|| work_dir.serve()))
                .map(|server| server.join().unwrap())
        });
        assert_eq!(first.client().sign_up("ada").status, 201);
        let token = second.client().sign_in_for_token("ada");
        let hello = first.client().send("GET /hello", Some(&token), None);
        assert_eq!(hello.status, 200, "{hello:?}");
    }
}

#[test]
fn the_openapi_command_needs_no_database_and_reads_no_setting_but_the_public_url() {
    let work_dir = WorkDir::new();
    for (public_url, prefix) in [(None, ""), (Some("https://example.com/todo"), "/todo")] {
        let mut command = work_dir.command(&["openapi"]);
        let command = command
            .env("DATABASE_URL", "nonsense")
            .env("PORT", "nonsense")
            .envs(public_url.map(|url| ("PUBLIC_URL", url)));
        let printed = run_command(command);
        assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
        assert!(printed.out.ends_with("}\n"), "{}", printed.out);
        assert_eq!(printed.out, task_api::router::openapi_json(prefix).unwrap());
    }
    assert_eq!(fs::read_dir(work_dir.0.path()).unwrap().count(), 0);
}

#[test]
fn the_health_check_exits_with_0_while_a_server_runs_and_with_1_otherwise() {
    let work_dir = WorkDir::new();
    let server = work_dir.serve();
    let port = server.address.port().to_string();
    for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
        let check = run_command(
            work_dir
                .command(&["healthcheck"])
                .env("HOST", host)
                .env("PORT", &port),
        );
        assert_eq!(check.code, Some(0), "{host}: {check:?}");
        assert_eq!((check.out.as_str(), check.err.as_str()), ("", ""));
    }
    server.log();
    let check = work_dir.run(&["healthcheck", "--port", &port]);
    assert_eq!(check.code, Some(1));
    assert!(check.error_line().contains(&port), "{check:?}");
}

#[test]
fn the_health_check_exits_with_1_when_the_response_is_not_200() {
    let work_dir = WorkDir::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    for response in [
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        "",
        "nonsense\r\n",
    ] {
        let check = thread::scope(|scope| {
            scope.spawn(|| {
                let (mut socket, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let _ = socket.read(&mut request).unwrap();
                socket.write_all(response.as_bytes()).unwrap();
            });
            work_dir.run(&["healthcheck", "--port", &port])
        });
        assert_eq!(check.code, Some(1), "{response:?}");
        check.error_line();
    }
}

/// Whether the process has a handler for SIGTERM.
fn catches_sigterm(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 << (15 - 1) != 0
}

fn send_sigterm(pid: u32) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -s TERM {pid}")])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_signal_before_the_server_listens_stops_it_at_once() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    // The start waits up to five seconds for this lock.
    let db = work_dir.sql();
    db.lock_writes();
    let mut command = work_dir.command(&[]);
    let child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = ChildGuard(child);
    let pid = child.0.id();
    let end = Instant::now() + TEST_TIMEOUT;
    while !catches_sigterm(pid) {
        assert!(Instant::now() < end && child.0.try_wait().unwrap().is_none());
        thread::yield_now();
    }
    send_sigterm(pid);
    assert_eq!(child.wait().code(), Some(1));
    let mut log = String::new();
    child
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert!(log.contains("SIGTERM: stopping at once"), "{log}");
}

#[test]
fn a_second_signal_stops_the_server_without_completing_requests() {
    let work_dir = WorkDir::new();
    let mut server = work_dir.serve();
    let mut client = server.client();
    let db = work_dir.sql();
    db.lock_writes();
    let body = json!({ "username": "ada", "email": "ada@example.com", "password": PASSWORD });
    let body = body.to_string();
    let headers = format!(
        "Content-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    client
        .write(client.head("POST /signup", &headers) + &body)
        .unwrap();
    // Once this later request has its response, the server has read the sign-up.
    assert_eq!(server.client().send("GET /healthz", None, None).status, 200);
    send_sigterm(server.child.0.id());
    server.wait_for_line("SIGTERM: completing the requests in progress");
    let (status, log) = server.stop("TERM");
    assert_eq!(status.code(), Some(1), "{log:?}");
    assert!(
        log.iter()
            .any(|line| line.contains("SIGTERM: stopping at once"))
    );
}

#[test]
fn acknowledged_sign_ups_are_stored_after_a_kill() {
    let work_dir = WorkDir::new();
    for round in 0..3 {
        let mut server = work_dir.serve();
        let address = server.address;
        let acknowledged = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for thread in 0..4 {
                let acknowledged = &acknowledged;
                scope.spawn(move || {
                    let mut client = Client::connect(address);
                    for number in 0.. {
                        let name = format!("user-{round}-{thread}-{number}");
                        let body = json!({
                            "username": name,
                            "email": format!("{name}@example.com"),
                            "password": PASSWORD,
                        });
                        match client.try_send("POST /signup", None, Some(&body)) {
                            Ok(response) => assert_eq!(response.status, 201, "{response:?}"),
                            Err(_) => return,
                        }
                        acknowledged.lock().unwrap().push(name);
                    }
                });
            }
            let end = Instant::now() + TEST_TIMEOUT;
            while acknowledged.lock().unwrap().len() < 50 && Instant::now() < end {
                thread::yield_now();
            }
            server.child.0.kill().unwrap();
        });
        assert_eq!(server.child.wait().signal(), Some(9));
        // The next start recovers the database from the write-ahead log.
        let restarted = work_dir.serve();
        let stored = user_names(&work_dir);
        let acknowledged = acknowledged.into_inner().unwrap();
        assert!(acknowledged.len() >= 50);
        for name in acknowledged {
            assert!(stored.contains(&name), "{name} is lost");
        }
        restarted.log();
    }
}

// ---- the log ----------------------------------------------------------------------------------

/// The fields of each line of the access log, as (name, value) pairs in order.
fn access_log_fields(log: &[String]) -> Vec<Vec<(String, String)>> {
    log.iter()
        .filter_map(|line| line.split_once(" access] "))
        .map(|(_, fields)| parse_pairs(fields))
        .collect()
}

/// Parses `a=1 b="two words"`.
fn parse_pairs(mut text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let quotes: Vec<usize> = match rest.strip_prefix('"') {
            None => Vec::new(),
            Some(_) => rest
                .match_indices('"')
                .map(|(at, _)| at)
                .filter(|&at| at == 0 || !rest[..at].ends_with('\\'))
                .collect(),
        };
        let end = match quotes[..] {
            [_, end, ..] => end + 1,
            _ => rest.find(' ').unwrap_or(rest.len()),
        };
        let (value, rest) = rest.split_at(end);
        pairs.push((name.to_owned(), value.to_owned()));
        text = rest.trim_start();
    }
    assert_eq!(text, "", "not name=value");
    pairs
}

#[test]
fn the_access_log_has_one_line_per_request_with_all_fields() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &["--role", "admin", "--approved"]);
    let server = work_dir.serve();
    let mut client = server.client();
    let token = client.sign_in_for_token("ada");
    let title = json!({ "title": "t" });
    for (line, token, body) in [
        ("GET /hello", Some(&token), None),
        ("GET /tasks?q=looked-for&limit=7", Some(&token), None),
        ("POST /tasks", Some(&token), Some(&title)),
        ("DELETE /tasks/1", Some(&token), None),
        ("GET /hello", None, None),
        ("GET /nowhere/%0Aforged", None, None),
        ("PUT /login", None, None),
        ("HEAD /healthz", None, None),
    ] {
        client.send(line, token.map(String::as_str), body);
    }
    let head = client.head("GET /healthz", "X-Request-Id: my-own-id\r\n");
    client.write(&head).unwrap();
    let response = client.read_response(false).unwrap();
    assert_eq!(response.header("X-Request-Id"), Some("my-own-id"));

    let log = server.log();
    let requests = access_log_fields(&log);
    let seen: Vec<_> = requests
        .iter()
        .map(|fields| {
            let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(
                names,
                [
                    "request_id",
                    "method",
                    "path",
                    "status",
                    "duration_ms",
                    "bytes",
                    "user",
                    "client"
                ]
            );
            let value = |at: usize| fields[at].1.as_str();
            assert!(!value(0).is_empty());
            assert!(value(4).parse::<f64>().is_ok_and(|time| time >= 0.0));
            assert!(value(5).parse::<u64>().is_ok(), "{fields:?}");
            assert_eq!(value(7), "127.0.0.1");
            format!("{} {} {} {}", value(1), value(2), value(3), value(6))
        })
        .collect();
    assert_eq!(
        seen,
        [
            "POST /login 200 ada",
            "GET /hello 200 ada",
            "GET /tasks 200 ada",
            "POST /tasks 201 ada",
            "DELETE /tasks/1 204 ada",
            "GET /hello 401 -",
            "GET /nowhere/%0Aforged 404 -",
            "PUT /login 405 -",
            "HEAD /healthz 200 -",
            "GET /healthz 200 -",
        ]
    );
    assert_eq!(requests[9][0].1, "my-own-id");
    for line in log {
        assert!(!line.contains("looked-for"), "{line}");
    }
}

#[test]
fn no_token_password_or_hash_is_in_the_log_at_any_level() {
    let work_dir = WorkDir::new();
    let server = RunningServer::start(work_dir.command(&[]).env("RUST_LOG", "trace"));
    let mut client = server.client();
    let links = used_links(&work_dir, &mut client);
    assert_eq!(client.sign_up("ada").status, 201);
    let token = client.sign_in_for_token("ada");
    assert_eq!(client.send("GET /hello", Some(&token), None).status, 200);
    let wrong = "a wrong horse";
    let body = json!({ "email": "ada@example.com", "password": wrong });
    assert_eq!(client.send("POST /login", None, Some(&body)).status, 401);
    let body = json!({ "current_password": wrong, "password": wrong });
    let refused = client.send("PATCH /me", Some(&token), Some(&body));
    assert_eq!(refused.status, 403);
    let query = format!("GET /tasks?token={token}&password={wrong}").replace(' ', "%20");
    client.send(&query.replacen("%20", " ", 1), Some(&token), None);
    let hash: String = work_dir
        .sql()
        .query_row(
            r#"SELECT password_hash FROM "user" WHERE username = 'ada'"#,
            [],
            |row| row.get(0),
        )
        .unwrap();
    let signature = token.rsplit('.').next().unwrap();
    for line in server.log() {
        for secret in [PASSWORD, wrong, &token, signature, &hash] {
            assert!(!line.contains(secret), "{line}");
        }
        for link in &links {
            assert!(!line.contains(link), "{line}");
        }
    }
}

/// Makes links of both kinds, on the command line and in the API, and uses them. Returns their tokens.
fn used_links(work_dir: &WorkDir, client: &mut Client) -> Vec<String> {
    let make = |arguments: &[&str]| {
        let printed = run_command(work_dir.command(arguments).env("PORT", "5000"));
        printed.out.trim_end().to_owned()
    };
    let admin = make(&["invite", "--role", "admin"]);
    assert_eq!(sign_up_with(client, "grace", &admin).status, 201);
    let token = client.sign_in_for_token("grace");
    let body = json!({ "role": "employee" });
    let made = client
        .send("POST /invitations", Some(&token), Some(&body))
        .json();
    let made = format!("/#invitation={}", made["token"].as_str().unwrap());
    assert_eq!(sign_up_with(client, "eve", &made).status, 201);
    assert_eq!(sign_up_with(client, "eve", &made).status, 410);
    let reset = make(&["user", "reset-link", "eve"]);
    assert_eq!(reset_with(client, &reset, PASSWORD), 204);
    assert_eq!(reset_with(client, &reset, PASSWORD), 410);
    let line = "POST /users/2/password-reset";
    let reset_by_admin = client.send(line, Some(&token), None).json();
    let reset_by_admin = format!("/#reset={}", reset_by_admin["token"].as_str().unwrap());
    assert_eq!(reset_with(client, &reset_by_admin, PASSWORD), 204);
    let token_of = |link: &String| link.rsplit_once('=').unwrap().1.to_owned();
    [admin, made, reset, reset_by_admin]
        .iter()
        .map(token_of)
        .collect()
}

#[test]
fn a_stored_name_with_a_line_break_adds_no_line_to_the_log() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let forged = "x\n[2026-01-01T00:00:00.000Z INFO  access] request_id=forged \u{1b}[2J\r";
    let changed = work_dir
        .sql()
        .execute(r#"UPDATE "user" SET username = ?1"#, [forged])
        .unwrap();
    assert_eq!(changed, 1);
    let server = work_dir.serve();
    let mut client = server.client();
    let token = client.sign_in_for_token("ada");
    let hello = client.send("GET /hello", Some(&token), None);
    assert_eq!(hello.json()["user_name"], forged);
    let deleted = work_dir.sql().execute(r#"DELETE FROM "user""#, []).unwrap();
    assert_eq!(deleted, 1);
    // Another process's change takes up to 20 ms.
    wait_for("refusal", || {
        let hello = client.send("GET /hello", Some(&token), None);
        (hello.status == 401).then_some(())
    });
    let log = server.log();
    assert!(access_log_fields(&log).len() >= 3, "{log:?}");
    for line in &log {
        assert!(line.starts_with('['), "{line:?}");
        assert!(!line.starts_with("[2026-01-01T00:00:00.000Z"), "{line:?}");
        assert!(!line.contains(['\u{1b}', '\r']), "{line:?}");
    }
}

#[test]
fn a_body_of_the_wrong_type_is_not_in_the_log() {
    let work_dir = WorkDir::new();
    let server = RunningServer::start(work_dir.command(&[]).env("RUST_LOG", "debug"));
    let mut client = server.client();
    let body = Value::from(format!("{PASSWORD}\nforged"));
    let refused = client.send("POST /login", None, Some(&body));
    assert_eq!(refused.status, 422);
    for line in server.log() {
        assert!(!line.contains(PASSWORD) && !line.contains("forged"));
    }
}

#[test]
fn an_account_is_found_by_email_before_a_name_that_looks_like_that_email() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &[]);
    let arguments = ["user", "create", "--username", "ada@example.com"];
    let arguments = [
        &arguments[..],
        &["--email", "eve@example.com", "--password-stdin"],
    ]
    .concat();
    assert_eq!(work_dir.run_with_input(&arguments, PASSWORD).code, Some(0));
    let changed = work_dir.run(&["user", "set-role", "ada@example.com", "admin"]);
    assert!(
        changed.out.contains("1 ada <ada@example.com>: admin"),
        "{changed:?}"
    );
}

#[test]
fn a_password_in_an_invalid_database_url_is_not_printed() {
    let work_dir = WorkDir::new();
    let refused = run_command(
        work_dir
            .command(&[])
            .env("DATABASE_URL", "postgres://u:hunter2pw@h/db"),
    );
    assert!(refused.error_line().contains("DATABASE_URL"));
    assert!(!refused.err.contains("hunter2pw"), "{refused:?}");
}

mod sqlite_only {
    use super::*;

    /// On PostgreSQL the line names the database: see `tests/it/postgres/operating.rs`.
    #[test]
    fn a_link_is_not_made_before_there_is_a_database() {
        let missing = WorkDir::new();
        let refused = missing.run(&["invite", "--role", "admin", "--port", "80"]);
        assert!(
            refused.error_line().contains("there is no database"),
            "{refused:?}"
        );
    }

    #[test]
    fn only_user_create_creates_a_database() {
        let work_dir = WorkDir::new();
        for arguments in [
            &["user", "list"][..],
            &["user", "approve", "ada"],
            &["user", "set-role", "ada", "admin"],
            &["user", "set-password", "ada", "--password-stdin"],
        ] {
            let refused = work_dir.run_with_input(arguments, PASSWORD);
            assert_eq!(refused.code, Some(1));
            assert!(refused.error_line().contains("project.db"), "{refused:?}");
            assert!(!work_dir.path("project.db").exists(), "{arguments:?}");
        }
        work_dir.create_account("ada", &[]);
        assert_eq!(user_names(&work_dir), ["ada"]);
    }

    #[test]
    fn a_port_in_use_a_missing_folder_and_an_invalid_database_file_are_named() {
        let work_dir = WorkDir::new();
        let refused = |name: &str, value: &str| {
            let refused = run_command(work_dir.command(&[]).env(name, value));
            assert_eq!(refused.code, Some(1));
            refused.err.lines().last().unwrap().to_owned()
        };
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        assert!(refused("PORT", &port).contains(&port));
        let folder = refused("DATABASE_URL", "sqlite:///no/such/folder/project.db");
        assert!(folder.contains("no/such/folder"), "{folder}");
        fs::write(
            work_dir.path("text.db"),
            "this is no database\n".repeat(100),
        )
        .unwrap();
        let text = refused("DATABASE_URL", "sqlite:///text.db");
        assert!(text.contains("text.db"), "{text}");
    }

    #[test]
    fn without_a_command_the_server_runs_and_logs_its_address_and_database() {
        let work_dir = WorkDir::new();
        for arguments in [&[][..], &["serve"]] {
            let server = RunningServer::start(&mut work_dir.command(arguments));
            assert_eq!(server.address.ip().to_string(), "127.0.0.1");
            assert_eq!(server.client().send("GET /readyz", None, None).status, 200);
            let log = server.log();
            let database = work_dir.path("project.db").display().to_string();
            assert!(
                log.iter().any(|line| line.contains(&database)),
                "no {database} in {log:?}"
            );
        }
    }

    #[test]
    fn only_the_owner_can_read_the_files_and_tokens_stay_valid_after_a_restart() {
        let work_dir = WorkDir::new();
        let server = work_dir.serve();
        let mut client = server.client();
        assert_eq!(client.sign_up("ada").status, 201);
        let token = client.sign_in_for_token("ada");
        for name in [
            "project.db",
            "project.db-wal",
            "project.db-shm",
            "project.db.jwt_secret",
        ] {
            assert_eq!(file_mode(&work_dir.path(name)), 0o600, "{name}");
        }
        let secret = fs::read_to_string(work_dir.path("project.db.jwt_secret")).unwrap();
        assert!(secret.trim_end().len() >= 43, "32 random bytes in base64");
        let log = server.log();
        assert!(log.iter().all(|line| !line.contains(secret.trim_end())));

        let server = work_dir.serve();
        let hello = server.client().send("GET /hello", Some(&token), None);
        assert_eq!(hello.status, 200, "{hello:?}");
        let after = fs::read_to_string(work_dir.path("project.db.jwt_secret")).unwrap();
        assert_eq!(after, secret);
    }

    #[test]
    fn sigterm_and_sigint_stop_the_server_and_checkpoint_the_database() {
        for signal in ["TERM", "INT"] {
            let work_dir = WorkDir::new();
            let server = work_dir.serve();
            assert_eq!(server.client().sign_up("ada").status, 201);
            let (status, log) = server.stop(signal);
            assert_eq!(status.code(), Some(0), "{signal}: {log:?}");
            assert!(
                log.iter()
                    .any(|line| line.contains(&format!("SIG{signal}"))),
                "{log:?}"
            );
            let wal = fs::metadata(work_dir.path("project.db-wal"));
            assert!(wal.is_err() || wal.unwrap().len() == 0, "{signal}");
            assert_eq!(user_names(&work_dir), ["ada"]);
        }
    }

    #[test]
    fn no_key_file_is_created_for_a_database_that_cannot_be_opened() {
        let work_dir = WorkDir::new();
        fs::write(
            work_dir.path("project.db"),
            "this is no database, whatever its name says",
        )
        .unwrap();
        let refused = work_dir.run(&[]);
        assert_eq!(refused.code, Some(1));
        let line = refused.error_line();
        assert!(
            line.contains("DATABASE_URL") && line.contains("not a database"),
            "{line}"
        );
        assert!(!work_dir.path("project.db.jwt_secret").exists());
    }
}
