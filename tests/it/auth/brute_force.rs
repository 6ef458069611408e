//! Guessing is slowed and its victim is not locked out: the limits on sign-ins, sign-ups, refreshes and
//! requests at large.

use serde_json::json;
use task_api::config::Config;
use task_api::config::limits::Switch;
use task_api::model::Role;

use crate::support::program::{Place, Running};
use crate::support::{self, Answer, PASSWORD, TestApp, concurrently, request_from};

fn app() -> TestApp {
    with(|_| {})
}

fn with(change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::with(|config| {
        config.rate_limiting.rate_limits = Switch::On;
        change(config);
    })
}

/// Sends a request from this address, with a token or none.
fn send(app: &TestApp, from: &str, line: &str, token: Option<&str>, body: &str) -> Answer {
    send_with(app, from, line, token, body, &[])
}

fn send_with(
    app: &TestApp,
    from: &str,
    line: &str,
    token: Option<&str>,
    body: &str,
    more: &[&str],
) -> Answer {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}"));
    let mut headers = vec!["Content-Type: application/json"];
    headers.extend(authorization.as_deref());
    headers.extend(more);
    support::respond(&app.app, &request_from(from, line, &headers, body))
}

fn try_password(app: &TestApp, from: &str, email: &str, password: &str) -> Answer {
    let body = json!({ "email": email, "password": password });
    send(app, from, "POST /login", None, &body.to_string())
}

/// Tries wrong passwords until it is too many, and says how many it were.
fn guesses(app: &TestApp, from: &str, email: &str) -> usize {
    (0..)
        .take_while(|_| try_password(app, from, email, "a wrong one").status == 401)
        .count()
}

fn seconds(answer: &Answer) -> i64 {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (429, "too_many_requests")
    );
    let seconds = answer.header("Retry-After").unwrap().parse().unwrap();
    assert_eq!(
        answer.msg(),
        format!("Too many requests, try again in {seconds} s")
    );
    seconds
}

const HOME: &str = "203.0.113.7";
const THIEF: &str = "198.51.100.9";

#[test]
fn a_hundred_bad_tries_are_refused_and_the_owner_gets_in_elsewhere() {
    let app = app();
    let anna = app.employee();
    let statuses: Vec<u16> = (0..100)
        .map(|_| try_password(&app, THIEF, &anna.email, "a wrong one").status)
        .collect();
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[10..], [429; 90]);
    let metrics = send(&app, "127.0.0.1", "GET /metrics", None, "");
    let counted = r#"rate_limit_refusals_total{limit="login to an account"} 90"#;
    assert!(metrics.text().contains(counted), "{}", metrics.text());
    // Not even the right one, there.
    let refused = try_password(&app, THIEF, &anna.email, PASSWORD);
    assert_eq!(seconds(&refused), 30);
    assert_eq!(try_password(&app, HOME, &anna.email, PASSWORD).status, 200);
}

#[test]
fn who_waits_as_long_as_told_gets_one_more_try() {
    let app = app();
    let anna = app.employee();
    guesses(&app, THIEF, &anna.email);
    for _ in 0..3 {
        let wait = seconds(&try_password(&app, THIEF, &anna.email, "a wrong one"));
        app.advance(wait - 2);
        seconds(&try_password(&app, THIEF, &anna.email, "a wrong one"));
        app.advance(2);
        assert_eq!(guesses(&app, THIEF, &anna.email), 1);
    }
    app.advance(3600);
    assert_eq!(guesses(&app, THIEF, &anna.email), 10);
}

#[test]
fn a_refusal_can_be_read_across_origins() {
    let app = app();
    let anna = app.employee();
    guesses(&app, THIEF, &anna.email);
    let body = json!({ "email": anna.email, "password": "a wrong one" }).to_string();
    let origin = ["Origin: https://app.example"];
    let refused = send_with(&app, THIEF, "POST /login", None, &body, &origin);
    seconds(&refused);
    assert_eq!(refused.header("Access-Control-Allow-Origin"), Some("*"));
    let exposed = refused.header("Access-Control-Expose-Headers").unwrap();
    assert!(exposed.contains("Retry-After"), "{exposed}");
}

#[test]
fn the_spelling_of_an_e_mail_gives_no_more_tries_and_an_unknown_one_as_many() {
    let app = app();
    let anna = app.employee();
    for n in 0..10 {
        let email = match n % 2 {
            0 => anna.email.to_uppercase(),
            _ => format!("  {}\t", anna.email),
        };
        assert_eq!(try_password(&app, THIEF, &email, "a wrong one").status, 401);
    }
    seconds(&try_password(&app, THIEF, &anna.email, "a wrong one"));
    assert_eq!(guesses(&app, THIEF, "nobody@example.com"), 10);
}

#[test]
fn one_address_cannot_go_through_many_accounts() {
    let app = app();
    let tries = (0..100).map(|n| {
        let email = format!("person-{n}@example.com");
        try_password(&app, THIEF, &email, "a wrong one").status
    });
    assert_eq!(tries.filter(|status| *status == 401).count(), 60);
    let one_more = || try_password(&app, THIEF, "one-more@example.com", "a wrong one");
    assert_eq!(seconds(&one_more()), 5);
    app.advance(5);
    assert_eq!((one_more().status, seconds(&one_more())), (401, 5));
    // Whoever has signed in from there before is not kept out by the others behind the address.
    let anna = app.employee();
    app.advance(3600);
    assert_eq!(try_password(&app, THIEF, &anna.email, PASSWORD).status, 200);
    let ben = app.manager();
    for n in 0..100 {
        try_password(
            &app,
            THIEF,
            &format!("person-{n}@example.com"),
            "a wrong one",
        );
    }
    assert_eq!(try_password(&app, THIEF, &ben.email, PASSWORD).status, 429);
    assert_eq!(try_password(&app, THIEF, &anna.email, PASSWORD).status, 200);
}

#[test]
fn a_success_forgets_the_failures_in_front_of_it() {
    let app = app();
    let anna = app.employee();
    for _ in 0..5 {
        for _ in 0..9 {
            assert_eq!(
                try_password(&app, HOME, &anna.email, "a wrong one").status,
                401
            );
        }
        assert_eq!(try_password(&app, HOME, &anna.email, PASSWORD).status, 200);
    }
}

#[test]
fn a_home_of_ipv6_is_one_address_and_two_homes_are_two() {
    let app = app();
    let anna = app.employee();
    let tries = (0..20).map(|n| {
        let from = format!("2001:db8:1:2:{n:x}::{n:x}");
        try_password(&app, &from, &anna.email, "a wrong one").status
    });
    assert_eq!(tries.filter(|status| *status == 401).count(), 10);
    assert_eq!(
        try_password(&app, "2001:db8:1:3::1", &anna.email, PASSWORD).status,
        200
    );
    // IPv4 in the clothes of IPv6 is no home of its own.
    guesses(&app, HOME, &anna.email);
    let mapped = format!("::ffff:{HOME}");
    assert_eq!(
        try_password(&app, &mapped, &anna.email, PASSWORD).status,
        429
    );
}

#[test]
fn a_forged_address_gives_no_more_tries_and_a_trusted_proxys_clients_are_told_apart() {
    for (trusted, passed) in [("", 10), (THIEF, 100)] {
        let app = with(|config| config.trusted_proxies = trusted.parse().unwrap());
        let anna = app.employee();
        let body = json!({ "email": anna.email, "password": "a wrong one" }).to_string();
        let tries = (0..100).map(|n| {
            let forged = format!("X-Forwarded-For: 192.0.2.{n}");
            send_with(&app, THIEF, "POST /login", None, &body, &[&forged]).status
        });
        assert_eq!(
            tries.filter(|status| *status == 401).count(),
            passed,
            "{trusted}"
        );
    }
}

#[test]
fn sign_ups_are_limited_by_address() {
    let app = app();
    let sign_up = |from: &str, n: usize| {
        let body = json!({ "username": format!("{from}-{n}"), "email": format!("p{n}@{from}.example"), "password": PASSWORD });
        send(&app, from, "POST /signup", None, &body.to_string())
    };
    assert_eq!(
        (0..70).filter(|n| sign_up(THIEF, *n).status == 201).count(),
        60
    );
    assert_eq!(seconds(&sign_up(THIEF, 100)), 10);
    assert_eq!(sign_up(HOME, 1).status, 201);
    app.advance(10);
    assert_eq!(sign_up(THIEF, 101).status, 201);
    assert_eq!(seconds(&sign_up(THIEF, 102)), 10);
}

#[test]
fn refreshes_are_limited_by_session_and_what_is_no_token_by_address() {
    let app = app();
    let anna = app.employee();
    let refresh = |from: &str, token: &str| send(&app, from, "POST /refresh", Some(token), "");
    assert_eq!(
        (0..200)
            .filter(|_| refresh(THIEF, "x").status == 401)
            .count(),
        120
    );
    assert_eq!(seconds(&refresh(THIEF, "x")), 1);
    assert_eq!(refresh(HOME, "x").status, 401);
    app.advance(2);
    assert_eq!(
        (0..9).filter(|_| refresh(THIEF, "x").status == 401).count(),
        2
    );
    // Who has a token does not wait for others behind the same address.
    let mut token =
        try_password(&app, THIEF, &anna.email, PASSWORD).json()["refresh_token"].clone();
    let passed = (0..200)
        .take_while(|_| {
            let answer = refresh(THIEF, token.as_str().unwrap());
            let passed = answer.status == 200;
            if passed {
                token = answer.json()["refresh_token"].clone();
            }
            passed
        })
        .count();
    assert_eq!(passed, 120);
}

#[test]
fn requests_are_counted_for_a_session_or_an_address() {
    let app = with(|config| config.rate_limiting.requests_per_minute = 30);
    let (anna, ben) = (app.employee(), app.manager());
    let hello = |from: &str, token: &str| send(&app, from, "GET /hello", Some(token), "");
    let count = |from: &str, token: &str, status: u16| {
        (0..50)
            .filter(|_| hello(from, token).status == status)
            .count()
    };
    // Wherever it calls from.
    assert_eq!(count(HOME, &anna.token, 200), 30);
    assert!(seconds(&hello(THIEF, &anna.token)) <= 2);
    assert_eq!(count(HOME, &ben.token, 200), 30);
    // A thief who has spent one session's does not keep the owner from ending it from another.
    let owner = app.sign_in_again(&anna);
    let ended = send(&app, HOME, "POST /me/sessions/revoke-all", Some(&owner), "");
    assert_eq!(ended.status, 204);
    // Whoever is nobody is counted by address.
    assert_eq!(count(THIEF, "x", 401), 30);
    assert_eq!(send(&app, THIEF, "GET /tasks", None, "").status, 429);
    assert_eq!(send(&app, HOME, "GET /tasks", None, "").status, 401);
    // Whoever watches over the program is not to take it for dead.
    assert_eq!(send(&app, THIEF, "GET /healthz", None, "").status, 200);
    app.advance(60);
    assert_eq!(count(HOME, &ben.token, 200), 30);
}

#[test]
fn a_site_of_ipv6_is_limited_as_well_as_its_homes() {
    let app = app();
    let anna = app.employee();
    let tries = (0..300).map(|n| {
        let from = format!("2001:db8:1:{n:x}::1");
        try_password(&app, &from, &anna.email, "a wrong one").status
    });
    assert_eq!(tries.filter(|status| *status == 401).count(), 240);
    let other_site = "2001:db8:2::1";
    assert_eq!(
        try_password(&app, other_site, &anna.email, PASSWORD).status,
        200
    );
}

#[test]
fn the_current_password_is_not_guessed_faster_than_at_a_sign_in() {
    let app = app();
    let anna = app.employee();
    let guess = |password: &str| {
        let body = json!({ "current_password": password, "email": anna.email });
        let token = Some(anna.token.as_str());
        send(&app, THIEF, "PATCH /me", token, &body.to_string())
    };
    for _ in 0..3 {
        assert_eq!(guess("a wrong one").status, 403);
    }
    assert_eq!(guess(PASSWORD).status, 200);
    let statuses: Vec<u16> = (0..12).map(|_| guess("a wrong one").status).collect();
    assert_eq!(statuses, [[403; 10].as_slice(), &[429; 2]].concat());
    seconds(&guess(PASSWORD));
}

#[test]
fn fifty_guesses_at_once_are_ten() {
    let app = app();
    let anna = app.employee();
    let statuses = concurrently(50, |_| {
        try_password(&app, THIEF, &anna.email, "a wrong one").status
    });
    // Some may have met a full queue of hashes.
    let passed = statuses.iter().filter(|status| **status != 429).count();
    assert_eq!(passed, 10);
}

#[test]
fn a_clock_that_is_put_back_locks_nobody_out() {
    let app = app();
    let anna = app.employee();
    guesses(&app, HOME, &anna.email);
    app.advance(-86_400);
    // The token is from the future now, the password is not.
    assert_eq!(guesses(&app, HOME, &anna.email), 10);
}

#[test]
fn a_crowd_of_addresses_takes_no_more_memory_and_the_limits_still_hold() {
    let app = with(|config| config.rate_limiting.requests_per_minute = 30);
    let anna = app.employee();
    let ask = |from: &str| send(&app, from, "GET /hello", None, "").status;
    guesses(&app, THIEF, &anna.email);
    assert_eq!((0..40).filter(|_| ask(THIEF) == 401).count(), 30);
    for n in 0..120_000_u32 {
        ask(&format!("2001:db8:{:x}:{:x}::1", n >> 16, n & 0xffff));
        // Who goes on asking is not forgotten.
        if n % 10_000 == 0 {
            assert_eq!(ask(THIEF), 429, "{n}");
        }
    }
    assert_eq!(app.app.rate_limits.tracked_keys(), 50_000 + 2);
    // And whoever comes last is counted like the first.
    assert_eq!((0..40).filter(|_| ask(HOME) == 401).count(), 30);
    assert_eq!(try_password(&app, THIEF, &anna.email, PASSWORD).status, 429);
}

#[test]
fn the_limits_are_on_by_default_and_can_be_turned_off() {
    for (setting, refused) in [(None, true), (Some("on"), true), (Some("off"), false)] {
        let place = Place::new();
        place.create("anna", &[]);
        let mut command = place.command(&[]);
        command.env_remove("RATE_LIMITS");
        if let Some(setting) = setting {
            command.env("RATE_LIMITS", setting);
        }
        let server = Running::start(&mut command);
        let mut client = server.client();
        let body = json!({ "email": "anna@example.com", "password": "a wrong one" });
        let statuses: Vec<u16> = (0..15)
            .map(|_| client.send("POST /login", None, Some(&body)).status)
            .collect();
        assert_eq!(
            statuses.contains(&429),
            refused,
            "{setting:?}: {statuses:?}"
        );
    }
}

#[test]
fn nothing_is_counted_where_the_limits_are_off() {
    let app = with(|config| {
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
            let answer = send(&app, THIEF, line, token, &body);
            assert_eq!(answer.status, status, "{n}: {line} {answer:?}");
        }
        assert_eq!(
            try_password(&app, THIEF, &anna.email, "a wrong one").status,
            401
        );
    }
    assert_eq!(try_password(&app, THIEF, &anna.email, PASSWORD).status, 200);
    assert_eq!(app.app.rate_limits.tracked_keys(), 0);
}

#[test]
fn a_proxy_that_is_not_trusted_is_told_of_in_the_log_once() {
    let place = Place::new();
    let mut server = Running::start(&mut place.command(&[]));
    let mut client = server.client();
    for _ in 0..2 {
        let head = client.head("GET /healthz", "X-Forwarded-For: 203.0.113.9\r\n");
        client.write(head).unwrap();
        assert_eq!(client.answer(false).unwrap().status, 200);
    }
    server.wait_for_line("TRUSTED_PROXIES");
    let log = server.log();
    let told = log.iter().filter(|line| line.contains("TRUSTED_PROXIES"));
    assert_eq!(told.count(), 1, "{log:?}");
}

#[test]
fn an_unapproved_account_is_limited_like_any_other() {
    let app = with(|config| config.rate_limiting.requests_per_minute = 5);
    let waiting = app.person("waiting", Role::Employee, false);
    let ask = || send(&app, HOME, "GET /tasks", Some(&waiting.token), "").status;
    let statuses: Vec<u16> = (0..7).map(|_| ask()).collect();
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429, 429]);
}
