//! The refresh cookie: a page of this server stays signed in when it is reloaded, and no other page can use its cookie.

use std::collections::VecDeque;

use serde_json::{Value, json};
use task_api::config::Config;
use task_api::config::rate_limits::Switch;

use crate::support::{
    self, Account, PASSWORD, SIGNING_KEY, TestApp, TestResponse, concurrently, jwt, request_from,
    respond,
};

/// How long a page keeps its cookie, in seconds.
const MIN_AGE: i64 = 120;
const VISITOR: &str = "203.0.113.7";
const PROXY: &str = "10.0.0.1";
/// The headers of a page of this server.
const PAGE: [&str; 4] = [
    "Host: tasks.example",
    "Origin: https://tasks.example",
    "Sec-Fetch-Site: same-origin",
    "Refresh-Cookie: true",
];
/// The same page without TLS, where browsers send no `Sec-Fetch-Site`.
const PAGE_WITHOUT_TLS: [&str; 3] = [
    "Host: tasks.example",
    "Origin: http://tasks.example",
    "Refresh-Cookie: true",
];

fn send(app: &TestApp, line: &str, headers: &[&str], body: &str) -> TestResponse {
    respond(&app.app, &request_from(VISITOR, line, headers, body))
}

fn log_in(app: &TestApp, account: &Account, headers: &[&str]) -> TestResponse {
    let body = json!({ "email": account.email, "password": PASSWORD });
    app.log_in_with(VISITOR, headers, &body)
}

/// The name and the value of the cookie that the response sets, and its attributes.
#[track_caller]
fn set_cookie(response: &TestResponse) -> (String, Vec<String>) {
    let header = response.header("Set-Cookie");
    let header = header.unwrap_or_else(|| panic!("no cookie: {response:?}"));
    let mut parts = header.split("; ").map(str::to_owned);
    (parts.next().unwrap(), parts.collect())
}

/// The cookie of a page that signs in.
#[track_caller]
fn cookie_of(response: &TestResponse) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    set_cookie(response).0
}

fn sign_in(app: &TestApp, account: &Account) -> String {
    cookie_of(&log_in(app, account, &PAGE))
}

/// The claim `jti` of the refresh token in a cookie.
fn token_id(cookie: &str) -> Value {
    jwt::payload(cookie.split_once('=').unwrap().1)["jti"].clone()
}

/// What a page of this server sends with this value of `Cookie`.
fn from_page(app: &TestApp, line: &str, cookie: &str) -> TestResponse {
    let cookie = format!("Cookie: {cookie}");
    send(app, line, &[&PAGE[..], &[&cookie]].concat(), "")
}

fn reload(app: &TestApp, cookie: &str) -> TestResponse {
    from_page(app, "POST /refresh", cookie)
}

/// Whether the response deletes this cookie.
fn deletes(response: &TestResponse, cookie: &str) -> bool {
    let name = cookie.split_once('=').unwrap().0;
    let deleted = format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure");
    response.header("Set-Cookie") == Some(&deleted)
}

fn sessions(app: &TestApp) -> i64 {
    app.count("session")
}

// ---- the cookie ---------------------------------------------------------------------------------

#[test]
fn a_page_gets_its_refresh_token_in_a_cookie_that_no_script_can_read() {
    let app = TestApp::new();
    let anna = app.employee();
    let in_body = log_in(&app, &anna, &["Host: tasks.example"]).json();
    for (page, prefix, secure) in [
        (&PAGE[..], "__Host-", Some("Secure")),
        (&PAGE_WITHOUT_TLS, "", None),
    ] {
        let signed_in = log_in(&app, &anna, page);
        let (first, _) = set_cookie(&signed_in);
        let cookie = format!("Cookie: other=1; {first}");
        let reloaded = send(&app, "POST /refresh", &[page, &[&cookie]].concat(), "");
        for response in [&signed_in, &reloaded] {
            assert_eq!(response.status, 200, "{response:?}");
            let (pair, attributes) = set_cookie(response);
            let (name, token) = pair.split_once('=').unwrap();
            let digits = name.strip_prefix(&format!("{prefix}task-api-")).unwrap();
            assert!(digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert_eq!(support::jwt::payload(token)["type"], "refresh");
            let fixed = ["Path=/", "Max-Age=2592000", "HttpOnly", "SameSite=Strict"];
            let expected: Vec<_> = fixed.into_iter().chain(secure).collect();
            assert_eq!(attributes, expected);
            assert!(!response.text().contains(token));
        }
        // Every other field of the body stays.
        let names = |body: &Value| {
            body.as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        let mut expected = names(&in_body);
        expected.retain(|name| name != "refresh_token");
        assert_eq!(names(&signed_in.json()), expected);
        expected.retain(|name| name != "device_token");
        assert_eq!(names(&reloaded.json()), expected);
        let access = reloaded.json()["token"].as_str().unwrap().to_owned();
        assert_eq!(app.send_token("GET /hello", &access).status, 200);
    }
}

#[test]
fn the_cookie_lasts_until_the_end_of_the_session() {
    let app = TestApp::with(|config| config.accounts.session_max_age = "31d".parse().unwrap());
    let mut cookie = sign_in(&app, &app.employee());
    app.advance(20 * 86_400);
    let (pair, attributes) = set_cookie(&reload(&app, &cookie));
    assert!(
        attributes.contains(&"Max-Age=950400".to_owned()),
        "{attributes:?}"
    );
    cookie = pair;
    app.advance(11 * 86_400);
    let ended = reload(&app, &cookie);
    ended.assert_token_refused("Token has expired", "");
    assert!(deletes(&ended, &cookie));
}

#[test]
fn each_reload_prolongs_the_session_also_while_the_token_is_kept() {
    let app = TestApp::with(|config| {
        config.jwt_access_token_expires = "50s".parse().unwrap();
        config.jwt_refresh_token_expires = "1m".parse().unwrap();
    });
    let mut cookie = sign_in(&app, &app.employee());
    for _ in 0..5 {
        app.advance(50);
        let response = reload(&app, &cookie);
        let (pair, attributes) = set_cookie(&response);
        assert!(attributes.contains(&"Max-Age=60".to_owned()));
        cookie = pair;
    }
    app.advance(61);
    assert_eq!(reload(&app, &cookie).status, 401);
}

#[test]
fn servers_with_different_keys_on_one_host_do_not_overwrite_each_others_cookies() {
    let (one, other) = (TestApp::new(), {
        let keys = support::keys(b"another key for tests, of thirty-two bytes and more", &[]);
        TestApp::with_keys(support::data_dir::DataDir::new(), &keys, |_| {})
    });
    let (first, second) = (
        sign_in(&one, &one.employee()),
        sign_in(&other, &other.employee()),
    );
    let both = format!("{first}; {second}");
    assert_eq!(reload(&one, &both).status, 200);
    assert_eq!(reload(&other, &both).status, 200);
    assert_eq!(reload(&other, &first).status, 204);
}

#[test]
fn a_new_signing_key_signs_no_page_out() {
    let app = TestApp::new();
    let cookie = sign_in(&app, &app.employee());
    let new = support::keys(
        b"a new key for tests, of thirty-two bytes and more",
        &[SIGNING_KEY],
    );
    let app = TestApp::with_keys(app.close(), &new, |_| {});
    let next = cookie_of(&reload(&app, &cookie));
    assert_ne!(
        next.split_once('=').unwrap().0,
        cookie.split_once('=').unwrap().0
    );
    // The browser has both cookies now.
    let both = format!("{cookie}; {next}");
    cookie_of(&reload(&app, &both));
    let signed_out = from_page(&app, "POST /logout", &both);
    assert_eq!(signed_out.status, 204);
    let deleted = signed_out
        .headers
        .iter()
        .filter(|(name, value)| name == "Set-Cookie" && value.contains("=; Path=/; Max-Age=0;"));
    assert_eq!(deleted.count(), 2, "{signed_out:?}");
}

// ---- who may use it -----------------------------------------------------------------------------

/// Settings that permit other origins as much as possible.
fn generous(config: &mut Config) {
    config.cors.cors_origins = "https://app.tasks.example,https://listed.example"
        .parse()
        .unwrap();
    config.cors.cors_supports_credentials = true;
    config.trusted_proxies = "10.0.0.0/8".parse().unwrap();
    config.links.address.public_url = Some("https://public.example/tasks/".parse().unwrap());
}

#[test]
fn only_pages_of_this_server_may_use_the_cookie() {
    let app = TestApp::with(generous);
    let anna = app.employee();
    let own = "Host: tasks.example";
    for (peer, headers, is_own) in [
        (VISITOR, &[own, "Origin: https://tasks.example"][..], true),
        (VISITOR, &[own, "Origin: http://tasks.example"], true),
        (
            VISITOR,
            &["Host: Tasks.example:81", "Origin: http://tasks.example:81"],
            true,
        ),
        (
            VISITOR,
            &["Host: [::1]:5000", "Origin: http://[::1]:5000"],
            true,
        ),
        (
            VISITOR,
            &[
                own,
                "Origin: https://tasks.example",
                "Sec-Fetch-Site: same-origin",
            ],
            true,
        ),
        // A browser says that the page is another one.
        (
            VISITOR,
            &[
                own,
                "Origin: https://tasks.example",
                "Sec-Fetch-Site: same-site",
            ],
            false,
        ),
        (
            VISITOR,
            &[
                own,
                "Origin: https://tasks.example",
                "Sec-Fetch-Site: cross-site",
            ],
            false,
        ),
        (
            VISITOR,
            &[own, "Origin: https://tasks.example", "Sec-Fetch-Site: none"],
            false,
        ),
        (
            VISITOR,
            &[own, "Origin: https://tasks.example", "Sec-Fetch-Site: "],
            false,
        ),
        (
            VISITOR,
            &[
                own,
                "Origin: https://tasks.example",
                "Sec-Fetch-Site: Same-Origin",
            ],
            false,
        ),
        (
            VISITOR,
            &[
                own,
                "Origin: https://tasks.example",
                "Sec-Fetch-Site: same-origin",
                "Sec-Fetch-Site: cross-site",
            ],
            false,
        ),
        // No browser.
        (VISITOR, &[own], false),
        (VISITOR, &[], false),
        (VISITOR, &[own, "Sec-Fetch-Site: same-origin"], false),
        (VISITOR, &["Origin: https://tasks.example"], false),
        // Another origin: a sibling or a parent, another port, a list with both, none.
        (VISITOR, &[own, "Origin: https://www.tasks.example"], false),
        (VISITOR, &[own, "Origin: https://example"], false),
        (VISITOR, &[own, "Origin: https://tasks.example:8443"], false),
        (
            VISITOR,
            &["Host: tasks.example:81", "Origin: http://tasks.example"],
            false,
        ),
        (
            VISITOR,
            &[own, "Origin: https://tasks.example.evil.example"],
            false,
        ),
        (
            VISITOR,
            &[own, "Origin: https://evil.example/://tasks.example"],
            false,
        ),
        (VISITOR, &[own, "Origin: app://tasks.example"], false),
        (VISITOR, &[own, "Origin: tasks.example"], false),
        (VISITOR, &[own, "Origin: null"], false),
        (VISITOR, &[own, "Origin: "], false),
        (
            VISITOR,
            &[
                own,
                "Origin: https://tasks.example",
                "Origin: https://evil.example",
            ],
            false,
        ),
        (
            VISITOR,
            &[
                own,
                "Origin: https://evil.example",
                "Origin: https://tasks.example",
            ],
            false,
        ),
        // `CORS_ORIGINS` lists a sibling and another website.
        (VISITOR, &[own, "Origin: https://app.tasks.example"], false),
        (VISITOR, &[own, "Origin: https://listed.example"], false),
        (
            VISITOR,
            &[
                own,
                "Origin: https://app.tasks.example",
                "Sec-Fetch-Site: same-origin",
            ],
            false,
        ),
        // A proxy that replaces the name, and a client that claims to be one.
        (
            PROXY,
            &[
                "Host: backend:5000",
                "X-Forwarded-Host: tasks.example",
                "Origin: https://tasks.example",
            ],
            true,
        ),
        (
            VISITOR,
            &[
                "Host: backend:5000",
                "X-Forwarded-Host: tasks.example",
                "Origin: https://tasks.example",
            ],
            false,
        ),
        // `PUBLIC_URL`, whatever the proxy sends.
        (
            VISITOR,
            &["Host: backend:5000", "Origin: https://public.example"],
            true,
        ),
        (
            VISITOR,
            &["Host: backend:5000", "Origin: http://public.example"],
            false,
        ),
        (
            VISITOR,
            &["Host: backend:5000", "Origin: https://www.public.example"],
            false,
        ),
        (
            VISITOR,
            &[
                "Host: backend:5000",
                "Origin: https://public.example",
                "Sec-Fetch-Site: cross-site",
            ],
            false,
        ),
    ] {
        let is_tls = headers
            .iter()
            .any(|header| header.starts_with("Origin: https"));
        let signed_in = log_in(
            &app,
            &anna,
            match is_tls {
                true => &PAGE,
                false => &PAGE_WITHOUT_TLS,
            },
        );
        let cookie = format!("Cookie: {}", cookie_of(&signed_in));
        let headers = [headers, &["Refresh-Cookie: true", &cookie]].concat();
        let before = sessions(&app);
        let credentials = json!({ "email": anna.email, "password": PASSWORD }).to_string();
        let as_json = [&headers[..], &["Content-Type: application/json"]].concat();
        for (line, headers, body) in [
            ("POST /login", &as_json, &credentials[..]),
            ("POST /refresh", &headers, ""),
            ("POST /logout", &headers, ""),
        ] {
            let response = respond(&app.app, &request_from(peer, line, headers, body));
            if is_own {
                assert!(response.status < 300, "{headers:?}: {response:?}");
                assert!(response.header("Set-Cookie").is_some(), "{headers:?}");
            } else {
                assert_eq!(response.status, 403, "{line} {headers:?}");
                assert_eq!(response.code(), "not_own_page");
                assert_eq!(response.header("Set-Cookie"), None, "{line} {headers:?}");
                assert_eq!(sessions(&app), before, "{line} {headers:?}");
            }
        }
        // One has begun, and the page's own has ended.
        assert_eq!(sessions(&app), before, "{headers:?}");
        let own = [&PAGE[..], &[&cookie]].concat();
        let is_over = send(&app, "POST /refresh", &own, "").status != 200;
        assert!(!is_tls || is_over == is_own, "{headers:?}");
    }
}

#[test]
fn a_header_with_another_value_is_400() {
    let app = TestApp::new();
    let cookie = format!("Cookie: {}", sign_in(&app, &app.employee()));
    for values in [
        &["Refresh-Cookie: 1"][..],
        &["Refresh-Cookie: "],
        &["Refresh-Cookie: true"; 2],
    ] {
        let headers = [&PAGE[..3], values, &[&cookie]].concat();
        for line in ["POST /refresh", "POST /logout"] {
            let response = send(&app, line, &headers, "");
            assert_eq!(
                (response.status, response.header("Set-Cookie")),
                (400, None)
            );
        }
    }
    assert_eq!(sessions(&app), 2);
}

#[test]
fn a_client_that_does_not_ask_for_a_cookie_gets_none_and_its_cookies_are_ignored() {
    let app = TestApp::new();
    let anna = app.employee();
    let cookie = format!("Cookie: {}", sign_in(&app, &anna));
    let headers = [&PAGE[..3], &[&cookie]].concat();
    let signed_in = log_in(&app, &anna, &headers);
    assert_eq!(signed_in.header("Set-Cookie"), None);
    let names: Vec<_> = signed_in
        .json()
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let expected = "msg token token_type expires_in refresh_token user device_token";
    assert_eq!(names.join(" "), expected);
    for line in ["POST /refresh", "POST /logout"] {
        let response = send(&app, line, &headers, "");
        assert_eq!(
            (response.status, response.header("Set-Cookie")),
            (401, None)
        );
        assert_eq!(response.msg(), "Missing Authorization Header");
    }
    let token = signed_in.json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let bearer = format!("Authorization: Bearer {token}");
    let refreshed = send(
        &app,
        "POST /refresh",
        &[&headers[..], &[&bearer]].concat(),
        "",
    );
    assert_eq!(
        (refreshed.status, refreshed.header("Set-Cookie")),
        (200, None)
    );
    let next = &refreshed.json()["refresh_token"];
    let session = &support::jwt::payload(&token)["sid"];
    assert_eq!(
        &support::jwt::payload(next.as_str().unwrap())["sid"],
        session
    );
    assert_eq!(sessions(&app), 3);
}

#[test]
fn no_preflight_permits_the_header() {
    for (origins, credentials, headers) in
        [("*", false, "*"), ("https://listed.example", true, "X-A")]
    {
        let app = TestApp::with(|config| {
            config.cors.cors_origins = origins.parse().unwrap();
            config.cors.cors_supports_credentials = credentials;
            config.cors.cors_allow_headers = headers.parse().unwrap();
        });
        let preflight = [
            "Host: tasks.example",
            "Origin: https://listed.example",
            "Access-Control-Request-Method: POST",
            "Access-Control-Request-Headers: refresh-cookie",
        ];
        let response = send(&app, "OPTIONS /refresh", &preflight, "");
        let listed = response.header("Access-Control-Allow-Headers").unwrap();
        assert!(
            !listed.to_lowercase().contains("refresh-cookie"),
            "{listed}"
        );
    }
    for text in ["Refresh-Cookie", "X-A, refresh-cookie"] {
        let refused = text.parse::<task_api::config::cors::AllowedHeaders>();
        assert!(refused.unwrap_err().contains("refresh cookie"), "{text}");
    }
}

// ---- refreshing ---------------------------------------------------------------------------------

#[test]
fn a_page_without_a_cookie_is_told_so_without_an_error() {
    let app = TestApp::new();
    for cookies in [
        &[][..],
        &["Cookie: "],
        &["Cookie: ;;; = ;=;a;task-api"],
        &["Cookie: other=1; another=\"a;b\""],
        // The name of a page without TLS.
        &["Cookie: task-api-12345678=x"],
    ] {
        let response = send(&app, "POST /refresh", &[&PAGE[..], cookies].concat(), "");
        assert_eq!(response.status, 204, "{cookies:?}");
        assert!(response.body.is_empty());
        assert_eq!(response.header("Set-Cookie"), None);
    }
    // A token in another place is not used.
    let token = log_in(&app, &app.employee(), &["Host: a"]).json()["refresh_token"].clone();
    let bearer = format!("Authorization: Bearer {}", token.as_str().unwrap());
    let response = send(&app, "POST /refresh", &[&PAGE[..], &[&bearer]].concat(), "");
    assert_eq!(response.status, 204);
}

#[test]
fn a_cookie_that_is_not_valid_is_401_and_deleted() {
    let app = TestApp::new();
    let anna = app.employee();
    let cookie = sign_in(&app, &anna);
    let (name, token) = cookie.split_once('=').unwrap();
    let other = sign_in(&app, &anna);
    let access = log_in(&app, &anna, &PAGE).json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let before = sessions(&app);
    for cookies in [
        format!("{name}="),
        format!("{name}=x"),
        format!("{name}=\"{token}\""),
        format!("{name}={token}x"),
        format!("{name}={access}"),
        // Which one is the real one?
        format!("{cookie}; {other}"),
        format!("{cookie}; a=b; {name}=x"),
        format!("{name}=x;{cookie}"),
    ] {
        let refused = reload(&app, &cookies);
        assert_eq!(refused.status, 401, "{cookies}");
        assert!(deletes(&refused, &cookie), "{cookies}: {refused:?}");
        let refused = from_page(&app, "POST /logout", &cookies);
        assert_eq!(refused.status, 401, "{cookies}");
        assert!(deletes(&refused, &cookie), "{cookies}: {refused:?}");
    }
    let lines = [format!("Cookie: {cookie}"), format!("Cookie: {other}")];
    let twice = [&PAGE[..], &[&lines[0], &lines[1]]].concat();
    assert_eq!(send(&app, "POST /refresh", &twice, "").status, 401);
    assert_eq!(sessions(&app), before);
    // Several lines, of which one has the cookie, and blanks around it.
    let lines = [
        "Cookie: a=b".to_owned(),
        format!("Cookie: c=d ;  {cookie} ; e"),
    ];
    let lines = [&PAGE[..], &[&lines[0], &lines[1]]].concat();
    assert_eq!(send(&app, "POST /refresh", &lines, "").status, 200);
}

#[test]
fn a_replaced_token_is_accepted_longer_from_the_cookie_than_from_the_header() {
    let app = TestApp::new();
    let anna = app.employee();
    let token_of = |cookie: &str| cookie.split_once('=').unwrap().1.to_owned();
    for (is_page, seconds, is_accepted) in [
        (true, 119, true),
        (true, 121, false),
        (false, 9, true),
        (false, 11, false),
    ] {
        let first = sign_in(&app, &anna);
        app.advance(MIN_AGE);
        let refresh = |cookie: &str| match is_page {
            true => reload(&app, cookie),
            false => app.send_token("POST /refresh", &token_of(cookie)),
        };
        let next = |response: &TestResponse| match is_page {
            true => token_of(&cookie_of(response)),
            false => response.json()["refresh_token"]
                .as_str()
                .unwrap()
                .to_owned(),
        };
        let lost = next(&refresh(&first));
        app.advance(seconds);
        let again = refresh(&first);
        assert_eq!(
            again.status,
            if is_accepted { 200 } else { 401 },
            "{seconds}"
        );
        if is_accepted {
            assert_eq!(next(&again), lost);
        } else {
            again.assert_token_refused("Token has been revoked", seconds);
        }
        assert_eq!(deletes(&again, &first), is_page && !is_accepted);
        // Reuse ends the session.
        let is_over = app.send_token("POST /refresh", &lost).status == 401;
        assert_eq!(is_over, !is_accepted, "{seconds}");
    }
}

#[test]
fn two_tabs_that_refresh_at_once_get_the_same_next_cookie() {
    let app = TestApp::new();
    let cookie = sign_in(&app, &app.employee());
    app.advance(MIN_AGE);
    let seen = concurrently(2, |_| cookie_of(&reload(&app, &cookie)));
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], cookie);
    assert_eq!(reload(&app, &seen[0]).status, 200);
}

#[test]
fn a_request_that_is_under_way_while_other_tabs_refresh_ends_no_session() {
    let app = TestApp::new();
    let first = sign_in(&app, &app.employee());
    let (mut cookie, mut replaced) = (first.clone(), 0);
    // Each round lasts 20 s. A slow request has the cookie of five rounds before: it arrives after 100 s.
    let mut under_way = VecDeque::from(vec![cookie.clone(); 5]);
    for _ in 0..40 {
        app.advance(20);
        let next = cookie_of(&reload(&app, &cookie));
        replaced += u32::from(token_id(&next) != token_id(&cookie));
        cookie = next;
        under_way.push_back(cookie.clone());
        let slow = reload(&app, &under_way.pop_front().unwrap());
        assert_eq!(slow.status, 200, "{}", slow.text());
        assert_eq!(cookie_of(&slow), cookie);
    }
    // Every 120 s in 800 s.
    assert_eq!(replaced, 6);
    // A cookie that was replaced before the last one is still taken for stolen.
    assert_eq!(reload(&app, &first).status, 401);
    assert_eq!(reload(&app, &cookie).status, 401);
}

#[test]
fn twenty_reloads_in_a_row_are_one_session() {
    let app = TestApp::with(|config| config.rate_limiting.rate_limits = Switch::On);
    let mut cookie = sign_in(&app, &app.employee());
    let before = sessions(&app);
    for _ in 0..20 {
        cookie = cookie_of(&reload(&app, &cookie));
    }
    assert_eq!(sessions(&app), before);
    // Twenty pages that are not signed in are not refused either.
    for _ in 0..200 {
        assert_eq!(send(&app, "POST /refresh", &PAGE, "").status, 204);
    }
}

#[test]
fn a_session_that_has_ended_elsewhere_is_401_and_its_cookie_is_deleted() {
    let app = TestApp::new();
    let anna = app.employee();
    let cookie = sign_in(&app, &anna);
    assert_eq!(
        app.send("POST /me/sessions/revoke-all", anna, "").status,
        204
    );
    let refused = reload(&app, &cookie);
    refused.assert_token_refused("Token has been revoked", "");
    assert!(deletes(&refused, &cookie));
}

// ---- signing out --------------------------------------------------------------------------------

#[test]
fn a_page_signs_out_by_its_access_token_or_by_its_cookie() {
    let app = TestApp::new();
    let anna = app.employee();
    for (case, status) in [
        ("the access token", 204),
        ("an expired access token", 204),
        ("an access token that is none", 204),
        ("no access token", 204),
        ("no cookie", 204),
        ("neither", 401),
        ("a token for scripts", 403),
    ] {
        let signed_in = log_in(&app, &anna, &PAGE);
        let cookie = cookie_of(&signed_in);
        let before = sessions(&app);
        let mut token = signed_in.json()["token"].as_str().unwrap().to_owned();
        match case {
            "an expired access token" => app.advance(86_401),
            "an access token that is none" => token = "x".to_owned(),
            "a token for scripts" => {
                let body = json!({ "name": "a", "scope": "full", "current_password": PASSWORD });
                let anna = signed_in.account();
                let made = app.send("POST /me/tokens", anna, &body.to_string());
                token = made.json()["token"].as_str().unwrap().to_owned();
            }
            _ => {}
        }
        let (bearer, header) = (
            format!("Authorization: Bearer {token}"),
            format!("Cookie: {cookie}"),
        );
        let mut headers = PAGE.to_vec();
        if !["no access token", "neither"].contains(&case) {
            headers.push(&bearer);
        }
        if !["no cookie", "neither"].contains(&case) {
            headers.push(&header);
        }
        let response = send(&app, "POST /logout", &headers, "");
        assert_eq!(response.status, status, "{case}: {response:?}");
        // A refused sign-out keeps the session and its cookie.
        assert_eq!(
            deletes(&response, &cookie),
            status != 403,
            "{case}: {response:?}"
        );
        let ended = i64::from(status == 204);
        assert_eq!(sessions(&app), before - ended, "{case}");
        let sql = "SELECT action FROM audit ORDER BY id DESC LIMIT 1";
        let last: String = app.sql().query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(last == "sign_out", status == 204, "{case}: {last}");
    }
}

#[test]
fn a_page_with_two_sessions_signs_out_of_that_of_its_access_token() {
    let app = TestApp::new();
    let anna = app.employee();
    let (tab, other_tab) = (log_in(&app, &anna, &PAGE), log_in(&app, &anna, &PAGE));
    let bearer = format!("Authorization: Bearer {}", tab.account().token);
    let cookie = cookie_of(&other_tab);
    let header = format!("Cookie: {cookie}");
    let response = send(
        &app,
        "POST /logout",
        &[&PAGE[..], &[&bearer, &header]].concat(),
        "",
    );
    assert_eq!(response.status, 204);
    assert!(deletes(&response, &cookie));
    assert_eq!(app.get("/hello", &tab.account()).status, 401);
    assert_eq!(app.get("/hello", &other_tab.account()).status, 200);
}

#[test]
fn a_wrong_password_keeps_the_cookie_of_the_page() {
    let app = TestApp::new();
    let anna = app.employee();
    let cookie = format!("Cookie: {}", sign_in(&app, &anna));
    let body = json!({ "email": anna.email, "password": "a wrong one" });
    let response = app.log_in_with(VISITOR, &[&PAGE[..], &[&cookie]].concat(), &body);
    assert_eq!(
        (response.status, response.header("Set-Cookie")),
        (401, None)
    );
}

#[test]
fn of_several_forwarded_host_lines_none_counts() {
    let app = TestApp::with(|config| config.trusted_proxies = VISITOR.parse().unwrap());
    let account = app.employee();
    let forged = [
        "Host: upstream",
        "X-Forwarded-Host: evil.example",
        "X-Forwarded-Host: tasks.example",
        "Origin: https://evil.example",
        "Refresh-Cookie: true",
    ];
    assert_eq!(log_in(&app, &account, &forged).status, 403);
    assert_eq!(log_in(&app, &account, &forged[1..]).status, 403);
    let honest = [
        &forged[..1],
        &forged[2..3],
        &["Origin: https://tasks.example"],
        &forged[4..],
    ];
    assert_eq!(log_in(&app, &account, &honest.concat()).status, 200);
}
