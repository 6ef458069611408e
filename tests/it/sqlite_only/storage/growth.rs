//! Nothing grows for ever: free pages go back to the system, also with large transactions.

use std::fs;

use task_api::app::maintenance;

use crate::support::{PASSWORD, TestApp};

/// Inserts and deletes 16 MiB of tasks, and runs the maintenance. Returns the size of the file before and after it.
fn size_around_maintenance(app: &TestApp) -> (u64, u64) {
    let size = || {
        app.app.store.checkpoint().unwrap();
        fs::metadata(app.database()).unwrap().len()
    };
    let sql = "INSERT INTO task (title, description)
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000)
        SELECT 'large', hex(zeroblob(4000)) FROM numbers";
    app.sqlite().execute_batch(sql).unwrap();
    app.sqlite()
        .execute_batch("DELETE FROM task WHERE title = 'large'")
        .unwrap();
    let before = size();
    maintenance::run(&app.app).unwrap();
    (before, size())
}

#[test]
fn the_file_shrinks_after_many_rows_were_deleted() {
    let app = TestApp::new();
    let (before, after) = size_around_maintenance(&app);
    assert!(before > 16_000_000 && after < 1_000_000, "{before} {after}");
}

#[test]
fn the_file_of_the_flask_app_shrinks_too() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/project.db");
    fs::copy(fixture, folder.path().join("project.db")).unwrap();
    let app = TestApp::in_folder(folder, |_| {});
    let (before, after) = size_around_maintenance(&app);
    assert!(before > 16_000_000 && after < 1_000_000, "{before} {after}");
}

#[test]
fn a_transaction_that_changes_megabytes_succeeds() {
    let app = TestApp::new();
    let (admin, leaver) = (app.admin(), app.employee());
    let rows = |table: &str, columns: &str, values: &str, count: u32| {
        let sql = format!(
            "INSERT INTO {table} ({columns})
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
             SELECT {values} FROM numbers"
        );
        app.sqlite().execute_batch(&sql).unwrap();
    };
    let values = format!(
        "hex(randomblob(8)), hex(zeroblob(500)), CASE WHEN n % 5 = 0 THEN {} END",
        leaver.id
    );
    rows(
        "task",
        "title, description, assigned_user_id",
        &values,
        20_000,
    );
    let deleted = app.send(&format!("DELETE /users/{}", leaver.id), admin.clone(), "");
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let columns =
        "id, user_id, created_at, last_used_at, refreshed_at, expires_at, refresh_digest, address";
    let time = "'2020-01-01 00:00:00.000000'";
    let values = format!(
        "n, {}, {time}, {time}, {time}, {time}, hex(randomblob(32)), '127.0.0.1'",
        admin.id
    );
    rows("session", columns, &values, 20_000);
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("session"), 1);
    assert_eq!(app.log_in(&admin.email, PASSWORD).status, 200);
}
