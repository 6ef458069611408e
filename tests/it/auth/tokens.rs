//! The `Authorization` header, and the checks of a token: signature, header and claims.

use std::collections::HashSet;

use ct_codecs::{Base64UrlSafeNoPadding, Decoder};
use pbkdf2::hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Sha384, Sha512};
use task_api::auth::jwt::{JwtSigner, TokenKind};
use task_api::model::{Role, SessionId};

use crate::support::jwt::{base64, flask_claims, hs256, payload, signed_with};
use crate::support::{
    self, Account, CLOCK_START, PASSWORD, SIGNING_KEY, TestApp, TestResponse, timestamp,
};

const BAD_HEADER: &str = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'";
const NO_BEARER: &str =
    "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'";
const BAD_SIGNATURE: &str = "Signature verification failed";

const CHALLENGE_WITHOUT_ERROR: &str = "Bearer";
const INVALID_TOKEN_CHALLENGE: &str = r#"Bearer error="invalid_token""#;

fn signed(header: &Value, claims: &Value) -> String {
    signed_with(SIGNING_KEY, &header.to_string(), &claims.to_string())
}

fn hs256_header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

/// `claims` with the member `name` set to `value`, or without it.
fn with_member(claims: &Value, name: &str, value: Option<Value>) -> Value {
    let mut claims = claims.clone();
    let members = claims.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.shift_remove(name),
    };
    claims
}

fn hello(app: &TestApp, token: &str) -> TestResponse {
    app.send_token("GET /hello", token)
}

fn hello_with(app: &TestApp, authorization: &str) -> TestResponse {
    app.send_with("GET /hello", None, &[("Authorization", authorization)], "")
}

fn assert_accepted(response: &TestResponse, case: impl std::fmt::Debug) {
    assert_eq!(response.status, 200, "{case:?}: {response:?}");
}

// ---- the Authorization header -------------------------------------------------------------------

#[test]
fn the_challenge_to_a_request_without_credentials_has_no_error_code() {
    let app = TestApp::new();
    let anna = app.employee();
    let mut cases = vec![(vec![], "Missing Authorization Header".to_owned())];
    for (value, msg) in [
        (String::new(), "Missing Authorization Header"),
        (" ".to_owned(), "Missing Authorization Header"),
        ("Basic dXNlcjpwYXNz".to_owned(), NO_BEARER),
        (format!("Token {}", anna.token), NO_BEARER),
        (format!("JWT {}", anna.token), NO_BEARER),
        (format!("Bearer:{}", anna.token), NO_BEARER),
        (format!("\"Bearer\" {}", anna.token), NO_BEARER),
        (anna.token.clone(), NO_BEARER),
    ] {
        cases.push((vec![("Authorization", value)], msg.to_owned()));
    }
    for (headers, msg) in cases {
        let response = app.send_raw("GET /hello", &headers, b"");
        assert_eq!((response.status, response.msg()), (401, msg), "{headers:?}");
        assert_eq!(response.code(), "unauthorized", "{headers:?}");
        assert_eq!(
            response.header("WWW-Authenticate"),
            Some(CHALLENGE_WITHOUT_ERROR),
            "{headers:?}"
        );
    }
}

#[test]
fn an_authorization_header_that_is_not_one_scheme_and_one_token_is_401() {
    let app = TestApp::new();
    let token = app.employee().token;
    for value in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "bearer".to_owned(),
        "Bearer a b".to_owned(),
        "Bearer ,, 0".to_owned(),
        format!("Bearer Bearer {token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token}, Basic dXNlcjpwYXNz"),
        format!("Bearer token {token}"),
    ] {
        hello_with(&app, &value).assert_token_refused(BAD_HEADER, value);
    }
}

#[test]
fn the_bearer_scheme_is_accepted_in_any_letter_case_and_with_any_whitespace() {
    let app = TestApp::new();
    let token = app.employee().token;
    for value in [
        format!("Bearer {token}"),
        format!("bearer {token}"),
        format!("BEARER {token}"),
        format!("bEaReR {token}"),
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer {token} "),
    ] {
        assert_accepted(&hello_with(&app, &value), value);
    }
}

#[test]
fn two_authorization_headers_are_401_even_if_each_is_valid() {
    let app = TestApp::new();
    let right = format!("Bearer {}", app.employee().token);
    let other = format!("Bearer {}", app.manager().token);
    for (first, second) in [
        (&right, &right),
        (&right, &other),
        (&right, &"Basic dXNlcjpwYXNz".to_owned()),
        (&"Basic dXNlcjpwYXNz".to_owned(), &right),
        (&right, &String::new()),
        (&String::new(), &right),
    ] {
        let headers = [
            ("Authorization", first.clone()),
            ("authorization", second.clone()),
        ];
        let response = app.send_raw("GET /hello", &headers, b"");
        assert_eq!(response.status, 401, "{first:?} {second:?}");
        assert_eq!(response.msg(), BAD_HEADER, "{first:?} {second:?}");
    }
}

#[test]
fn a_token_outside_the_authorization_header_is_ignored() {
    let app = TestApp::new();
    let token = app.manager().token;
    let json_type = ("Content-Type", "application/json".to_owned());
    let form_type = (
        "Content-Type",
        "application/x-www-form-urlencoded".to_owned(),
    );
    type Case<'a> = (String, Vec<(&'a str, String)>, String);
    let cases: [Case; 9] = [
        (
            format!("GET /hello?access_token={token}"),
            vec![],
            String::new(),
        ),
        (format!("GET /hello?jwt={token}"), vec![], String::new()),
        (
            format!("GET /hello?Authorization=Bearer%20{token}"),
            vec![],
            String::new(),
        ),
        (
            format!("GET /tasks?access_token={token}"),
            vec![],
            String::new(),
        ),
        (
            "POST /tasks".into(),
            vec![json_type],
            json!({ "title": "t", "access_token": token }).to_string(),
        ),
        (
            "POST /tasks".into(),
            vec![form_type],
            format!("access_token={token}"),
        ),
        (
            "GET /hello".into(),
            vec![("Cookie", format!("access_token_cookie={token}"))],
            String::new(),
        ),
        (
            "GET /hello".into(),
            vec![("X-Access-Token", token.clone())],
            String::new(),
        ),
        (
            "GET /hello".into(),
            vec![("Proxy-Authorization", format!("Bearer {token}"))],
            String::new(),
        ),
    ];
    for (line, headers, body) in cases {
        let response = app.send_raw(&line, &headers, body.as_bytes());
        assert_eq!(response.status, 401, "{line} {headers:?}");
        assert_eq!(response.msg(), "Missing Authorization Header");
        assert_eq!(
            response.header("WWW-Authenticate"),
            Some(CHALLENGE_WITHOUT_ERROR)
        );
    }
}

#[test]
fn the_challenge_of_a_403_for_the_role_has_the_error_insufficient_scope() {
    let app = TestApp::new();
    let (employee, manager) = (app.employee(), app.manager());
    for (line, account) in [
        ("GET /users", &employee),
        ("POST /tasks", &employee),
        ("DELETE /tasks/1", &employee),
        ("PATCH /users/1", &manager),
        ("DELETE /users/1", &manager),
    ] {
        let response = app.send(line, account.clone(), "");
        assert_eq!(
            (response.status, response.code().as_str()),
            (403, "insufficient_role"),
            "{line}"
        );
        assert_eq!(
            response.header("WWW-Authenticate"),
            Some(r#"Bearer error="insufficient_scope""#),
            "{line}"
        );
    }
}

// ---- signature and token header -----------------------------------------------------------------

#[test]
fn a_token_with_fewer_or_more_than_three_segments_is_401() {
    let app = TestApp::new();
    let token = app.employee().token;
    let (two, _) = token.rsplit_once('.').unwrap();
    let (one, _) = two.split_once('.').unwrap();
    for bad in ["x", one, two] {
        hello(&app, bad).assert_token_refused("Not enough segments", bad);
    }
    for long in [
        "x".repeat(1_000_000),
        ".".repeat(1_000_000),
        format!("{token}x").repeat(2_000),
    ] {
        let response = hello(&app, &long);
        assert_eq!(response.status, 401);
        assert!(
            response.body.len() < 200,
            "the response does not repeat the token"
        );
    }
    for bad in [
        ".",
        "..",
        "...",
        "a.b.c.d",
        &format!("{token}."),
        &format!(".{token}"),
        &format!("{token}.{one}"),
    ] {
        assert_eq!(hello(&app, bad).status, 401, "{bad}");
    }
}

#[test]
fn every_token_that_fails_decoding_or_the_signature_check_gets_the_same_401() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    let good = signed(&hs256_header(), &claims);
    assert_accepted(
        &hello(&app, &good),
        "the valid token that the cases below modify",
    );
    let (text, tag) = good.rsplit_once('.').unwrap();
    let (head, payload) = text.split_once('.').unwrap();
    let not_json = base64("not JSON");
    let list = base64("[]");
    let latin = base64(b"{\"alg\":\"HS256\",\"typ\":\"\xff\"}");
    let invalid_tokens = [
        "aaaaa.bbbbb.ccccc".to_owned(),
        format!("!!!!.{payload}.{tag}"),
        format!(".{payload}.{tag}"),
        format!("{head}..{tag}"),
        format!("{text}."),
        format!("{text}.AAAA"),
        format!("{text}.!!!!"),
        format!("{text}.{}", &tag[..tag.len() - 1]),
        format!("{good}A"),
        format!("{good}="),
        format!("{good}=="),
        format!("{text}.{}", tag.to_lowercase()),
        format!("{not_json}.{payload}.{tag}"),
        format!("{list}.{payload}.{tag}"),
        format!("{latin}.{payload}.{tag}"),
        format!("{head}.{not_json}.{tag}"),
        format!("{head}.{list}.{tag}"),
        format!("{payload}.{head}.{tag}"),
        signed_with(
            b"another key, of thirty-two bytes and more",
            &hs256_header().to_string(),
            &claims.to_string(),
        ),
        signed_with(b"", &hs256_header().to_string(), &claims.to_string()),
    ];
    let expected = hello(&app, &format!("{text}.{}", base64([0; 32])));
    expected.assert_token_refused(BAD_SIGNATURE, "zeros");
    for token in invalid_tokens {
        let response = hello(&app, &token);
        response.assert_token_refused(BAD_SIGNATURE, &token);
        assert_eq!(response.body, expected.body, "{token}");
    }
}

#[test]
fn changing_any_one_character_of_a_token_makes_it_invalid() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=!";
    let app = TestApp::new();
    let account = app.employee();
    let flask = signed(&hs256_header(), &flask_claims(&account.username, app.now()));
    for token in [account.token, flask] {
        assert_accepted(&hello(&app, &token), &token);
        let expected = hello(&app, &format!("{token}A")).body;
        let mut last_of_segment: Vec<usize> =
            token.match_indices('.').map(|(i, _)| i - 1).collect();
        last_of_segment.push(token.len() - 1);
        for position in 0..token.len() {
            let original = token.as_bytes()[position];
            if original == b'.' {
                continue;
            }
            // The neighbour in the alphabet differs in the lowest bit. A lax decoder ignores the lowest bits
            // of the last character of a segment, so every other character is tried there.
            let neighbour = ALPHABET.iter().position(|c| *c == original).unwrap() ^ 1;
            let others: Vec<u8> = if last_of_segment.contains(&position) {
                ALPHABET.to_vec()
            } else {
                vec![ALPHABET[neighbour], b'x', b'=']
            };
            for other in others.into_iter().filter(|other| *other != original) {
                let mut changed = token.clone().into_bytes();
                changed[position] = other;
                let changed = String::from_utf8(changed).unwrap();
                let response = hello(&app, &changed);
                response.assert_token_refused(BAD_SIGNATURE, (position, other as char));
                assert_eq!(response.body, expected, "position {position}");
            }
        }
    }
}

#[test]
fn a_token_of_any_algorithm_except_hs256_is_401() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    let payload = base64(claims.to_string());
    // Without a signature, with an HS256 signature, and with the signature that the header names.
    for alg in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!("HS384"),
        json!("HS512"),
        json!("RS256"),
        json!("ES256"),
        json!("EdDSA"),
        json!("hs256"),
        json!("HS256 "),
        json!(""),
        json!(256),
        json!(["HS256"]),
        Value::Null,
    ] {
        let header = json!({ "alg": alg, "typ": "JWT" });
        let text = format!("{}.{payload}", base64(header.to_string()));
        let hs384 = Hmac::<Sha384>::new_from_slice(SIGNING_KEY)
            .unwrap()
            .chain_update(&text);
        let hs512 = Hmac::<Sha512>::new_from_slice(SIGNING_KEY)
            .unwrap()
            .chain_update(&text);
        for tag in [
            String::new(),
            base64(hs256(SIGNING_KEY, &text)),
            base64(hs384.finalize().into_bytes()),
            base64(hs512.finalize().into_bytes()),
        ] {
            let token = format!("{text}.{tag}");
            hello(&app, &token).assert_token_refused(BAD_SIGNATURE, (&alg, &tag));
        }
    }
    for header in [json!({ "typ": "JWT" }), json!({})] {
        hello(&app, &signed(&header, &claims)).assert_token_refused(BAD_SIGNATURE, header);
    }
}

#[test]
fn a_correctly_signed_token_whose_header_is_not_a_json_object_is_401() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    for header in [
        json!(["HS256"]),
        json!(["HS256", null, null, "JWT"]),
        json!([]),
        json!([{ "alg": "HS256" }]),
        json!("HS256"),
        json!(1),
        Value::Null,
    ] {
        hello(&app, &signed(&header, &claims)).assert_token_refused(BAD_SIGNATURE, header);
    }
}

#[test]
fn key_hints_in_the_header_of_a_token_are_never_used() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    let jwk = json!({ "kty": "oct", "k": base64("the attacker's own key, thirty-two bytes") });
    for (name, value) in [
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("' UNION SELECT 'key' --")),
        ("jku", json!("http://127.0.0.1:9/keys.json")),
        ("x5u", json!("http://127.0.0.1:9/cert.pem")),
        ("x5t", json!("AAAA")),
        ("cty", json!("text/plain")),
        ("unknown", jwk.clone()),
    ] {
        let header = with_member(&hs256_header(), name, Some(value.clone()));
        assert_accepted(&hello(&app, &signed(&header, &claims)), (name, &value));
        let forged = signed_with(
            b"the attacker's own key, thirty-two bytes",
            &header.to_string(),
            &claims.to_string(),
        );
        hello(&app, &forged).assert_token_refused(BAD_SIGNATURE, (name, &value));
    }
    let header = with_member(&hs256_header(), "jwk", Some(jwk));
    let forged = signed_with(
        b"the attacker's own key, thirty-two bytes",
        &header.to_string(),
        &claims.to_string(),
    );
    hello(&app, &forged).assert_token_refused(BAD_SIGNATURE, "jwk");
}

#[test]
fn a_token_with_a_crit_header_is_401() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    for crit in [
        json!(["exp"]),
        json!(["b64"]),
        json!(["x", "y"]),
        json!("exp"),
    ] {
        let mut header = with_member(&hs256_header(), "crit", Some(crit.clone()));
        header["exp"] = json!(app.now() + 10);
        header["b64"] = json!(false);
        hello(&app, &signed(&header, &claims)).assert_token_refused(BAD_SIGNATURE, crit);
    }
}

// ---- claims -------------------------------------------------------------------------------------

#[test]
fn a_token_of_flask_jwt_extended_is_accepted() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    let response = hello(&app, &signed(&hs256_header(), &claims));
    assert_accepted(&response, &claims);
    assert_eq!(response.json()["user_name"], "employee");
    // With the header byte for byte as PyJWT writes it, and as a fresh token.
    let pyjwt = signed_with(
        SIGNING_KEY,
        r#"{"alg":"HS256","typ":"JWT"}"#,
        &with_member(&claims, "fresh", Some(json!(true))).to_string(),
    );
    assert_accepted(&hello(&app, &pyjwt), "PyJWT");
    // Without each of the claims that are optional here.
    for name in ["csrf", "fresh", "nbf", "jti"] {
        let claims = with_member(&claims, name, None);
        assert_accepted(&hello(&app, &signed(&hs256_header(), &claims)), name);
    }
}

#[test]
fn a_token_without_exp_or_with_a_malformed_time_claim_is_401() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    let exp = "Expiration Time claim (exp) must be an integer.";
    let nbf = "Not Before claim (nbf) must be an integer.";
    let iat = "Issued At claim (iat) must be an integer.";
    let missing = with_member(&claims, "exp", None);
    hello(&app, &signed(&hs256_header(), &missing))
        .assert_token_refused("Missing claim: exp", "no exp");
    for value in [
        json!(null),
        json!("soon"),
        json!((app.now() + 60).to_string()),
        json!(1e300),
        json!(-1),
        json!(-1e300),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(i64::MAX),
        json!(true),
        json!([app.now() + 60]),
        json!({}),
    ] {
        for (name, msg) in [("exp", exp), ("nbf", nbf), ("iat", iat)] {
            let claims = with_member(&claims, name, Some(value.clone()));
            let response = hello(&app, &signed(&hs256_header(), &claims));
            response.assert_token_refused(msg, (name, &value));
        }
    }
}

/// These tokens must never be accepted and never cause a 500; the message does not matter.
#[test]
fn an_unusual_time_claim_is_401_except_a_zero_nbf() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    for value in [
        "null",
        "\"\"",
        "\"9999999999\"",
        "1e300",
        "-1e300",
        "1e19",
        "1.8446744073709552e19",
        "-1",
        "-0.5",
        "18446744073709551615",
        "18446744073709551616",
        "9223372036854775807",
        "-9223372036854775808",
        "4294967296000",
        "true",
        "[]",
        "{}",
        "0",
        "0.0",
        "-0.0",
    ] {
        for name in ["exp", "nbf", "iat"] {
            let value: Value = serde_json::from_str(value).unwrap();
            let claims = with_member(&claims, name, Some(value.clone()));
            let response = hello(&app, &signed(&hs256_header(), &claims));
            let harmless = name == "nbf" && value.as_f64() == Some(0.0);
            let expected = if harmless { 200 } else { 401 };
            assert_eq!(response.status, expected, "{name} {value}: {response:?}");
        }
    }
}

#[test]
fn a_token_expires_exactly_at_exp_without_leeway() {
    let app = TestApp::new();
    let account = app.employee();
    let now = app.now();
    let claims = flask_claims(&account.username, now);
    for (seconds, is_valid) in [
        (-86_400, false),
        (-1, false),
        (0, false),
        (1, true),
        (900, true),
    ] {
        let claims = with_member(&claims, "exp", Some(json!(now + seconds)));
        let response = hello(&app, &signed(&hs256_header(), &claims));
        if is_valid {
            assert_accepted(&response, seconds);
        } else {
            response.assert_token_refused("Token has expired", seconds);
        }
    }
    // Exact to the microsecond.
    let tokens = JwtSigner::new(&support::keys(SIGNING_KEY, &[]), "1h".parse().unwrap());
    let token = signed(
        &hs256_header(),
        &with_member(&claims, "exp", Some(json!(CLOCK_START + 10))),
    );
    let micros = (CLOCK_START + 10) * 1_000_000;
    assert!(
        tokens
            .verify(&token, TokenKind::Access, timestamp(micros - 1))
            .is_ok()
    );
    assert!(
        tokens
            .verify(&token, TokenKind::Access, timestamp(micros))
            .is_err()
    );
    assert!(
        tokens
            .verify(&token, TokenKind::Access, timestamp(micros + 1))
            .is_err()
    );
}

#[test]
fn a_token_that_expires_in_the_far_future_is_accepted() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = payload(&account.token);
    // 2^31 and 2^32 seconds, where 32-bit clocks overflow, and the last second of the year 9999.
    for exp in [
        2_147_483_648_i64,
        4_294_967_295,
        4_294_967_296,
        8_589_934_592,
        253_402_300_799,
    ] {
        let claims = with_member(&claims, "exp", Some(json!(exp)));
        assert_accepted(&hello(&app, &signed(&hs256_header(), &claims)), exp);
    }
}

#[test]
fn a_token_is_401_more_than_a_minute_before_its_nbf_or_iat() {
    let app = TestApp::new();
    let account = app.employee();
    let now = app.now();
    let claims = flask_claims(&account.username, now);
    for (name, msg) in [
        ("nbf", "The token is not yet valid (nbf)"),
        ("iat", "The token is not yet valid (iat)"),
    ] {
        let token = |seconds: i64| {
            let claims = with_member(&claims, name, Some(json!(now + seconds)));
            signed(&hs256_header(), &claims)
        };
        // 60 seconds of leeway, for clocks that are set back.
        for seconds in [0, 1, 60] {
            assert_accepted(&hello(&app, &token(seconds)), name);
        }
        for seconds in [61, 900, 80_000] {
            hello(&app, &token(seconds)).assert_token_refused(msg, seconds);
        }
        app.advance(60);
        assert_accepted(&hello(&app, &token(120)), name);
        app.advance(-60);
    }
}

#[test]
fn a_token_of_any_type_except_access_is_401() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    let refresh = with_member(&claims, "type", Some(json!("refresh")));
    hello(&app, &signed(&hs256_header(), &refresh))
        .assert_token_refused("Only non-refresh tokens are allowed", "refresh");
    for value in [
        None,
        Some(json!(null)),
        Some(json!("")),
        Some(json!("foo")),
        Some(json!("Access")),
        Some(json!("access ")),
        Some(json!(["access"])),
        Some(json!(true)),
    ] {
        let claims = with_member(&claims, "type", value.clone());
        let response = hello(&app, &signed(&hs256_header(), &claims));
        assert_eq!(response.status, 401, "{value:?}: {response:?}");
        assert_eq!(
            response.header("WWW-Authenticate"),
            Some(INVALID_TOKEN_CHALLENGE)
        );
    }
}

#[test]
fn a_subject_that_is_not_exactly_a_username_is_401() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    for (sub, msg) in [
        (None, "Missing claim: sub"),
        (Some(json!("nobody")), "Error loading the user nobody"),
        (Some(json!("")), "Error loading the user "),
        (Some(json!("Employee")), "Error loading the user Employee"),
        (Some(json!("employee ")), "Error loading the user employee "),
        (
            Some(json!("employee\0")),
            "Error loading the user employee\0",
        ),
        (Some(json!("%")), "Error loading the user %"),
        (
            Some(json!("' OR '1'='1")),
            "Error loading the user ' OR '1'='1",
        ),
        (
            Some(json!("employee@example.com")),
            "Error loading the user employee@example.com",
        ),
    ] {
        let claims = with_member(&claims, "sub", sub.clone());
        hello(&app, &signed(&hs256_header(), &claims)).assert_token_refused(msg, sub);
    }
}

#[test]
fn a_subject_that_is_not_a_string_is_401_with_a_message_about_it() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    for sub in [
        json!(null),
        json!(account.id),
        json!(["employee"]),
        json!({ "name": "employee" }),
        json!(true),
    ] {
        let claims = with_member(&claims, "sub", Some(sub.clone()));
        let response = hello(&app, &signed(&hs256_header(), &claims));
        response.assert_token_refused("Subject must be a string", sub);
    }
}

#[test]
fn a_token_with_an_audience_or_an_issuer_is_401() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = flask_claims(&account.username, app.now());
    for (name, msg) in [("aud", "Audience doesn't match"), ("iss", "Invalid issuer")] {
        for value in [json!("https://other.example"), json!("")] {
            let claims = with_member(&claims, name, Some(value.clone()));
            hello(&app, &signed(&hs256_header(), &claims)).assert_token_refused(msg, (name, value));
        }
        for value in [
            json!(null),
            json!(1),
            json!({}),
            json!([]),
            json!(["a", "b"]),
        ] {
            let claims = with_member(&claims, name, Some(value.clone()));
            let response = hello(&app, &signed(&hs256_header(), &claims));
            assert_eq!(response.status, 401, "{name} {value}");
        }
    }
}

#[test]
fn a_session_token_of_an_earlier_version_without_an_audience_stays_valid() {
    let app = TestApp::new();
    let account = app.employee();
    let claims = payload(&account.token);
    assert_eq!(claims["aud"], "task-api");
    let earlier = with_member(&claims, "aud", None);
    assert_accepted(&hello(&app, &signed(&hs256_header(), &earlier)), "no aud");
    for aud in [
        json!("task-api2"),
        json!("Task-API"),
        json!(["task-api"]),
        json!(null),
    ] {
        let other = with_member(&claims, "aud", Some(aud.clone()));
        let refused = hello(&app, &signed(&hs256_header(), &other));
        refused.assert_token_refused("Audience doesn't match", aud);
    }
    let tokens = app.log_in(&account.email, PASSWORD).json();
    let refresh = payload(tokens["refresh_token"].as_str().unwrap());
    assert_eq!(refresh["aud"], "task-api");
    let earlier = with_member(&refresh, "aud", None);
    let refreshed = app.send_token("POST /refresh", &signed(&hs256_header(), &earlier));
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
}

#[test]
fn claims_that_are_not_one_json_object_or_repeat_a_name_are_401() {
    let app = TestApp::new();
    let account = app.employee();
    let header = hs256_header().to_string();
    let claims = flask_claims(&account.username, app.now()).to_string();
    let other = app.manager();
    let sub = format!(r#"{{"sub":"{}","#, other.username);
    for payload in [
        "".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "\"employee\"".to_owned(),
        "1".to_owned(),
        format!("[{claims}]"),
        format!("{claims}x"),
        format!("\u{feff}{claims}"),
        claims.replacen('{', &sub, 1),
        "[".repeat(100_000),
        r#"{"a":"#.repeat(100_000),
    ] {
        let response = hello(&app, &signed_with(SIGNING_KEY, &header, &payload));
        assert_eq!(response.status, 401, "{:?}", payload.get(..60));
    }
}

// ---- tokens issued by this program --------------------------------------------------------------

#[test]
fn an_issued_token_has_the_header_and_the_claims_of_the_contract() {
    let app = TestApp::with(|config| config.jwt_access_token_expires = "2h".parse().unwrap());
    app.account("anna", Role::Employee, false);
    let now = app.now();
    let token = app.log_in("anna@example.com", PASSWORD).account().token;
    let segments: Vec<&str> = token.split('.').collect();

    let header = Base64UrlSafeNoPadding::decode_to_vec(segments[0], None).unwrap();
    assert_eq!(
        std::str::from_utf8(&header).unwrap(),
        r#"{"alg":"HS256","typ":"JWT"}"#
    );
    let claims = payload(&token);
    assert_eq!(claims["sub"], "anna");
    assert_eq!(claims["type"], "access");
    assert_eq!(claims["fresh"], false);
    assert_eq!(claims["iat"], now);
    assert_eq!(claims["nbf"], now);
    assert_eq!(claims["exp"], now + 7_200);
    let jti = claims["jti"].as_str().unwrap();
    assert_eq!(uuid::Uuid::parse_str(jti).unwrap().to_string(), jti);
    assert_eq!(claims["aud"], "task-api");
    for absent in ["iss", "password", "password_hash", "email", "role"] {
        assert!(claims.get(absent).is_none(), "{claims}");
    }
    let text = format!("{}.{}", segments[0], segments[1]);
    assert_eq!(segments[2], base64(hs256(SIGNING_KEY, &text)));
}

#[test]
fn every_issued_token_has_a_different_jti() {
    let app = TestApp::new();
    let account = app.employee();
    let user = app.stored_user(&account);
    let now = app.app.now();
    let mut seen = HashSet::new();
    let session = SessionId::random().unwrap();
    for _ in 0..1_000 {
        let token = app.app.jwt.access(&user, session, now, now).unwrap();
        let claims = payload(&token);
        assert!(seen.insert(claims["jti"].as_str().unwrap().to_owned()));
    }
    for _ in 0..20 {
        let token = app.log_in(&account.email, PASSWORD).account().token;
        let claims = payload(&token);
        assert!(seen.insert(claims["jti"].as_str().unwrap().to_owned()));
    }
}

#[test]
fn an_issued_token_expires_after_the_configured_time() {
    let app = TestApp::with(|config| config.jwt_access_token_expires = "15m".parse().unwrap());
    let account = app.employee();
    app.advance(899);
    assert_eq!(app.get("/hello", &account).status, 200);
    app.advance(1);
    app.get("/hello", &account)
        .assert_token_refused("Token has expired", "15m");
    // When the clock goes back, the session is the proof that the token has been issued.
    app.advance(-901);
    assert_eq!(app.get("/hello", &account).status, 200);
}

// ---- tokens of deleted accounts -----------------------------------------------------------------

fn sign_up(app: &TestApp, username: &str) -> TestResponse {
    let email = format!("{username}@example.com");
    let response = app.sign_up(username, &email, PASSWORD);
    assert_eq!(response.status, 201, "{response:?}");
    response
}

fn log_in_for_token(app: &TestApp, username: &str) -> String {
    let email = format!("{username}@example.com");
    app.log_in(&email, PASSWORD).account().token
}

fn delete(app: &TestApp, admin: &Account, account: &TestResponse) {
    let line = format!("DELETE /users/{}", account.json()["id"]);
    assert_eq!(app.send(&line, admin.clone(), "").status, 204);
}

#[test]
fn a_token_of_a_deleted_account_is_401_for_the_next_account_of_the_same_name() {
    let app = TestApp::new();
    let admin = app.admin();
    let second = app.now();
    let account = sign_up(&app, "anna");
    let token = log_in_for_token(&app, "anna");
    assert_accepted(&hello(&app, &token), "the first anna");

    delete(&app, &admin, &account);
    hello(&app, &token).assert_token_refused("Error loading the user anna", "no anna");

    app.forget_given_ids();
    let again = sign_up(&app, "anna");
    assert_eq!(app.now(), second, "all of this happens within one second");
    assert_eq!(
        again.json()["id"],
        account.json()["id"],
        "the id does not tell the two accounts apart"
    );
    hello(&app, &token).assert_token_refused("Token has been revoked", "the second");
    assert_accepted(
        &hello(&app, &log_in_for_token(&app, "anna")),
        "the second anna",
    );
    app.advance(3_600);
    hello(&app, &token).assert_token_refused("Token has been revoked", "later");
}

#[test]
fn a_flask_token_of_a_deleted_account_is_401_for_the_next_account_of_the_same_name() {
    let app = TestApp::new();
    let admin = app.admin();
    let account = sign_up(&app, "anna");
    let token = signed(&hs256_header(), &flask_claims("anna", app.now()));
    assert_accepted(&hello(&app, &token), "the first anna");

    delete(&app, &admin, &account);
    app.advance(1);
    sign_up(&app, "anna");
    hello(&app, &token).assert_token_refused("Token has been revoked", "the second");

    // A token without `iat` may have been issued to the deleted account.
    let claims = flask_claims("anna", app.now());
    let without_iat = signed(&hs256_header(), &with_member(&claims, "iat", None));
    assert_eq!(hello(&app, &without_iat).status, 401);

    let token = signed(&hs256_header(), &claims);
    assert_accepted(&hello(&app, &token), "the second anna");
}

#[test]
fn a_token_of_a_deleted_account_without_a_creation_time_is_401_for_the_next_account() {
    let app = TestApp::new();
    let admin = app.admin();
    let account = sign_up(&app, "anna");
    app.sql()
        .execute(
            r#"UPDATE "user" SET created_at = NULL WHERE username = 'anna'"#,
            [],
        )
        .unwrap();
    let token = log_in_for_token(&app, "anna");
    assert_accepted(&hello(&app, &token), "the first anna");
    let claims = flask_claims("anna", app.now());
    let flask = signed(&hs256_header(), &claims);
    assert_accepted(&hello(&app, &flask), "the first anna, of the Flask app");
    delete(&app, &admin, &account);
    sign_up(&app, "anna");
    hello(&app, &token).assert_token_refused("Token has been revoked", "the second");
}

// ---- keys ---------------------------------------------------------------------------------------

#[test]
fn keys_of_any_length_sign_tokens_as_pyjwt_does() {
    let app = TestApp::new();
    let user = app.stored_user(&app.employee());
    let now = app.app.now();
    let until = now.plus_seconds(3600);
    for key in [
        &b"secret"[..],
        b"x",
        b"aStrongSecretKey",
        SIGNING_KEY,
        &[7; 200],
    ] {
        let tokens = JwtSigner::new(&support::keys(key, &[]), "1h".parse().unwrap());
        let token = tokens
            .access(&user, SessionId::random().unwrap(), now, until)
            .unwrap();
        let (text, tag) = token.rsplit_once('.').unwrap();
        assert_eq!(tag, base64(hs256(key, text)), "as PyJWT signs it");
        assert_eq!(
            tokens
                .verify(&token, TokenKind::Access, now)
                .unwrap()
                .username,
            "employee"
        );

        let claims = flask_claims("employee", app.now()).to_string();
        let flask = signed_with(key, &hs256_header().to_string(), &claims);
        assert_eq!(
            tokens
                .verify(&flask, TokenKind::Access, now)
                .unwrap()
                .username,
            "employee"
        );

        let other = JwtSigner::new(&support::keys(b"Secret", &[]), "1h".parse().unwrap());
        assert!(other.verify(&token, TokenKind::Access, now).is_err());
        assert!(other.verify(&flask, TokenKind::Access, now).is_err());
    }
}
