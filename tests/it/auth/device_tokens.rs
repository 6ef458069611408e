//! Device tokens: the owner gets in from the network that an attacker guesses from, if the device has signed in
//! before, and the responses do not say which accounts exist.

use serde_json::{Value, json};

use crate::support::{Account, PASSWORD, SIGNING_KEY, TestApp, TestResponse, keys};

const NETWORK: &str = "203.0.113.7";
const ELSEWHERE: &str = "198.51.100.9";

fn log_in(app: &TestApp, from: &str, email: &str, password: &str, device: &Value) -> TestResponse {
    let body = json!({ "email": email, "password": password, "device_token": device });
    app.log_in_with(from, &[], &body)
}

/// Signs in from elsewhere and returns the device token.
fn device_token(app: &TestApp, account: &Account, known: &Value) -> Value {
    let response = log_in(app, ELSEWHERE, &account.email, PASSWORD, known);
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["device_token"].clone()
}

/// Signs in with a wrong password until the response is not 401. Returns the number of 401 responses.
fn guesses(app: &TestApp, from: &str, email: &str, device: &Value) -> usize {
    let guess = || log_in(app, from, email, "a wrong one", device).status;
    (0..).take_while(|_| guess() == 401).count()
}

/// Uses up what the network and its site may guess.
fn flood(app: &TestApp, from: &str) {
    for n in 0..200 {
        log_in(app, from, &format!("x{n}@y.example"), "x", &Value::Null);
    }
}

#[test]
fn a_known_device_signs_in_from_the_network_of_an_attacker() {
    let app = TestApp::with_rate_limits();
    let (anna, ben) = (app.employee(), app.manager());
    let device = device_token(&app, &anna, &Value::Null);
    assert_eq!(guesses(&app, NETWORK, &anna.email, &Value::Null), 10);
    flood(&app, NETWORK);
    let log_in = |account: &Account, device: &Value| {
        log_in(&app, NETWORK, &account.email, PASSWORD, device).status
    };
    assert_eq!(log_in(&anna, &Value::Null), 429);
    assert_eq!(log_in(&anna, &device), 200);
    // The token is worth nothing for another account.
    assert_eq!(log_in(&ben, &device), 429);
}

#[test]
fn the_guesses_with_a_device_token_are_limited_per_device_and_per_account() {
    let app = TestApp::with_rate_limits();
    let anna = app.employee();
    let devices: Vec<Value> = (0..8)
        .map(|_| device_token(&app, &anna, &Value::Null))
        .collect();
    let guesses = |device: &Value| guesses(&app, NETWORK, &anna.email, device);
    let guessed: Vec<usize> = devices.iter().map(guesses).collect();
    // The first one goes on like a client without a device token, with the ten attempts of its network.
    assert_eq!(guessed, [20, 10, 10, 10, 10, 10, 0, 0]);
    assert_eq!(guesses(&Value::Null), 0);
    // The quota of the network is not that of the owner elsewhere, also while the quota of all devices is used up.
    let elsewhere = log_in(&app, ELSEWHERE, &anna.email, PASSWORD, &devices[0]);
    assert_eq!(elsewhere.status, 200);
}

#[test]
fn a_sign_in_renews_the_token_of_the_same_device() {
    let app = TestApp::with_rate_limits();
    let anna = app.employee();
    let first = device_token(&app, &anna, &Value::Null);
    app.advance(300 * 86_400);
    let second = device_token(&app, &anna, &first);
    assert_ne!(first, second);
    // One of the ten attempts of the device is used.
    assert_eq!(guesses(&app, NETWORK, &anna.email, &Value::Null), 10);
    assert_eq!(guesses(&app, NETWORK, &anna.email, &second), 9);
    assert_eq!(guesses(&app, NETWORK, &anna.email, &first), 0);
    // A year after it was issued the first token is none.
    app.advance(100 * 86_400);
    assert_eq!(guesses(&app, NETWORK, &anna.email, &Value::Null), 10);
    assert_eq!(guesses(&app, NETWORK, &anna.email, &first), 0);
    assert_eq!(guesses(&app, NETWORK, &anna.email, &second), 10);
}

#[test]
fn a_token_that_does_not_verify_is_none_and_the_response_does_not_say_so() {
    let app = TestApp::with_rate_limits();
    let (anna, ben) = (app.employee(), app.manager());
    let valid = device_token(&app, &anna, &Value::Null);
    let text = valid.as_str().unwrap();
    let foreign = device_token(&app, &ben, &Value::Null);
    let folder = tempfile::tempdir().unwrap();
    let other_key = TestApp::with_keys(folder, &keys(&[7; 32], &[SIGNING_KEY]), |_| {});
    let forged = device_token(&other_key, &other_key.employee(), &Value::Null);
    let invalid = [
        json!(""),
        json!("x"),
        json!("é\u{0}"),
        json!(text[..75]),
        json!(format!("{text}A")),
        json!(text.to_uppercase()),
        json!("A".repeat(76)),
        json!("A".repeat(100_000)),
        foreign,
        forged,
    ];
    flood(&app, NETWORK);
    let unknown = "nobody@example.com";
    for device in &invalid {
        for (from, status) in [(NETWORK, 429), ("2001:db8:77::1", 401)] {
            let known = log_in(&app, from, &anna.email, "a wrong one", device);
            let unknown = log_in(&app, from, unknown, "a wrong one", device);
            assert_eq!(known.status, status, "{device}");
            assert_eq!(known.body, unknown.body, "{device}");
        }
        app.advance(3600);
        flood(&app, NETWORK);
    }
    assert_eq!(
        log_in(&app, NETWORK, &anna.email, PASSWORD, &valid).status,
        200
    );
}

#[test]
fn a_device_token_that_is_no_string_is_422_and_changes_nothing() {
    let app = TestApp::with_rate_limits();
    let anna = app.employee();
    let before = (app.count("session"), app.count("audit"));
    for device in [json!(1), json!(true), json!({}), json!(["x"])] {
        let response = log_in(&app, NETWORK, &anna.email, PASSWORD, &device);
        assert_eq!(response.invalid_fields(), ["device_token"], "{device}");
    }
    let repeated =
        r#"{"email":"a@b.example","password":"x","device_token":"a","device_token":"b"}"#;
    let response = app.send("POST /login", None, repeated);
    assert_eq!(response.status, 400, "{response:?}");
    assert_eq!((app.count("session"), app.count("audit")), before);
    assert_eq!(app.app.rate_limits.tracked_keys(), 0);
    // Missing and null are none.
    let missing = json!({ "email": anna.email, "password": PASSWORD });
    assert_eq!(app.log_in_with(NETWORK, &[], &missing).status, 200);
    assert_eq!(
        log_in(&app, NETWORK, &anna.email, PASSWORD, &Value::Null).status,
        200
    );
}

#[test]
fn the_token_of_one_spelling_of_the_email_is_valid_for_the_others() {
    let app = TestApp::with_rate_limits();
    let anna = app.employee();
    let upper = Account {
        email: format!(" {} ", anna.email.to_uppercase()),
        ..anna.clone()
    };
    let device = device_token(&app, &upper, &Value::Null);
    flood(&app, NETWORK);
    assert_eq!(
        log_in(&app, NETWORK, &anna.email, PASSWORD, &device).status,
        200
    );
}

#[test]
fn a_refresh_returns_no_device_token() {
    let app = TestApp::new();
    let anna = app.employee();
    let tokens = app.log_in(&anna.email, PASSWORD).json();
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let refreshed = app.send_token("POST /refresh", refresh_token);
    assert_eq!(refreshed.status, 200);
    assert_eq!(refreshed.json()["device_token"], Value::Null);
}

#[test]
fn a_device_token_does_not_sign_in() {
    let app = TestApp::new();
    let anna = app.employee();
    let device = device_token(&app, &anna, &Value::Null);
    let device = device.as_str().unwrap();
    assert_eq!(app.send_token("GET /me", device).status, 401);
    assert_eq!(app.send_token("POST /refresh", device).status, 401);
}
