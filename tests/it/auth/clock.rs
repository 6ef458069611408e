//! A clock that is set forward or back by a day between two starts: no session is lost, and nothing lasts longer.

use serde_json::json;
use task_api::app::maintenance;
use task_api::store::audit::verification::{Kept, Verification, verify};

use crate::support::{Account, PASSWORD, SIGNING_KEY, TestApp, TestResponse, jwt};

const DAY: i64 = 86_400;

/// Closes the application and starts another one on the same database, whose clock differs by `seconds`.
fn restart(app: TestApp, seconds: i64) -> TestApp {
    let now = app.now();
    let app = TestApp::in_folder(app.close(), |_| {});
    app.advance(now - app.now() + seconds);
    app
}

fn log_in(app: &TestApp, account: &Account) -> (String, String) {
    tokens(&app.log_in(&account.email, PASSWORD))
}

fn tokens(response: &TestResponse) -> (String, String) {
    assert_eq!(response.status, 200, "{response:?}");
    let body = response.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("token"), text("refresh_token"))
}

fn hello(app: &TestApp, token: &str) -> u16 {
    app.send_token("GET /hello", token).status
}

fn refresh(app: &TestApp, token: &str) -> TestResponse {
    app.send_token("POST /refresh", token)
}

#[test]
fn a_clock_that_is_set_back_by_a_day_ends_no_session() {
    let app = TestApp::new();
    let anna = app.employee();
    app.advance(DAY);
    let (access, first) = log_in(&app, &anna);
    let (_, second) = log_in(&app, &anna);
    let app = restart(app, -DAY);
    assert_eq!(hello(&app, &access), 200);
    let (newer, next) = tokens(&refresh(&app, &first));
    assert_eq!(hello(&app, &newer), 200);
    // The access token from before the restart is valid still, after the exchange too.
    assert_eq!(hello(&app, &access), 200);
    maintenance::run(&app.app).unwrap();
    tokens(&refresh(&app, &next));
    tokens(&refresh(&app, &second));
    // And once more when the clock has been corrected.
    let app = restart(app, DAY);
    assert_eq!(hello(&app, &access), 200);
    assert_eq!(hello(&app, &log_in(&app, &anna).0), 200);
}

#[test]
fn a_clock_that_is_set_forward_by_a_day_ends_no_session() {
    let app = TestApp::new();
    let anna = app.employee();
    let (access, first) = log_in(&app, &anna);
    let app = restart(app, DAY);
    // The access token has expired by this clock; the refresh token brings a new one.
    assert_eq!(hello(&app, &access), 401);
    maintenance::run(&app.app).unwrap();
    let (newer, next) = tokens(&refresh(&app, &first));
    assert_eq!(hello(&app, &newer), 200);
    let app = restart(app, -DAY);
    for token in [&access, &newer] {
        assert_eq!(hello(&app, token), 200);
    }
    assert_eq!(hello(&app, &tokens(&refresh(&app, &next)).0), 200);
}

#[test]
fn a_token_from_the_future_that_its_session_does_not_know_is_refused() {
    let app = TestApp::new();
    let anna = app.employee();
    let (access, first) = log_in(&app, &anna);
    for (token, line) in [(access, "GET /hello"), (first, "POST /refresh")] {
        for (name, seconds, status) in [
            ("iat", 61, 401),
            ("nbf", 61, 401),
            ("iat", 60, 200),
            ("nbf", 60, 200),
        ] {
            let mut claims = jwt::payload(&token);
            claims[name] = json!(app.now() + seconds);
            let token = jwt::signed(SIGNING_KEY, &claims);
            let response = app.send_token(line, &token);
            assert_eq!(
                response.status, status,
                "{line} {name} {seconds}: {response:?}"
            );
        }
    }
}

#[test]
fn the_grace_of_a_refresh_token_does_not_last_a_day_when_the_clock_is_set_back() {
    for (seconds, status) in [(-10, 200), (-12, 401), (-DAY, 401)] {
        let app = TestApp::new();
        let anna = app.employee();
        let (_, first) = log_in(&app, &anna);
        tokens(&refresh(&app, &first));
        app.advance(seconds);
        let response = refresh(&app, &first);
        assert_eq!(response.status, status, "{seconds}: {response:?}");
    }
}

#[test]
fn audit_rows_are_in_the_order_of_writing_with_the_time_that_the_clock_told() {
    let app = TestApp::new();
    let admin = app.admin();
    log_in(&app, &admin);
    let app = restart(app, -DAY);
    log_in(&app, &admin);
    let app = restart(app, 2 * DAY);
    log_in(&app, &admin);
    let admin = Account {
        token: app.token_of_new_session(&admin),
        ..admin
    };
    let items = app.get("/audit", &admin).items();
    let days: Vec<_> = items
        .iter()
        .map(|item| item["at"].as_str().unwrap()[..10].to_owned())
        .collect();
    assert_eq!(days, ["2026-11-24", "2026-11-22", "2026-11-23"]);
    let verdict = verify(&app.app.store, &Kept::default(), |_| {}).unwrap();
    assert!(
        matches!(verdict, Verification::Intact { count: 3, .. }),
        "{verdict:?}"
    );
}
