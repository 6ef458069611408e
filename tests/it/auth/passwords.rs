//! Which passwords may be set, at each place where one is, and which text signs in afterwards.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use ct_codecs::{Encoder, Hex};
use pbkdf2::pbkdf2_hmac_array;
use serde_json::json;
use sha2::Sha256;

use crate::support::program::{Guard, Place};
use crate::support::{Answer, PASSWORD, Person, TestApp};

/// Somebody who has signed up with the tests' password.
fn signed_up(app: &TestApp, username: &str, email: &str) -> Person {
    assert_eq!(app.sign_up(username, email, PASSWORD).status, 201);
    app.log_in(email, PASSWORD).person()
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
    let tildes = |n: usize| "~".repeat(n);
    let cases = [
        (tildes(0), 422),
        (tildes(7), 422),
        (tildes(8), 201),
        (tildes(64), 201),
        (tildes(128), 201),
        (tildes(129), 422),
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
        // They count in NFC, which makes one of two here: é.
        ("e\u{301}".repeat(4), 422),
        ("e\u{301}".repeat(7), 422),
        ("e\u{301}".repeat(8), 201),
        ("e\u{301}".repeat(128), 201),
        ("e\u{301}".repeat(129), 422),
        // And one of four at most: ᾂ.
        ("\u{3b1}\u{313}\u{300}\u{345}".repeat(128), 201),
        ("\u{3b1}\u{313}\u{300}\u{345}".repeat(129), 422),
        // These two stay two.
        ("q\u{301}".repeat(4), 201),
    ];
    for (i, (password, status)) in cases.iter().enumerate() {
        let email = format!("a{i}@example.com");
        let answer = app.sign_up(&format!("a{i}"), &email, password);
        assert_eq!(answer.status, *status, "{password:?}");
        if *status == 422 {
            assert_eq!(why(&answer), LENGTH, "{password:?}");
        }
        let entry = if *status == 201 { 200 } else { 401 };
        assert_eq!(app.log_in(&email, password).status, entry, "{password:?}");
    }
}

fn list() -> Vec<&'static str> {
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/model/common_passwords.txt"
    ))
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
    assert_eq!(list[..3], ["123456789", "password", "12345678"]);
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
        "987654321",
        "00000000",
        "Jennifer",
        // A Kelvin sign is a capital k.
        "startre\u{212a}",
    ]
    .into_iter()
    .chain(ends)
    {
        let answer = app.sign_up("anna", "anna@example.com", password);
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
        let answer = app.sign_up(&format!("a{i}"), &format!("a{i}@example.com"), password);
        assert_eq!(answer.status, 201, "{password}");
    }
}

// ---- where one is set ---------------------------------------------------------------------------

/// The account that the passwords are for: its name, its e-mail.
const ZOE: (&str, &str) = ("Zoë Ångström", "zoë.ångström@example.com");

/// Sets a password for this account. Where it is refused: what is said about it.
type Setting = fn(&str) -> Result<(), String>;

/// Every place where a password is set.
const PLACES: [(&str, Setting); 6] = [
    ("POST /signup", |password| {
        outcome(&TestApp::new().sign_up(ZOE.0, ZOE.1, password))
    }),
    ("PATCH /me", |password| {
        let app = TestApp::new();
        let zoe = signed_up(&app, ZOE.0, ZOE.1);
        let body = json!({ "password": password, "current_password": PASSWORD });
        outcome(&app.patch_me(&zoe, body))
    }),
    ("user create", |password| {
        command(&Place::new(), CREATE, password)
    }),
    ("user set-password", |password| {
        let place = Place::new();
        command(&place, CREATE, PASSWORD).unwrap();
        command(&place, &["user", "set-password", ZOE.0], password)
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

const CREATE: &[&str] = &["user", "create", "--username", ZOE.0, "--email", ZOE.1];

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
    command.env("ADMIN_USERNAME", ZOE.0);
    command.env("ADMIN_EMAIL", ZOE.1);
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
        // In NFD, and with the sign of the unit.
        ("Zoe\u{308} A\u{30a}ngstro\u{308}m", Some(NAME)),
        ("ZOE\u{308}.\u{212b}NGSTR\u{d6}M@EXAMPLE.COM", Some(NAME)),
        ("Zoë Ångström!", None),
        ("Zoe Angstrom", None),
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
    let zoe = signed_up(&app, "zoë", "zoe@example.com");
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
        let answer = app.patch_me(&zoe, body);
        assert_eq!(
            outcome(&answer).err().as_deref(),
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
fn a_name_that_has_other_characters_in_capitals_is_recognised() {
    let app = TestApp::new();
    for (username, password) in [
        // There is no capital ǰ but J and a caron.
        ("the \u{1f0} of old", "THE J\u{30c} OF OLD"),
        ("THE J\u{30c} OF OLD", "the \u{1f0} of old"),
        ("ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"),
        ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"),
    ] {
        let answer = app.sign_up(username, "a@example.com", password);
        assert_eq!(why(&answer), NAME, "{username} {password}");
    }
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
        let answer = app.sign_up(username, email, password);
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
            // Neither does NFC make a 2 of a ².
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

/// Passwords in NFC, in NFD, and as some keyboard may send them.
const FORMS: [[&str; 3]; 2] = [
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

/// What is no form of any of them.
const WRONG: [&str; 4] = [
    "creme brulee",
    "cre\u{301}me bru\u{302}le\u{301}e",
    "cr\u{e8}me br\u{fb}l\u{e9}",
    "",
];

/// A password's hash as Werkzeug makes it, of as many rounds as the tests' applications make.
fn hash_of(password: &str) -> String {
    let key = pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), b"salt", 10);
    format!(
        "pbkdf2:sha256:10$salt${}",
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

/// An application that hashes in so many rounds, and whose one account, Anna's, has this hash.
fn with_hash(rounds: u32, hash: &str) -> (TestApp, Person) {
    let app = TestApp::with(|config| config.passwords.password_iterations = rounds);
    let anna = signed_up(&app, "anna", "anna@example.com");
    app.sql()
        .execute(r#"UPDATE "user" SET password_hash = ?1"#, [hash])
        .unwrap();
    (app, anna)
}

fn assert_wrong_passwords_are_refused(app: &TestApp) {
    for wrong in WRONG {
        let answer = app.log_in("anna@example.com", wrong);
        assert_eq!(answer.status, 401, "{wrong:?}");
    }
}

#[test]
fn a_password_that_is_set_in_one_form_signs_in_typed_in_any() {
    for forms in FORMS {
        for set in forms {
            let app = TestApp::new();
            assert_eq!(app.sign_up("anna", "anna@example.com", set).status, 201);
            let hash = stored_hash(&app);
            assert!(is_hash_of(&hash, forms[0]), "{set:?}");
            for typed in forms {
                let answer = app.log_in("anna@example.com", typed);
                assert_eq!(answer.status, 200, "{set:?} {typed:?}");
            }
            assert_eq!(stored_hash(&app), hash, "{set:?}");
            assert_wrong_passwords_are_refused(&app);
        }
    }
}

#[test]
fn a_hash_of_another_form_signs_in_typed_so_and_becomes_that_of_nfc() {
    for forms in FORMS {
        let [nfc, nfd, mixed] = forms;
        for (hashed, typed, signs_in) in [
            (nfc, nfc, true),
            (nfc, nfd, true),
            (nfc, mixed, true),
            (nfd, nfc, true),
            (nfd, nfd, true),
            (nfd, mixed, true),
            (mixed, mixed, true),
            // How else it may have been typed, nobody can know.
            (mixed, nfc, false),
            (mixed, nfd, false),
        ] {
            let (app, _) = with_hash(10, &hash_of(hashed));
            assert_wrong_passwords_are_refused(&app);
            assert_eq!(stored_hash(&app), hash_of(hashed));
            let status = app.log_in("anna@example.com", typed).status;
            assert_eq!(status == 200, signs_in, "{hashed:?} {typed:?}");
            if !signs_in || hashed == nfc {
                assert_eq!(stored_hash(&app), hash_of(hashed), "{hashed:?} {typed:?}");
                continue;
            }
            assert!(is_hash_of(&stored_hash(&app), nfc), "{hashed:?} {typed:?}");
            for typed in forms {
                assert_eq!(
                    app.log_in("anna@example.com", typed).status,
                    200,
                    "{typed:?}"
                );
            }
            assert_wrong_passwords_are_refused(&app);
        }
    }
}

#[test]
fn the_current_password_may_be_typed_in_any_form_too() {
    for forms in FORMS {
        for hashed in forms {
            let (app, anna) = with_hash(10, &hash_of(hashed));
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
fn a_password_of_the_flask_app_may_be_common_short_or_long_and_signs_in() {
    for password in [
        "x".to_owned(),
        "password1".to_owned(),
        "anna@example.com".to_owned(),
        "x".repeat(129),
        "correct horse ".repeat(10_000),
        "bru\u{302}le\u{301}e ".repeat(10_000),
    ] {
        // Renewed at the first time, since it has too few rounds.
        let (app, anna) = with_hash(20, &hash_of(&password));
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
fn what_is_too_long_for_a_password_is_tried_as_typed_and_in_no_other_form() {
    let nfc = |n| "\u{e9}".repeat(n);
    let nfd = |n| "e\u{301}".repeat(n);
    for (hashed, typed, signs_in) in [
        // 512 characters are typed.
        (nfc(256), nfd(256), true),
        (nfc(256) + "!", nfd(256) + "!", false),
        (nfc(256) + "!", nfc(256) + "!", true),
        (nfd(256) + "!", nfd(256) + "!", true),
        (nfd(256) + "!", nfc(256) + "!", true),
    ] {
        let (app, _) = with_hash(10, &hash_of(&hashed));
        let status = app.log_in("anna@example.com", &typed).status;
        let lengths = (hashed.chars().count(), typed.chars().count());
        assert_eq!(status == 200, signs_in, "{lengths:?}");
    }
}

/// What the processor does for this thread meanwhile, in nanoseconds, at the cheapest of three times:
/// unlike the time that it takes, the same on a busy machine.
#[cfg(target_os = "linux")]
fn cost(mut work: impl FnMut()) -> f64 {
    let used = || -> u64 {
        let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split(' ').next().unwrap().parse().unwrap()
    };
    let costs = (0..3).map(|_| {
        let before = used();
        work();
        used() - before
    });
    costs.min().unwrap() as f64
}

#[cfg(target_os = "linux")]
#[test]
fn a_wrong_password_costs_a_hash_for_each_of_its_forms_whoever_is_asked_for() {
    let app = TestApp::with(|config| config.passwords.password_iterations = 200_000);
    signed_up(&app, "anna", "anna@example.com");
    let fred = r#"INSERT INTO "user" (username, email, password_hash) VALUES ('fred', 'fred@example.com', ?1)"#;
    app.sql().execute(fred, [hash_of(PASSWORD)]).unwrap();
    let mut names = ["a", "b", "c"].into_iter();
    let one = cost(|| {
        let name = names.next().unwrap();
        let answer = app.sign_up(name, &format!("{name}@example.com"), PASSWORD);
        assert_eq!(answer.status, 201);
    });
    let long = "long ".repeat(200_000);
    let [nfc, nfd, mixed] = FORMS[0];
    for (password, hashes) in [("wrong", 1), (nfc, 2), (nfd, 2), (mixed, 3), (&long, 1)] {
        for who in ["anna", "fred", "nobody"] {
            let found = cost(|| {
                let answer = app.log_in(&format!("{who}@example.com"), password);
                assert_eq!(answer.status, 401);
            });
            let found = found / one;
            let off = (found - f64::from(hashes)).abs();
            assert!(off < 0.5, "{who}, {hashes}: {found}");
        }
    }
}
