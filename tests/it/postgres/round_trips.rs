//! How often a request waits for the network.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;
use task_api::config::database::DatabaseUrl;
use task_api::config::postgres::PostgresUrl;
use task_api::model::Role;
use task_api::store::users;

use super::proxy::Proxy;
use crate::support::postgres::TestDatabase;
use crate::support::{Account, TestApp, jwt};

/// An application whose database is behind a proxy that counts round trips.
fn app() -> (TestApp, Proxy) {
    let database = TestDatabase::migrated();
    let url: PostgresUrl = database.url.parse().unwrap();
    let port = url.servers()[0].port;
    let proxy = Proxy::start(port);
    let proxied = format!(":{}/", proxy.address.port());
    let url: DatabaseUrl = database
        .url
        .replacen(&format!(":{port}/"), &proxied, 1)
        .parse()
        .unwrap();
    let app = TestApp::in_folder(database, |config| config.database.database_url = url);
    (app, proxy)
}

/// The status of a GET, and its round trips once its statements are prepared.
fn get(app: &TestApp, proxy: &Proxy, path: &str, account: &Account) -> (u16, u64) {
    // Each connection of the pool prepares its statements.
    for _ in 0..20 {
        app.get(path, account);
    }
    let before = proxy.round_trips();
    let response = app.get(path, account);
    (response.status, proxy.round_trips() - before)
}

#[test]
fn usual_reads_are_one_round_trip() {
    let (app, proxy) = app();
    let (admin, employee) = (app.admin(), app.employee());
    let task = app.create_task(
        &admin,
        json!({ "title": "t", "assigned_user_id": employee.id }),
    );
    for account in [&admin, &employee] {
        for path in [
            "/hello",
            "/tasks",
            "/tasks?sort=title",
            &format!("/tasks/{task}"),
            "/me",
        ] {
            assert_eq!(get(&app, &proxy, path, account), (200, 1), "{path}");
        }
    }
}

#[test]
fn what_another_server_changes_counts_for_the_next_request() {
    let (app, _proxy) = app();
    let (admin, employee) = (app.admin(), app.employee());
    for path in ["/hello", "/tasks", "/users"] {
        assert_eq!(app.get(path, &admin).status, 200);
        assert_eq!(app.get(path, &admin).status, 200);
    }
    assert_eq!(app.get("/tasks", &employee).status, 200);
    // As another server does it.
    let db = app.sql();
    db.execute(
        r#"UPDATE "user" SET role = 'employee' WHERE username = 'admin'"#,
        [],
    )
    .unwrap();
    assert_eq!(app.get("/users", &admin).status, 403);
    assert_eq!(app.get("/hello", &admin).status, 200);
    db.execute(r#"UPDATE "user" SET is_approved = FALSE"#, [])
        .unwrap();
    assert_eq!(app.get("/tasks", &employee).status, 403);
    db.execute("DELETE FROM session", []).unwrap();
    for path in ["/hello", "/tasks", "/users", "/tasks/1", "/tasks?q=x"] {
        assert_eq!(app.get(path, &admin).status, 401, "{path}");
        assert_eq!(app.get(path, &employee).status, 401, "{path}");
    }
}

/// Another request of the session, which has read the account before the change, may write the cache at any moment.
#[test]
fn a_request_that_runs_again_assumes_nothing_of_the_cache() {
    let (app, _proxy) = app();
    let (admin, _other) = (app.account("ada", Role::Admin, true), app.admin());
    let session = jwt::payload(&admin.token)["sid"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let outdated = app
        .app
        .store
        .read(|db| users::by_id(db, admin.id.try_into().unwrap()));
    let outdated = outdated.unwrap();
    let sql = r#"UPDATE "user" SET role = 'employee' WHERE username = 'ada'"#;
    app.sql().execute(sql, []).unwrap();
    let is_over = AtomicBool::new(false);
    let statuses: Vec<u16> = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                app.app.session_accounts.insert(session, &outdated);
            }
        });
        let statuses = (0..50).map(|_| app.get("/users", &admin).status).collect();
        is_over.store(true, Ordering::Relaxed);
        statuses
    });
    assert_eq!(statuses, [403; 50]);
}
