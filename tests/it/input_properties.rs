//! Property tests: what has to hold for every input of the API and of each parser, on random input.

use std::str::FromStr;
use std::sync::LazyLock;

use proptest::prelude::*;
use regex::Regex;
use task_api::config::cors::CorsOrigins;
use task_api::config::database::DatabaseUrl;
use task_api::config::duration::Lifetime;
use task_api::config::logging::LogFilter;
use task_api::http::cursor::CursorCodec;
use task_api::model::{Description, Email, Id, NameKeys, PageSize, email_key};
use task_api::model::{Password, Position, SearchText, Sort};
use task_api::model::{PasswordAttempt, Role, Status, Timestamp, Title, Username};
use unicode_normalization::UnicodeNormalization;

use crate::support::{Account, CLOCK_START, SIGNING_KEY, TestApp, timestamp};

/// One application for all cases, since no case changes data on which another depends.
static SHARED: LazyLock<(TestApp, Account)> = LazyLock::new(|| {
    let app = TestApp::new();
    let admin = app.admin();
    (app, admin)
});

/// Checks the response: no 5xx, the headers of all responses, and an error with `msg` and `code`.
fn check_response(
    line: &str,
    headers: &[(&str, String)],
    body: &[u8],
) -> Result<(), TestCaseError> {
    let (app, _) = &*SHARED;
    let response = app.send_raw(line, headers, body);
    prop_assert!(response.status < 500, "{line:?}: {response:?}");
    prop_assert!(response.header("X-Request-Id").is_some());
    prop_assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"));
    if response.status >= 400 {
        let json = response.json();
        prop_assert!(
            json["msg"].is_string() && json["code"].is_string(),
            "{line:?}: {json}"
        );
        prop_assert_eq!(
            json.get("errors").is_some(),
            response.status == 422,
            "{}",
            json
        );
    }
    Ok(())
}

fn authorization() -> (&'static str, String) {
    ("Authorization", format!("Bearer {}", SHARED.1.token))
}

fn json_content_type() -> (&'static str, String) {
    ("Content-Type", "application/json".to_owned())
}

/// Random JSON. Some of its field names and values are ones that the API uses.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,300}".prop_map(Into::into),
        prop_oneof![
            Just("pending"),
            Just("2027-01-01T00:00:00+01:00"),
            Just("a@b.c"),
            Just("admin")
        ]
        .prop_map(Into::into),
    ];
    let name = prop_oneof![
        Just("title".to_owned()),
        Just("description".to_owned()),
        Just("status".to_owned()),
        Just("deadline".to_owned()),
        Just("assigned_user_id".to_owned()),
        Just("username".to_owned()),
        Just("email".to_owned()),
        Just("password".to_owned()),
        ".{0,10}",
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_with_any_method_and_target_never_gets_5xx(
        method in "(GET|HEAD|POST|PATCH|PUT|DELETE|OPTIONS|TRACE|[A-Z]{1,9})",
        target in "/(tasks|users|me|hello)?[/?&=%a-z0-9.+;-]{0,40}",
    ) {
        check_response(&format!("{method} {target}"), &[authorization()], b"")?;
    }

    #[test]
    fn a_list_with_any_query_never_gets_5xx(
        name in "(status|sort|q|limit|cursor|assigned_user_id|deadline_before|deadline_after|.{0,8})",
        value in "[ -~]{0,60}",
        list in "(tasks|users)",
    ) {
        // A request line contains only visible ASCII characters.
        let target = format!("/{list}?{name}={value}").replace(|c: char| !c.is_ascii_graphic(), "+");
        check_response(&format!("GET {target}"), &[authorization()], b"")?;
    }

    #[test]
    fn a_request_with_random_bytes_as_its_body_never_gets_5xx(
        body in prop::collection::vec(any::<u8>(), 0..200),
        route in prop::sample::select(vec!["POST /tasks", "PATCH /tasks/1", "PATCH /users/9", "POST /login"]),
    ) {
        check_response(route, &[authorization(), json_content_type()], &body)?;
    }

    #[test]
    fn a_request_with_random_json_as_its_body_never_gets_5xx(
        body in any_json(),
        route in prop::sample::select(vec!["POST /tasks", "PATCH /tasks/1", "PATCH /me", "POST /login"]),
    ) {
        check_response(route, &[authorization(), json_content_type()], body.to_string().as_bytes())?;
    }

    #[test]
    fn a_random_authorization_header_gets_401_with_a_challenge(value in "(Bearer |bearer |Basic |)[ -~]{0,80}") {
        let (app, _) = &*SHARED;
        let response = app.send_raw("GET /hello", &[("Authorization", value)], b"");
        prop_assert_eq!(response.status, 401);
        prop_assert!(response.header("WWW-Authenticate").unwrap().starts_with("Bearer"));
    }

    #[test]
    fn a_request_with_any_precondition_never_gets_5xx(
        name in prop::sample::select(vec!["If-Match", "If-None-Match"]),
        value in "[ -~é\\t]{0,40}|((W/)?\"[a-z]{0,3}\"[, \t]{0,2}){0,4}",
        route in prop::sample::select(vec!["GET /me", "HEAD /me", "PATCH /me", "DELETE /tasks/9"]),
    ) {
        check_response(route, &[authorization(), json_content_type(), (name, value)], b"{}")?;
    }

    #[test]
    fn a_timestamp_is_unchanged_after_a_round_trip_through_each_of_its_forms(micros in 0_i64..250_000_000_000_000_000) {
        let stored = timestamp(micros);
        prop_assert_eq!(Timestamp::from_stored(&stored.to_stored()), Some(stored));
        let rfc3339 = String::from(stored);
        prop_assert!(rfc3339.ends_with('Z'));
        prop_assert_eq!(rfc3339.parse::<Timestamp>(), Ok(stored));
        prop_assert_eq!(stored.to_stored().len(), 26);
    }

    #[test]
    fn stored_timestamps_sort_in_chronological_order(a in 0_i64..1 << 55, b in 0_i64..1 << 55) {
        let (a, b) = (timestamp(a), timestamp(b));
        prop_assert_eq!(a.cmp(&b), a.to_stored().cmp(&b.to_stored()));
    }

    #[test]
    fn a_timestamp_with_any_utc_offset_is_the_same_timestamp(hours in -23_i64..=23, minutes in 0_i64..60) {
        let sign = if hours < 0 { '-' } else { '+' };
        let local = CLOCK_START + hours * 3600 + hours.signum() * minutes * 60;
        let clock = String::from(timestamp(local * 1_000_000));
        let minutes = if hours == 0 { 0 } else { minutes };
        let text = clock.replace('Z', &format!("{sign}{:02}:{minutes:02}", hours.abs()));
        prop_assert_eq!(text.parse::<Timestamp>(), Ok(timestamp(CLOCK_START * 1_000_000)), "{}", text);
    }

    #[test]
    fn no_text_that_a_parser_accepts_is_refused_by_its_pattern(
        text in "[ \t\n\r\u{b}\u{85}\u{a0}\u{2028}\u{3000}a1é水😀@.\u{301}-]{0,12}",
    ) {
        fn check<T: FromStr>(text: &str, pattern: &str) -> Result<(), TestCaseError> {
            let is_refused = !Regex::new(pattern).unwrap().is_match(text);
            prop_assert!(text.parse::<T>().is_err() || !is_refused, "{:?} {}", text, pattern);
            Ok(())
        }
        check::<Username>(&text, Username::PATTERN)?;
        check::<Title>(&text, Title::PATTERN)?;
        check::<Description>(&text, Description::PATTERN)?;
        check::<SearchText>(&text, SearchText::PATTERN)?;
        check::<Email>(&text, Email::PATTERN)?;
        check::<Email>(&format!("{text}a@b{text}"), Email::PATTERN)?;
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,40}|.{0,300}") {
        let _ = Timestamp::from_str(&text);
        let _ = Timestamp::from_stored(&text);
        let _ = (Id::from_str(&text), PageSize::from_str(&text), Sort::from_str(&text));
        let _ = (Role::from_str(&text), Status::from_str(&text), SearchText::from_str(&text));
        let _ = (CorsOrigins::from_str(&text), DatabaseUrl::from_str(&text));
        let _ = (Lifetime::from_str(&text), LogFilter::from_str(&text));
    }

    #[test]
    fn an_accepted_text_has_no_control_characters_or_outer_spaces_and_keeps_its_limits(text in ".{0,300}") {
        for clean in [
            Username::from_str(&text).map(|name| (name.as_str().to_owned(), 80)),
            Title::from_str(&text).map(|title| (title.as_str().to_owned(), 255)),
            Email::from_str(&text).map(|email| (email.as_str().to_owned(), 120)),
        ].into_iter().flatten() {
            let (clean, max) = clean;
            prop_assert!((1..=max).contains(&clean.chars().count()));
            prop_assert!(!clean.contains(char::is_control));
            prop_assert_eq!(clean.trim(), clean.as_str());
        }
        if let Ok(description) = Description::from_str(&text) {
            prop_assert!(description.as_str().chars().eq(text.nfc()));
        }
        let fits = (8..=128).contains(&text.nfc().count());
        let password = Password::for_account(&text, []).ok();
        prop_assert_eq!(password.is_some(), fits);
        prop_assert!(password.is_none_or(|password| password.normal().chars().eq(text.nfc())));
    }

    #[test]
    fn a_password_attempt_has_the_forms_nfc_and_as_typed(text in "([a-z]{0,2}[éﬁÅ\\u{212b}\\u{f900}]{0,2}[\\u{301}\\u{323}\\u{340}]{0,2}.?){0,6}") {
        let attempt = PasswordAttempt::from_str(&text).unwrap();
        prop_assert_eq!(attempt.typed(), &text);
        prop_assert_eq!(attempt.normal(), text.nfc().collect::<String>());
    }

    #[test]
    fn an_email_is_equal_in_any_case_and_with_outer_spaces(local in "[A-Za-z0-9.+_-]{1,20}", domain in "[A-Za-z0-9]{1,20}(\\.[A-Za-z]{2,5})?") {
        let email = Email::from_str(&format!("{local}@{domain}")).unwrap();
        prop_assert_eq!(Email::from_str(&email.as_str().to_uppercase()), Ok(email.clone()));
        prop_assert_eq!(Email::from_str(&format!(" {} ", email.as_str())), Ok(email));
    }

    #[test]
    fn each_text_has_a_canonical_email_form_that_stays_as_it_is(text in ".{0,40}|[a-zÀ-ɏ\\u{300}-\\u{310}]{1,5}@(xn--)?[a-zÀ-ɏ0-9\\u{300}-\\u{310}.-]{1,12}") {
        let key = email_key(&text);
        prop_assert_eq!(email_key(&key), key.clone());
        if let Ok(email) = Email::from_str(&text) {
            prop_assert_eq!(email.as_str(), key);
            prop_assert_eq!(Email::from_str(email.as_str()), Ok(email));
        }
    }

    #[test]
    fn an_accepted_name_stays_as_it_is_and_looks_like_itself_in_any_case_and_form(text in "\\PC{1,20}|[a-zA-Z0-9 À-ɏΑ-ωА-я]{1,20}") {
        if let Ok(name) = Username::from_str(&text) {
            prop_assert_eq!(Username::from_str(name.as_str()), Ok(name.clone()));
            let nfd: String = name.as_str().nfd().collect();
            prop_assert_eq!(NameKeys::of(&nfd), NameKeys::of(name.as_str()));
            let lower: String = name.as_str().chars().flat_map(char::to_lowercase).collect();
            prop_assert_eq!(NameKeys::of(&lower).folded, NameKeys::of(name.as_str()).folded);
        }
    }

    #[test]
    fn an_accepted_id_has_exactly_one_spelling_and_is_positive(text in "[+-]?[0-9]{0,21}") {
        if let Ok(id) = Id::from_str(&text) {
            prop_assert_eq!(id.to_string(), text);
            prop_assert!(id.get() >= 1);
        }
    }

    #[test]
    fn a_cursor_decodes_to_its_position_and_only_for_its_list_and_key(id in 1_i64.., key in prop::option::of(".{0,300}"), list in ".{0,40}") {
        let cursors = CursorCodec::new(SIGNING_KEY);
        let position = Position { key, id: Id::try_from(id).unwrap() };
        let cursor = cursors.encode(&list, &position);
        prop_assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        prop_assert_eq!(cursors.decode(&list, &cursor), Some(position));
        prop_assert_eq!(cursors.decode(&format!("{list}x"), &cursor), None);
        prop_assert_eq!(CursorCodec::new(b"another key").decode(&list, &cursor), None);
    }

    #[test]
    fn a_changed_cursor_is_not_decoded(id in 1_i64.., at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_-]") {
        let cursors = CursorCodec::new(SIGNING_KEY);
        let position = Position { key: Some("2026-01-01".to_owned()), id: Id::try_from(id).unwrap() };
        let cursor = cursors.encode("/tasks", &position);
        let at = at.index(cursor.len());
        let changed = format!("{}{to}{}", &cursor[..at], &cursor[at + 1..]);
        prop_assert_eq!(cursors.decode("/tasks", &changed).is_some(), changed == cursor);
    }

    #[test]
    fn a_random_text_is_not_decoded_as_a_cursor(text in ".{0,100}") {
        prop_assert_eq!(CursorCodec::new(SIGNING_KEY).decode("/tasks", &text), None);
    }
}
