//! Which passwords can be set, in each way to set one, and which typed text logs in afterwards.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use ct_codecs::{Encoder, Hex};
use pbkdf2::pbkdf2_hmac_array;
use serde_json::json;
use sha2::Sha256;
use task_api::config::Config;

use crate::support::program::{ChildGuard, WorkDir};
use crate::support::{Account, PASSWORD, TestApp, TestResponse};

/// Signs an account up with the tests' password, and logs it in.
fn sign_up_and_log_in(app: &TestApp, username: &str, email: &str) -> Account {
    assert_eq!(app.sign_up(username, email, PASSWORD).status, 201);
    app.log_in(email, PASSWORD).account()
}

/// The error message of a 422 whose only invalid field is the password.
fn password_error(response: &TestResponse) -> String {
    assert_eq!(response.invalid_fields(), ["password"], "{response:?}");
    response.json()["errors"]["password"]
        .as_str()
        .unwrap()
        .to_owned()
}

const LENGTH_ERROR: &str = "must be 8 to 128 characters";
const COMMON_ERROR: &str = "is one of the most common passwords";
const NAME_ERROR: &str = "must not be the account's name or e-mail";
const CONTEXT_ERROR: &str = "must not consist only of the account's name or e-mail, or of words such as task, api, \
                             admin, manager and employee, with digits or signs";

// ---- which passwords can be set -----------------------------------------------------------------

#[test]
fn a_password_has_8_to_128_characters_of_any_kind() {
    let app = TestApp::new();
    let tildes = |n: usize| "~".repeat(n);
    let cases = [
        (tildes(0), 422),
        (tildes(7), 422),
        (tildes(8), 201),
        (tildes(64), 201),
        (tildes(128), 201),
        (tildes(129), 422),
        // The length is in characters, not in bytes.
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
        // The length is measured in NFC, which composes these two characters into one: é.
        ("e\u{301}".repeat(4), 422),
        ("e\u{301}".repeat(7), 422),
        ("e\u{301}".repeat(8), 201),
        ("e\u{301}".repeat(128), 201),
        ("e\u{301}".repeat(129), 422),
        // NFC composes at most four characters into one: ᾂ.
        ("\u{3b1}\u{313}\u{300}\u{345}".repeat(128), 201),
        ("\u{3b1}\u{313}\u{300}\u{345}".repeat(129), 422),
        // NFC has no composed form for these two.
        ("q\u{301}".repeat(4), 201),
    ];
    for (i, (password, status)) in cases.iter().enumerate() {
        let email = format!("a{i}@example.com");
        let response = app.sign_up(&format!("a{i}"), &email, password);
        assert_eq!(response.status, *status, "{password:?}");
        if *status == 422 {
            assert_eq!(password_error(&response), LENGTH_ERROR, "{password:?}");
        }
        let login_status = if *status == 201 { 200 } else { 401 };
        assert_eq!(
            app.log_in(&email, password).status,
            login_status,
            "{password:?}"
        );
    }
}

fn common_passwords() -> Vec<&'static str> {
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/model/common_passwords.txt"
    ))
    .lines()
    .collect()
}

#[test]
fn the_list_of_common_passwords_has_3000_different_lowercase_entries() {
    let list = common_passwords();
    assert_eq!(list.len(), 3_000);
    assert_eq!(list.iter().collect::<HashSet<_>>().len(), 3_000);
    for password in &list {
        assert_eq!(*password, password.to_lowercase());
        assert!((8..=128).contains(&password.chars().count()), "{password}");
        assert!(password.bytes().all(|b| b.is_ascii_graphic()), "{password}");
    }
    assert_eq!(list[..3], ["123456789", "password", "12345678"]);
    // The tutorial signs up with this password.
    assert!(!list.contains(&"testpassword"));
}

#[test]
fn a_common_password_in_any_letter_case_is_422() {
    let app = TestApp::new();
    let list = common_passwords();
    let samples = [list[0], list[1_500], list[2_999]];
    for password in [
        "password1",
        "Password1",
        "PASSWORD1",
        "pASSWORD1",
        "qwerty123",
        "QWERTY123",
        "987654321",
        "00000000",
        "Jennifer",
        // The lowercase of the Kelvin sign is k.
        "startre\u{212a}",
    ]
    .into_iter()
    .chain(samples)
    {
        let response = app.sign_up("anna", "anna@example.com", password);
        assert_eq!(password_error(&response), COMMON_ERROR, "{password}");
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
        let response = app.sign_up(&format!("a{i}"), &format!("a{i}@example.com"), password);
        assert_eq!(response.status, 201, "{password}");
    }
}

#[test]
fn a_password_of_context_words_alone_is_422_in_any_spelling() {
    let app = TestApp::new();
    for password in [
        "task-api",
        "taskapi1",
        "Task-API1",
        "TASK_API!",
        "task.api",
        "task  api",
        "t4sk_ap1!!",
        "7@5k-4p!",
        "T.A.S.K.A.P.I",
        "taskapitaskapi",
        "tasks2026",
        "adminadmin",
        "Admin2026!",
        "4dm1n1234",
        "@dm!n!!!",
        "administrator.",
        "Manager2026!",
        "2026manager",
        "m4n4g3r!",
        "employee.",
        "employee123",
        "3mp10y33",
        "!!!employee!!!",
        "admin-manager",
        "user_admin",
        "task api admin user",
        "task2026api",
        // In full-width letters, in small capitals of mathematics, with a Kelvin sign and with a combining mark.
        "\u{ff34}\u{ff41}\u{ff53}\u{ff4b}\u{ff0d}\u{ff21}\u{ff30}\u{ff29}",
        "\u{1d41a}\u{1d41d}\u{1d426}\u{1d422}\u{1d427}123",
        "tas\u{212a}-api!",
        "a\u{335}dmin123",
        // The account's name and e-mail.
        "wilhelmina!",
        "W1lh3lm1na",
        "w.i.l.h.e.l.m.i.n.a",
        "Wilhelmina2026",
        "wilhelminaWilhelmina",
        "wilhelmina-admin",
        "mina@home.example1",
        "m1n@home-example",
    ] {
        let response = app.sign_up("Wilhelmina", "mina@home.example", password);
        assert_eq!(password_error(&response), CONTEXT_ERROR, "{password}");
        assert_eq!(app.count("user"), 0);
    }
}

#[test]
fn a_password_that_only_contains_a_context_word_is_accepted() {
    let app = TestApp::new();
    for (i, (name, password)) in [
        ("Wilhelmina", "my first task api"),
        ("Wilhelmina", "the manager of tasks"),
        ("Wilhelmina", "administrate"),
        ("Wilhelmina", "adminx99"),
        ("Wilhelmina", "task force"),
        ("Wilhelmina", "tapir employees"),
        ("Wilhelmina", "Wilhelm the second"),
        ("Wilhelmina", "userland"),
        ("Wilhelmina", "2026-11-28"),
        ("Wilhelmina", "!!!! ????"),
        (
            "Wilhelmina",
            "\u{430}\u{434}\u{43c}\u{438}\u{43d} \u{437}\u{434}\u{435}\u{441}\u{44c}",
        ),
        // A name of fewer than three letters is no word.
        ("Al", "al-2026-al"),
        ("X", "xx-xx-xx"),
        ("42", "42424242424242"),
    ]
    .into_iter()
    .enumerate()
    {
        let response = app.sign_up(
            &format!("{name}{}", "_".repeat(i)),
            &format!("a{i}@example.com"),
            password,
        );
        assert_eq!(response.status, 201, "{name}: {password}: {response:?}");
    }
}

// ---- the ways to set a password -----------------------------------------------------------------

/// The username and the e-mail of the account that gets the passwords.
const ZOE: (&str, &str) = ("Zoë Ångström", "zoë.ångström@example.com");

/// Sets a password for this account, or returns the error message.
type SetPassword = fn(&str) -> Result<(), String>;

/// Every way to set a password.
const WAYS_TO_SET_A_PASSWORD: [(&str, SetPassword); 7] = [
    ("POST /signup", |password| {
        outcome(&TestApp::new().sign_up(ZOE.0, ZOE.1, password))
    }),
    ("PATCH /me", |password| {
        let app = TestApp::new();
        let zoe = sign_up_and_log_in(&app, ZOE.0, ZOE.1);
        let body = json!({ "password": password, "current_password": PASSWORD });
        outcome(&app.patch_me(&zoe, body))
    }),
    ("POST /password-reset", |password| {
        let app = TestApp::new();
        let zoe = sign_up_and_log_in(&app, ZOE.0, ZOE.1);
        let line = format!("POST /users/{}/password-reset", zoe.id);
        let token = app.send(&line, app.admin(), "").json()["token"].clone();
        let body = json!({ "token": token, "password": password }).to_string();
        outcome(&app.send("POST /password-reset", None, &body))
    }),
    ("user create", |password| {
        run_with_password(&WorkDir::new(), CREATE_ZOE, password)
    }),
    ("user set-password", |password| {
        let work_dir = WorkDir::new();
        run_with_password(&work_dir, CREATE_ZOE, PASSWORD).unwrap();
        run_with_password(&work_dir, &["user", "set-password", ZOE.0], password)
    }),
    ("ADMIN_PASSWORD", |password| {
        let work_dir = WorkDir::new();
        start_server(first_admin(&work_dir).env("ADMIN_PASSWORD", password))
    }),
    ("ADMIN_PASSWORD_FILE", |password| {
        let work_dir = WorkDir::new();
        fs::write(work_dir.path("password.txt"), format!("{password}\n")).unwrap();
        start_server(first_admin(&work_dir).env("ADMIN_PASSWORD_FILE", "password.txt"))
    }),
];

const CREATE_ZOE: &[&str] = &["user", "create", "--username", ZOE.0, "--email", ZOE.1];

/// `Err` has the message about the password.
fn outcome(response: &TestResponse) -> Result<(), String> {
    match response.status {
        200 | 201 | 204 => Ok(()),
        _ => Err(password_error(response)),
    }
}

fn run_with_password(work_dir: &WorkDir, arguments: &[&str], password: &str) -> Result<(), String> {
    let arguments = [arguments, &["--password-stdin"]].concat();
    let output = work_dir.run_with_input(&arguments, &format!("{password}\n"));
    match output.code {
        Some(0) => Ok(()),
        _ => Err(output.error_line().to_owned()),
    }
}

fn first_admin(work_dir: &WorkDir) -> Command {
    let mut command = work_dir.command(&[]);
    command.env("ADMIN_USERNAME", ZOE.0);
    command.env("ADMIN_EMAIL", ZOE.1);
    command
}

/// Starts the server and waits until it listens, or returns its error message.
fn start_server(command: &mut Command) -> Result<(), String> {
    let mut child = ChildGuard(command.stderr(Stdio::piped()).spawn().unwrap());
    let log = BufReader::new(child.0.stderr.take().unwrap());
    for line in log.lines().map(Result::unwrap) {
        if line.contains("listening on") {
            return Ok(());
        }
        if line.starts_with("task-api: ") {
            return Err(line);
        }
    }
    panic!("the server ends without an error message");
}

#[test]
fn every_way_to_set_a_password_applies_the_same_rules() {
    for (password, reason) in [
        ("correct horse battery", None),
        ("testpassword", None),
        ("1234567", Some(LENGTH_ERROR)),
        (&"x".repeat(129), Some(LENGTH_ERROR)),
        ("password1", Some(COMMON_ERROR)),
        ("Qwerty123", Some(COMMON_ERROR)),
        ("Zoë Ångström", Some(NAME_ERROR)),
        ("zoë ångström", Some(NAME_ERROR)),
        ("ZOË ÅNGSTRÖM", Some(NAME_ERROR)),
        ("zoë.ångström@example.com", Some(NAME_ERROR)),
        ("Zoë.Ångström@Example.COM", Some(NAME_ERROR)),
        // In NFD, and with the Ångström sign in place of the letter Å.
        ("Zoe\u{308} A\u{30a}ngstro\u{308}m", Some(NAME_ERROR)),
        (
            "ZOE\u{308}.\u{212b}NGSTR\u{d6}M@EXAMPLE.COM",
            Some(NAME_ERROR),
        ),
        ("Zoë Ångström!", Some(CONTEXT_ERROR)),
        ("Task-API1", Some(CONTEXT_ERROR)),
        ("Zoe Angstrom", Some(CONTEXT_ERROR)),
        ("Z\u{43e}\u{435} Angstr\u{43e}m", Some(CONTEXT_ERROR)), // Cyrillic letters
        ("t\u{e0}sk-\u{e0}pi-admin", Some(CONTEXT_ERROR)),
        ("\u{430}dmin-admin", Some(CONTEXT_ERROR)),
        ("Zoë Ångström at sea", None),
    ] {
        for (way, set) in WAYS_TO_SET_A_PASSWORD {
            let result = set(password);
            let message = result.as_ref().err();
            assert_eq!(
                message.is_some(),
                reason.is_some(),
                "{way}: {password}: {message:?}"
            );
            let as_expected = message
                .zip(reason)
                .is_none_or(|(message, reason)| message.ends_with(reason));
            assert!(as_expected, "{way}: {password}: {message:?}");
        }
    }
}

#[test]
fn a_new_password_equal_to_the_old_or_the_new_email_is_422() {
    let app = TestApp::new();
    let zoe = sign_up_and_log_in(&app, "zoë", "zoe@example.com");
    // The Flask app stores an e-mail as it was typed.
    app.sql()
        .execute(r#"UPDATE "user" SET email = 'Zoe@Example.com'"#, [])
        .unwrap();
    for (email, password, reason) in [
        (None, "zoe@example.com", Some(NAME_ERROR)),
        (Some("new@example.com"), "zoe@example.com", Some(NAME_ERROR)),
        (Some("new@example.com"), "ZOE@EXAMPLE.COM", Some(NAME_ERROR)),
        (Some("new@example.com"), "new@example.com", Some(NAME_ERROR)),
        (Some("New@Example.com"), "NEW@example.com", Some(NAME_ERROR)),
        (Some("new@example.com"), "password1", Some(COMMON_ERROR)),
        (Some("new@example.com"), "not.zoe@example.com", None),
    ] {
        let mut body = json!({ "password": password, "current_password": PASSWORD });
        if let Some(email) = email {
            body["email"] = email.into();
        }
        let response = app.patch_me(&zoe, body);
        assert_eq!(
            outcome(&response).err().as_deref(),
            reason,
            "{email:?} {password}"
        );
    }
    assert_eq!(
        app.log_in("new@example.com", "not.zoe@example.com").status,
        200
    );
}

#[test]
fn a_password_equal_to_the_username_apart_from_letter_case_is_422() {
    let app = TestApp::new();
    for (username, password) in [
        // The uppercase of ǰ is two characters: J and a combining caron.
        ("the \u{1f0} of old", "THE J\u{30c} OF OLD"),
        ("THE J\u{30c} OF OLD", "the \u{1f0} of old"),
        ("ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"),
        ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"),
    ] {
        let response = app.sign_up(username, "a@example.com", password);
        assert_eq!(
            password_error(&response),
            NAME_ERROR,
            "{username} {password}"
        );
    }
}

#[test]
fn a_422_to_a_sign_up_names_every_invalid_field() {
    let app = TestApp::new();
    for (username, email, password, invalid_fields) in [
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
        let response = app.sign_up(username, email, password);
        assert_eq!(
            response.invalid_fields(),
            invalid_fields,
            "{username:?} {email} {password}"
        );
    }
}

// ---- which typed text logs in -------------------------------------------------------------------

#[test]
fn no_part_of_a_password_is_cut_off_or_trimmed() {
    let app = TestApp::new();
    let long = "0123456789".repeat(8);
    let cases = [
        // bcrypt ignores everything after 72 bytes.
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
            // NFC keeps ², unlike NFKC, which turns it into 2.
            "x\u{b2} + y\u{b2} = z\u{b2}".into(),
            vec!["x2 + y2 = z2".into()],
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
        assert_eq!(app.sign_up(&format!("a{i}"), &email, password).status, 201);
        assert_eq!(app.log_in(&email, password).status, 200, "{password:?}");
        for other in others {
            assert_eq!(
                app.log_in(&email, other).status,
                401,
                "{other:?} for {password:?}"
            );
        }
    }
}

/// Each password in NFC, in NFD, and in a mixed form, as a keyboard may send it.
const UNICODE_FORMS: [[&str; 3]; 2] = [
    [
        "cr\u{e8}me br\u{fb}l\u{e9}e",
        "cre\u{300}me bru\u{302}le\u{301}e",
        "cre\u{300}me br\u{fb}l\u{e9}e",
    ],
    [
        "\u{c5}ngstr\u{f6}m and Kelvin",
        "A\u{30a}ngstro\u{308}m and Kelvin",
        "\u{212b}ngstr\u{f6}m and \u{212a}elvin",
    ],
];

/// Texts that are no form of these passwords.
const WRONG: [&str; 4] = [
    "creme brulee",
    "cre\u{301}me bru\u{302}le\u{301}e",
    "cr\u{e8}me br\u{fb}l\u{e9}",
    "",
];

/// The hash of a password in Werkzeug's format, with as many iterations as the tests' applications use.
fn hash_of(password: &str) -> String {
    hash_with(10, password)
}

fn hash_with(iterations: u32, password: &str) -> String {
    let key = pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), b"salt", iterations);
    format!(
        "pbkdf2:sha256:{iterations}$salt${}",
        Hex::encode_to_string(key).unwrap()
    )
}

fn is_hash_of(stored: &str, password: &str) -> bool {
    let [method, salt, key] = stored.split('$').collect::<Vec<_>>()[..] else {
        panic!("{stored}")
    };
    assert_eq!(method, "pbkdf2:sha256:10");
    let again = pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt.as_bytes(), 10);
    Hex::encode_to_string(again).unwrap() == key
}

fn stored_hash(app: &TestApp) -> String {
    app.sql()
        .query_row(r#"SELECT password_hash FROM "user""#, [], |row| row.get(0))
        .unwrap()
}

/// An application that hashes with `iterations`, and whose only account, Anna's, has the stored hash `hash`.
fn app_with_hash(iterations: u32, hash: &str) -> (TestApp, Account) {
    let app = TestApp::with(|config| config.passwords.password_iterations = iterations);
    let anna = sign_up_and_log_in(&app, "anna", "anna@example.com");
    app.sql()
        .execute(r#"UPDATE "user" SET password_hash = ?1"#, [hash])
        .unwrap();
    (app, anna)
}

fn assert_wrong_passwords_are_401(app: &TestApp) {
    for wrong in WRONG {
        let response = app.log_in("anna@example.com", wrong);
        assert_eq!(response.status, 401, "{wrong:?}");
    }
}

#[test]
fn a_new_password_logs_in_when_it_is_typed_in_any_unicode_form() {
    for forms in UNICODE_FORMS {
        for set in forms {
            let app = TestApp::new();
            assert_eq!(app.sign_up("anna", "anna@example.com", set).status, 201);
            let hash = stored_hash(&app);
            assert!(is_hash_of(&hash, forms[0]), "{set:?}");
            for typed in forms {
                let response = app.log_in("anna@example.com", typed);
                assert_eq!(response.status, 200, "{set:?} {typed:?}");
            }
            assert_eq!(stored_hash(&app), hash, "{set:?}");
            assert_wrong_passwords_are_401(&app);
        }
    }
}

#[test]
fn a_hash_of_the_flask_app_logs_in_as_typed_there_and_is_replaced_by_the_hash_of_its_nfc() {
    for forms in UNICODE_FORMS {
        for hashed in forms {
            let (app, _) = app_with_hash(10, &hash_of(hashed));
            assert_wrong_passwords_are_401(&app);
            for typed in forms.into_iter().filter(|typed| *typed != hashed) {
                let response = app.log_in("anna@example.com", typed);
                assert_eq!(response.status, 401, "{hashed:?} {typed:?}");
            }
            assert_eq!(stored_hash(&app), hash_of(hashed));

            assert_eq!(app.log_in("anna@example.com", hashed).status, 200);

            let hash = stored_hash(&app);
            assert!(
                hash != hash_of(hashed) && is_hash_of(&hash, forms[0]),
                "{hashed:?}"
            );
            for typed in forms {
                let response = app.log_in("anna@example.com", typed);
                assert_eq!(response.status, 200, "{hashed:?} {typed:?}");
            }
            assert_eq!(stored_hash(&app), hash, "{hashed:?}");
            assert_wrong_passwords_are_401(&app);
        }
    }
}

#[test]
fn a_strong_hash_of_the_flask_app_of_an_ascii_password_is_kept() {
    let (app, _) = app_with_hash(10, &hash_of(PASSWORD));
    assert_eq!(app.log_in("anna@example.com", PASSWORD).status, 200);
    assert_eq!(stored_hash(&app), hash_of(PASSWORD));
}

#[test]
fn the_current_password_of_a_flask_hash_is_accepted_as_typed_there() {
    for forms in UNICODE_FORMS {
        for hashed in forms {
            let (app, anna) = app_with_hash(10, &hash_of(hashed));
            for wrong in WRONG {
                let body = json!({ "current_password": wrong });
                assert_eq!(app.patch_me(&anna, body).code(), "wrong_password");
            }
            let body = json!({ "password": forms[1], "current_password": hashed });
            assert_eq!(app.patch_me(&anna, body).status, 200, "{hashed:?}");
            assert!(is_hash_of(&stored_hash(&app), forms[0]), "{hashed:?}");
        }
    }
}

#[test]
fn a_password_of_the_flask_app_logs_in_even_if_the_rules_would_reject_it_now() {
    for password in [
        "x".to_owned(),
        "password1".to_owned(),
        "anna@example.com".to_owned(),
        "x".repeat(129),
        "correct horse ".repeat(10_000),
        "bru\u{302}le\u{301}e ".repeat(10_000),
    ] {
        // The first login replaces the hash, since it has too few iterations.
        let (app, anna) = app_with_hash(20, &hash_of(&password));
        let shown: String = password.chars().take(20).collect();
        for _ in 0..2 {
            for wrong in [format!("{password} "), password[1..].to_owned()] {
                assert_eq!(
                    app.log_in("anna@example.com", &wrong).status,
                    401,
                    "{shown}"
                );
            }
            assert_eq!(
                app.log_in("anna@example.com", &password).status,
                200,
                "{shown}"
            );
        }
        assert!(stored_hash(&app).starts_with("pbkdf2:sha256:20$"));
        let body = json!({ "email": "new@example.com", "current_password": password });
        assert_eq!(app.patch_me(&anna, body).status, 200, "{shown}");
    }
}

#[test]
fn a_typed_password_is_normalised_up_to_512_characters() {
    // It has 512 characters; the password that is stored has 128, the most that a new one may have.
    let typed = "\u{3b1}\u{313}\u{300}\u{345}".repeat(128);
    let app = TestApp::new();
    assert_eq!(
        app.sign_up("anna", "anna@example.com", &"\u{1f82}".repeat(128))
            .status,
        201
    );
    assert_eq!(app.log_in("anna@example.com", &typed).status, 200);
    for longer in [typed.clone() + "!", typed.repeat(1000)] {
        assert_eq!(app.log_in("anna@example.com", &longer).status, 401);
    }
}

/// The CPU time of this thread while `work` runs, in nanoseconds. Unlike elapsed time, it does not depend on how many
/// threads wait for a processor.
#[cfg(target_os = "linux")]
fn cpu_time(work: impl FnOnce()) -> u64 {
    let used = || -> u64 {
        let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split(' ').next().unwrap().parse().unwrap()
    };
    let before = used();
    work();
    used() - before
}

#[cfg(target_os = "linux")]
#[test]
fn a_wrong_password_costs_the_same_for_every_account_and_in_every_spelling() {
    let change = |config: &mut Config| config.passwords.password_iterations = 200_000;
    let app = TestApp::with(change);
    sign_up_and_log_in(&app, "anna", "anna@example.com");
    for (name, iterations) in [("fred", 10), ("flora", 400_000)] {
        let sql = r#"INSERT INTO "user" (username, email, password_hash) VALUES (?1, ?2, ?3)"#;
        let (email, hash) = (
            format!("{name}@example.com"),
            hash_with(iterations, PASSWORD),
        );
        app.sql().execute(sql, [name, &email, &hash]).unwrap();
    }
    // The start after the Flask app finds a hash that costs two new ones.
    let app = TestApp::in_folder(app.close(), change);
    let mut new_accounts = (0..).map(|n| format!("new{n}"));
    let mut sign_up = || {
        let name = new_accounts.next().unwrap();
        let response = app.sign_up(&name, &format!("{name}@example.com"), PASSWORD);
        assert_eq!(response.status, 201);
    };
    let log_in = |name: &str, password: &str| {
        let response = app.log_in(&format!("{name}@example.com"), password);
        assert_eq!(response.status, 401);
    };
    let long = "long ".repeat(200_000);
    let [nfc, nfd, mixed] = UNICODE_FORMS[0];
    for password in ["wrong", nfc, nfd, mixed, &long] {
        for name in ["anna", "fred", "flora", "nobody"] {
            // Another program on the same core makes a run longer and never shorter. So the least of at least three
            // runs of each, in turn, is compared, until both have had an undisturbed run.
            let (mut one_hash, mut found) = (u64::MAX, u64::MAX);
            let is_twice = (1..=50).any(|round| {
                one_hash = one_hash.min(cpu_time(&mut sign_up));
                found = found.min(cpu_time(|| log_in(name, password)));
                round >= 3 && (1.5..2.5).contains(&(found as f64 / one_hash as f64))
            });
            assert!(is_twice, "{name}: {found} ns, one hash: {one_hash} ns");
        }
    }
}

#[test]
fn a_wrong_password_costs_the_most_expensive_method_of_the_stored_hashes() {
    let app = TestApp::new();
    assert_eq!(app.app.passwords.cost_of_wrong_password(), 10);
    let hashes = [
        // What cannot be verified costs nothing.
        ("", false),
        ("none", false),
        ("pbkdf2:sha256:10000001$salt$00", false),
        ("scrypt:3:8:1$salt$00", false),
        ("pbkdf2:sha256:9$salt$00", false),
        ("pbkdf2:sha256:11$salt$00", true),
        ("pbkdf2:sha512:1000$salt$00", true),
        ("scrypt:1024:8:1$salt$00", true),
    ];
    let mut app = app;
    for (hash, is_dearer) in hashes {
        let db = app.sql();
        db.execute(r#"DELETE FROM "user""#, []).unwrap();
        let sql =
            r#"INSERT INTO "user" (id, username, email, password_hash) VALUES (1, 'a', 'b', ?1)"#;
        db.execute(sql, [hash]).unwrap();
        app = TestApp::in_folder(app.close(), |_| {});
        let cost = app.app.passwords.cost_of_wrong_password();
        assert_eq!(cost > 10, is_dearer, "{hash}: {cost}");
    }
}
