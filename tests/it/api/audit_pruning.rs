//! `AUDIT_KEEP`: old entries of the audit log go, and the log stays verifiable.

use serde_json::json;
use task_api::app::maintenance;
use task_api::model::Actor;
use task_api::store::audit::ChainHead;
use task_api::store::audit::pruning::{announce, find_end, remove_batch};
use task_api::store::audit::verification::{Kept, Verification, verify};

use crate::support::TestApp;
use crate::support::program::WorkDir;

const DAY: i64 = 86_400;

/// An application that keeps entries for ten days and has an entry of each of the last thirty.
fn app_with_thirty_days() -> TestApp {
    let app = TestApp::with(|config| config.audit.audit_keep = Some("10d".parse().unwrap()));
    for _ in 0..30 {
        add_row(&app);
        maintenance::run(&app.app).unwrap();
        app.advance(DAY);
    }
    app
}

fn add_row(app: &TestApp) {
    assert_eq!(app.log_in("nobody@example.com", "a wrong one").status, 401);
}

fn verdict(app: &TestApp, kept: &Kept) -> Verification {
    verify(&app.app.store, kept, |_| {}).unwrap()
}

#[test]
fn old_entries_are_pruned_and_the_rest_is_intact() {
    let app = app_with_thirty_days();
    let admin = app.admin();
    maintenance::run(&app.app).unwrap();
    let Verification::Intact { count, pruned, .. } = verdict(&app, &Kept::default()) else {
        panic!("{:?}", verdict(&app, &Kept::default()));
    };
    assert_eq!(app.count("audit"), count - pruned);
    let items = app.get("/audit?limit=100", &admin).items();
    // Ids go on.
    assert_eq!(items[0]["id"], json!(count));
    assert_eq!(items.last().unwrap()["id"], json!(pruned + 1));
    let days = items
        .iter()
        .filter(|item| item["action"] == "sign_in_refused");
    // Ten days, a day of slack, and the epoch that was not over.
    assert!((10..=12).contains(&days.count()), "{items:?}");
    let announced = items.iter().find(|item| item["action"] == "audit_pruned");
    assert_eq!(announced.unwrap()["detail"]["count"], json!(pruned));
    // Nothing further goes on the same day.
    maintenance::run(&app.app).unwrap();
    assert_eq!(app.count("audit"), count - pruned);
    // What was kept elsewhere is compared as long as it is there.
    let expect = |count: i64, hash: &str| Kept {
        head: Some(ChainHead {
            count,
            hash: hash.to_owned(),
        }),
        key: None,
    };
    let hash: String = app
        .sql()
        .query_row("SELECT hash FROM audit ORDER BY id LIMIT 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert!(matches!(
        verdict(&app, &expect(pruned + 1, &hash)),
        Verification::Intact { .. }
    ));
    let gone = verdict(&app, &expect(pruned - 1, &hash));
    assert!(
        matches!(&gone, Verification::NotAuthentic(why) if why.contains("have been pruned")),
        "{gone:?}"
    );
}

#[test]
fn a_forged_start_is_noticed() {
    let cases = [
        // More is removed than a row says.
        "UPDATE audit_start SET (count, hash) = (SELECT id, hash FROM audit ORDER BY id LIMIT 1 OFFSET 3);
         DELETE FROM audit WHERE id <= (SELECT count FROM audit_start)",
        // Everything is removed.
        "UPDATE audit_start SET (count, hash) = (SELECT count, hash FROM audit_head); DELETE FROM audit",
        // The hash of the start is another one.
        "UPDATE audit_start SET hash = 'x'",
        "DELETE FROM audit_start",
        "DELETE FROM audit WHERE id = (SELECT count + 1 FROM audit_start)",
    ];
    for forgery in cases {
        let app = app_with_thirty_days();
        maintenance::run(&app.app).unwrap();
        assert!(matches!(
            verdict(&app, &Kept::default()),
            Verification::Intact { .. }
        ));
        app.sql().execute_batch(forgery).unwrap();
        let verdict = verdict(&app, &Kept::default());
        assert!(
            !matches!(verdict, Verification::Intact { .. }),
            "{forgery}: {verdict:?}"
        );
    }
    // A start where nothing was ever removed.
    let app = TestApp::new();
    for _ in 0..5 {
        add_row(&app);
    }
    app.sql()
        .execute_batch(
            "INSERT INTO audit_start (id, count, hash) SELECT 1, id, hash FROM audit WHERE id = 2;
             DELETE FROM audit WHERE id <= 2",
        )
        .unwrap();
    assert_eq!(
        verdict(&app, &Kept::default()),
        Verification::NotAuthentic(
            "rows 1 to 2 have been removed, and no row audit_pruned says so".to_owned()
        )
    );
}

#[test]
fn a_pruning_that_was_interrupted_is_intact_and_goes_on() {
    let app = app_with_thirty_days();
    maintenance::run(&app.app).unwrap();
    app.advance(5 * DAY);
    let (store, now) = (&app.app.store, app.app.now());
    let end = store.read(|db| find_end(db, now.plus_seconds(-10 * DAY)));
    let end = end.unwrap().unwrap();
    let announced = store.write(|db| announce(db, &Actor::server(now), &end));
    announced.unwrap();
    let removed = store.write(|db| remove_batch(db, &end, 1));
    assert_eq!(removed.unwrap(), 1);
    assert!(matches!(
        verdict(&app, &Kept::default()),
        Verification::Intact { .. }
    ));
    maintenance::run(&app.app).unwrap();
    let Verification::Intact { pruned, .. } = verdict(&app, &Kept::default()) else {
        panic!("{:?}", verdict(&app, &Kept::default()));
    };
    assert_eq!(pruned, end.count);
}

#[test]
fn nothing_is_pruned_by_default_and_a_short_time_is_refused() {
    let app = TestApp::new();
    add_row(&app);
    for _ in 0..3 {
        app.advance(1000 * DAY);
        add_row(&app);
        maintenance::run(&app.app).unwrap();
    }
    assert_eq!(app.count("audit"), 4);
    let work_dir = WorkDir::new();
    for value in ["0", "1h", "-1d", "101years", "x"] {
        let refused = work_dir.run(&["serve", &format!("--audit-keep={value}")]);
        assert_eq!(refused.code, Some(2), "{value}");
        assert!(refused.error_line().contains("--audit-keep"), "{refused:?}");
    }
}
