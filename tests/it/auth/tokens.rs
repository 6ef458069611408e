//! The `Authorization` header and what a token must say to be let in.

use std::collections::HashSet;

use ct_codecs::{Base64UrlSafeNoPadding, Decoder};
use pbkdf2::hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Sha384, Sha512};
use task_api::auth::jwt::{JwtSigner, TokenKind};
use task_api::model::{Role, SessionId};

use crate::support::jwt::{base64, flask_claims, hs256, payload, signed_with};
use crate::support::{self, Answer, KEY, PASSWORD, Person, START, TestApp, timestamp};

const BAD_HEADER: &str = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'";
const NO_BEARER: &str =
    "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'";
const BAD_SIGNATURE: &str = "Signature verification failed";

const BARE: &str = "Bearer";
const INVALID_TOKEN: &str = r#"Bearer error="invalid_token""#;

fn signed(header: &Value, claims: &Value) -> String {
    signed_with(KEY, &header.to_string(), &claims.to_string())
}

fn hs256_header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT" })
}

/// `claims` with one of them set to something else, or left out.
fn with(claims: &Value, name: &str, value: Option<Value>) -> Value {
    let mut claims = claims.clone();
    let members = claims.as_object_mut().unwrap();
    match value {
        Some(value) => members.insert(name.to_owned(), value),
        None => members.shift_remove(name),
    };
    claims
}

fn hello(app: &TestApp, token: &str) -> Answer {
    app.send_token("GET /hello", token)
}

fn hello_with(app: &TestApp, authorization: &str) -> Answer {
    app.send_with("GET /hello", None, &[("Authorization", authorization)], "")
}

fn assert_welcome(answer: &Answer, case: impl std::fmt::Debug) {
    assert_eq!(answer.status, 200, "{case:?}: {answer:?}");
}

// The header --------------------------------------------------------------------------------------

#[test]
fn without_credentials_the_challenge_is_bare() {
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
        let answer = app.send_raw("GET /hello", &headers, b"");
        assert_eq!((answer.status, answer.msg()), (401, msg), "{headers:?}");
        assert_eq!(answer.code(), "unauthorized", "{headers:?}");
        assert_eq!(answer.header("WWW-Authenticate"), Some(BARE), "{headers:?}");
    }
}

#[test]
fn a_header_that_is_not_scheme_and_token_is_refused() {
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
fn the_scheme_counts_in_any_case_and_with_any_white_space() {
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
        assert_welcome(&hello_with(&app, &value), value);
    }
}

#[test]
fn two_authorization_headers_are_refused_even_if_each_is_right() {
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
        let answer = app.send_raw("GET /hello", &headers, b"");
        assert_eq!(answer.status, 401, "{first:?} {second:?}");
        assert_eq!(answer.msg(), BAD_HEADER, "{first:?} {second:?}");
    }
}

#[test]
fn a_token_anywhere_but_in_the_header_is_not_seen() {
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
        let answer = app.send_raw(&line, &headers, body.as_bytes());
        assert_eq!(answer.status, 401, "{line} {headers:?}");
        assert_eq!(answer.msg(), "Missing Authorization Header");
        assert_eq!(answer.header("WWW-Authenticate"), Some(BARE));
    }
}

#[test]
fn a_role_that_is_too_low_is_told_so_in_the_challenge() {
    let app = TestApp::new();
    let (employee, manager) = (app.employee(), app.manager());
    for (line, person) in [
        ("GET /users", &employee),
        ("POST /tasks", &employee),
        ("DELETE /tasks/1", &employee),
        ("PATCH /users/1", &manager),
        ("DELETE /users/1", &manager),
    ] {
        let answer = app.send(line, person.clone(), "");
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "insufficient_role"),
            "{line}"
        );
        assert_eq!(
            answer.header("WWW-Authenticate"),
            Some(r#"Bearer error="insufficient_scope""#),
            "{line}"
        );
    }
}

// The signature -----------------------------------------------------------------------------------

#[test]
fn fewer_or_more_than_three_segments_are_no_token() {
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
        let answer = hello(&app, &long);
        assert_eq!(answer.status, 401);
        assert!(answer.body.len() < 200, "it does not come back");
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
fn whatever_is_wrong_before_the_signature_gets_one_and_the_same_answer() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
    let good = signed(&hs256_header(), &claims);
    assert_welcome(&hello(&app, &good), "the token that is spoilt below");
    let (text, tag) = good.rsplit_once('.').unwrap();
    let (head, payload) = text.split_once('.').unwrap();
    let not_json = base64("not JSON");
    let list = base64("[]");
    let latin = base64(b"{\"alg\":\"HS256\",\"typ\":\"\xff\"}");
    let spoilt = [
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
    for token in spoilt {
        let answer = hello(&app, &token);
        answer.assert_token_refused(BAD_SIGNATURE, &token);
        assert_eq!(answer.body, expected.body, "{token}");
    }
}

#[test]
fn every_single_character_of_a_token_counts() {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=!";
    let app = TestApp::new();
    let person = app.employee();
    let flask = signed(&hs256_header(), &flask_claims(&person.username, app.now()));
    for token in [person.token, flask] {
        assert_welcome(&hello(&app, &token), &token);
        let expected = hello(&app, &format!("{token}A")).body;
        let mut last_of_segment: Vec<usize> =
            token.match_indices('.').map(|(i, _)| i - 1).collect();
        last_of_segment.push(token.len() - 1);
        for position in 0..token.len() {
            let original = token.as_bytes()[position];
            if original == b'.' {
                continue;
            }
            // The neighbour in the alphabet differs in the lowest bits, which a lax decoder would
            // not look at in the last character of a segment; there, all others are tried as well.
            let neighbour = ALPHABET.iter().position(|c| *c == original).unwrap() ^ 1;
            let others: Vec<u8> = if last_of_segment.contains(&position) {
                ALPHABET.to_vec()
            } else {
                vec![ALPHABET[neighbour], b'x', b'=']
            };
            for other in others.into_iter().filter(|other| *other != original) {
                let mut flipped = token.clone().into_bytes();
                flipped[position] = other;
                let flipped = String::from_utf8(flipped).unwrap();
                let answer = hello(&app, &flipped);
                answer.assert_token_refused(BAD_SIGNATURE, (position, other as char));
                assert_eq!(answer.body, expected, "position {position}");
            }
        }
    }
}

#[test]
fn hs256_is_the_one_algorithm() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
    let payload = base64(claims.to_string());
    // With an HS256 signature, with none, and with the one that the header promises.
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
        let hs384 = Hmac::<Sha384>::new_from_slice(KEY)
            .unwrap()
            .chain_update(&text);
        let hs512 = Hmac::<Sha512>::new_from_slice(KEY)
            .unwrap()
            .chain_update(&text);
        for tag in [
            String::new(),
            base64(hs256(KEY, &text)),
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
fn a_header_that_is_no_json_object_is_refused_however_well_it_is_signed() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
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
fn hints_about_keys_in_the_header_have_no_effect() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
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
        let header = with(&hs256_header(), name, Some(value.clone()));
        assert_welcome(&hello(&app, &signed(&header, &claims)), (name, &value));
        let forged = signed_with(
            b"the attacker's own key, thirty-two bytes",
            &header.to_string(),
            &claims.to_string(),
        );
        hello(&app, &forged).assert_token_refused(BAD_SIGNATURE, (name, &value));
    }
    let header = with(&hs256_header(), "jwk", Some(jwk));
    let forged = signed_with(
        b"the attacker's own key, thirty-two bytes",
        &header.to_string(),
        &claims.to_string(),
    );
    hello(&app, &forged).assert_token_refused(BAD_SIGNATURE, "jwk");
}

#[test]
fn an_unknown_critical_header_is_refused() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
    for crit in [
        json!(["exp"]),
        json!(["b64"]),
        json!(["x", "y"]),
        json!("exp"),
    ] {
        let mut header = with(&hs256_header(), "crit", Some(crit.clone()));
        header["exp"] = json!(app.now() + 10);
        header["b64"] = json!(false);
        hello(&app, &signed(&header, &claims)).assert_token_refused(BAD_SIGNATURE, crit);
    }
}

// The claims --------------------------------------------------------------------------------------

#[test]
fn a_token_of_flask_jwt_extended_is_accepted() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
    let answer = hello(&app, &signed(&hs256_header(), &claims));
    assert_welcome(&answer, &claims);
    assert_eq!(answer.json()["user_name"], "employee");
    // In the bytes that PyJWT writes, and as a fresh one.
    let pyjwt = signed_with(
        KEY,
        r#"{"alg":"HS256","typ":"JWT"}"#,
        &with(&claims, "fresh", Some(json!(true))).to_string(),
    );
    assert_welcome(&hello(&app, &pyjwt), "PyJWT");
    // Without the claims that nothing here depends on.
    for name in ["csrf", "fresh", "nbf", "jti"] {
        let claims = with(&claims, name, None);
        assert_welcome(&hello(&app, &signed(&hs256_header(), &claims)), name);
    }
}

#[test]
fn a_time_that_is_missing_or_no_number_is_refused() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
    let exp = "Expiration Time claim (exp) must be an integer.";
    let nbf = "Not Before claim (nbf) must be an integer.";
    let iat = "Issued At claim (iat) must be an integer.";
    let missing = with(&claims, "exp", None);
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
            let claims = with(&claims, name, Some(value.clone()));
            let answer = hello(&app, &signed(&hs256_header(), &claims));
            answer.assert_token_refused(msg, (name, &value));
        }
    }
}

/// As above without the words: whatever they are, such a token must never open anything or break
/// anything.
#[test]
fn no_odd_time_gets_in_or_breaks_the_server() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
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
            let claims = with(&claims, name, Some(value.clone()));
            let answer = hello(&app, &signed(&hs256_header(), &claims));
            let harmless = name == "nbf" && value.as_f64() == Some(0.0);
            let expected = if harmless { 200 } else { 401 };
            assert_eq!(answer.status, expected, "{name} {value}: {answer:?}");
        }
    }
}

#[test]
fn a_token_ends_at_the_second_of_exp_without_leeway() {
    let app = TestApp::new();
    let person = app.employee();
    let now = app.now();
    let claims = flask_claims(&person.username, now);
    for (seconds, good) in [
        (-86_400, false),
        (-1, false),
        (0, false),
        (1, true),
        (900, true),
    ] {
        let claims = with(&claims, "exp", Some(json!(now + seconds)));
        let answer = hello(&app, &signed(&hs256_header(), &claims));
        if good {
            assert_welcome(&answer, seconds);
        } else {
            answer.assert_token_refused("Token has expired", seconds);
        }
    }
    // To the microsecond.
    let tokens = JwtSigner::new(&support::keys(KEY, &[]), "1h".parse().unwrap());
    let token = signed(
        &hs256_header(),
        &with(&claims, "exp", Some(json!(START + 10))),
    );
    let micros = (START + 10) * 1_000_000;
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
fn a_token_may_end_in_the_far_future() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
    // 2^31 and 2^32 seconds, where clocks of 32 bits end, and the last second of the year 9999.
    for exp in [
        2_147_483_648_i64,
        4_294_967_295,
        4_294_967_296,
        8_589_934_592,
        253_402_300_799,
    ] {
        let claims = with(&claims, "exp", Some(json!(exp)));
        assert_welcome(&hello(&app, &signed(&hs256_header(), &claims)), exp);
    }
}

#[test]
fn a_token_does_not_count_before_its_time() {
    let app = TestApp::new();
    let person = app.employee();
    let now = app.now();
    let claims = flask_claims(&person.username, now);
    for (name, msg) in [
        ("nbf", "The token is not yet valid (nbf)"),
        ("iat", "The token is not yet valid (iat)"),
    ] {
        let token = |seconds: i64| {
            let claims = with(&claims, name, Some(json!(now + seconds)));
            signed(&hs256_header(), &claims)
        };
        assert_welcome(&hello(&app, &token(0)), name);
        for seconds in [1, 60, 900, 80_000] {
            hello(&app, &token(seconds)).assert_token_refused(msg, seconds);
        }
        app.advance(60);
        assert_welcome(&hello(&app, &token(60)), name);
        app.advance(-60);
    }
}

#[test]
fn only_access_tokens_open_anything() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
    let refresh = with(&claims, "type", Some(json!("refresh")));
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
        let claims = with(&claims, "type", value.clone());
        let answer = hello(&app, &signed(&hs256_header(), &claims));
        assert_eq!(answer.status, 401, "{value:?}: {answer:?}");
        assert_eq!(answer.header("WWW-Authenticate"), Some(INVALID_TOKEN));
    }
}

#[test]
fn the_subject_is_the_name_of_an_account() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
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
        let claims = with(&claims, "sub", sub.clone());
        hello(&app, &signed(&hs256_header(), &claims)).assert_token_refused(msg, sub);
    }
}

#[test]
fn a_subject_that_is_no_string_is_told_so() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
    for sub in [
        json!(null),
        json!(person.id),
        json!(["employee"]),
        json!({ "name": "employee" }),
        json!(true),
    ] {
        let claims = with(&claims, "sub", Some(sub.clone()));
        let answer = hello(&app, &signed(&hs256_header(), &claims));
        answer.assert_token_refused("Subject must be a string", sub);
    }
}

#[test]
fn a_token_for_another_service_is_refused() {
    let app = TestApp::new();
    let person = app.employee();
    let claims = flask_claims(&person.username, app.now());
    for (name, msg) in [("aud", "Audience doesn't match"), ("iss", "Invalid issuer")] {
        for value in [json!("https://other.example"), json!("")] {
            let claims = with(&claims, name, Some(value.clone()));
            hello(&app, &signed(&hs256_header(), &claims)).assert_token_refused(msg, (name, value));
        }
        for value in [
            json!(null),
            json!(1),
            json!({}),
            json!([]),
            json!(["a", "b"]),
        ] {
            let claims = with(&claims, name, Some(value.clone()));
            let answer = hello(&app, &signed(&hs256_header(), &claims));
            assert_eq!(answer.status, 401, "{name} {value}");
        }
    }
}

#[test]
fn claims_that_are_no_object_or_hold_a_name_twice_open_nothing() {
    let app = TestApp::new();
    let person = app.employee();
    let header = hs256_header().to_string();
    let claims = flask_claims(&person.username, app.now()).to_string();
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
        let answer = hello(&app, &signed_with(KEY, &header, &payload));
        assert_eq!(answer.status, 401, "{:?}", payload.get(..60));
    }
}

// Our own tokens ----------------------------------------------------------------------------------

#[test]
fn our_tokens_have_the_header_and_the_claims_of_the_contract() {
    let app = TestApp::with(|config| config.jwt_access_token_expires = "2h".parse().unwrap());
    app.person("anna", Role::Employee, false);
    let now = app.now();
    let token = app.log_in("anna@example.com", PASSWORD).person().token;
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
    for absent in ["aud", "iss", "password", "password_hash", "email", "role"] {
        assert!(claims.get(absent).is_none(), "{claims}");
    }
    let text = format!("{}.{}", segments[0], segments[1]);
    assert_eq!(segments[2], base64(hs256(KEY, &text)));
}

#[test]
fn no_two_tokens_are_equal() {
    let app = TestApp::new();
    let person = app.employee();
    let user = app.user(&person);
    let now = app.app.now();
    let mut seen = HashSet::new();
    let session = SessionId::random().unwrap();
    for _ in 0..1_000 {
        let token = app.app.jwt.access(&user, session, now).unwrap();
        let claims = payload(&token);
        assert!(seen.insert(claims["jti"].as_str().unwrap().to_owned()));
    }
    for _ in 0..20 {
        let token = app.log_in(&person.email, PASSWORD).person().token;
        let claims = payload(&token);
        assert!(seen.insert(claims["jti"].as_str().unwrap().to_owned()));
    }
}

#[test]
fn a_token_lasts_as_long_as_the_setting_says() {
    let app = TestApp::with(|config| config.jwt_access_token_expires = "15m".parse().unwrap());
    let person = app.employee();
    app.advance(899);
    assert_eq!(app.get("/hello", &person).status, 200);
    app.advance(1);
    app.get("/hello", &person)
        .assert_token_refused("Token has expired", "15m");
    // A clock that goes back does not count a token that is not yet to be used.
    app.advance(-901);
    assert_eq!(app.get("/hello", &person).status, 401);
}

// Accounts that went away -------------------------------------------------------------------------

fn sign_up(app: &TestApp, username: &str) -> Answer {
    let email = format!("{username}@example.com");
    let answer = app.sign_up(username, &email, PASSWORD);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer
}

fn token_of(app: &TestApp, username: &str) -> String {
    let email = format!("{username}@example.com");
    app.log_in(&email, PASSWORD).person().token
}

fn delete(app: &TestApp, admin: &Person, account: &Answer) {
    let line = format!("DELETE /users/{}", account.json()["id"]);
    assert_eq!(app.send(&line, admin.clone(), "").status, 204);
}

#[test]
fn a_token_does_not_open_the_next_account_of_the_same_name() {
    let app = TestApp::new();
    let admin = app.admin();
    let second = app.now();
    let account = sign_up(&app, "anna");
    let token = token_of(&app, "anna");
    assert_welcome(&hello(&app, &token), "the first anna");

    delete(&app, &admin, &account);
    hello(&app, &token).assert_token_refused("Error loading the user anna", "no anna");

    let again = sign_up(&app, "anna");
    assert_eq!(app.now(), second, "all of this within one second");
    assert_eq!(
        again.json()["id"],
        account.json()["id"],
        "SQLite gives the id a second time, which makes it interesting"
    );
    hello(&app, &token).assert_token_refused("Token has been revoked", "the second");
    assert_welcome(&hello(&app, &token_of(&app, "anna")), "the second anna");
    app.advance(3_600);
    hello(&app, &token).assert_token_refused("Token has been revoked", "later");
}

#[test]
fn a_token_of_the_flask_app_does_not_open_the_next_account_of_the_same_name() {
    let app = TestApp::new();
    let admin = app.admin();
    let account = sign_up(&app, "anna");
    let token = signed(&hs256_header(), &flask_claims("anna", app.now()));
    assert_welcome(&hello(&app, &token), "the first anna");

    delete(&app, &admin, &account);
    app.advance(1);
    sign_up(&app, "anna");
    hello(&app, &token).assert_token_refused("Token has been revoked", "the second");

    // Nobody knows whose a token is that does not say since when it is about.
    let claims = flask_claims("anna", app.now());
    let undated = signed(&hs256_header(), &with(&claims, "iat", None));
    hello(&app, &undated).assert_token_refused("Token has been revoked", "undated");

    let token = signed(&hs256_header(), &claims);
    assert_welcome(&hello(&app, &token), "the second anna");
}

#[test]
fn a_token_of_an_account_without_a_date_does_not_open_the_next_one() {
    let app = TestApp::new();
    let admin = app.admin();
    let account = sign_up(&app, "anna");
    app.sql()
        .execute(
            r#"UPDATE "user" SET created_at = NULL WHERE username = 'anna'"#,
            [],
        )
        .unwrap();
    let token = token_of(&app, "anna");
    assert_welcome(&hello(&app, &token), "the first anna");
    let claims = flask_claims("anna", app.now());
    for claims in [with(&claims, "iat", None), claims] {
        let token = signed(&hs256_header(), &claims);
        assert_welcome(&hello(&app, &token), "the first anna, of the Flask app");
    }
    delete(&app, &admin, &account);
    sign_up(&app, "anna");
    hello(&app, &token).assert_token_refused("Token has been revoked", "the second");
}

// Keys --------------------------------------------------------------------------------------------

#[test]
fn keys_of_any_length_make_tokens_that_others_understand() {
    let app = TestApp::new();
    let user = app.user(&app.employee());
    let now = app.app.now();
    for key in [&b"secret"[..], b"x", b"aStrongSecretKey", KEY, &[7; 200]] {
        let tokens = JwtSigner::new(&support::keys(key, &[]), "1h".parse().unwrap());
        let token = tokens
            .access(&user, SessionId::random().unwrap(), now)
            .unwrap();
        let (text, tag) = token.rsplit_once('.').unwrap();
        assert_eq!(tag, base64(hs256(key, text)), "as PyJWT would sign it");
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
