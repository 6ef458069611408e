//! The audit log: which events it has, who may read it, and that verification detects tampering.

use serde_json::{Value, json};
use task_api::model::Role;
use task_api::store::audit::verification::{Kept, Verification, verify};

use crate::support::data_dir::Engine;
use crate::support::program::WorkDir;
use crate::support::{self, Account, PASSWORD, TestApp, request_from};

/// `"actor action subject"` of each row, oldest first; `-` stands for null.
fn lines(rows: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    rows.iter()
        .rev()
        .map(|row| {
            format!(
                "{} {} {}",
                text(&row["actor"]),
                text(&row["action"]),
                text(&row["subject"])
            )
        })
        .collect()
}

fn verdict(app: &TestApp) -> Verification {
    verify(&app.app.store, &Kept::default(), |_| {}).unwrap()
}

#[test]
fn changes_to_accounts_are_in_the_audit_log_and_rejected_ones_are_not() {
    let app = TestApp::new();
    let admin = app.admin();
    let sign_up =
        json!({ "username": "ada", "email": "ada@example.com", "password": PASSWORD }).to_string();
    assert_eq!(app.send("POST /signup", None, &sign_up).status, 201);
    assert_eq!(app.send("POST /signup", None, &sign_up).status, 409);
    assert_eq!(app.log_in("ada@example.com", "a wrong one").status, 401);
    assert_eq!(app.log_in("nobody@example.com", "a wrong one").status, 401);
    let login = app.log_in("ada@example.com", PASSWORD).json();
    let ada = Account {
        id: login["user"]["id"].as_i64().unwrap(),
        username: "ada".to_owned(),
        email: "ada@example.com".to_owned(),
        token: login["token"].as_str().unwrap().to_owned(),
    };
    let path = format!("/users/{}", ada.id);
    for (line, account, body, status) in [
        (
            format!("PATCH {path}"),
            &admin,
            r#"{"role":"manager","is_approved":true}"#,
            200,
        ),
        // A repeated change has no effect and gets no entry.
        (
            format!("PATCH {path}"),
            &admin,
            r#"{"role":"manager","is_approved":true}"#,
            200,
        ),
        (format!("PATCH {path}"), &ada, r#"{"role":"admin"}"#, 403),
        (
            format!("PATCH /users/{}", admin.id),
            &admin,
            r#"{"role":"employee"}"#,
            409,
        ),
        (
            "PATCH /me".to_owned(),
            &ada,
            r#"{"current_password":"correct horse battery","email":"a@example.com"}"#,
            200,
        ),
        (
            "PATCH /me".to_owned(),
            &ada,
            r#"{"current_password":"correct horse battery","password":"another password"}"#,
            200,
        ),
        (
            "PATCH /me".to_owned(),
            &ada,
            r#"{"current_password":"a wrong one","password":"another password"}"#,
            403,
        ),
        ("POST /me/sessions/revoke-all".to_owned(), &ada, "", 204),
        (
            format!("PATCH {path}"),
            &admin,
            r#"{"is_approved":false}"#,
            200,
        ),
        (format!("DELETE {path}"), &admin, "", 204),
    ] {
        let response = app.send(&line, account.clone(), body);
        assert_eq!(response.status, status, "{line} {body}: {response:?}");
    }
    let task = app.create_task(&admin, json!({ "title": "t" }));
    assert_eq!(
        app.send(&format!("DELETE /tasks/{task}"), admin.clone(), "")
            .status,
        204
    );
    let rows = app.get("/audit?limit=100", &admin).items();
    assert_eq!(
        lines(&rows),
        [
            "- sign_up ada",
            "- sign_in_refused ada",
            "- sign_in_refused -",
            "- sign_in ada",
            "admin role_changed ada",
            "admin approved ada",
            "ada email_changed ada",
            "ada password_changed ada",
            "ada sign_in_refused ada",
            "ada sessions_ended ada",
            "admin approval_withdrawn ada",
            "admin sessions_ended ada",
            "admin account_deleted ada",
            "admin task_deleted -",
        ]
    );
    let entry = |action: &str| rows.iter().find(|row| row["action"] == action).unwrap();
    let role = entry("role_changed");
    assert_eq!(
        role["detail"],
        json!({ "from": "employee", "to": "manager" })
    );
    assert_eq!(
        (&role["actor_id"], &role["subject_id"]),
        (&json!(admin.id), &json!(ada.id))
    );
    assert_eq!(role["address"], "127.0.0.1");
    assert!(
        role["at"]
            .as_str()
            .unwrap()
            .starts_with("2026-11-23T12:00:")
    );
    let email = entry("email_changed");
    assert_eq!(
        email["detail"],
        json!({ "from": "ada@example.com", "to": "a@example.com" })
    );
    assert_eq!(entry("task_deleted")["detail"], json!({ "task_id": task }));
    let all = format!("{rows:?}");
    for secret in [
        PASSWORD,
        "another password",
        "a wrong one",
        "nobody@example.com",
        "pbkdf2",
        "hash",
    ] {
        assert!(!all.contains(secret), "{secret}");
    }
    assert!(matches!(
        verdict(&app),
        Verification::Intact { count: 14, .. }
    ));
}

#[test]
fn ended_sessions_and_reused_refresh_tokens_are_in_the_audit_log() {
    let app = TestApp::new();
    let (admin, anna) = (app.admin(), app.employee());
    let send = |line: &str, token: &Value| {
        let header = format!("Bearer {}", token.as_str().unwrap());
        app.send_raw(line, &[("Authorization", header)], b"")
    };
    let first = app.log_in(&anna.email, PASSWORD).json();
    assert_eq!(send("POST /refresh", &first["refresh_token"]).status, 200);
    app.advance(11);
    assert_eq!(send("POST /refresh", &first["refresh_token"]).status, 401);
    let second = app.log_in(&anna.email, PASSWORD).json();
    let sessions = send("GET /me/sessions", &second["token"]).json();
    let other = sessions["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|session| session["current"] == false)
        .unwrap();
    let line = format!("DELETE /me/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(send(&line, &second["token"]).status, 204);
    assert_eq!(send(&line, &second["token"]).status, 404);
    assert_eq!(send("POST /logout", &second["token"]).status, 204);
    let rows = app.get("/audit", &admin).items();
    assert_eq!(
        lines(&rows),
        [
            "- sign_in employee",
            "- refresh_reused employee",
            "- sign_in employee",
            "employee session_ended employee",
            "employee sign_out employee",
        ]
    );
}

#[test]
fn an_admin_filters_the_audit_log_and_reads_it_page_by_page() {
    let app = TestApp::new();
    let (admin, anna, ben) = (app.admin(), app.employee(), app.manager());
    for _ in 0..5 {
        app.advance(3600);
        for account in [&anna, &ben] {
            app.log_in(&account.email, PASSWORD);
            app.log_in(&account.email, "a wrong one");
        }
    }
    let patch = |id: i64, body: &str| app.send(&format!("PATCH /users/{id}"), admin.clone(), body);
    assert_eq!(patch(anna.id, r#"{"role":"manager"}"#).status, 200);
    let walk = |query: &str| {
        let mut url = format!("/audit?limit=2&{query}");
        let mut ids = Vec::new();
        loop {
            let response = app.get(&url, &admin);
            ids.extend(response.ids());
            match response.header("Link") {
                Some(link) => url = link[1..link.find('>').unwrap()].to_owned(),
                None => return ids,
            }
        }
    };
    let newest_first: Vec<i64> = (1..=21).rev().collect();
    assert_eq!(walk(""), newest_first);
    assert_eq!(walk("action=sign_in").len(), 10);
    assert_eq!(
        walk(&format!("action=sign_in_refused&subject_id={}", ben.id)),
        [20, 16, 12, 8, 4]
    );
    assert_eq!(walk(&format!("actor_id={}", admin.id)), [21]);
    assert_eq!(walk(&format!("subject_id={}", anna.id)).len(), 11);
    assert_eq!(walk("since=2026-11-23T16:30:00Z"), [21, 20, 19, 18, 17]);
    assert_eq!(walk("before=2026-11-23T13:30:00Z"), [4, 3, 2, 1]);
    assert_eq!(
        walk("since=2026-11-23T13:30:00Z&before=2026-11-23T14:30:00Z"),
        [8, 7, 6, 5]
    );
    // `since` is inclusive and `before` is exclusive: at the exact time of a row, only `since` finds it.
    let at = |id: usize| {
        let rows = app.get("/audit?limit=100", &admin).items();
        rows[21 - id]["at"].as_str().unwrap().to_owned()
    };
    assert_eq!(walk(&format!("since={}", at(19))), [21, 20, 19]);
    assert_eq!(walk(&format!("before={}", at(3))), [2, 1]);
    assert_eq!(walk("since=2030-01-01T00:00:00Z"), [0; 0]);
    assert_eq!(walk("before=2030-01-01T00:00:00Z"), newest_first);
    for (query, field) in [
        ("action=sign-in", "action"),
        ("actor_id=x", "actor_id"),
        ("subject_id=0", "subject_id"),
        ("since=yesterday", "since"),
        ("before=2026-11-23", "before"),
        ("limit=101", "limit"),
        ("order=id", "order"),
        ("cursor=x", "cursor"),
    ] {
        assert_eq!(
            app.get(&format!("/audit?{query}"), &admin).invalid_fields(),
            [field]
        );
    }
}

#[test]
fn an_entry_has_the_address_of_the_client_and_not_of_the_proxy() {
    let app = TestApp::with(|config| config.trusted_proxies = "10.0.0.1".parse().unwrap());
    let (admin, anna) = (app.admin(), app.employee());
    let body = json!({ "email": anna.email, "password": PASSWORD }).to_string();
    let headers = [
        "Content-Type: application/json",
        "X-Forwarded-For: 192.0.2.1, 203.0.113.9",
    ];
    let request = request_from("10.0.0.1", "POST /login", &headers, &body);
    assert_eq!(support::respond(&app.app, &request).status, 200);
    assert_eq!(
        app.get("/audit", &admin).items()[0]["address"],
        "203.0.113.9"
    );
}

#[test]
fn verification_finds_a_changed_removed_or_inserted_row() {
    const INSERT: &str = "INSERT INTO audit (id, at, action, hash) SELECT id + 1, at, action, hash FROM audit ORDER BY id DESC LIMIT 1";
    let cases = [
        (
            "UPDATE audit SET action = 'sign_in' WHERE id = 3",
            3,
            "is not what was written",
        ),
        (
            "UPDATE audit SET subject = 'ben' WHERE id = 2",
            2,
            "is not what was written",
        ),
        (
            "UPDATE audit SET actor = 'ben' WHERE id = 2",
            2,
            "is not what was written",
        ),
        (
            "UPDATE audit SET actor_id = 7 WHERE id = 2",
            2,
            "is not what was written",
        ),
        (
            "UPDATE audit SET address = '192.0.2.1' WHERE id = 2",
            2,
            "is not what was written",
        ),
        (
            "UPDATE audit SET subject_id = NULL WHERE id = 2",
            2,
            "is not what was written",
        ),
        (
            "UPDATE audit SET at = '2026-11-23 11:00:00.000000' WHERE id = 5",
            5,
            "is not what was written",
        ),
        (
            "UPDATE audit SET hash = 'x' WHERE id = 4",
            4,
            "is not what was written",
        ),
        (
            "UPDATE audit SET detail = '{}' WHERE id = 4",
            4,
            "is not what was written",
        ),
        ("DELETE FROM audit WHERE id = 1", 1, "has been removed"),
        ("DELETE FROM audit WHERE id = 3", 3, "has been removed"),
        ("DELETE FROM audit WHERE id = 5", 5, "has been removed"),
        ("DELETE FROM audit", 1, "has been removed"),
        (
            "DELETE FROM audit WHERE id = 3; UPDATE audit SET id = id - 1 WHERE id > 3",
            3,
            "is not what was written",
        ),
        (INSERT, 6, "is not what was written"),
        (
            "INSERT INTO audit (id, at, action, hash) VALUES (0, '2026-11-23 12:00:00.000000', '', '')",
            0,
            "has been inserted",
        ),
        ("UPDATE audit_head SET count = 4", 5, "has been inserted"),
        (
            "UPDATE audit_head SET hash = 'x'",
            5,
            "is not what was written",
        ),
        ("DELETE FROM audit_head", 1, "has been inserted"),
    ];
    for (sql, row, reason) in cases {
        assert_breaks_the_chain(sql, row, reason);
    }
}

/// Asserts that verification finds this row after this change of a log with five rows.
fn assert_breaks_the_chain(sql: &str, row: i64, reason: &'static str) {
    let app = TestApp::new();
    let anna = app.employee();
    for _ in 0..5 {
        assert_eq!(app.log_in(&anna.email, "a wrong one").status, 401);
    }
    assert!(matches!(
        verdict(&app),
        Verification::Intact { count: 5, .. }
    ));
    app.sql().execute_batch(sql).unwrap();
    assert_eq!(verdict(&app), Verification::Broken(row, reason), "{sql}");
    // The server still handles requests. With PostgreSQL a number that is taken counts as a conflict: 503.
    assert!(
        matches!(app.log_in(&anna.email, PASSWORD).status, 200 | 500 | 503),
        "{sql}"
    );
}

#[test]
fn an_audit_log_that_grows_during_verification_is_intact() {
    let app = TestApp::new();
    let anna = app.employee();
    for _ in 0..5 {
        app.log_in(&anna.email, "a wrong one");
    }
    let verdict = verify(&app.app.store, &Kept::default(), |_| {
        app.log_in(&anna.email, "a wrong one");
    });
    assert!(matches!(
        verdict.unwrap(),
        Verification::Intact { count: 5, .. }
    ));
    assert!(matches!(
        self::verdict(&app),
        Verification::Intact { count: 10, .. }
    ));
}

#[test]
fn time_filters_find_rows_that_were_written_after_the_clock_went_back() {
    let app = TestApp::new();
    let (admin, anna) = (app.admin(), app.employee());
    for seconds in [0, 100, -80, 130] {
        app.advance(seconds);
        app.log_in(&anna.email, "a wrong one");
    }
    let ids = |query: &str| app.get(&format!("/audit?{query}"), &admin).ids();
    // The third row has an earlier time than the second.
    assert_eq!(ids("since=2026-11-23T12:01:30Z"), [4, 2]);
    assert_eq!(ids("before=2026-11-23T12:01:30Z"), [3, 1]);
    assert_eq!(
        ids("since=2026-11-23T12:00:10Z&before=2026-11-23T12:01:30Z"),
        [3]
    );
    assert_eq!(ids("before=2026-11-23T12:00:10Z"), [1]);
    assert_eq!(ids("since=2026-11-23T12:02:00Z"), [4]);
    // Page by page.
    let mut url = "/audit?limit=1&before=2026-11-23T12:02:00Z".to_owned();
    for id in [3, 2, 1] {
        let page = app.get(&url, &admin);
        assert_eq!(page.ids(), [id]);
        if let Some(link) = page.header("Link") {
            url = link[1..link.find('>').unwrap()].to_owned();
        }
    }
}

#[test]
fn a_replaced_row_with_a_valid_hash_breaks_the_hash_chain() {
    let app = TestApp::new();
    let (anna, ben) = (app.employee(), app.manager());
    for _ in 0..5 {
        assert_eq!(app.log_in(&anna.email, "a wrong one").status, 401);
    }
    let db = app.sql();
    db.execute_batch(
        "CREATE TEMP TABLE later AS SELECT * FROM audit WHERE id > 3;
         CREATE TEMP TABLE head AS SELECT * FROM audit_head;
         DELETE FROM audit WHERE id >= 3;
         UPDATE audit_head SET count = 2, hash = (SELECT hash FROM audit WHERE id = 2)",
    )
    .unwrap();
    assert_eq!(app.log_in(&ben.email, "a wrong one").status, 401);
    assert!(matches!(verdict(&app), Verification::NotAuthentic(_)));
    db.execute_batch(
        "INSERT INTO audit SELECT * FROM later;
         UPDATE audit_head SET (count, hash) = (SELECT count, hash FROM head)",
    )
    .unwrap();
    assert_eq!(
        verdict(&app),
        Verification::Broken(4, "is not what was written")
    );
}

#[test]
fn an_operator_verifies_the_audit_log_which_has_the_operators_own_commands() {
    let work_dir = WorkDir::new();
    work_dir.create_account("ada", &["--role", "manager"]);
    for arguments in [
        &["user", "set-role", "ada", "admin"][..],
        &["user", "approve", "ada"],
    ] {
        assert_eq!(work_dir.run(arguments).code, Some(0));
    }
    let set = work_dir.run_with_input(
        &["user", "set-password", "ada", "--password-stdin"],
        "another password\n",
    );
    assert_eq!(set.code, Some(0), "{set:?}");
    let verify = || work_dir.run(&["audit", "verify"]);
    let intact = verify();
    assert_eq!(
        (intact.code, intact.err.as_str()),
        (Some(0), ""),
        "{intact:?}"
    );
    assert!(
        intact.out.starts_with("4 rows, intact; the last hash: "),
        "{intact:?}"
    );
    assert_eq!(intact.out.trim_end().rsplit(' ').next().unwrap().len(), 64);
    assert_eq!(verify(), intact);
    let db = work_dir.sql();
    let sql = "SELECT action FROM audit WHERE actor IS NULL AND address IS NULL AND subject = 'ada' ORDER BY id";
    let actions: Vec<String> = db.query(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(
        actions,
        [
            "account_made",
            "role_changed",
            "approved",
            "password_changed"
        ]
    );
    db.execute_batch("UPDATE audit SET subject = 'ben' WHERE id = 2")
        .unwrap();
    let broken = verify();
    assert_eq!(
        broken.error_line(),
        "task-api: the audit log is not intact: row 2 is not what was written"
    );
    assert_eq!(broken.code, Some(1));
    let empty = WorkDir::empty();
    let nothing = match Engine::current() {
        Engine::Sqlite => "there is no database",
        Engine::Postgres => "is empty",
    };
    let refused = empty.run(&["audit", "verify"]);
    assert!(refused.error_line().contains(nothing), "{refused:?}");
    assert!(!empty.path("project.db").exists());
}

#[test]
fn only_an_approved_admin_reads_the_audit_log() {
    let app = TestApp::new();
    for account in [
        app.employee(),
        app.manager(),
        app.account("waiting", Role::Admin, false),
    ] {
        assert_eq!(app.get("/audit", &account).status, 403);
    }
    assert_eq!(app.send("GET /audit", None, "").status, 401);
}

mod sqlite_only {
    use super::*;

    /// On PostgreSQL a column holds only values of its type.
    #[test]
    fn verification_finds_a_text_that_has_become_a_blob() {
        let sql = "UPDATE audit SET address = x'00' WHERE id = 1";
        assert_breaks_the_chain(sql, 1, "is not what was written");
    }
}
