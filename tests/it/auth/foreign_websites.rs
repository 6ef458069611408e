//! A foreign website cannot use up the limits of its visitors through their browsers: the requests that it sends have
//! limits of their own.

use serde_json::json;
use task_api::config::Config;
use task_api::config::rate_limits::Switch;

use crate::support::{self, PASSWORD, TestApp, TestResponse, request_from};

const VISITOR: &str = "203.0.113.7";
const PROXY: &str = "10.0.0.1";

fn app_with(change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::with(|config| {
        config.rate_limiting.rate_limits = Switch::On;
        change(config);
    })
}

fn log_in(app: &TestApp, from: &str, headers: &[&str], email: &str) -> TestResponse {
    let body = json!({ "email": email, "password": "a wrong one" });
    app.log_in_with(from, headers, &body)
}

/// The number of guesses at an account until the response is not 401.
fn guesses(app: &TestApp, from: &str, headers: &[&str], email: &str) -> usize {
    let guess = || log_in(app, from, headers, email).status;
    (0..).take_while(|_| guess() == 401).count()
}

#[test]
fn a_foreign_website_uses_up_neither_the_account_nor_the_network_of_its_visitor() {
    let app = app_with(|_| {});
    let anna = app.employee();
    let evil = ["Host: tasks.example", "Origin: https://evil.example"];
    assert_eq!(guesses(&app, VISITOR, &evil, &anna.email), 10);
    for n in 0..200 {
        log_in(&app, VISITOR, &evil, &format!("x{n}@y.example"));
    }
    let right = json!({ "email": anna.email, "password": PASSWORD });
    let foreign = app.log_in_with(VISITOR, &evil, &right);
    assert_eq!(foreign.status, 429);
    for own in [
        &["Host: tasks.example"][..],
        &["Host: tasks.example", "Origin: https://tasks.example"],
    ] {
        assert_eq!(app.log_in_with(VISITOR, own, &right).status, 200);
    }
    // Another foreign website shares the limits of the first: an attacker gains a factor of two, no more.
    let other = ["Host: tasks.example", "Origin: https://other.example"];
    assert_eq!(log_in(&app, VISITOR, &other, "z@y.example").status, 429);
}

#[test]
fn which_website_is_foreign() {
    for (origins, peer, headers, is_foreign) in [
        // The server's own name, also with a port and in another case.
        (
            "*",
            VISITOR,
            &["Host: a.example", "Origin: https://a.example"][..],
            false,
        ),
        (
            "*",
            VISITOR,
            &["Host: a.example", "Origin: http://a.example"],
            false,
        ),
        (
            "*",
            VISITOR,
            &["Host: A.example:8000", "Origin: http://a.example:8000"],
            false,
        ),
        ("*", VISITOR, &["Host: a.example"], false),
        // Other names, look-alikes, and origins that are none.
        (
            "*",
            VISITOR,
            &["Host: a.example", "Origin: https://b.example"],
            true,
        ),
        (
            "*",
            VISITOR,
            &["Host: a.example", "Origin: https://a.example:8000"],
            true,
        ),
        (
            "*",
            VISITOR,
            &["Host: a.example", "Origin: https://a.example.evil"],
            true,
        ),
        (
            "*",
            VISITOR,
            &["Host: a.example", "Origin: https://www.a.example"],
            true,
        ),
        ("*", VISITOR, &["Host: a.example", "Origin: null"], true),
        (
            "*",
            VISITOR,
            &["Host: a.example", "Origin: a.example"],
            true,
        ),
        ("*", VISITOR, &["Host: a.example", "Origin: "], true),
        (
            "*",
            VISITOR,
            &[
                "Host: a.example",
                "Origin: https://a.example",
                "Origin: https://b.example",
            ],
            true,
        ),
        // Listed origins.
        (
            "https://b.example",
            VISITOR,
            &["Host: a.example", "Origin: https://b.example"],
            false,
        ),
        (
            "https://b.example",
            VISITOR,
            &["Host: a.example", "Origin: http://b.example"],
            true,
        ),
        (
            "https://b.example",
            VISITOR,
            &["Host: a.example", "Origin: https://a.example"],
            false,
        ),
        // The name that a trusted proxy reports, and that of another client.
        (
            "*",
            PROXY,
            &[
                "Host: 127.0.0.1:8000",
                "X-Forwarded-Host: a.example",
                "Origin: https://a.example",
            ],
            false,
        ),
        (
            "*",
            VISITOR,
            &[
                "Host: 127.0.0.1:8000",
                "X-Forwarded-Host: a.example",
                "Origin: https://a.example",
            ],
            true,
        ),
    ] {
        let app = app_with(|config| {
            config.cors.cors_origins = origins.parse().unwrap();
            config.trusted_proxies = PROXY.parse().unwrap();
        });
        let host: Vec<&str> = headers
            .iter()
            .copied()
            .filter(|h| !h.starts_with("Origin"))
            .collect();
        assert_eq!(
            guesses(&app, peer, headers, "x@y.example"),
            10,
            "{headers:?}"
        );
        let without_origin = log_in(&app, peer, &host, "x@y.example").status;
        assert_eq!(
            without_origin,
            if is_foreign { 401 } else { 429 },
            "{origins} {headers:?}"
        );
    }
}

#[test]
fn a_foreign_website_does_not_use_up_the_sign_ups_of_its_visitor() {
    let app = app_with(|_| {});
    let sign_up = |n: usize, more: &[&str]| {
        let body = json!({ "username": format!("p{n}"), "email": format!("p{n}@y.example"), "password": PASSWORD });
        let headers = [&["Content-Type: application/json", "Host: a.example"], more].concat();
        let request = request_from(VISITOR, "POST /signup", &headers, &body.to_string());
        support::respond(&app.app, &request).status
    };
    let evil = ["Origin: https://evil.example"];
    assert_eq!((0..70).filter(|n| sign_up(*n, &evil) == 201).count(), 60);
    assert_eq!(sign_up(100, &[]), 201);
    // A form can be sent without a preflight request, but not as JSON.
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ] {
        let content_type = format!("Content-Type: {content_type}");
        let request = request_from("192.0.2.1", "POST /signup", &[&content_type, evil[0]], "{}");
        assert_eq!(support::respond(&app.app, &request).status, 415);
    }
}
