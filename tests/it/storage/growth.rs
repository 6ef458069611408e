//! Nothing grows for ever: free pages go back to the system.

use std::fs;

use task_api::app::maintenance;

use crate::support::TestApp;

/// Inserts and deletes 16 MiB of tasks, and runs the maintenance. Returns the size of the file before and after it.
fn size_around_maintenance(app: &TestApp) -> (u64, u64) {
    let size = || {
        app.app.store.checkpoint().unwrap();
        fs::metadata(app.database()).unwrap().len()
    };
    let sql = "INSERT INTO task (title, description)
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000)
        SELECT 'large', hex(zeroblob(4000)) FROM numbers";
    app.sql().execute_batch(sql).unwrap();
    app.sql()
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
