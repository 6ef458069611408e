//! Which passwords may be set, at each place where one is, and which text signs in afterwards.

mod common;
mod http;
mod program;

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::{Answer, PASSWORD, Person, TestApp};
use program::{Guard, Place};
use serde_json::{Value, json};

fn sign_up(app: &TestApp, username: &str, email: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "email": email, "password": password });
    app.send("POST /signup", None, &body.to_string())
}

fn log_in(app: &TestApp, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    app.send("POST /login", None, &body.to_string())
}

/// Somebody who has signed up with the tests' password.
fn signed_up(app: &TestApp, username: &str, email: &str) -> Person {
    assert_eq!(sign_up(app, username, email, PASSWORD).status, 201);
    let answer = log_in(app, email, PASSWORD).json();
    Person {
        id: answer["user"]["id"].as_i64().unwrap(),
        username: username.to_owned(),
        email: email.to_owned(),
        token: answer["token"].as_str().unwrap().to_owned(),
    }
}

fn patch_me(app: &TestApp, person: &Person, body: Value) -> Answer {
    app.send("PATCH /me", person.clone(), &body.to_string())
}

/// Why a password, and nothing else, is refused.
fn why(answer: &Answer) -> String {
    assert_eq!(answer.refused(), ["password"], "{answer:?}");
    answer.json()["errors"]["password"]
        .as_str()
        .unwrap()
        .to_owned()
}

const LENGTH: &str = "must be 8 to 128 characters";
const COMMON: &str = "is one of the most common passwords";
const NAME: &str = "must not be the account's name or e-mail";

// ---- which may be set ---------------------------------------------------------------------------

#[test]
fn a_password_has_8_to_128_characters_of_any_kind() {
    let app = TestApp::new();
    let x = |n: usize| "x".repeat(n);
    let cases = [
        (x(0), 422),
        (x(7), 422),
        (x(8), 201),
        (x(64), 201),
        (x(128), 201),
        (x(129), 422),
        // Characters count, not bytes.
        ("🔑".repeat(7), 422),
        ("🔑".repeat(8), 201),
        ("🔑".repeat(128), 201),
        ("🔑".repeat(129), 422),
        ("пароль с пробелом".to_owned(), 201),
        (" ".repeat(7), 422),
        (" ".repeat(8), 201),
        ("  at both ends  ".to_owned(), 201),
        ("null\0inside".to_owned(), 201),
        ("line\nbreak\ttab".to_owned(), 201),
        ("'; DROP TABLE user; --".to_owned(), 201),
    ];
    for (i, (password, status)) in cases.iter().enumerate() {
        let email = format!("a{i}@example.com");
        let answer = sign_up(&app, &format!("a{i}"), &email, password);
        assert_eq!(answer.status, *status, "{password:?}");
        if *status == 422 {
            assert_eq!(why(&answer), LENGTH, "{password:?}");
        }
        let entry = if *status == 201 { 200 } else { 401 };
        assert_eq!(log_in(&app, &email, password).status, entry, "{password:?}");
    }
}

fn list() -> Vec<&'static str> {
    include_str!("../src/model/common_passwords.txt")
        .lines()
        .collect()
}

#[test]
fn the_list_of_common_passwords_is_what_it_says() {
    let list = list();
    assert_eq!(list.len(), 3_000);
    assert_eq!(list.iter().collect::<HashSet<_>>().len(), 3_000);
    for password in &list {
        assert_eq!(*password, password.to_lowercase());
        assert!((8..=128).contains(&password.chars().count()), "{password}");
        assert!(password.bytes().all(|b| b.is_ascii_graphic()), "{password}");
    }
    assert_eq!(list[..3], ["password", "12345678", "123456789"]);
    // What the tutorial signs up with.
    assert!(!list.contains(&"testpassword"));
}

#[test]
fn a_common_password_is_refused_in_any_case() {
    let app = TestApp::new();
    let list = list();
    let ends = [list[0], list[1_500], list[2_999]];
    for password in [
        "password1",
        "Password1",
        "PASSWORD1",
        "pASSWORD1",
        "qwerty123",
        "QWERTY123",
        // A Kelvin sign is a capital k.
        "startre\u{212a}",
    ]
    .into_iter()
    .chain(ends)
    {
        let answer = sign_up(&app, "anna", "anna@example.com", password);
        assert_eq!(why(&answer), COMMON, "{password}");
    }
    for (i, password) in [
        "testpassword",
        "password1 ",
        " password1",
        "password1!",
        "qwerty12 3",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = sign_up(
            &app,
            &format!("a{i}"),
            &format!("a{i}@example.com"),
            password,
        );
        assert_eq!(answer.status, 201, "{password}");
    }
}

// ---- where one is set ---------------------------------------------------------------------------

/// The account that the passwords are for: its name, its e-mail.
const ZOË: (&str, &str) = ("Zoë Ångström", "zoë.ångström@example.com");

/// Sets a password for this account. Where it is refused: what is said about it.
type Setting = fn(&str) -> Result<(), String>;

/// Every place where a password is set.
const PLACES: [(&str, Setting); 6] = [
    ("POST /signup", |password| {
        outcome(&sign_up(&TestApp::new(), ZOË.0, ZOË.1, password))
    }),
    ("PATCH /me", |password| {
        let app = TestApp::new();
        let zoë = signed_up(&app, ZOË.0, ZOË.1);
        let body = json!({ "password": password, "current_password": PASSWORD });
        outcome(&patch_me(&app, &zoë, body))
    }),
    ("user create", |password| {
        command(&Place::new(), CREATE, password)
    }),
    ("user set-password", |password| {
        let place = Place::new();
        command(&place, CREATE, PASSWORD).unwrap();
        command(&place, &["user", "set-password", ZOË.0], password)
    }),
    ("ADMIN_PASSWORD", |password| {
        let place = Place::new();
        start(first_admin(&place).env("ADMIN_PASSWORD", password))
    }),
    ("ADMIN_PASSWORD_FILE", |password| {
        let place = Place::new();
        fs::write(place.path("password.txt"), format!("{password}\n")).unwrap();
        start(first_admin(&place).env("ADMIN_PASSWORD_FILE", "password.txt"))
    }),
];

const CREATE: &[&str] = &["user", "create", "--username", ZOË.0, "--email", ZOË.1];

fn outcome(answer: &Answer) -> Result<(), String> {
    match answer.status {
        200 | 201 => Ok(()),
        _ => Err(why(answer)),
    }
}

fn command(place: &Place, arguments: &[&str], password: &str) -> Result<(), String> {
    let arguments = [arguments, &["--password-stdin"]].concat();
    let done = place.run_with_input(&arguments, &format!("{password}\n"));
    match done.code {
        Some(0) => Ok(()),
        _ => Err(done.refusal().to_owned()),
    }
}

fn first_admin(place: &Place) -> Command {
    let mut command = place.command(&[]);
    command.env("ADMIN_USERNAME", ZOË.0);
    command.env("ADMIN_EMAIL", ZOË.1);
    command
}

/// Starts the server until it says that it listens, or why it does not.
fn start(command: &mut Command) -> Result<(), String> {
    let mut child = Guard(command.stderr(Stdio::piped()).spawn().unwrap());
    let log = BufReader::new(child.0.stderr.take().unwrap());
    for line in log.lines().map(Result::unwrap) {
        if line.contains("listening on") {
            return Ok(());
        }
        if line.starts_with("task-api: ") {
            return Err(line);
        }
    }
    panic!("the server has nothing to say");
}

#[test]
fn every_place_where_a_password_is_set_has_the_same_rule() {
    for (password, reason) in [
        ("correct horse battery", None),
        ("testpassword", None),
        ("1234567", Some(LENGTH)),
        (&"x".repeat(129), Some(LENGTH)),
        ("password1", Some(COMMON)),
        ("Qwerty123", Some(COMMON)),
        ("Zoë Ångström", Some(NAME)),
        ("zoë ångström", Some(NAME)),
        ("ZOË ÅNGSTRÖM", Some(NAME)),
        ("zoë.ångström@example.com", Some(NAME)),
        ("Zoë.Ångström@Example.COM", Some(NAME)),
        ("Zoë Ångström!", None),
        ("zoë.ångström", None),
    ] {
        for (place, set) in PLACES {
            let set = set(password);
            let said = set.as_ref().err();
            assert_eq!(
                said.is_some(),
                reason.is_some(),
                "{place}: {password}: {said:?}"
            );
            let as_expected = said
                .zip(reason)
                .is_none_or(|(said, reason)| said.ends_with(reason));
            assert!(as_expected, "{place}: {password}: {said:?}");
        }
    }
}

#[test]
fn a_new_password_is_neither_the_old_e_mail_nor_the_new_one() {
    let app = TestApp::new();
    let zoë = signed_up(&app, "zoë", "zoe@example.com");
    // As the Flask app would have stored it.
    app.sql()
        .execute(r#"UPDATE "user" SET email = 'Zoe@Example.com'"#, [])
        .unwrap();
    for (email, password, reason) in [
        (None, "zoe@example.com", Some(NAME)),
        (Some("new@example.com"), "zoe@example.com", Some(NAME)),
        (Some("new@example.com"), "ZOE@EXAMPLE.COM", Some(NAME)),
        (Some("new@example.com"), "new@example.com", Some(NAME)),
        (Some("New@Example.com"), "NEW@example.com", Some(NAME)),
        (Some("new@example.com"), "password1", Some(COMMON)),
        (Some("new@example.com"), "not.zoe@example.com", None),
    ] {
        let mut body = json!({ "password": password, "current_password": PASSWORD });
        if let Some(email) = email {
            body["email"] = email.into();
        }
        let answer = patch_me(&app, &zoë, body);
        assert_eq!(
            outcome(&answer).err().as_deref(),
            reason,
            "{email:?} {password}"
        );
    }
    assert_eq!(
        log_in(&app, "new@example.com", "not.zoe@example.com").status,
        200
    );
}

#[test]
fn all_that_is_wrong_with_a_sign_up_is_told_at_once() {
    let app = TestApp::new();
    for (username, email, password, refused) in [
        (
            "",
            "a@example.com",
            "password1",
            &["password", "username"][..],
        ),
        (
            "",
            "a@example.com",
            "A@example.com",
            &["password", "username"],
        ),
        (
            "anna the first",
            "none",
            "Anna the First",
            &["email", "password"],
        ),
        ("", "none", "2short", &["email", "password", "username"]),
    ] {
        let answer = sign_up(&app, username, email, password);
        assert_eq!(answer.refused(), refused, "{username:?} {email} {password}");
    }
}

// ---- which signs in afterwards -------------------------------------------------------------------

#[test]
fn no_part_of_a_password_is_cut_off_or_trimmed() {
    let app = TestApp::new();
    let long = "0123456789".repeat(8);
    let cases = [
        // bcrypt would stop after 72 bytes.
        (
            long[..73].to_owned(),
            vec![
                long[..72].to_owned(),
                format!("{}!", &long[..72]),
                long[..74].to_owned(),
            ],
        ),
        (
            "x".repeat(128),
            vec![
                "x".repeat(127),
                "x".repeat(129),
                format!("{}y", "x".repeat(127)),
            ],
        ),
        (
            "abcdefgh\0one".into(),
            vec!["abcdefgh".into(), "abcdefgh\0two".into()],
        ),
        (
            "  at both ends  ".into(),
            vec!["at both ends".into(), "  at both ends".into()],
        ),
        (
            "CaseMatters".into(),
            vec!["casematters".into(), "CASEMATTERS".into()],
        ),
    ];
    for (i, (password, others)) in cases.iter().enumerate() {
        let email = format!("a{i}@example.com");
        assert_eq!(
            sign_up(&app, &format!("a{i}"), &email, password).status,
            201
        );
        assert_eq!(log_in(&app, &email, password).status, 200, "{password:?}");
        for other in others {
            assert_eq!(
                log_in(&app, &email, other).status,
                401,
                "{other:?} for {password:?}"
            );
        }
    }
}
