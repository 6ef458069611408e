//! What another program does to the database: values that this program never writes, and tables that are gone.

use serde_json::json;

use crate::support::postgres::TestDatabase;
use crate::support::{Fixture, TestApp};

fn fixture() -> Fixture {
    Fixture::with_app(TestApp::in_folder(TestDatabase::migrated(), |_| {}))
}

#[test]
fn a_moment_that_is_no_date_reads_as_null_and_hides_no_other_row() {
    let Fixture { app, admin, .. } = fixture();
    for title in ["b", "c", "d", "e", "f"] {
        app.create_task(
            &admin,
            json!({ "title": title, "deadline": "2027-01-01T00:00:00Z" }),
        );
    }
    let db = app.sql();
    for (title, moment) in [
        ("b", "infinity"),
        ("c", "-infinity"),
        ("d", "0044-03-15 BC"),
    ] {
        let sql = "UPDATE task SET created_at = ?1, deadline = ?1 WHERE title = ?2";
        db.execute(sql, [moment, title]).unwrap();
    }
    for sort in ["created_at", "-created_at", "deadline", "-deadline"] {
        let (mut titles, mut path) = (Vec::new(), format!("/tasks?sort={sort}&limit=1"));
        loop {
            let page = app.get(&path, &admin);
            assert_eq!(page.status, 200, "{page:?}");
            let page = page.json();
            for item in page["items"].as_array().unwrap() {
                titles.push(item["title"].as_str().unwrap().to_owned());
                let is_odd = ["b", "c", "d"].contains(&titles.last().unwrap().as_str());
                assert_eq!(item["created_at"].is_null(), is_odd, "{item}");
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/tasks?sort={sort}&limit=1&cursor={cursor}"),
                None => break,
            }
        }
        titles.sort();
        assert_eq!(
            titles,
            ["b", "c", "d", "e", "f", "water the plants"],
            "{sort}"
        );
    }
}

#[test]
fn while_a_table_is_gone_requests_get_503_and_then_they_go_on() {
    let Fixture { app, admin, .. } = fixture();
    assert_eq!(app.get("/tasks", &admin).status, 200);
    let db = app.sql();
    db.execute_batch("ALTER TABLE task RENAME TO hidden")
        .unwrap();
    let gone = app.get("/tasks", &admin);
    assert_eq!(gone.status, 503, "{gone:?}");
    assert_eq!(gone.json()["code"], "storage_unavailable");
    assert!(gone.header("Retry-After").is_some());
    db.execute_batch("ALTER TABLE hidden RENAME TO task")
        .unwrap();
    app.app.store.watch();
    assert_eq!(app.get("/tasks", &admin).status, 200);
    let body = r#"{"title": "t"}"#;
    assert_eq!(app.send("POST /tasks", admin, body).status, 201);
}
