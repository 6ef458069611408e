//! The OpenAPI document: it is valid, it has all routes of the route table with their access, and its
//! examples match their schemas. That it describes each response is checked in every test, by
//! `support::openapi_check`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::LazyLock;

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;
use regex::Regex;
use serde_json::{Value, json};
use task_api::model::{Description, Email, SearchText, Title, Username};
use task_api::router::ROUTES;

use crate::support::openapi_check::{OPENAPI, resolve_ref, strict_validator};
use crate::support::{CONTRACT, TestApp};

/// The operations with their route, such as `"GET /tasks/{id}"`.
fn operations() -> impl Iterator<Item = (String, &'static Value)> {
    let paths = OPENAPI["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| {
            (format!("{} {path}", method.to_uppercase()), operation)
        })
    })
}

/// Calls `visit` with each value in the document and its JSON pointer.
fn walk(value: &Value, pointer: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(pointer, value);
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, member)| walk(member, &format!("{pointer}/{name}"), visit)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(n, item)| walk(item, &format!("{pointer}/{n}"), visit)),
        _ => {}
    }
}

#[test]
fn the_document_is_openapi_3_1_and_each_schema_is_valid() {
    assert_eq!(OPENAPI["openapi"], "3.1.0");
    let mut count = 0;
    walk(&OPENAPI, "", &mut |pointer, value| {
        if pointer.ends_with("/schema") || is_component(pointer) {
            let valid = jsonschema::draft202012::meta::validate(value);
            assert!(valid.is_ok(), "{pointer}: {valid:?}");
            count += 1;
        }
    });
    assert!(count > 50, "{count}");
}

fn is_component(pointer: &str) -> bool {
    let name = pointer.strip_prefix("/components/schemas/");
    name.is_some_and(|name| !name.contains('/'))
}

#[test]
fn each_reference_resolves_and_each_component_is_referenced() {
    let mut used = BTreeSet::new();
    walk(&OPENAPI, "", &mut |_, value| {
        if let Some(reference) = value["$ref"].as_str() {
            resolve_ref(value);
            used.insert(reference.to_owned());
        }
    });
    for kind in ["schemas", "responses", "headers"] {
        for name in OPENAPI["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(used.contains(&reference), "nothing refers to {reference}");
        }
    }
}

#[test]
fn the_document_has_exactly_the_routes_of_the_route_table() {
    let described: Vec<_> = operations().map(|(line, _)| line).collect();
    let table: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(described.len(), ROUTES.len());
    assert_eq!(described.into_iter().collect::<BTreeSet<_>>(), table);
}

/// The security requirements of an operation that also a token for scripts opens.
fn any_token(scopes: &[&str]) -> Value {
    json!([{ "accessToken": scopes }, { "apiToken": scopes }])
}

#[test]
fn each_operation_states_the_access_of_the_contract() {
    let described: BTreeMap<_, _> = operations().collect();
    for (line, level) in CONTRACT {
        let (security, words) = match *level {
            "anyone" if *line == "GET /metrics" => (
                json!([{}, { "metricsToken": [] }]),
                "If the server's setting METRICS_TOKEN is set",
            ),
            "anyone" => (json!([]), "Any client may call it."),
            "refresh" => (
                json!([{ "refreshToken": [] }, { "refreshCookie": [] }]),
                "Needs a refresh token",
            ),
            "signed in" => (any_token(&[]), "Any signed-in account may call it"),
            "in session" => (
                json!([{ "accessToken": [] }]),
                "Any signed-in account may call it, approved or not, but not with a token for scripts",
            ),
            "sign out" => (
                json!([{ "accessToken": [] }, { "refreshCookie": [] }]),
                "Any signed-in account may call it, approved or not, but not with a token for scripts",
            ),
            "approved" => (any_token(&["approved"]), "Approved accounts"),
            "manager" => (
                any_token(&["manager", "admin"]),
                "Approved managers and admins",
            ),
            "admin" => (any_token(&["admin"]), "Approved admins may call it."),
            "admin in session" => (
                json!([{ "accessToken": ["admin"] }]),
                "Approved admins may call it, but not with a token for scripts",
            ),
            other => panic!("{other}"),
        };
        let operation = described[*line];
        assert_eq!(operation["security"], security, "{line}");
        let text = operation["description"].as_str().unwrap();
        assert!(text.starts_with(words), "{line}: {text}");
    }
}

#[test]
fn each_operation_has_a_unique_id_a_known_tag_and_a_summary() {
    let mut ids = BTreeSet::new();
    let known_tags: Vec<_> = OPENAPI["tags"].as_array().unwrap().iter().collect();
    for (line, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{line}: {id} occurs twice");
        let tags = operation["tags"].as_array().unwrap();
        assert!(
            known_tags.iter().any(|tag| tag["name"] == tags[0]),
            "{line}"
        );
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{line}");
    }
}

#[test]
fn each_placeholder_of_a_path_is_a_parameter() {
    for (line, operation) in operations() {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described: Vec<_> = parameters
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let placeholders: Vec<_> = line
            .split('/')
            .filter(|part| part.starts_with('{'))
            .collect();
        assert_eq!(described, placeholders, "{line}");
    }
}

#[test]
fn each_example_matches_its_schema() {
    let mut count = 0;
    walk(&OPENAPI, "", &mut |pointer, value| {
        let Some(schema) = value.get("schema") else {
            return;
        };
        let several = value["examples"].as_object().into_iter().flatten();
        let several = several.map(|(_, example)| &example["value"]);
        for example in value.get("example").into_iter().chain(several) {
            let validator = strict_validator(schema);
            let errors: Vec<_> = validator
                .iter_errors(example)
                .map(|e| e.to_string())
                .collect();
            assert!(errors.is_empty(), "{pointer}: {errors:?}: {example}");
            count += 1;
        }
    });
    assert!(count > 60, "{count}");
}

#[test]
fn each_request_body_has_an_example_that_the_server_accepts() {
    let app = TestApp::new();
    let admin = app.admin();
    for (line, operation) in operations() {
        let Some(content) = operation.pointer("/requestBody/content/application~1json") else {
            continue;
        };
        let line = line.replace("{id}", "1");
        let response = app.send(&line, admin.clone(), &content["example"].to_string());
        assert!(
            ![400, 415, 422].contains(&response.status),
            "{line}: {response:?}"
        );
    }
}

#[test]
fn the_schemas_of_request_bodies_have_all_fields_and_their_lengths() {
    let schemas = &OPENAPI["components"]["schemas"];
    for (name, fields, required) in [
        (
            "NewUser",
            &["username", "email", "password", "invitation"][..],
            &["username", "email", "password"][..],
        ),
        ("NewInvitation", &["role", "email"], &["role"]),
        (
            "PasswordReset",
            &["token", "password"],
            &["token", "password"],
        ),
        (
            "Credentials",
            &["email", "password", "device_token"],
            &["email", "password"],
        ),
        (
            "ProfilePatch",
            &["email", "password", "current_password"],
            &["current_password"],
        ),
        ("UserPatch", &["role", "is_approved"], &[]),
        (
            "NewTask",
            &[
                "title",
                "description",
                "status",
                "deadline",
                "assigned_user_id",
            ],
            &["title"],
        ),
        (
            "TaskPatch",
            &[
                "title",
                "description",
                "status",
                "deadline",
                "assigned_user_id",
            ],
            &[],
        ),
    ] {
        let schema = &schemas[name];
        let described: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(described, fields, "{name}");
        let described_required = schema.get("required").cloned().unwrap_or(json!([]));
        assert_eq!(described_required, json!(required), "{name}");
        assert_eq!(schema["additionalProperties"], false, "{name}");
    }
    let lengths = |name: &str, field: &str| {
        let field = &schemas[name]["properties"][field];
        (field["minLength"].as_u64(), field["maxLength"].as_u64())
    };
    assert_eq!(lengths("NewUser", "username"), (Some(1), Some(80)));
    assert_eq!(lengths("NewUser", "email").1, Some(120));
    assert_eq!(lengths("NewUser", "password"), (Some(8), Some(128)));
    assert_eq!(lengths("NewTask", "title"), (Some(1), Some(255)));
    assert_eq!(lengths("NewTask", "description"), (None, Some(10_000)));
}

/// The error codes that an operation describes for this status.
fn codes<'a>(operation: &'a Value, status: &str) -> Vec<&'a str> {
    let response = resolve_ref(&operation["responses"][status]);
    let examples = response.pointer("/content/application~1json/examples");
    let examples = examples.and_then(Value::as_object).into_iter().flatten();
    examples.map(|(code, _)| code.as_str()).collect()
}

#[test]
fn each_operation_lists_its_error_codes() {
    let described: BTreeMap<_, _> = operations().collect();
    for (line, status, expected) in [
        ("POST /signup", "409", &["account_exists"][..]),
        (
            "POST /signup",
            "403",
            &["sign_ups_closed", "too_many_pending_accounts"],
        ),
        ("POST /signup", "410", &["link_used_or_expired"]),
        ("POST /password-reset", "410", &["link_used_or_expired"]),
        ("POST /invitations", "409", &["too_many_invitations"]),
        ("POST /login", "403", &["not_own_page"]),
        ("POST /refresh", "403", &["not_own_page"]),
        (
            "POST /logout",
            "403",
            &["insufficient_scope", "not_own_page"],
        ),
        ("POST /login", "401", &["wrong_email_or_password"]),
        ("POST /refresh", "401", &["invalid_token", "unauthorized"]),
        (
            "PATCH /me",
            "403",
            &["insufficient_scope", "wrong_password"],
        ),
        ("GET /me/sessions", "403", &["insufficient_scope"]),
        ("GET /hello", "403", &[]),
        (
            "GET /users",
            "403",
            &["awaiting_approval", "insufficient_role"],
        ),
        ("GET /tasks", "403", &["awaiting_approval"]),
        (
            "PATCH /users/{id}",
            "403",
            &[
                "awaiting_approval",
                "insufficient_role",
                "insufficient_scope",
            ],
        ),
        ("DELETE /users/{id}", "409", &["last_admin"]),
        ("POST /tasks", "422", &["idempotency_key_reused", "invalid"]),
        ("POST /tasks", "400", &["bad_request", "malformed_json"]),
        ("GET /hello", "429", &["too_many_requests"]),
        ("GET /healthz", "429", &[]),
    ] {
        assert_eq!(codes(described[line], status), expected, "{line} {status}");
    }
    const IN_MEMORY: [&str; 6] = [
        "/healthz",
        "/openapi.json",
        "/docs",
        "/docs/{file}",
        "/",
        "/board/{file}",
    ];
    for (line, operation) in operations() {
        assert_eq!(codes(operation, "500"), ["internal_error"], "{line}");
        let codes_503 = codes(operation, "503");
        match line.split_once(' ') {
            // With PostgreSQL a read can find no database, except one of what is in memory.
            Some(("GET", path))
                if path != "/readyz"
                    && (!cfg!(feature = "postgres") || IN_MEMORY.contains(&path)) =>
            {
                assert_eq!(codes_503, ["busy", "stopping"], "{line}");
            }
            _ => assert_eq!(
                codes_503,
                ["busy", "stopping", "storage_unavailable"],
                "{line}"
            ),
        }
    }
}

#[test]
fn each_503_has_the_header_retry_after() {
    for (line, operation) in operations() {
        let response = resolve_ref(&operation["responses"]["503"]);
        let header = resolve_ref(&response["headers"]["Retry-After"]);
        let description = header["description"].as_str().unwrap();
        assert!(description.contains("seconds"), "{line}: {description}");
    }
}

#[test]
fn the_server_serves_the_document() {
    let app = TestApp::new();
    let response = app.send("GET /openapi.json", None, "");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    assert_eq!(response.text(), task_api::router::openapi_json("").unwrap());
}

/// The patterns of the document.
fn patterns() -> BTreeSet<String> {
    let mut patterns = BTreeSet::new();
    walk(&OPENAPI, "", &mut |_, value| {
        patterns.extend(value["pattern"].as_str().map(str::to_owned));
    });
    patterns
}

/// Rust's regular expressions are compiled here, the others by `tests/clients/patterns.py`. Beyond what all of them read
/// alike, no pattern has a quotation mark, which generators write into code without an escape.
#[test]
fn each_pattern_means_the_same_in_every_regular_expression_language() {
    assert!(patterns().len() >= 8, "{:?}", patterns());
    for pattern in patterns() {
        Regex::new(&pattern).unwrap();
        assert!(
            pattern.bytes().all(|b| (b' '..=b'~').contains(&b)),
            "{pattern}"
        );
        assert!(
            pattern.starts_with('^') && pattern.ends_with('$'),
            "{pattern}"
        );
        for unlike in ["(?", "\"", "'", "`", "--", "&&", "||", "~~", "[[", "[:"] {
            assert!(!pattern.contains(unlike), "{unlike} in {pattern}");
        }
        for escape in pattern.split('\\').skip(1) {
            let code = escape.strip_prefix('x').and_then(|code| code.get(..2));
            assert!(
                code.is_some_and(|code| u8::from_str_radix(code, 16).is_ok()),
                "\\{escape} in {pattern}"
            );
        }
    }
}

/// A pattern accepts every text that the parser accepts. What it accepts beyond is for each character exactly the class
/// in this test: characters that have no name which all regular expression languages know.
#[test]
fn each_pattern_accepts_what_the_parser_accepts_and_little_more() {
    const INVISIBLE: &str = r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001107f\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff\u2028\u2029&&[^\x00-\xa0]]";
    const UNSAFE_IN_LINE: &str = r"[\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\ufeff]";
    // Categories other than letters, marks, numbers, punctuation, symbols and spaces, and what is invisible among these.
    const NOT_IN_NAMES: &str = r"[[^\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}\x00-\x9f]\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001107f\U00013441\U00013442\U00016fe4\U0001d159\U000e0100-\U000e01ef]";
    // Also symbols. U+1FEF becomes a grave accent of ASCII in NFC.
    const NOT_IN_ADDRESSES: &str = r"[[^\p{L}\p{M}\p{N}\x00-\x9f\u1fef]\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U0001107f\U00013441\U00013442\U00016fe4\U0001d159\U000e0100-\U000e01ef]";
    /// No character.
    const NOTHING: &str = "[a&&b]";

    fn compare<T: FromStr>(pattern: &str, wider: &str, text_around: fn(char) -> String) {
        let wider = Regex::new(wider).unwrap();
        let pattern = Regex::new(pattern).unwrap();
        for c in &*CHARACTERS {
            let text = text_around(*c);
            let (is_parsed, is_matched) = (text.parse::<T>().is_ok(), pattern.is_match(&text));
            let is_wider = wider.is_match(&c.to_string());
            assert_eq!(is_matched, is_parsed || is_wider, "{text:?} {pattern}");
            assert!(!(is_parsed && is_wider), "{text:?} {pattern}");
        }
    }
    let alone: fn(char) -> String = |c| c.to_string();
    let inside: fn(char) -> String = |c| format!("a{c}b");
    compare::<Title>(
        Title::PATTERN,
        &format!("{INVISIBLE}|{UNSAFE_IN_LINE}"),
        alone,
    );
    compare::<Title>(Title::PATTERN, UNSAFE_IN_LINE, inside);
    compare::<Username>(
        Username::PATTERN,
        &format!("{INVISIBLE}|{NOT_IN_NAMES}"),
        alone,
    );
    compare::<Username>(Username::PATTERN, NOT_IN_NAMES, inside);
    for text_around in [alone, inside] {
        compare::<Description>(Description::PATTERN, NOTHING, text_around);
        compare::<SearchText>(SearchText::PATTERN, UNSAFE_IN_LINE, text_around);
    }
    compare::<Email>(Email::PATTERN, NOT_IN_ADDRESSES, |c| {
        format!("{c}@example.com")
    });
    compare::<Email>(Email::PATTERN, NOT_IN_ADDRESSES, |c| {
        format!("a{c}b@example.com")
    });
}

/// Patterns match a text as it is sent: white space around a line, decomposed letters, characters of two UTF-16 units.
#[test]
fn each_pattern_accepts_and_refuses_these_texts() {
    let texts: Value = serde_json::from_str(include_str!("../clients/patterns.json")).unwrap();
    fn check<T: FromStr>(texts: &Value, pattern: &str) {
        let regex = Regex::new(pattern).unwrap();
        let schema = OPENAPI.pointer(texts["at"].as_str().unwrap()).unwrap();
        assert_eq!(schema["pattern"], pattern);
        for text in texts["valid"].as_array().unwrap() {
            let text = text.as_str().unwrap();
            assert!(
                text.parse::<T>().is_ok() && regex.is_match(text),
                "{text:?} {pattern}"
            );
        }
        for text in texts["refused"].as_array().unwrap() {
            let text = text.as_str().unwrap();
            assert!(
                text.parse::<T>().is_err() && !regex.is_match(text),
                "{text:?} {pattern}"
            );
        }
    }
    check::<Username>(&texts["username"], Username::PATTERN);
    check::<Title>(&texts["title"], Title::PATTERN);
    check::<Description>(&texts["description"], Description::PATTERN);
    check::<SearchText>(&texts["q"], SearchText::PATTERN);
    check::<Email>(&texts["email"], Email::PATTERN);
}

/// All characters except those that were assigned after the version of Unicode that regular expressions know here. The
/// program knows a later one.
static CHARACTERS: LazyLock<Vec<char>> = LazyLock::new(|| {
    let unassigned = Regex::new(r"^\p{Cn}$").unwrap();
    let categories = CodePointMapData::<GeneralCategory>::new();
    let is_new = |c: char| {
        categories.get(c) != GeneralCategory::Unassigned && unassigned.is_match(&c.to_string())
    };
    ('\0'..=char::MAX).filter(|c| !is_new(*c)).collect()
});
