//! Sign-ups, logins and the current user's own account: `/signup`, `/login`, `/hello` and `/me`.

use std::cell::Cell;
use std::sync::mpsc;

use rusqlite::params;
use serde_json::json;
use task_api::model::{Id, Password, Role};
use task_api::store::users;

use crate::support::{Account, PASSWORD, TestApp, TestResponse, concurrently, wait_until_blocked};

/// Inserts an account as the Flask app does: with the e-mail as it was typed, and NULL in each column that
/// permits it.
fn insert_flask_account(app: &TestApp, username: &str, email: &str, password_hash: &str) {
    app.sql()
        .execute(
            r#"INSERT INTO "user" (username, email, password_hash) VALUES (?1, ?2, ?3)"#,
            params![username, email, password_hash],
        )
        .unwrap();
    // The next maintenance, or the next start, computes the forms by which the account is found.
    app.app.store.synchronise_accounts().unwrap();
}

fn stored_column(app: &TestApp, column: &str, username: &str) -> String {
    let sql = format!(r#"SELECT {column} FROM "user" WHERE username = ?1"#);
    app.sql()
        .query_row(&sql, [username], |row| row.get(0))
        .unwrap()
}

// ---- the tutorial -------------------------------------------------------------------------------

#[test]
fn the_tutorials_three_requests_work_on_an_empty_database() {
    let app = TestApp::new();

    let signed_up = app.send(
        "POST /signup",
        None,
        r#"{"username": "test", "email": "test@gmail.com", "password": "testpassword"}"#,
    );
    assert_eq!(signed_up.status, 201);
    let body = signed_up.json();
    assert_eq!(body["username"], "test");
    assert_eq!(body["email"], "test@gmail.com");

    let logged_in = app.send(
        "POST /login",
        None,
        r#"{"email": "test@gmail.com", "password": "testpassword"}"#,
    );
    assert_eq!(logged_in.status, 200);
    assert_eq!(logged_in.msg(), "successfully logged in");
    let token = logged_in.json()["token"].as_str().unwrap().to_owned();

    let authorization = ("Authorization", format!("Bearer {token}"));
    let hello = app.send_raw("GET /hello", &[authorization], b"");
    assert_eq!(hello.status, 200);
    assert_eq!(
        hello.json(),
        json!({ "msg": "hello world! from rouille", "user_name": "test" })
    );
}

#[test]
fn the_tutorials_failing_requests_get_the_errors_of_the_contract() {
    let app = TestApp::new();
    assert_eq!(
        app.sign_up("test", "test@gmail.com", "testpassword").status,
        201
    );

    let taken = app.sign_up("test", "test@gmail.com", "testpassword");
    assert_eq!(taken.status, 409);
    assert_eq!(
        taken.json(),
        json!({
            "msg": "Username or Email already exists",
            "code": "account_exists",
            "message": "Username or Email already exists",
        })
    );

    let wrong = app.log_in("test@gmail.com", "not the password");
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong.msg(), "email or password incorrect.");
    assert_eq!(wrong.header("WWW-Authenticate"), Some("Bearer"));

    let no_token = app.send("GET /hello", None, "");
    assert_eq!(no_token.status, 401);
    assert_eq!(no_token.msg(), "Missing Authorization Header");
    assert_eq!(no_token.header("WWW-Authenticate"), Some("Bearer"));
}

// ---- signing up ---------------------------------------------------------------------------------

#[test]
fn a_sign_up_returns_the_new_account_and_no_other_field() {
    let app = TestApp::new();
    let response = app.sign_up("anna", "anna@example.com", PASSWORD);
    assert_eq!(response.status, 201);
    assert_eq!(response.header("Cache-Control"), Some("no-store"));
    let account = response.json();
    let fields: Vec<&String> = account.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "id",
            "username",
            "email",
            "role",
            "is_approved",
            "created_at"
        ]
    );
    assert_eq!(account["id"], 1);
    assert_eq!(account["role"], "employee");
    assert_eq!(account["is_approved"], false);
    let created_at = account["created_at"].as_str().unwrap();
    assert!(
        created_at.starts_with("2026-11-23T12:00:00") && created_at.ends_with('Z'),
        "{created_at}"
    );
}

#[test]
fn a_sign_up_is_stored_in_the_formats_of_the_flask_app() {
    let app = TestApp::with(|config| config.passwords.password_iterations = 1_234);
    assert_eq!(
        app.sign_up("anna", "Anna@Example.com", PASSWORD).status,
        201
    );

    let hash = stored_column(&app, "password_hash", "anna");
    let parts: Vec<&str> = hash.split('$').collect();
    let [method, salt, hex] = parts[..] else {
        panic!("{hash}")
    };
    assert_eq!(method, "pbkdf2:sha256:1234");
    assert!(salt.len() >= 16 && salt.bytes().all(|b| b.is_ascii_alphanumeric()));
    assert!(hex.len() == 64 && hex.bytes().all(|b| b"0123456789abcdef".contains(&b)));

    let created_at = stored_column(&app, "created_at", "anna");
    let (seconds, fraction) = created_at.split_once('.').unwrap();
    assert_eq!(seconds, "2026-11-23 12:00:00");
    assert!(fraction.len() == 6 && fraction.bytes().all(|b| b.is_ascii_digit()));

    assert_eq!(stored_column(&app, "email", "anna"), "anna@example.com");
    assert_eq!(stored_column(&app, "role", "anna"), "employee");
    // As 0 in SQLite, which has no boolean type.
    let sql = r#"SELECT count(*) FROM "user" WHERE is_approved = ?1"#;
    let count = app.sql().query_row(sql, [0], |row| row.get::<i64>(0));
    assert_eq!(count, Ok(1));
}

#[test]
fn equal_passwords_get_different_hashes() {
    let app = TestApp::new();
    app.sign_up("anna", "anna@example.com", PASSWORD);
    app.sign_up("ben", "ben@example.com", PASSWORD);
    assert_ne!(
        stored_column(&app, "password_hash", "anna"),
        stored_column(&app, "password_hash", "ben")
    );
}

#[test]
fn a_sign_up_with_a_taken_username_or_with_a_taken_email_in_any_letter_case_is_409() {
    let app = TestApp::new();
    app.sign_up("anna", "anna@example.com", PASSWORD);
    insert_flask_account(&app, "Ben", "Ben.Miller@Example.COM", "x");
    for (username, email) in [
        ("anna", "other@example.com"),
        ("other", "anna@example.com"),
        ("other", "ANNA@EXAMPLE.COM"),
        ("other", "Anna@example.Com"),
        ("anna", "anna@example.com"),
        ("Ben", "other@example.com"),
        ("other", "Ben.Miller@Example.COM"),
        ("other", "ben.miller@example.com"),
        ("other", "BEN.MILLER@EXAMPLE.COM"),
    ] {
        let response = app.sign_up(username, email, PASSWORD);
        assert_eq!(response.status, 409, "{username} {email}");
        let body = response.json();
        assert_eq!(body["msg"], "Username or Email already exists");
        assert_eq!(body["message"], body["msg"]);
        assert_eq!(body["code"], "account_exists");
    }
    assert_eq!(app.count("user"), 2);
}

#[test]
fn the_letter_case_of_an_email_is_ignored_beyond_ascii_too() {
    let app = TestApp::new();
    assert_eq!(
        app.sign_up("jürgen", "JÜRGEN@example.com", PASSWORD).status,
        201
    );
    assert_eq!(
        app.sign_up("other", "jürgen@example.com", PASSWORD).status,
        409
    );
    for email in [
        "jürgen@example.com",
        "JÜRGEN@EXAMPLE.COM",
        " Jürgen@example.com ",
    ] {
        assert_eq!(app.log_in(email, PASSWORD).status, 200, "{email}");
    }
}

#[test]
fn an_account_of_the_flask_app_logs_in_with_its_email_as_stored() {
    let app = TestApp::new();
    app.sign_up("anna", "anna@example.com", PASSWORD);
    let hash = stored_column(&app, "password_hash", "anna");
    insert_flask_account(&app, "jürgen", "JÜRGEN@example.com", &hash);
    assert_eq!(app.log_in("JÜRGEN@example.com", PASSWORD).status, 200);
}

#[test]
fn fifty_concurrent_sign_ups_with_one_username_or_one_email_create_one_account() {
    type Names = fn(usize) -> (String, String);
    let cases: [(&str, Names); 3] = [
        ("one name", |i| ("anna".into(), format!("a{i}@example.com"))),
        ("one e-mail", |i| (format!("a{i}"), "a@example.com".into())),
        ("one e-mail in two cases", |i| {
            let email = ["a@example.com", "A@EXAMPLE.COM"][i % 2];
            (format!("a{i}"), email.into())
        }),
    ];
    for (case, names) in cases {
        let app = TestApp::new();
        let statuses = concurrently(50, |i| {
            let (username, email) = names(i);
            app.sign_up(&username, &email, PASSWORD).status
        });
        let count = |status| statuses.iter().filter(|s| **s == status).count();
        assert_eq!((count(201), count(409)), (1, 49), "{case}: {statuses:?}");
        assert_eq!(app.count("user"), 1, "{case}");
    }
}

#[test]
fn a_new_database_has_no_account() {
    let app = TestApp::new();
    for (email, password) in [
        ("admin", "admin"),
        ("admin@example.com", "admin"),
        ("admin@localhost", "password"),
        ("root@localhost", "root"),
        ("", ""),
    ] {
        assert_eq!(
            app.log_in(email, password).code(),
            "wrong_email_or_password"
        );
    }
    let count: i64 = app
        .sql()
        .query_row(r#"SELECT count(*) FROM "user""#, [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 0);
}

// ---- logging in ---------------------------------------------------------------------------------

#[test]
fn a_login_returns_both_tokens_and_the_account() {
    let app = TestApp::with(|config| config.jwt_access_token_expires = "15m".parse().unwrap());
    let account = app.sign_up("anna", "anna@example.com", PASSWORD).json();
    let response = app.log_in("anna@example.com", PASSWORD);
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Cache-Control"), Some("no-store"));
    let mut body = response.json();
    for name in ["token", "refresh_token"] {
        let token = body[name].take();
        assert_eq!(token.as_str().unwrap().split('.').count(), 3);
    }
    let device_token = body["device_token"].take();
    assert_eq!(device_token.as_str().unwrap().len(), 76);
    assert_eq!(
        body,
        json!({
            "msg": "successfully logged in",
            "token": null,
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_token": null,
            "user": account,
            "device_token": null,
        })
    );
}

#[test]
fn a_login_accepts_the_email_in_any_letter_case() {
    let app = TestApp::new();
    app.sign_up("anna", "Anna@Example.com", PASSWORD);
    let hash = stored_column(&app, "password_hash", "anna");
    insert_flask_account(&app, "ben", "Ben@Example.COM", &hash);
    for (email, username) in [
        ("anna@example.com", "anna"),
        ("Anna@Example.com", "anna"),
        ("ANNA@EXAMPLE.COM", "anna"),
        ("ben@example.com", "ben"),
        ("Ben@Example.COM", "ben"),
        ("BEN@example.com", "ben"),
    ] {
        let response = app.log_in(email, PASSWORD);
        assert_eq!(response.status, 200, "{email}");
        assert_eq!(response.json()["user"]["username"], username, "{email}");
    }
}

#[test]
fn two_accounts_of_the_flask_app_whose_emails_differ_only_in_letter_case_stay_separate() {
    let app = TestApp::new();
    let hash = |password: &str| {
        let password = Password::for_account(password, []).unwrap();
        app.app.passwords.hash(&password).unwrap()
    };
    insert_flask_account(&app, "lower", "a@example.com", &hash("password of lower"));
    insert_flask_account(&app, "upper", "A@example.com", &hash("password of upper"));
    for (email, password, username) in [
        ("a@example.com", "password of lower", "lower"),
        ("A@example.com", "password of upper", "upper"),
    ] {
        let response = app.log_in(email, password);
        assert_eq!(response.status, 200, "{email}");
        assert_eq!(response.json()["user"]["username"], username, "{email}");
    }
    assert_eq!(app.log_in("A@example.com", "password of lower").status, 401);
}

#[test]
fn a_wrong_password_and_an_unknown_email_get_the_same_401() {
    let app = TestApp::new();
    app.sign_up("anna", "anna@example.com", PASSWORD);
    let headers = |response: &TestResponse| {
        let mut headers = response.headers.clone();
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("X-Request-Id"));
        headers
    };
    let expected = app.log_in("anna@example.com", "a wrong password");
    assert_eq!(expected.status, 401);
    assert_eq!(expected.code(), "wrong_email_or_password");
    for (email, password) in [
        ("nobody@example.com", PASSWORD),
        ("nobody@example.com", "a wrong password"),
        ("anna@example.com", ""),
        ("anna@example.com", "short"),
        ("", ""),
        ("no e-mail at all", PASSWORD),
        ("anna@example.com\0", PASSWORD),
        ("anna", PASSWORD),
        ("%", PASSWORD),
        ("' OR '1'='1", PASSWORD),
    ] {
        let response = app.log_in(email, password);
        assert_eq!(response.status, 401, "{email:?} {password:?}");
        assert_eq!(response.body, expected.body, "{email:?} {password:?}");
        assert_eq!(headers(&response), headers(&expected));
    }
}

/// Computed in Python as Werkzeug does:
/// `hashlib.pbkdf2_hmac('sha256', b'correct horse battery', b'gQ8mZ3xT1vKcW7pL', 1000).hex()`
const WERKZEUG_PBKDF2: &str = "pbkdf2:sha256:1000$gQ8mZ3xT1vKcW7pL$50fcf3777cf404190c4bc3863eb212d8d632cc855a482be32338bdb22aa3bd53";

#[test]
fn a_password_whose_pbkdf2_hash_werkzeug_wrote_logs_in() {
    let app = TestApp::new();
    insert_flask_account(&app, "anna", "anna@example.com", WERKZEUG_PBKDF2);
    assert_eq!(app.log_in("anna@example.com", PASSWORD).status, 200);
    assert_eq!(app.log_in("anna@example.com", "another one").status, 401);
}

#[test]
fn an_account_of_the_flask_app_logs_in_and_is_shown_with_its_null_fields() {
    let app = TestApp::new();
    insert_flask_account(&app, "anna", "Anna@example.com", WERKZEUG_PBKDF2);
    let response = app.log_in("anna@example.com", PASSWORD);
    assert_eq!(
        response.json()["user"],
        json!({
            "id": 1, "username": "anna", "email": "Anna@example.com",
            "role": null, "is_approved": false, "created_at": null,
        })
    );
    let token = response.json()["token"].as_str().unwrap().to_owned();
    let authorization = ("Authorization", format!("Bearer {token}"));
    let hello = app.send_raw("GET /hello", std::slice::from_ref(&authorization), b"");
    assert_eq!(hello.json()["user_name"], "anna");
    let tasks = app.send_raw("GET /tasks", &[authorization], b"");
    assert_eq!(tasks.code(), "awaiting_approval");
}

#[test]
fn every_login_to_an_account_with_a_malformed_password_hash_is_401() {
    let app = TestApp::new();
    app.sign_up("anna", "anna@example.com", PASSWORD);
    let expected = app.log_in("anna@example.com", "a wrong password");
    let hex = WERKZEUG_PBKDF2.rsplit_once('$').unwrap().1;
    let hashes = [
        String::new(),
        "$".into(),
        "$$".into(),
        PASSWORD.to_owned(),
        format!("plain$${PASSWORD}"),
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99".into(),
        "scrypt:garbage".into(),
        "scrypt:32768:8:1$salt$garbage".into(),
        format!("scrypt:0:0:0$salt${}", "00".repeat(64)),
        format!("scrypt:99999999999:8:1$salt${}", "00".repeat(64)),
        format!(
            "scrypt:4294967296:4294967295:4294967295$salt${}",
            "00".repeat(64)
        ),
        "pbkdf2:sha256:1000".into(),
        "pbkdf2:sha256:1000$salt".into(),
        "pbkdf2:sha256:1000$salt$".into(),
        "pbkdf2:sha256:1000$salt$not hex".into(),
        format!("pbkdf2:sha256:1000$salt${}", &hex[..62]),
        format!("pbkdf2:sha256:1000$salt${hex}00"),
        format!("pbkdf2:sha256:1000$salt${hex}$more"),
        format!("pbkdf2:sha1:1000$salt${hex}"),
        format!("pbkdf2:sha256:0$gQ8mZ3xT1vKcW7pL${hex}"),
        format!("pbkdf2:sha256:-1$gQ8mZ3xT1vKcW7pL${hex}"),
        format!("pbkdf2:sha256:$gQ8mZ3xT1vKcW7pL${hex}"),
        format!("pbkdf2:sha256:1e3$gQ8mZ3xT1vKcW7pL${hex}"),
        format!("pbkdf2:sha256:4294967295$gQ8mZ3xT1vKcW7pL${hex}"),
        format!("pbkdf2:sha256:4294968296$gQ8mZ3xT1vKcW7pL${hex}"),
        format!("pbkdf2:sha256:99999999999999999999$gQ8mZ3xT1vKcW7pL${hex}"),
        "ключ$соль$хеш".into(),
    ];
    for hash in hashes {
        app.sql()
            .execute(r#"UPDATE "user" SET password_hash = ?1"#, [&hash])
            .unwrap();
        for password in [PASSWORD, "", &hash] {
            let response = app.log_in("anna@example.com", password);
            assert_eq!(response.status, 401, "{hash:?}: {response:?}");
            assert_eq!(response.body, expected.body, "{hash:?}");
        }
    }
}

/// Sends a request that needs Anna's password, and changes that password after the request has verified it and
/// before the request writes.
#[cfg(target_os = "linux")] // it looks into /proc
fn send_while_the_password_changes(
    app: &TestApp,
    anna: &Account,
    send: impl FnOnce() -> TestResponse + Send,
) -> TestResponse {
    let new_password = Password::for_account("another password", ["anna", &anna.email]).unwrap();
    let new_hash = app.app.passwords.hash(&new_password).unwrap();
    let send = Cell::new(Some(send));
    std::thread::scope(|scope| {
        let request = app.app.store.write(|db| {
            let id = Id::try_from(anna.id).unwrap();
            // The first write locks the account's row, or with SQLite the database.
            users::set_password_hash(db, id, &new_hash)?;
            let (started, thread) = mpsc::channel();
            let send = send.take().unwrap();
            let request = scope.spawn(move || {
                started.send(rustix::thread::gettid()).unwrap();
                send()
            });
            // The request reads the old password, and waits for the end of this write.
            wait_until_blocked(thread.recv().unwrap());
            Ok(request)
        });
        request.unwrap().join().unwrap()
    })
}

#[test]
#[cfg(target_os = "linux")]
fn a_password_that_changes_between_its_check_and_the_write_is_rejected_as_wrong() {
    let app = TestApp::new();
    let anna = app.employee();
    let response =
        send_while_the_password_changes(&app, &anna, || app.log_in(&anna.email, PASSWORD));
    assert_eq!(
        (response.status, response.code().as_str()),
        (401, "wrong_email_or_password")
    );
    let sql = "SELECT count(*) FROM session";
    let sessions: i64 = app.sql().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(sessions, 1, "only the session that existed before");
    let app = TestApp::new();
    let anna = app.employee();
    let body = json!({ "email": "new@example.com", "current_password": PASSWORD });
    let response = send_while_the_password_changes(&app, &anna, || app.patch_me(&anna, body));
    assert_eq!(response.code(), "wrong_password");
    assert_eq!(app.get("/me", &anna).json()["email"], anna.email);
}

// ---- the current user's own account -------------------------------------------------------------

#[test]
fn each_user_sees_their_own_account() {
    let app = TestApp::new();
    for (i, (role, is_approved)) in [
        (Role::Employee, false),
        (Role::Employee, true),
        (Role::Admin, false),
    ]
    .into_iter()
    .enumerate()
    {
        let account = app.account(&format!("anna{i}"), role, is_approved);
        let response = app.get("/me", &account);
        assert_eq!(response.status, 200);
        let mut shown = response.json();
        shown["created_at"].take();
        assert_eq!(
            shown,
            json!({
                "id": account.id, "username": account.username, "email": account.email,
                "role": role.as_str(), "is_approved": is_approved, "created_at": null,
            })
        );
        assert_eq!(
            app.get("/hello", &account).json()["user_name"],
            account.username
        );
    }
}

#[test]
fn a_user_with_the_current_password_changes_their_email_and_password() {
    let app = TestApp::new();
    let anna = app.employee();
    let response = app.patch_me(
        &anna,
        json!({ "email": "New@Example.com", "current_password": PASSWORD }),
    );
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["email"], "new@example.com");
    assert_eq!(
        app.get("/me", &anna).json(),
        response.json(),
        "the response is the stored account"
    );
    assert_eq!(app.log_in("employee@example.com", PASSWORD).status, 401);
    assert_eq!(app.log_in("new@example.com", PASSWORD).status, 200);

    let response = app.patch_me(
        &anna,
        json!({ "password": "another password", "current_password": PASSWORD }),
    );
    assert_eq!(response.status, 200);
    assert_eq!(app.log_in("new@example.com", PASSWORD).status, 401);
    assert_eq!(
        app.log_in("new@example.com", "another password").status,
        200
    );

    let both = json!({
        "email": "last@example.com", "password": "the last password", "current_password": "another password",
    });
    assert_eq!(app.patch_me(&anna, both).status, 200);
    assert_eq!(
        app.log_in("last@example.com", "the last password").status,
        200
    );
}

#[test]
fn a_patch_with_the_same_email_in_another_letter_case_is_200_and_changes_nothing() {
    let app = TestApp::new();
    let anna = app.employee();
    let before = app.get("/me", &anna).json();
    for body in [
        json!({ "current_password": PASSWORD }),
        json!({ "email": "employee@example.com", "current_password": PASSWORD }),
        json!({ "email": "EMPLOYEE@example.com", "current_password": PASSWORD }),
    ] {
        let response = app.patch_me(&anna, body.clone());
        assert_eq!(response.status, 200, "{body}");
        assert_eq!(response.json(), before, "{body}");
    }
}

#[test]
fn a_rejected_change_to_the_current_users_account_changes_nothing() {
    let app = TestApp::new();
    let anna = app.employee();
    app.manager();
    insert_flask_account(&app, "ben", "Ben@Example.COM", "x");
    let (email, password) = ("new@example.com", "another password");
    let before = (
        app.get("/me", &anna).json(),
        stored_column(&app, "password_hash", "employee"),
    );
    let wrong = "not the password";
    for (body, status, code) in [
        (
            json!({ "email": email, "password": password, "current_password": wrong }),
            403,
            "wrong_password",
        ),
        (
            json!({ "password": password, "current_password": "" }),
            403,
            "wrong_password",
        ),
        (
            json!({ "password": password, "current_password": password }),
            403,
            "wrong_password",
        ),
        (json!({ "current_password": wrong }), 403, "wrong_password"),
        // Without the current password, the response does not reveal which e-mails are taken.
        (
            json!({ "email": "manager@example.com", "current_password": wrong }),
            403,
            "wrong_password",
        ),
        (
            json!({ "email": "manager@example.com", "current_password": PASSWORD }),
            409,
            "account_exists",
        ),
        (
            json!({ "email": "MANAGER@Example.com", "password": password, "current_password": PASSWORD }),
            409,
            "account_exists",
        ),
        (
            json!({ "email": "ben@example.com", "current_password": PASSWORD }),
            409,
            "account_exists",
        ),
        (
            json!({ "email": email, "password": password }),
            422,
            "invalid",
        ),
        (json!({}), 422, "invalid"),
        (
            json!({ "email": email, "current_password": null }),
            422,
            "invalid",
        ),
        (
            json!({ "email": email, "password": "2short", "current_password": PASSWORD }),
            422,
            "invalid",
        ),
        (
            json!({ "email": "none", "password": password, "current_password": PASSWORD }),
            422,
            "invalid",
        ),
        (
            json!({ "email": null, "current_password": PASSWORD }),
            422,
            "invalid",
        ),
        (
            json!({ "password": null, "current_password": PASSWORD }),
            422,
            "invalid",
        ),
        (
            json!({ "username": "boss", "current_password": PASSWORD }),
            422,
            "invalid",
        ),
        (
            json!({ "role": "admin", "current_password": PASSWORD }),
            422,
            "invalid",
        ),
        (
            json!({ "is_approved": true, "current_password": PASSWORD }),
            422,
            "invalid",
        ),
    ] {
        let response = app.patch_me(&anna, body.clone());
        assert_eq!(
            (response.status, response.code().as_str()),
            (status, code),
            "{body}"
        );
        let after = (
            app.get("/me", &anna).json(),
            stored_column(&app, "password_hash", "employee"),
        );
        assert_eq!(after, before, "{body}");
    }
    assert_eq!(
        app.patch_me(&anna, json!({ "email": email }))
            .invalid_fields(),
        ["current_password"]
    );
    assert_eq!(app.log_in("employee@example.com", PASSWORD).status, 200);
}

#[test]
fn no_response_contains_a_password_or_its_hash() {
    let app = TestApp::new();
    let (admin, anna) = (app.admin(), app.employee());
    let task = app.create_task(&admin, json!({ "title": "t", "assigned_user_id": anna.id }));
    let change = json!({ "password": "another password", "current_password": PASSWORD });
    let responses = [
        app.sign_up("ben", "ben@example.com", PASSWORD),
        app.sign_up("ben", "ben@example.com", PASSWORD),
        app.sign_up("", "", PASSWORD),
        app.log_in("ben@example.com", PASSWORD),
        app.log_in("ben@example.com", "correct horse batterz"),
        app.get("/hello", &anna),
        app.get("/me", &anna),
        app.get("/users", &admin),
        app.get("/users?q=employee", &admin),
        app.get(&format!("/users/{}", anna.id), &admin),
        app.send(
            &format!("PATCH /users/{}", anna.id),
            admin.clone(),
            r#"{"role":"manager"}"#,
        ),
        app.get(&format!("/tasks/{task}"), &anna),
        app.get("/tasks", &admin),
        app.patch_me(&anna, change),
        app.get("/users?password_hash=pbkdf2", &admin),
        app.get("/tasks?sort=password_hash", &admin),
    ];
    let hashes: Vec<String> = ["admin", "employee", "ben"]
        .iter()
        .map(|name| stored_column(&app, "password_hash", name))
        .collect();
    for response in &responses {
        let text = response.text();
        for secret in ["pbkdf2:", "correct horse", "another password"] {
            assert!(!text.contains(secret), "{text}");
        }
        for hash in &hashes {
            let [_, salt, key] = hash.split('$').collect::<Vec<_>>()[..] else {
                panic!("{hash}")
            };
            assert!(!text.contains(salt) && !text.contains(key), "{text}");
        }
    }
}
