//! Rate limits on logins, sign-ups, refreshes and all other requests: they slow password guessing down and do
//! not lock the account's owner out. `tests/attacks` plays whole days of attacks.

use serde_json::{Value, json};
use task_api::config::Config;
use task_api::config::rate_limits::Switch;
use task_api::model::Role;

use crate::support::data_dir::Engine;
use crate::support::program::{RunningServer, WorkDir};
use crate::support::{self, PASSWORD, TestApp, TestResponse, concurrently, request_from};

fn rate_limited_app() -> TestApp {
    rate_limited_app_with(|_| {})
}

fn rate_limited_app_with(change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::with(|config| {
        config.rate_limiting.rate_limits = Switch::On;
        change(config);
    })
}

/// Sends a request from the client address `from`, with or without an access token.
fn send(app: &TestApp, from: &str, line: &str, token: Option<&str>, body: &str) -> TestResponse {
    send_with(app, from, line, token, body, &[])
}

fn send_with(
    app: &TestApp,
    from: &str,
    line: &str,
    token: Option<&str>,
    body: &str,
    more_headers: &[&str],
) -> TestResponse {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}"));
    let mut headers = vec!["Content-Type: application/json"];
    headers.extend(authorization.as_deref());
    headers.extend(more_headers);
    support::respond(&app.app, &request_from(from, line, &headers, body))
}

/// An e-mail address that no account has.
fn invented(n: usize) -> String {
    format!("invented-{n}@example.com")
}

fn log_in_from(app: &TestApp, from: &str, email: &str, password: &str) -> TestResponse {
    let body = json!({ "email": email, "password": password });
    send(app, from, "POST /login", None, &body.to_string())
}

/// Logs in with a wrong password until the response is not 401. Returns the number of 401 responses.
fn wrong_passwords_before_429(app: &TestApp, from: &str, email: &str) -> usize {
    (0..)
        .take_while(|_| log_in_from(app, from, email, "a wrong one").status == 401)
        .count()
}

fn sign_up_from(app: &TestApp, from: &str, name: &str) -> TestResponse {
    let body =
        json!({ "username": name, "email": format!("{name}@b.example"), "password": PASSWORD });
    send(app, from, "POST /signup", None, &body.to_string())
}

/// The number of requests that get this status, before another status.
fn count_until_another(status: u16, request: impl Fn(usize) -> TestResponse) -> usize {
    (0..).take_while(|n| request(*n).status == status).count()
}

/// Returns the `Retry-After` of a 429, in seconds.
fn retry_after_of_429(response: &TestResponse) -> i64 {
    assert_eq!(
        (response.status, response.code().as_str()),
        (429, "too_many_requests")
    );
    let wait = response.header("Retry-After").unwrap().parse().unwrap();
    assert_eq!(
        response.msg(),
        format!("Too many requests, try again in {wait} s")
    );
    wait
}

const OWNER_ADDRESS: &str = "203.0.113.7";
const ATTACKER_ADDRESS: &str = "198.51.100.9";

#[test]
fn ten_wrong_passwords_block_the_address_and_the_owner_logs_in_from_another() {
    let app = rate_limited_app();
    let anna = app.employee();
    let statuses: Vec<u16> = (0..100)
        .map(|_| log_in_from(&app, ATTACKER_ADDRESS, &anna.email, "a wrong one").status)
        .collect();
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[10..], [429; 90]);
    let metrics = send(&app, "127.0.0.1", "GET /metrics", None, "");
    let expected_line = r#"rate_limit_refusals_total{limit="login to an account"} 90"#;
    assert!(metrics.text().contains(expected_line), "{}", metrics.text());
    // From the blocked address the right password gets 429 too.
    let blocked = log_in_from(&app, ATTACKER_ADDRESS, &anna.email, PASSWORD);
    assert_eq!(retry_after_of_429(&blocked), 30);
    assert_eq!(
        log_in_from(&app, OWNER_ADDRESS, &anna.email, PASSWORD).status,
        200
    );
}

#[test]
fn a_client_that_waits_for_retry_after_gets_one_more_attempt() {
    let app = rate_limited_app();
    let anna = app.employee();
    wrong_passwords_before_429(&app, ATTACKER_ADDRESS, &anna.email);
    for _ in 0..3 {
        let wait = retry_after_of_429(&log_in_from(
            &app,
            ATTACKER_ADDRESS,
            &anna.email,
            "a wrong one",
        ));
        app.advance(wait - 2);
        retry_after_of_429(&log_in_from(
            &app,
            ATTACKER_ADDRESS,
            &anna.email,
            "a wrong one",
        ));
        app.advance(2);
        assert_eq!(
            wrong_passwords_before_429(&app, ATTACKER_ADDRESS, &anna.email),
            1
        );
    }
    app.advance(3600);
    assert_eq!(
        wrong_passwords_before_429(&app, ATTACKER_ADDRESS, &anna.email),
        10
    );
}

#[test]
fn a_429_has_cors_headers_and_exposes_retry_after() {
    let app = rate_limited_app();
    let body = json!({ "email": "a@b.example", "password": "a wrong one" }).to_string();
    let origin = ["Origin: https://app.example"];
    let log_in = || send_with(&app, ATTACKER_ADDRESS, "POST /login", None, &body, &origin);
    assert_eq!(count_until_another(401, |_| log_in()), 10);
    let too_many = log_in();
    retry_after_of_429(&too_many);
    assert_eq!(too_many.header("Access-Control-Allow-Origin"), Some("*"));
    let exposed = too_many.header("Access-Control-Expose-Headers").unwrap();
    assert!(exposed.contains("Retry-After"), "{exposed}");
}

#[test]
fn all_spellings_of_an_email_share_one_limit_and_an_unknown_email_has_the_same_limit() {
    let app = rate_limited_app();
    let anna = app.employee();
    for n in 0..10 {
        let email = match n % 2 {
            0 => anna.email.to_uppercase(),
            _ => format!("  {}\t", anna.email),
        };
        assert_eq!(
            log_in_from(&app, ATTACKER_ADDRESS, &email, "a wrong one").status,
            401
        );
    }
    retry_after_of_429(&log_in_from(
        &app,
        ATTACKER_ADDRESS,
        &anna.email,
        "a wrong one",
    ));
    assert_eq!(
        wrong_passwords_before_429(&app, ATTACKER_ADDRESS, "nobody@example.com"),
        10
    );
}

#[test]
fn an_address_that_tries_many_accounts_gets_429_after_120_attempts() {
    let app = rate_limited_app();
    let log_in = |n: usize| log_in_from(&app, ATTACKER_ADDRESS, &invented(n), "a wrong one");
    assert_eq!(count_until_another(401, log_in), 120);
    assert_eq!(retry_after_of_429(&log_in(1_000)), 5);
    app.advance(5);
    assert_eq!(log_in(1_000).status, 401);
    assert_eq!(retry_after_of_429(&log_in(1_000)), 5);
    // A right password counts as well.
    let anna = app.employee();
    let right = log_in_from(&app, ATTACKER_ADDRESS, &anna.email, PASSWORD);
    assert_eq!(retry_after_of_429(&right), 5);
}

#[test]
fn a_refused_attempt_leaves_nothing_behind() {
    let app = rate_limited_app();
    let log_in = |n: usize| log_in_from(&app, ATTACKER_ADDRESS, &invented(n), "a wrong one").status;
    assert_eq!((0..120).filter(|n| log_in(*n) == 401).count(), 120);
    // 120 pairs, the address and its site.
    assert_eq!(app.app.rate_limits.tracked_keys(), 122);
    for n in 0..1_000 {
        assert_eq!(log_in(1_000 + n), 429);
    }
    assert_eq!(app.app.rate_limits.tracked_keys(), 122);
    // An account that has used up its own limit does not use up that of its address.
    let address = "192.0.2.77";
    wrong_passwords_before_429(&app, address, "a@b.example");
    for _ in 0..1_000 {
        assert_eq!(log_in_from(&app, address, "a@b.example", "x").status, 429);
    }
    let log_in = |n| log_in_from(&app, address, &invented(n), "a wrong one");
    assert_eq!(count_until_another(401, log_in), 110);
}

#[test]
fn invented_emails_from_one_network_leave_the_count_of_guesses_at_a_victim() {
    let app = rate_limited_app();
    let anna = app.employee();
    assert_eq!(
        wrong_passwords_before_429(&app, ATTACKER_ADDRESS, &anna.email),
        10
    );
    for n in 0..120_000 {
        // Each other one from another address of the attacker's IPv6 network.
        let from = match n % 2 {
            0 => ATTACKER_ADDRESS,
            _ => "2001:db8:1:2::1",
        };
        log_in_from(&app, from, &invented(n), "a wrong one");
    }
    let guess = log_in_from(&app, ATTACKER_ADDRESS, &anna.email, "a wrong one");
    assert_eq!(guess.status, 429);
    assert!(app.app.rate_limits.tracked_keys() < 300);
    // The owner elsewhere still gets in.
    let owner = log_in_from(&app, OWNER_ADDRESS, &anna.email, PASSWORD);
    assert_eq!(owner.status, 200);
}

#[test]
fn a_class_of_64_behind_one_address_signs_in_at_once() {
    let app = rate_limited_app();
    let pupils: Vec<_> = (0..64)
        .map(|n| app.account(&format!("pupil-{n}"), Role::Employee, true))
        .collect();
    for pupil in &pupils {
        let response = log_in_from(&app, OWNER_ADDRESS, &pupil.email, PASSWORD);
        assert_eq!(response.status, 200, "{response:?}");
    }
}

#[test]
fn an_account_that_signs_in_all_the_time_is_slowed() {
    let app = rate_limited_app();
    let anna = app.employee();
    let log_in = |_| log_in_from(&app, OWNER_ADDRESS, &anna.email, PASSWORD);
    assert_eq!(count_until_another(200, log_in), 10);
    assert_eq!(retry_after_of_429(&log_in(0)), 30);
    app.advance(30);
    assert_eq!(count_until_another(200, log_in), 1);
}

#[test]
fn ipv6_clients_are_limited_per_64_bit_prefix() {
    let app = rate_limited_app();
    let anna = app.employee();
    let statuses = (0..20).map(|n| {
        let from = format!("2001:db8:1:2:{n:x}::{n:x}");
        log_in_from(&app, &from, &anna.email, "a wrong one").status
    });
    assert_eq!(statuses.filter(|status| *status == 401).count(), 10);
    assert_eq!(
        log_in_from(&app, "2001:db8:1:3::1", &anna.email, PASSWORD).status,
        200
    );
    // An IPv4-mapped IPv6 address shares the limit of the IPv4 address.
    wrong_passwords_before_429(&app, OWNER_ADDRESS, &anna.email);
    let mapped = format!("::ffff:{OWNER_ADDRESS}");
    assert_eq!(
        log_in_from(&app, &mapped, &anna.email, PASSWORD).status,
        429
    );
}

#[test]
fn x_forwarded_for_is_ignored_from_a_client_and_used_from_a_trusted_proxy() {
    for (trusted, expected_attempts) in [("", 10), (ATTACKER_ADDRESS, 100)] {
        let app = rate_limited_app_with(|config| config.trusted_proxies = trusted.parse().unwrap());
        let anna = app.employee();
        let body = json!({ "email": anna.email, "password": "a wrong one" }).to_string();
        let statuses = (0..100).map(|n| {
            let forged = format!("X-Forwarded-For: 192.0.2.{n}");
            send_with(
                &app,
                ATTACKER_ADDRESS,
                "POST /login",
                None,
                &body,
                &[&forged],
            )
            .status
        });
        assert_eq!(
            statuses.filter(|status| *status == 401).count(),
            expected_attempts,
            "{trusted}"
        );
    }
}

#[test]
fn sign_ups_are_limited_per_address_and_per_site() {
    let app = rate_limited_app();
    let sign_up = |from: &str, n: usize| sign_up_from(&app, from, &format!("p{n}"));
    let from_attacker = |n| sign_up(ATTACKER_ADDRESS, n);
    assert_eq!(count_until_another(201, from_attacker), 60);
    assert_eq!(retry_after_of_429(&from_attacker(100)), 10);
    app.advance(10);
    assert_eq!(from_attacker(101).status, 201);
    assert_eq!(retry_after_of_429(&from_attacker(102)), 10);
    // Of the 240 of the site, 5 have become available in the ten seconds.
    let from_site = |n| sign_up(&format!("198.51.100.{}", 100 + n % 100), 1_000 + n);
    assert_eq!(count_until_another(201, from_site), 240 - 61 + 5);
    assert_eq!(retry_after_of_429(&from_site(500)), 2);
    assert_eq!(sign_up(OWNER_ADDRESS, 5_000).status, 201);
}

#[test]
fn a_sign_up_whose_body_is_refused_does_not_count() {
    let app = rate_limited_app();
    let body = json!({ "username": "a", "email": "a@b.example", "password": PASSWORD }).to_string();
    for n in 0..100 {
        for (headers, body, status) in [
            (vec!["Content-Type: text/plain"], body.as_str(), 415),
            (vec!["Content-Type: application/json"], "{", 400),
            (
                vec!["Content-Type: application/json"],
                r#"{"username":"a"}"#,
                422,
            ),
        ] {
            let request = request_from(ATTACKER_ADDRESS, "POST /signup", &headers, body);
            assert_eq!(support::respond(&app.app, &request).status, status, "{n}");
        }
    }
    assert_eq!(app.app.rate_limits.tracked_keys(), 0);
}

#[test]
fn refreshes_are_limited_per_session_and_invalid_tokens_per_address() {
    let app = rate_limited_app();
    let anna = app.employee();
    let refresh = |from: &str, token: &str| send(&app, from, "POST /refresh", Some(token), "");
    assert_eq!(
        (0..200)
            .filter(|_| refresh(ATTACKER_ADDRESS, "x").status == 401)
            .count(),
        120
    );
    assert_eq!(retry_after_of_429(&refresh(ATTACKER_ADDRESS, "x")), 1);
    assert_eq!(refresh(OWNER_ADDRESS, "x").status, 401);
    app.advance(2);
    assert_eq!(
        (0..9)
            .filter(|_| refresh(ATTACKER_ADDRESS, "x").status == 401)
            .count(),
        2
    );
    // A valid refresh token does not count against the limit of the address.
    let mut token =
        log_in_from(&app, ATTACKER_ADDRESS, &anna.email, PASSWORD).json()["refresh_token"].clone();
    let refreshed = (0..200)
        .take_while(|_| {
            let response = refresh(ATTACKER_ADDRESS, token.as_str().unwrap());
            let succeeded = response.status == 200;
            if succeeded {
                token = response.json()["refresh_token"].clone();
            }
            succeeded
        })
        .count();
    assert_eq!(refreshed, 120);
}

#[test]
fn requests_are_limited_per_account_and_without_a_valid_token_per_address() {
    let app = rate_limited_app_with(|config| config.rate_limiting.requests_per_minute = 30);
    let (anna, ben) = (app.employee(), app.manager());
    let hello = |from: &str, token: &str| send(&app, from, "GET /hello", Some(token), "");
    let count = |from: &str, token: &str, status: u16| {
        (0..50)
            .filter(|_| hello(from, token).status == status)
            .count()
    };
    // An account has one limit across all client addresses.
    assert_eq!(count(OWNER_ADDRESS, &anna.token, 200), 30);
    assert!(retry_after_of_429(&hello(ATTACKER_ADDRESS, &anna.token)) <= 2);
    assert_eq!(count(OWNER_ADDRESS, &ben.token, 200), 30);
    // Requests without a valid token count per address.
    assert_eq!(count(ATTACKER_ADDRESS, "x", 401), 30);
    assert_eq!(
        send(&app, ATTACKER_ADDRESS, "GET /tasks", None, "").status,
        429
    );
    assert_eq!(
        send(&app, OWNER_ADDRESS, "GET /tasks", None, "").status,
        401
    );
    // Health checks are exempt: a monitor must not take a busy server for a dead one.
    assert_eq!(
        send(&app, ATTACKER_ADDRESS, "GET /healthz", None, "").status,
        200
    );
    app.advance(60);
    assert_eq!(count(OWNER_ADDRESS, &ben.token, 200), 30);
}

#[test]
fn a_hundred_sessions_have_one_limit_and_the_owner_can_end_them_all() {
    let app = rate_limited_app_with(|config| config.rate_limiting.requests_per_minute = 30);
    let anna = app.employee();
    let stolen: Vec<_> = (0..99).map(|_| app.token_of_new_session(&anna)).collect();
    let flood = |line: &str| {
        let send = |token: &String| send(&app, ATTACKER_ADDRESS, line, Some(token), "").status;
        stolen.iter().filter(|token| send(token) == 200).count()
    };
    assert_eq!(flood("GET /hello"), 30);
    // The thief also uses up what each stolen session may send to list sessions.
    for _ in 0..120 {
        assert_eq!(flood("GET /me/sessions"), 99);
    }
    assert_eq!(flood("GET /me/sessions"), 0);
    let own = |line: &str| send(&app, OWNER_ADDRESS, line, Some(&anna.token), "");
    retry_after_of_429(&own("GET /tasks"));
    let sessions = own("GET /me/sessions");
    let is_stolen = |session: &&Value| session["current"] == false;
    let ended = sessions.items().iter().find(is_stolen).unwrap()["id"].clone();
    let ended = ended.as_str().unwrap();
    assert_eq!(own(&format!("DELETE /me/sessions/{ended}")).status, 204);
    assert_eq!(own("POST /me/sessions/revoke-all").status, 204);
}

#[test]
fn an_expired_or_revoked_token_does_not_count_for_its_account() {
    let app = rate_limited_app_with(|config| {
        config.rate_limiting.requests_per_minute = 30;
        config.jwt_access_token_expires = "1h".parse().unwrap();
    });
    let anna = app.employee();
    let revoked = app.token_of_new_session(&anna);
    let log_out = send(&app, OWNER_ADDRESS, "POST /logout", Some(&revoked), "");
    assert_eq!(log_out.status, 204);
    app.advance(3600);
    let current = app.token_of_new_session(&anna);
    let hello = |from: &str, token: &str| send(&app, from, "GET /hello", Some(token), "");
    for (from, token) in [("192.0.2.1", &anna.token), ("192.0.2.2", &revoked)] {
        assert_eq!(count_until_another(401, |_| hello(from, token)), 30);
    }
    let valid = |_| hello(OWNER_ADDRESS, &current);
    assert_eq!(count_until_another(200, valid), 30);
}

#[test]
fn a_site_has_one_limit_for_all_of_its_networks() {
    let ipv6 = |n: usize| format!("2001:db8:1:{n:x}::1");
    let ipv4 = |n: usize| format!("198.51.100.{}", n % 256);
    let addresses: [&dyn Fn(usize) -> String; 2] = [&ipv6, &ipv4];
    for (address, neighbour) in addresses.into_iter().zip(["2001:db8:2::1", "198.51.101.1"]) {
        let app = rate_limited_app();
        let anna = app.employee();
        let log_in = |n| log_in_from(&app, &address(n), &invented(n), "a wrong one");
        assert_eq!(count_until_another(401, log_in), 480);
        assert_eq!(retry_after_of_429(&log_in(1_000)), 1);
        let other_site = log_in_from(&app, neighbour, &anna.email, PASSWORD);
        assert_eq!(other_site.status, 200);
    }
}

#[test]
fn guessing_the_current_password_has_the_same_limit_as_a_login() {
    let app = rate_limited_app();
    let anna = app.employee();
    let guess = |password: &str| {
        let body = json!({ "current_password": password, "email": anna.email });
        let token = Some(anna.token.as_str());
        send(
            &app,
            ATTACKER_ADDRESS,
            "PATCH /me",
            token,
            &body.to_string(),
        )
    };
    for _ in 0..3 {
        assert_eq!(guess("a wrong one").status, 403);
    }
    assert_eq!(guess(PASSWORD).status, 200);
    let statuses: Vec<u16> = (0..12).map(|_| guess("a wrong one").status).collect();
    assert_eq!(statuses, [[403; 6].as_slice(), &[429; 6]].concat());
    retry_after_of_429(&guess(PASSWORD));
    // They count for the account alone, so the owner still signs in from there.
    let log_in = log_in_from(&app, ATTACKER_ADDRESS, &anna.email, PASSWORD);
    assert_eq!(log_in.status, 200);
}

#[test]
fn a_neighbour_who_guesses_does_not_keep_the_owner_from_changing_the_password() {
    let app = rate_limited_app();
    let anna = app.employee();
    wrong_passwords_before_429(&app, ATTACKER_ADDRESS, &anna.email);
    let body = json!({ "current_password": PASSWORD, "password": "another password" });
    let token = Some(anna.token.as_str());
    let changed = send(
        &app,
        ATTACKER_ADDRESS,
        "PATCH /me",
        token,
        &body.to_string(),
    );
    assert_eq!(changed.status, 200);
}

#[test]
fn of_fifty_concurrent_wrong_passwords_ten_pass_the_limit() {
    let app = rate_limited_app();
    let anna = app.employee();
    let statuses = concurrently(50, |_| {
        log_in_from(&app, ATTACKER_ADDRESS, &anna.email, "a wrong one").status
    });
    // Some of the ten may be 503, when the queue for password hashes is full.
    let within_limit = statuses.iter().filter(|status| **status != 429).count();
    assert_eq!(within_limit, 10);
}

#[test]
fn a_request_that_has_read_the_clock_before_the_last_one_is_limited_too() {
    let app = rate_limited_app();
    let anna = app.employee();
    wrong_passwords_before_429(&app, ATTACKER_ADDRESS, &anna.email);
    for seconds in [-1, -5] {
        app.advance(seconds);
        let response = log_in_from(&app, ATTACKER_ADDRESS, &anna.email, "a wrong one");
        assert_eq!(response.status, 429, "{seconds}");
    }
}

#[test]
fn a_clock_that_goes_back_keeps_no_client_blocked() {
    let app = rate_limited_app();
    let anna = app.employee();
    wrong_passwords_before_429(&app, OWNER_ADDRESS, &anna.email);
    app.advance(-86_400);
    // Logins only: an access token issued before is not valid yet at this time.
    assert_eq!(
        wrong_passwords_before_429(&app, OWNER_ADDRESS, &anna.email),
        10
    );
}

#[test]
fn requests_from_120_000_networks_use_bounded_memory_and_the_limits_still_hold() {
    let app = rate_limited_app_with(|config| config.rate_limiting.requests_per_minute = 30);
    let anna = app.employee();
    let hello = |from: &str| send(&app, from, "GET /hello", None, "");
    wrong_passwords_before_429(&app, ATTACKER_ADDRESS, &anna.email);
    assert_eq!(count_until_another(401, |_| hello(ATTACKER_ADDRESS)), 30);
    for n in 0..120_000_u32 {
        hello(&format!("2001:db8:{:x}:{:x}::1", n >> 16, n & 0xffff));
        // What is known about a client that was there before the attack is not pushed out.
        if n % 10_000 == 0 {
            assert_eq!(hello(ATTACKER_ADDRESS).status, 429, "{n}");
        }
    }
    // The site, the network and the pair of the guesses, and the networks of the other requests.
    assert_eq!(app.app.rate_limits.tracked_keys(), 50_000 + 3);
    // New addresses share the limit of those for which there was no room; the accounts have theirs.
    assert_eq!(hello(OWNER_ADDRESS).status, 429);
    let signed_in = send(&app, OWNER_ADDRESS, "GET /hello", Some(&anna.token), "");
    assert_eq!(signed_in.status, 200);
    // After a while there is room again.
    app.advance(10);
    assert_eq!(count_until_another(401, |_| hello(OWNER_ADDRESS)), 30);
    assert!(app.app.rate_limits.tracked_keys() < 10);
    assert_eq!(
        log_in_from(&app, ATTACKER_ADDRESS, &anna.email, PASSWORD).status,
        429
    );
}

#[test]
fn rate_limits_are_on_by_default_and_can_be_turned_off() {
    for (setting, is_limited) in [(None, true), (Some("on"), true), (Some("off"), false)] {
        let work_dir = WorkDir::new();
        work_dir.create_account("anna", &[]);
        let mut command = work_dir.command(&[]);
        command.env_remove("RATE_LIMITS");
        if let Some(setting) = setting {
            command.env("RATE_LIMITS", setting);
        }
        let server = RunningServer::start(&mut command);
        let mut client = server.client();
        let body = json!({ "email": "anna@example.com", "password": "a wrong one" });
        let statuses: Vec<u16> = (0..15)
            .map(|_| client.send("POST /login", None, Some(&body)).status)
            .collect();
        assert_eq!(
            statuses.contains(&429),
            is_limited,
            "{setting:?}: {statuses:?}"
        );
    }
}

#[test]
fn with_rate_limits_off_no_request_is_counted_or_rejected() {
    let app = rate_limited_app_with(|config| {
        config.rate_limiting.rate_limits = Switch::Off;
        config.rate_limiting.requests_per_minute = 5;
    });
    let anna = app.employee();
    for n in 0..150 {
        let sign_up = json!({ "username": format!("p{n}"), "email": format!("p{n}@example.com"), "password": PASSWORD });
        for (line, token, body, status) in [
            ("POST /signup", None, sign_up.to_string(), 201),
            ("POST /refresh", Some("x"), String::new(), 401),
            ("GET /hello", Some(anna.token.as_str()), String::new(), 200),
            ("GET /hello", None, String::new(), 401),
        ] {
            let response = send(&app, ATTACKER_ADDRESS, line, token, &body);
            assert_eq!(response.status, status, "{n}: {line} {response:?}");
        }
        assert_eq!(
            log_in_from(&app, ATTACKER_ADDRESS, &anna.email, "a wrong one").status,
            401
        );
    }
    assert_eq!(
        log_in_from(&app, ATTACKER_ADDRESS, &anna.email, PASSWORD).status,
        200
    );
    assert_eq!(app.app.rate_limits.tracked_keys(), 0);
}

#[test]
fn a_proxy_that_is_not_trusted_is_logged_once() {
    let work_dir = WorkDir::new();
    let mut server = RunningServer::start(&mut work_dir.command(&[]));
    let mut client = server.client();
    for _ in 0..2 {
        let head = client.head("GET /healthz", "X-Forwarded-For: 203.0.113.9\r\n");
        client.write(head).unwrap();
        assert_eq!(client.read_response(false).unwrap().status, 200);
    }
    server.wait_for_line("TRUSTED_PROXIES");
    let log = server.log();
    let warnings = log.iter().filter(|line| line.contains("TRUSTED_PROXIES"));
    assert_eq!(warnings.count(), 1, "{log:?}");
}

#[test]
fn an_unapproved_account_has_the_same_rate_limit_as_an_approved_one() {
    let app = rate_limited_app_with(|config| config.rate_limiting.requests_per_minute = 5);
    let waiting = app.account("waiting", Role::Employee, false);
    let get_tasks = || send(&app, OWNER_ADDRESS, "GET /tasks", Some(&waiting.token), "").status;
    let statuses: Vec<u16> = (0..7).map(|_| get_tasks()).collect();
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429, 429]);
}

// ---- requests that fail with a 5xx ----------------------------------------------------------------

/// Makes every write to a table fail with a 500, until `repair`.
fn break_writes(app: &TestApp, table: &str) {
    let db = app.sql();
    for operation in ["INSERT", "UPDATE"] {
        db.break_writes(operation, table);
    }
}

fn repair_writes(app: &TestApp, table: &str) {
    let db = app.sql();
    for operation in ["INSERT", "UPDATE"] {
        db.repair_writes(operation, table);
    }
}

#[test]
fn a_sign_up_that_fails_with_500_does_not_count() {
    let app = rate_limited_app();
    break_writes(&app, "user");
    for n in 0..100 {
        let failed = sign_up_from(&app, ATTACKER_ADDRESS, &format!("n{n}"));
        assert_eq!(failed.status, 500, "{failed:?}");
    }
    repair_writes(&app, "user");
    let sign_up = |n| sign_up_from(&app, ATTACKER_ADDRESS, &format!("n{n}"));
    assert_eq!(count_until_another(201, sign_up), 60);
}

#[test]
fn a_sign_up_that_is_refused_while_the_database_is_locked_does_not_count() {
    let app = rate_limited_app();
    let lock = app.sql();
    lock.lock_writes();
    let sign_up = |n| sign_up_from(&app, ATTACKER_ADDRESS, &format!("n{n}"));
    let failed = match Engine::current() {
        // In one group, only the first write waits for the lock.
        Engine::Sqlite => {
            let group = app.app.store.write_group(0..100, sign_up);
            group.into_iter().map(|(response, _)| response).collect()
        }
        // As many as the limit lets run at the same time.
        Engine::Postgres => concurrently(60, sign_up),
    };
    for failed in failed {
        assert_eq!(failed.status, 503, "{failed:?}");
    }
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(count_until_another(201, sign_up), 60);
}

#[test]
fn a_sign_in_that_fails_does_not_count_for_its_account_its_address_or_its_site() {
    const SITE: &str = "2001:db8:1";
    let app = rate_limited_app();
    let anna = app.employee();
    break_writes(&app, "audit");
    let wrong = |from: &str, email: &str| log_in_from(&app, from, email, "a wrong one");
    for n in 0..300 {
        let failed = wrong(&format!("{SITE}:{n:x}::1"), "x@y.example");
        assert_eq!(failed.status, 500, "{failed:?}");
        let failed = wrong(ATTACKER_ADDRESS, &format!("{n}@y.example"));
        assert_eq!(failed.status, 500, "{failed:?}");
        assert_eq!(wrong(ATTACKER_ADDRESS, &anna.email).status, 500);
    }
    repair_writes(&app, "audit");
    let to_anna = |_| wrong(ATTACKER_ADDRESS, &anna.email);
    assert_eq!(count_until_another(401, to_anna), 10);
    // The ten count for the address too.
    let from_address = |n| wrong(ATTACKER_ADDRESS, &format!("{n}@y.example"));
    assert_eq!(count_until_another(401, from_address), 110);
    let from_site = |n| wrong(&format!("{SITE}:{n:x}::1"), "x@y.example");
    assert_eq!(count_until_another(401, from_site), 480);
}

#[test]
fn a_refresh_that_fails_does_not_count() {
    let app = rate_limited_app();
    let anna = app.employee();
    let tokens = log_in_from(&app, OWNER_ADDRESS, &anna.email, PASSWORD).json();
    let token = tokens["refresh_token"].as_str();
    let refresh = |_| send(&app, OWNER_ADDRESS, "POST /refresh", token, "");
    break_writes(&app, "session");
    for n in 0..200 {
        let failed = refresh(n);
        assert_eq!(failed.status, 500, "{failed:?}");
    }
    repair_writes(&app, "session");
    // A retry of the first exchange gets the same tokens again.
    assert_eq!(count_until_another(200, refresh), 120);
}

#[test]
fn a_request_that_fails_does_not_count_and_one_that_is_refused_does() {
    let app = rate_limited_app_with(|config| config.rate_limiting.requests_per_minute = 60);
    let admin = app.admin();
    let get = |line: &str| send(&app, OWNER_ADDRESS, line, Some(&admin.token), "");
    let rename = |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        app.sql().execute_batch(&sql).unwrap();
    };
    rename("task", "gone");
    // A PostgreSQL database whose tables are gone is being restored.
    let failed = match Engine::current() {
        Engine::Sqlite => 500,
        Engine::Postgres => 503,
    };
    for _ in 0..100 {
        assert_eq!(get("GET /tasks").status, failed);
    }
    rename("gone", "task");
    assert_eq!(count_until_another(404, |_| get("GET /tasks/999")), 60);
    assert_eq!(get("GET /tasks").status, 429);
}
