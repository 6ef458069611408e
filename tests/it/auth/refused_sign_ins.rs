//! Refused sign-ins beyond a rate are counted together, so that an anonymous client cannot fill the disk.

use serde_json::{Value, json};
use task_api::app::maintenance;

use crate::support::data_dir::Engine;
use crate::support::{self, PASSWORD, TestApp, request_from};

fn refuse(app: &TestApp, from: &str) {
    let body = json!({ "email": "nobody@example.com", "password": "a wrong one" }).to_string();
    let headers = ["Content-Type: application/json"];
    let request = request_from(from, "POST /login", &headers, &body);
    assert_eq!(support::respond(&app.app, &request).status, 401);
}

/// The details of the sums in the audit log, in their order.
fn sums(app: &TestApp) -> Vec<Value> {
    let sql = "SELECT detail FROM audit WHERE action = 'sign_ins_refused' ORDER BY id";
    let details: Vec<String> = app.sql().query(sql, [], |row| row.get(0)).unwrap();
    details
        .iter()
        .map(|detail| serde_json::from_str(detail).unwrap())
        .collect()
}

#[test]
fn the_first_ones_of_a_network_are_entries_and_the_others_are_one_sum() {
    let app = TestApp::new();
    for _ in 0..100 {
        refuse(&app, "192.0.2.1");
    }
    refuse(&app, "192.0.2.2");
    assert_eq!(app.count("audit"), 11);
    // A sign-in that is only counted writes nothing.
    let writes = match Engine::current() {
        Engine::Sqlite => "write_group_size_count",
        Engine::Postgres => r#"database_wait_seconds_count{pool="writers"}"#,
    };
    let before = app.metric(writes);
    refuse(&app, "192.0.2.1");
    assert_eq!(app.metric(writes), before);
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("audit"), 12);
    assert_eq!(sums(&app), [json!({ "count": 91, "network": "192.0.2.1" })]);
    // The next minute begins anew, and a minute without them adds nothing.
    refuse(&app, "192.0.2.1");
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("audit"), 13);
}

#[test]
fn many_networks_together_are_bounded_too() {
    let app = TestApp::new();
    for network in 0..1200 {
        for _ in 0..2 {
            refuse(&app, &format!("2001:db8:{network:x}::1"));
        }
    }
    assert_eq!(app.count("audit"), 60);
    for _ in 0..20 {
        refuse(&app, "2001:db8:5::2");
    }
    maintenance::run(&app.app).unwrap();
    let sums = sums(&app);
    assert_eq!(sums.len(), 9);
    assert_eq!(
        sums[0],
        json!({ "count": 20, "network": "2001:db8:5::/64" })
    );
    assert_eq!(sums[8]["network"], Value::Null);
    let counted: u64 = sums.iter().map(|sum| sum["count"].as_u64().unwrap()).sum();
    assert_eq!(counted, 2400 - 60 + 20);
}

#[test]
fn sums_that_cannot_be_written_are_kept() {
    let app = TestApp::new();
    for _ in 0..15 {
        refuse(&app, "192.0.2.1");
    }
    let db = app.sql();
    db.break_writes("INSERT", "audit");
    assert!(maintenance::run(&app.app).is_err());
    db.repair_writes("INSERT", "audit");
    refuse(&app, "192.0.2.1");
    maintenance::run(&app.app).unwrap();
    assert_eq!(sums(&app), [json!({ "count": 5, "network": "192.0.2.1" })]);
    assert_eq!(app.count("audit"), 12);
}

#[test]
fn a_wrong_current_password_counts_too_and_a_right_one_does_not() {
    let app = TestApp::new();
    let anna = app.employee();
    for _ in 0..12 {
        let body = json!({ "current_password": "a wrong one", "password": "another password" });
        assert_eq!(app.patch_me(&anna, body).status, 403);
        assert_eq!(app.log_in(&anna.email, PASSWORD).status, 200);
    }
    // Ten wrong and twelve right ones.
    assert_eq!(app.count("audit"), 22);
}
