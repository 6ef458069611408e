//! Identity of accounts: one canonical form of an e-mail address, names that look alike, ids that are never reused, and accounts
//! that no admin approves.

use rusqlite::params;
use serde_json::{Value, json};
use task_api::app::maintenance;
use task_api::model::{NameKeys, email_key};

use crate::support::data_dir::{DataDir, Engine};
use crate::support::program::{RunningServer, WorkDir, run_command};
use crate::support::sql::TestSql;
use crate::support::{Account, PASSWORD, TestApp, open_store};

/// Werkzeug's hash of `PASSWORD`.
const FLASK_HASH: &str = "pbkdf2:sha256:1000$Kq3vWx9ZtY2mLp8R$7bc8ff71821e217ef18efe3c634d6feda4bedb3dea6f8f413238706f61f3f111";

/// The ways in which clients write one address: browsers send the domain in ASCII.
const SPELLINGS: [&str; 10] = [
    "zoë@bücher.example",
    "zoë@xn--bcher-kva.example",
    "ZOË@BÜCHER.EXAMPLE",
    "Zoë@XN--BCHER-KVA.Example",
    "zoe\u{308}@bu\u{308}cher.example",
    "ZOE\u{308}@xn--bcher-kva.example",
    "Zoe\u{308}@BU\u{308}CHER.example",
    "  zoë@bücher.example\t",
    "zoë@xn--bcher-kva.EXAMPLE",
    "zOË@bÜcher.example",
];
const CANONICAL: &str = "zoë@xn--bcher-kva.example";

/// A folder with a database of the Flask app that has these accounts: username and e-mail.
fn flask_database(accounts: &[(&str, &str)]) -> DataDir {
    let folder = DataDir::empty();
    let db = folder.sql();
    // The types that SQLAlchemy chooses.
    let (id, time) = match Engine::current() {
        Engine::Sqlite => ("INTEGER", "DATETIME"),
        Engine::Postgres => ("SERIAL", "TIMESTAMP WITHOUT TIME ZONE"),
    };
    db.execute_batch(&format!(
        r#"CREATE TABLE "user" (id {id} NOT NULL, username VARCHAR(80) NOT NULL, email VARCHAR(120) NOT NULL,
             password_hash VARCHAR(128) NOT NULL, role VARCHAR(20), is_approved BOOLEAN, created_at {time},
             PRIMARY KEY (id), UNIQUE (username), UNIQUE (email));
           CREATE TABLE task (id {id} NOT NULL, title VARCHAR(255) NOT NULL, description TEXT, status VARCHAR(20),
             deadline {time}, created_at {time}, assigned_user_id INTEGER,
             PRIMARY KEY (id), FOREIGN KEY(assigned_user_id) REFERENCES "user" (id));"#,
    ))
    .unwrap();
    insert_flask_accounts(&db, accounts);
    folder
}

/// Inserts accounts as the Flask app does.
fn insert_flask_accounts(db: &TestSql, accounts: &[(&str, &str)]) {
    for (username, email) in accounts {
        let sql = r#"INSERT INTO "user" (username, email, password_hash, role, is_approved, created_at)
            VALUES (?1, ?2, ?3, 'employee', TRUE, '2026-01-01 00:00:00.000000')"#;
        db.execute(sql, params![username, email, FLASK_HASH])
            .unwrap();
    }
}

/// The username of the account to which an address signs in.
fn signed_in(app: &TestApp, email: &str) -> Option<String> {
    let response = app.log_in(email, PASSWORD);
    (response.status == 200).then(|| {
        response.json()["user"]["username"]
            .as_str()
            .unwrap()
            .to_owned()
    })
}

#[track_caller]
fn assert_each_spelling_signs_in(app: &TestApp, username: &str) {
    for email in SPELLINGS {
        assert_eq!(
            signed_in(app, email).as_deref(),
            Some(username),
            "{email:?}"
        );
    }
}

// ---- e-mail addresses ---------------------------------------------------------------------------

#[test]
fn an_account_that_signs_up_with_any_spelling_of_its_address_signs_in_with_each() {
    for email in SPELLINGS {
        let app = TestApp::new();
        let response = app.sign_up("zoe", email, PASSWORD);
        assert_eq!(response.status, 201, "{email:?}");
        assert_eq!(response.json()["email"], CANONICAL);
        assert_each_spelling_signs_in(&app, "zoe");
    }
}

#[test]
fn no_second_account_has_another_spelling_of_an_address() {
    let app = TestApp::new();
    app.sign_up("zoe", SPELLINGS[0], PASSWORD);
    let other = app.account("other", task_api::model::Role::Employee, true);
    for email in SPELLINGS {
        let before = app.rows();
        let response = app.sign_up("second", email, PASSWORD);
        assert_eq!(response.code(), "account_exists", "{email:?}");
        let body = json!({ "email": email, "current_password": PASSWORD });
        let response = app.patch_me(&other, body);
        assert_eq!(response.code(), "account_exists", "{email:?}");
        assert_eq!(app.rows(), before);
    }
}

#[test]
fn an_account_that_changes_its_address_signs_in_with_each_spelling_and_not_with_the_old_one() {
    for email in SPELLINGS {
        let app = TestApp::new();
        let zoe = app.account("zoe", task_api::model::Role::Employee, true);
        let body = json!({ "email": email, "current_password": PASSWORD });
        let response = app.patch_me(&zoe, body);
        assert_eq!(
            (response.status, &response.json()["email"]),
            (200, &json!(CANONICAL))
        );
        assert_each_spelling_signs_in(&app, "zoe");
        assert_eq!(signed_in(&app, &zoe.email), None);
        // The old address is free again.
        assert_eq!(app.sign_up("new", &zoe.email, PASSWORD).status, 201);
    }
}

#[test]
fn an_account_of_the_flask_app_with_any_spelling_signs_in_with_each() {
    for email in SPELLINGS {
        let app = TestApp::in_folder(flask_database(&[("zoe", email.trim())]), |_| {});
        assert_each_spelling_signs_in(&app, "zoe");
        let response = app.sign_up("second", CANONICAL, PASSWORD);
        assert_eq!(response.code(), "account_exists");
        // The stored address is shown as it is.
        let shown = app.log_in(email, PASSWORD).json()["user"]["email"].clone();
        assert_eq!(shown, email.trim());
    }
}

#[test]
fn among_accounts_of_the_flask_app_with_one_canonical_address_the_exact_one_signs_in() {
    let accounts = [
        ("first", "ZOË@bücher.example"),
        ("second", "zoë@bücher.example"),
        ("third", "zoë@xn--bcher-kva.example"),
    ];
    let app = TestApp::in_folder(flask_database(&accounts), |_| {});
    for (username, email) in accounts {
        assert_eq!(signed_in(&app, email).as_deref(), Some(username), "{email}");
    }
    assert_eq!(
        signed_in(&app, "ZOË@BÜCHER.EXAMPLE").as_deref(),
        Some("first")
    );
}

#[test]
fn an_account_that_the_flask_app_writes_meanwhile_is_found_by_any_spelling_after_the_maintenance() {
    let app = TestApp::new();
    insert_flask_accounts(&app.sql(), &[("zoe", "Zoë@Bücher.example")]);
    assert_eq!(
        signed_in(&app, "Zoë@Bücher.example").as_deref(),
        Some("zoe")
    );
    assert_eq!(signed_in(&app, CANONICAL), None);
    maintenance::run(&app.app).unwrap();
    assert_each_spelling_signs_in(&app, "zoe");
    // Its address is changed, then the account is deleted, without foreign keys.
    let db = app.sql();
    db.execute(r#"UPDATE "user" SET email = 'zoe@example.com'"#, [])
        .unwrap();
    assert_eq!(signed_in(&app, CANONICAL), None);
    maintenance::run(&app.app).unwrap();
    assert_eq!(signed_in(&app, "ZOE@example.com").as_deref(), Some("zoe"));
    db.without_foreign_keys();
    db.execute(r#"DELETE FROM "user""#, []).unwrap();
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("account_key"), 0);
    assert_eq!(app.sign_up("zoe", CANONICAL, PASSWORD).status, 201);
}

#[test]
fn more_accounts_of_the_flask_app_than_one_batch_all_get_their_keys_at_the_start() {
    let folder = flask_database(&[]);
    folder.sql().execute_batch(
        r#"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1203)
           INSERT INTO "user" (username, email, password_hash) SELECT 'Name' || n, 'A' || n || '@X.example', '' FROM n"#,
    )
    .unwrap();
    let app = TestApp::in_folder(folder, |_| {});
    assert_eq!(app.count("account_key"), 1203);
    for n in [1, 500, 501, 1000, 1001, 1203] {
        let response = app.sign_up("new", &format!("a{n}@x.example"), PASSWORD);
        assert_eq!(response.code(), "account_exists", "{n}");
    }
}

#[test]
fn domains_that_are_not_valid_and_invisible_characters_in_addresses_are_refused() {
    let app = TestApp::new();
    for email in [
        "a@xn--a.example",
        "a@xn--.example",
        "a@1\u{5d0}.example",
        "a@b\u{ad}c.example",
        "a@b\u{200d}c.example",
        "a@\u{301}b.example",
        "a\u{3164}b@example.com",
        "a\u{200b}b@example.com",
        "a\u{fe0f}@example.com",
        "a\u{e0041}@example.com",
        "a\u{e000}@example.com",
        "a\u{378}@example.com",
        "a@b。example",
        "a@b．example",
        "a@@b.example",
        "a@b@c.example",
        "@b.example",
        "a@",
        "a",
    ] {
        let response = app.sign_up("new", email, PASSWORD);
        assert_eq!(response.invalid_fields(), ["email"], "{email:?}");
    }
    assert_eq!(app.count("user"), 0);
}

#[test]
fn the_length_of_an_address_is_counted_in_its_canonical_form() {
    let app = TestApp::new();
    // `bücher.example` has 8 characters less than its ASCII form.
    let domain = "bücher.example";
    let ascii = email_key(&format!("a@{domain}")).len() - 2;
    assert_eq!(ascii, "xn--bcher-kva.example".len());
    for (local, status) in [
        (120 - 1 - ascii, 201),
        (120 - ascii, 422),
        (119 - 14, 422),
        (200, 422),
    ] {
        let email = format!("{}@{domain}", "a".repeat(local));
        let response = app.sign_up("new", &email, PASSWORD);
        assert_eq!(response.status, status, "{local}");
        if status == 422 {
            let reason = response.json()["errors"]["email"].clone();
            assert_eq!(reason, "must be at most 120 characters");
        }
    }
    let label = format!("a@{}.example", "ü".repeat(60));
    let response = app.sign_up("new2", &label, PASSWORD);
    assert_eq!(
        response.json()["errors"]["email"],
        "must have a valid domain"
    );
}

#[test]
fn any_text_has_a_key_and_the_key_of_a_key_is_itself() {
    for text in [
        "",
        " ",
        "@",
        "a",
        "@@",
        "A@B",
        "zoe@bücher.example",
        "ZOË",
        "a@xn--",
        "a@-b-",
        "a@b..c",
        "\u{3000}",
        "a@1\u{5d0}",
        "ΣΑΣ@ΣΑΣ.example",
        "İ@İ.example",
        "ẞ@ẞ.example",
        "a@[::1]",
        "\"a b\"@example.com",
        "a@b\u{ad}c",
    ] {
        let key = email_key(text);
        assert_eq!(email_key(&key), key, "{text:?}");
    }
    assert_eq!(
        email_key(&format!("a@{}", "ü".repeat(500_000)))
            .chars()
            .count(),
        500_002
    );
}

#[test]
fn no_spelling_of_an_address_is_a_password() {
    let app = TestApp::new();
    for password in SPELLINGS.into_iter().chain(["zoë@bücher.example 1"]) {
        let response = app.sign_up("zoe", "zoë@bücher.example", password.trim());
        assert_eq!(response.invalid_fields(), ["password"], "{password:?}");
    }
}

#[test]
fn commands_find_an_account_by_each_spelling_of_its_address() {
    let dir = WorkDir::new();
    let address = "Zoe\u{308}@Bücher.example";
    let create = [
        "user",
        "create",
        "--username",
        "zoe",
        "--email",
        address,
        "--password-stdin",
    ];
    let created = dir.run_with_input(&create, PASSWORD);
    assert!(created.out.contains(CANONICAL), "{created:?}");
    for email in SPELLINGS {
        let changed = dir.run(&["user", "set-role", email, "manager"]);
        assert!(changed.out.contains(" zoe "), "{email}: {changed:?}");
    }
    let missing = dir.run(&["user", "approve", "zoë@bücher.org"]);
    assert!(missing.error_line().contains("no account"));
}

#[test]
fn the_first_admin_signs_in_with_each_spelling_of_admin_email() {
    let dir = WorkDir::new();
    let mut serve = dir.command(&[]);
    serve
        .env("ADMIN_USERNAME", "zoe\u{308}")
        .env("ADMIN_EMAIL", "Zoe\u{308}@Bücher.example")
        .env("ADMIN_PASSWORD", PASSWORD);
    let server = RunningServer::start(&mut serve);
    let mut client = server.client();
    for email in SPELLINGS {
        let body = json!({ "email": email, "password": PASSWORD });
        let response = client.send("POST /login", None, Some(&body));
        assert_eq!(response.status, 200, "{email}");
        assert_eq!(response.json()["user"]["username"], "zoë");
    }
}

// ---- names --------------------------------------------------------------------------------------

#[test]
fn invisible_directional_and_unassigned_characters_are_no_part_of_a_name() {
    let app = TestApp::new();
    for c in [
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{115f}',
        '\u{1160}',
        '\u{17b4}',
        '\u{180e}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2069}',
        '\u{206f}',
        '\u{2800}',
        '\u{3164}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{ffa0}',
        '\u{fff0}',
        '\u{fff9}',
        '\u{1d173}',
        '\u{e0001}',
        '\u{e0041}',
        '\u{e0100}',
        '\u{e0fff}',
        '\u{e000}',
        '\u{f0000}',
        '\u{10fffd}',
        '\u{378}',
        '\u{ffff}',
        '\u{1fffe}',
        '\0',
        '\t',
        '\n',
        '\u{7f}',
        '\u{85}',
    ] {
        for name in [format!("a{c}b"), format!("{c}ab"), format!("ab{c}")] {
            if name.trim() == "ab" {
                continue;
            }
            let response = app.sign_up(&name, "new@example.com", PASSWORD);
            assert_eq!(response.invalid_fields(), ["username"], "{name:?}");
        }
    }
    assert_eq!(app.count("user"), 0);
}

#[test]
fn names_of_every_script_are_stored_in_nfc() {
    let app = TestApp::new();
    for (at, (typed, stored)) in [
        ("zoe\u{308}", "zoë"),
        ("\u{1112}\u{1161}\u{11ab}", "한"),
        ("Иван Петров", "Иван Петров"),
        ("नमस्ते", "नमस्ते"),
        ("محمد", "محمد"),
        ("用户 👩", "用户 👩"),
        ("Jean-Luc O'Neill (3)", "Jean-Luc O'Neill (3)"),
        ("  x  ", "x"),
        ("é".repeat(80).as_str(), "é".repeat(80).as_str()),
        ("e\u{301}".repeat(79).as_str(), "é".repeat(79).as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        let response = app.sign_up(typed, &format!("a{at}@example.com"), PASSWORD);
        assert_eq!(
            (response.status, &response.json()["username"]),
            (201, &json!(stored)),
            "{typed}"
        );
    }
    for name in ["é".repeat(81), "e\u{301}".repeat(81), "a".repeat(400)] {
        let response = app.sign_up(&name, "new@example.com", PASSWORD);
        assert_eq!(response.invalid_fields(), ["username"]);
    }
}

/// Pairs of names that look alike.
const ALIKE: [(&str, &str); 22] = [
    ("admin", "Admin"),
    ("admin", "ADMIN"),
    ("admin", "аdmin"),
    ("admin", "\u{ff41}\u{ff44}\u{ff4d}\u{ff49}\u{ff4e}"),
    ("admin", "𝐚𝐝𝐦𝐢𝐧"),
    ("admin", "adrnin"),
    ("admin", "admı\u{6e}"),
    ("zoë", "zoe\u{308}"),
    ("zoë", "ZOE\u{308}"),
    ("paypal", "paypaI"),
    ("paypal", "paypa1"),
    ("PayPal", "РауРаӀ"),
    ("bob", "Вob"),
    ("Bob", "ВОВ"),
    ("eve", "Εve"),
    ("oscar", "0scar"),
    ("scope", "ѕсоре"),
    ("a b", "a\u{a0}b"),
    ("a b", "a  b"),
    ("a b", "A\u{3000}B"),
    ("ﬁn", "fin"),
    ("o'neill", "o’neill"),
];

#[test]
fn two_names_that_look_alike_cannot_both_be_made() {
    for (one, other) in ALIKE {
        for (first, second) in [(one, other), (other, one)] {
            let app = TestApp::new();
            let response = app.sign_up(first, "first@example.com", PASSWORD);
            assert_eq!(response.status, 201, "{first:?}");
            let before = app.rows();
            let response = app.sign_up(second, "second@example.com", PASSWORD);
            assert_eq!(
                (response.status, response.code().as_str()),
                (409, "account_exists"),
                "{first:?} {second:?}"
            );
            assert_eq!(app.rows(), before);
            // The name is free again when the account is deleted.
            app.sql().execute(r#"DELETE FROM "user""#, []).unwrap();
            maintenance::run(&app.app).unwrap();
            let response = app.sign_up(second, "second@example.com", PASSWORD);
            assert_eq!(response.status, 201, "{first:?} {second:?}");
        }
    }
}

#[test]
fn names_that_look_different_can_all_be_made() {
    let app = TestApp::new();
    for (at, name) in [
        "ian", "lan", "anna", "hanna", "Анна", "zoe", "zoë", "o", "a b", "ab", "a.b", "a-b",
        "用户", "مدير", "user1", "user2",
    ]
    .into_iter()
    .enumerate()
    {
        let response = app.sign_up(name, &format!("a{at}@example.com"), PASSWORD);
        assert_eq!(response.status, 201, "{name}");
    }
}

#[test]
fn accounts_of_the_flask_app_with_any_name_sign_in_and_are_listed_and_block_names_that_look_like_theirs()
 {
    let names = [
        "admin",
        "аdmin",
        "ad\u{200d}min",
        "\u{3164}",
        "\u{202e}nimda",
        "ZOE\u{308}",
        "x\ny",
        "👩\u{200d}🚀",
        "\u{e0041}",
    ];
    let emails: Vec<_> = (0..names.len())
        .map(|at| format!("a{at}@example.com"))
        .collect();
    let accounts: Vec<_> = names
        .iter()
        .copied()
        .zip(emails.iter().map(String::as_str))
        .collect();
    let app = TestApp::in_folder(flask_database(&accounts), |_| {});
    for (name, email) in &accounts {
        assert_eq!(signed_in(&app, email).as_deref(), Some(*name), "{name:?}");
    }
    let boss = app.account("boss", task_api::model::Role::Admin, true);
    let listed: Vec<Value> = app
        .get("/users", &boss)
        .items()
        .iter()
        .map(|user| user["username"].clone())
        .collect();
    assert_eq!(listed[..names.len()], names.map(Value::from));
    for name in ["ADMIN", "zoë", "nimda"] {
        let response = app.sign_up(name, "new@example.com", PASSWORD);
        assert_eq!(response.code(), "account_exists", "{name}");
    }
}

#[test]
fn the_keys_of_a_name_do_not_depend_on_its_case_and_normal_form() {
    use unicode_normalization::UnicodeNormalization;
    for (one, other) in ALIKE {
        for name in [one, other] {
            let nfd: String = name.nfd().collect();
            assert_eq!(NameKeys::of(name), NameKeys::of(&nfd), "{name}");
        }
    }
}

#[test]
fn commands_make_no_name_that_looks_like_another_and_find_a_name_in_any_normal_form() {
    let dir = WorkDir::new();
    dir.create_account("admin", &[]);
    for (name, why) in [("аdmin", "already exists"), ("ad\u{200d}min", "invisible")] {
        let arguments = [
            "user",
            "create",
            "--username",
            name,
            "--email",
            "b@example.com",
        ];
        let arguments = [&arguments[..], &["--password-stdin"]].concat();
        let refused = dir.run_with_input(&arguments, PASSWORD);
        assert!(refused.error_line().contains(why), "{refused:?}");
    }
    insert_flask_accounts(
        &dir.sql(),
        &[("zoe\u{308}", "zoe@example.com"), ("Zoë", "z@example.com")],
    );
    for (typed, email) in [
        ("zoë", "zoe@example.com"),
        ("zoe\u{308}", "zoe@example.com"),
        ("Zoë", "z@example.com"),
    ] {
        let changed = dir.run(&["user", "set-role", typed, "manager"]);
        assert!(changed.out.contains(email), "{typed}: {changed:?}");
    }
    let missing = dir.run(&["user", "approve", "ZOË"]);
    assert!(missing.error_line().contains("no account"));
}

#[test]
fn a_start_refuses_a_name_for_the_first_admin_that_looks_like_another() {
    for (name, why) in [("аda", "already"), ("a\u{ad}da", "invisible")] {
        let dir = WorkDir::new();
        dir.create_account("ada", &[]);
        let mut serve = dir.command(&[]);
        serve
            .env("ADMIN_USERNAME", name)
            .env("ADMIN_EMAIL", "new@example.com")
            .env("ADMIN_PASSWORD", PASSWORD);
        let refused = run_command(&mut serve);
        assert_ne!(refused.code, Some(0));
        assert!(
            refused.err.contains("ADMIN_USERNAME") || refused.err.contains("admin-username"),
            "{refused:?}"
        );
        assert!(refused.err.contains(why), "{refused:?}");
    }
}

// ---- ids ----------------------------------------------------------------------------------------

fn delete(app: &TestApp, admin: &Account, id: i64) {
    let response = app.send(&format!("DELETE /users/{id}"), admin.clone(), "");
    assert_eq!(response.status, 204);
}

#[test]
fn the_id_of_a_deleted_account_is_not_given_out_again() {
    let app = TestApp::new();
    let admin = app.admin();
    let mut last = admin.id;
    for _ in 0..3 {
        let response = app.sign_up("mallory", "mallory@example.com", PASSWORD);
        let id = response.json()["id"].as_i64().unwrap();
        assert!(id > last, "{id} {last}");
        delete(&app, &admin, id);
        let new = app.sign_up("mallory", "mallory@example.com", PASSWORD);
        let new = new.json()["id"].as_i64().unwrap();
        for (line, body) in [
            (format!("PATCH /users/{id}"), r#"{"is_approved":true}"#),
            (format!("DELETE /users/{id}"), ""),
            (format!("GET /users/{id}"), ""),
        ] {
            let response = app.send(&line, admin.clone(), body);
            assert_eq!(response.status, 404, "{line}");
        }
        let shown = app.get(&format!("/users/{new}"), &admin).json();
        assert_eq!(shown["is_approved"], false);
        delete(&app, &admin, new);
        last = new;
    }
}

// ---- accounts that await approval ---------------------------------------------------------------

const DAY: i64 = 24 * 3600;

/// The account with a token of a new session: the others have expired.
fn signed_in_again(app: &TestApp, account: Account) -> Account {
    let token = app.token_of_new_session(&account);
    Account { token, ..account }
}

fn usernames(app: &TestApp) -> Vec<String> {
    let sql = r#"SELECT username FROM "user" ORDER BY id"#;
    app.sql().query(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn an_account_that_nobody_approves_is_removed_and_others_stay() {
    let app = TestApp::new();
    let admin = app.admin();
    app.account("made", task_api::model::Role::Employee, false);
    insert_flask_accounts(&app.sql(), &[("flask", "flask@example.com")]);
    app.sql()
        .execute(
            r#"UPDATE "user" SET is_approved = FALSE WHERE username = 'flask'"#,
            [],
        )
        .unwrap();
    let sign_up = |name: &str| {
        app.sign_up(name, &format!("{name}@example.com"), PASSWORD)
            .json()["id"]
            .as_i64()
            .unwrap()
    };
    let patch = |id: i64, body: &str| {
        let response = app.send(&format!("PATCH /users/{id}"), admin.clone(), body);
        assert_eq!(response.status, 200);
    };
    sign_up("forgotten");
    patch(sign_up("approved"), r#"{"is_approved":true}"#);
    let withdrawn = sign_up("withdrawn");
    patch(withdrawn, r#"{"is_approved":true}"#);
    patch(withdrawn, r#"{"is_approved":false}"#);
    patch(sign_up("promoted"), r#"{"role":"manager"}"#);
    sign_up("byflask");
    app.sql()
        .execute(
            r#"UPDATE "user" SET is_approved = TRUE WHERE username = 'byflask'"#,
            [],
        )
        .unwrap();

    app.advance(30 * DAY - 60);
    sign_up("late");
    maintenance::run(&app.app).unwrap();
    assert_eq!(usernames(&app).len(), 9);
    app.advance(120);
    maintenance::run(&app.app).unwrap();
    assert_eq!(
        usernames(&app),
        [
            "admin",
            "made",
            "flask",
            "approved",
            "withdrawn",
            "byflask",
            "late"
        ]
    );
    let entries = app
        .get(
            "/audit?action=account_expired",
            &signed_in_again(&app, admin),
        )
        .items();
    let subjects: Vec<_> = entries
        .iter()
        .map(|entry| entry["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects, ["promoted", "forgotten"]);
    for entry in &entries {
        assert_eq!(
            (&entry["actor"], &entry["address"], &entry["os_user"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
    }
    assert_eq!(app.count("pending_account"), 1);
    assert_eq!(signed_in(&app, "forgotten@example.com"), None);
}

#[test]
fn an_account_of_the_flask_app_with_the_id_of_one_that_signed_up_stays() {
    let app = TestApp::new();
    let response = app.sign_up("ada", "ada@example.com", PASSWORD);
    let db = app.sql();
    db.without_foreign_keys();
    db.execute(r#"DELETE FROM "user""#, []).unwrap();
    insert_flask_accounts(&db, &[("bob", "bob@example.com")]);
    db.execute(
        r#"UPDATE "user" SET is_approved = NULL, id = ?1"#,
        [response.json()["id"].as_i64()],
    )
    .unwrap();
    app.advance(31 * DAY);
    maintenance::run(&app.app).unwrap();
    assert_eq!(usernames(&app), ["bob"]);
    assert_eq!(app.count("pending_account"), 0);
}

#[test]
fn more_expired_accounts_than_one_batch_are_all_removed() {
    let app = TestApp::new();
    app.admin();
    app.sql()
        .execute_batch(
            r#"WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 1100)
               INSERT INTO "user" (id, username, email, password_hash, created_at) SELECT n, n, n, '', '2026-01-01 00:00:00.000000' FROM n;
               INSERT INTO pending_account SELECT id, created_at FROM "user" WHERE id > 1"#,
        )
        .unwrap();
    maintenance::run(&app.app).unwrap();
    assert_eq!(usernames(&app), ["admin"]);
}

#[test]
fn sign_ups_are_refused_while_too_many_accounts_await_approval() {
    let app = TestApp::with(|config| config.accounts.max_pending_accounts = 2);
    let admin = app.admin();
    let sign_up = |name: &str| app.sign_up(name, &format!("{name}@example.com"), PASSWORD);
    let key = [
        ("Idempotency-Key", "k1"),
        ("Content-Type", "application/json"),
    ];
    let body =
        json!({ "username": "one", "email": "one@example.com", "password": PASSWORD }).to_string();
    let first = app.send_with("POST /signup", None, &key[..1], &body);
    assert_eq!(first.status, 201);
    assert_eq!(sign_up("two").status, 201);
    let before = app.rows();
    for _ in 0..3 {
        let response = sign_up("three");
        assert_eq!(
            (response.status, response.code().as_str()),
            (403, "too_many_pending_accounts")
        );
    }
    assert_eq!(app.rows(), before);
    // A retry of a sign-up that has succeeded gets its response.
    assert_eq!(
        app.send_with("POST /signup", None, &key[..1], &body).json(),
        first.json()
    );
    assert_eq!(app.metric("pending_accounts"), 2.0);
    assert_eq!(app.metric("pending_accounts_max"), 2.0);

    // Accounts of commands and of the Flask app do not count, and a place is free after an approval or a deletion.
    app.account("made", task_api::model::Role::Employee, false);
    let id = first.json()["id"].as_i64().unwrap();
    app.send(
        &format!("PATCH /users/{id}"),
        admin.clone(),
        r#"{"is_approved":true}"#,
    );
    assert_eq!(app.metric("pending_accounts"), 1.0);
    let three = sign_up("three");
    assert_eq!(three.status, 201);
    assert_eq!(sign_up("four").status, 403);
    delete(&app, &admin, three.json()["id"].as_i64().unwrap());
    assert_eq!(sign_up("four").status, 201);
}

#[test]
fn the_log_says_once_that_sign_ups_are_refused_and_names_the_setting() {
    let dir = WorkDir::new();
    let mut serve = dir.command(&[]);
    serve.env("MAX_PENDING_ACCOUNTS", "1");
    let server = RunningServer::start(&mut serve);
    let mut client = server.client();
    for (name, status) in [("one", 201), ("two", 403), ("three", 403)] {
        let email = format!("{name}@example.com");
        let body = json!({ "username": name, "email": email, "password": PASSWORD });
        let response = client.send("POST /signup", None, Some(&body));
        assert_eq!(response.status, status, "{response:?}");
    }
    let (_, log) = server.stop("TERM");
    let told = log
        .iter()
        .filter(|line| line.contains("MAX_PENDING_ACCOUNTS"));
    assert_eq!(told.count(), 1, "{log:?}");
}

#[test]
fn concurrent_sign_ups_do_not_exceed_the_bound() {
    let app = TestApp::with(|config| config.accounts.max_pending_accounts = 3);
    let statuses = crate::support::concurrently(8, |at| {
        app.sign_up(&format!("u{at}x"), &format!("u{at}@example.com"), PASSWORD)
            .status
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 201).count(),
        3,
        "{statuses:?}"
    );
    assert_eq!(app.count("user"), 3);
}

mod sqlite_only {
    use super::*;

    #[test]
    fn names_of_the_flask_app_that_are_not_text_do_not_prevent_the_start() {
        let folder = flask_database(&[]);
        let db = folder.sqlite();
        for (username, email) in [
            ("x'ff00fe'", "x'80'"),
            ("''", "''"),
            ("12", "1.5"),
            ("CAST(x'ff41' AS TEXT)", "'a@'"),
        ] {
            let sql = format!(
                "INSERT INTO user (username, email, password_hash) VALUES ({username}, {email}, '')"
            );
            db.execute(&sql, []).unwrap();
        }
        drop(db);
        let app = TestApp::in_folder(folder, |_| {});
        assert_eq!(app.count("account_key"), 4);
        maintenance::run(&app.app).unwrap();
        assert_eq!(app.count("account_key"), 4);
    }

    #[test]
    fn ids_that_were_deleted_before_the_upgrade_are_not_given_out_again() {
        let folder = flask_database(&[("root", "root@example.com")]);
        drop(open_store(&folder.path().join("project.db")).unwrap());
        // The file of the version before: no sequence, and entries about accounts that are gone.
        let db = folder.sqlite();
        db.execute_batch("DROP TABLE id_sequence; PRAGMA user_version = 4")
            .unwrap();
        let sql = "INSERT INTO audit (id, at, action, actor_id, subject_id, hash) VALUES (?1, '', 'account_deleted', ?2, ?3, '')";
        for (id, actor, subject) in [
            (1, Some(41), Some(17)),
            (2, None, Some(38)),
            (3, Some(3), None),
        ] {
            db.execute(sql, params![id, actor, subject]).unwrap();
        }
        db.execute("INSERT INTO audit_head VALUES (1, 3, '')", [])
            .unwrap();
        drop(db);
        let app = TestApp::in_folder(folder, |_| {});
        let response = app.sign_up("new", "new@example.com", PASSWORD);
        assert_eq!(response.json()["id"], 42, "{response:?}");
        // The Flask app numbers its accounts itself.
        app.sqlite()
            .execute(r#"INSERT INTO "user" (id, username, email, password_hash) VALUES (77, 'flask', 'f@example.com', '')"#, [])
            .unwrap();
        let response = app.sign_up("newer", "newer@example.com", PASSWORD);
        assert_eq!(response.json()["id"], 78);
    }
}
