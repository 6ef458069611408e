//! The description of the API: it is one, it has every route and what the table says of each, and its
//! examples are examples. That every answer is in it is held against every test, in `common`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_json::{Value, json};
use task_api::model::{Description, SearchText, Title, Username, schema};
use task_api::router::ROUTES;

use crate::support::openapi_check::{OPENAPI, resolve_ref, strict_validator};
use crate::support::{CONTRACT, TestApp};

/// Each operation, and its line of the table of routes.
fn operations() -> impl Iterator<Item = (String, &'static Value)> {
    let paths = OPENAPI["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| {
            (format!("{} {path}", method.to_uppercase()), operation)
        })
    })
}

/// Calls `look` at every value of the description, with its place.
fn walk(value: &Value, place: &str, look: &mut impl FnMut(&str, &Value)) {
    look(place, value);
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, member)| walk(member, &format!("{place}/{name}"), look)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(n, item)| walk(item, &format!("{place}/{n}"), look)),
        _ => {}
    }
}

#[test]
fn it_is_openapi_3_1_and_every_schema_is_one() {
    assert_eq!(OPENAPI["openapi"], "3.1.0");
    let mut count = 0;
    walk(&OPENAPI, "", &mut |place, value| {
        if place.ends_with("/schema") || is_component(place) {
            let valid = jsonschema::draft202012::meta::validate(value);
            assert!(valid.is_ok(), "{place}: {valid:?}");
            count += 1;
        }
    });
    assert!(count > 50, "{count}");
}

fn is_component(place: &str) -> bool {
    let name = place.strip_prefix("/components/schemas/");
    name.is_some_and(|name| !name.contains('/'))
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_referred_to() {
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
fn it_has_every_route_and_nothing_else() {
    let described: Vec<_> = operations().map(|(line, _)| line).collect();
    let table: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(described.len(), ROUTES.len());
    assert_eq!(described.into_iter().collect::<BTreeSet<_>>(), table);
}

#[test]
fn it_says_who_may_call_what_as_the_contract_does() {
    let described: BTreeMap<_, _> = operations().collect();
    for (line, level) in CONTRACT {
        let (security, words) = match *level {
            "anyone" if *line == "GET /metrics" => (
                json!([{}, { "metricsToken": [] }]),
                "If the server's setting METRICS_TOKEN is set",
            ),
            "anyone" => (json!([]), "Any client may call it."),
            "refresh" => (
                json!([{ "refreshToken": [] }]),
                "Needs a refresh token",
            ),
            "signed in" => (json!([{ "accessToken": [] }]), "Any signed-in account may call it"),
            "approved" => (
                json!([{ "accessToken": ["approved"] }]),
                "Approved accounts",
            ),
            "manager" => (
                json!([{ "accessToken": ["manager", "admin"] }]),
                "Approved managers and admins",
            ),
            "admin" => (json!([{ "accessToken": ["admin"] }]), "Approved admins"),
            other => panic!("{other}"),
        };
        let operation = described[*line];
        assert_eq!(operation["security"], security, "{line}");
        let text = operation["description"].as_str().unwrap();
        assert!(text.starts_with(words), "{line}: {text}");
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_a_chapter_and_a_summary() {
    let mut names = BTreeSet::new();
    let chapters: Vec<_> = OPENAPI["tags"].as_array().unwrap().iter().collect();
    for (line, operation) in operations() {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{line}: {name} is another's name");
        let tags = operation["tags"].as_array().unwrap();
        assert!(
            chapters.iter().any(|chapter| chapter["name"] == tags[0]),
            "{line}"
        );
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{line}");
    }
}

#[test]
fn every_segment_of_a_path_that_varies_is_a_parameter() {
    for (line, operation) in operations() {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described: Vec<_> = parameters
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        let varying: Vec<_> = line
            .split('/')
            .filter(|part| part.starts_with('{'))
            .collect();
        assert_eq!(described, varying, "{line}");
    }
}

#[test]
fn every_example_is_one() {
    let mut count = 0;
    walk(&OPENAPI, "", &mut |place, value| {
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
            assert!(errors.is_empty(), "{place}: {errors:?}: {example}");
            count += 1;
        }
    });
    assert!(count > 60, "{count}");
}

#[test]
fn every_body_has_an_example_that_the_server_understands() {
    let app = TestApp::new();
    let admin = app.admin();
    for (line, operation) in operations() {
        let Some(content) = operation.pointer("/requestBody/content/application~1json") else {
            continue;
        };
        let line = line.replace("{id}", "1");
        let answer = app.send(&line, admin.clone(), &content["example"].to_string());
        assert!(
            ![400, 415, 422].contains(&answer.status),
            "{line}: {answer:?}"
        );
    }
}

#[test]
fn what_is_sent_is_described_to_the_last_field_and_length() {
    let schemas = &OPENAPI["components"]["schemas"];
    for (name, fields, required) in [
        (
            "NewUser",
            &["username", "email", "password"][..],
            &["username", "email", "password"][..],
        ),
        (
            "Credentials",
            &["email", "password"],
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
        let known: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(known, fields, "{name}");
        let wanted = schema.get("required").cloned().unwrap_or(json!([]));
        assert_eq!(wanted, json!(required), "{name}");
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

/// The codes of an operation's answers of this status.
fn codes<'a>(operation: &'a Value, status: &str) -> Vec<&'a str> {
    let response = resolve_ref(&operation["responses"][status]);
    let code = "/content/application~1json/schema/allOf/1/properties/code/enum";
    let codes = response.pointer(code).and_then(Value::as_array);
    codes
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

#[test]
fn it_names_the_codes_of_errors() {
    let described: BTreeMap<_, _> = operations().collect();
    for (line, status, expected) in [
        ("POST /signup", "409", &["account_exists"][..]),
        ("POST /login", "401", &["wrong_email_or_password"]),
        ("POST /refresh", "401", &["invalid_token", "unauthorized"]),
        ("PATCH /me", "403", &["wrong_password"]),
        (
            "GET /users",
            "403",
            &["awaiting_approval", "insufficient_role"],
        ),
        ("GET /tasks", "403", &["awaiting_approval"]),
        ("DELETE /users/{id}", "409", &["last_admin"]),
        ("POST /tasks", "422", &["idempotency_key_reused", "invalid"]),
        ("POST /tasks", "400", &["bad_request", "malformed_json"]),
        ("GET /hello", "429", &["too_many_requests"]),
        ("GET /healthz", "429", &[]),
    ] {
        assert_eq!(codes(described[line], status), expected, "{line} {status}");
    }
    for (line, operation) in operations() {
        assert_eq!(codes(operation, "500"), ["internal_error"], "{line}");
        assert_eq!(codes(operation, "503"), ["busy"], "{line}");
    }
}

#[test]
fn the_server_answers_with_it() {
    let app = TestApp::new();
    let answer = app.send("GET /openapi.json", None, "");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.text(), task_api::router::openapi_json().unwrap());
}

/// The document says by a pattern what the program says by a parser: for every character the same.
#[test]
fn a_pattern_refuses_the_characters_that_the_parser_refuses() {
    fn compare<T: FromStr>(pattern: &str, text_around: fn(char) -> String) {
        let schema = strict_validator(&json!({ "type": "string", "pattern": pattern }));
        for c in '\0'..=char::MAX {
            let text = text_around(c);
            let is_parsed = text.parse::<T>().is_ok();
            assert_eq!(
                schema.is_valid(&json!(text)),
                is_parsed,
                "{text:?} {pattern}"
            );
        }
    }
    let alone = |c: char| c.to_string();
    let inside = |c: char| format!("a{c}b");
    for text_around in [alone, inside] {
        compare::<Username>(schema::USERNAME, text_around);
        compare::<Title>(schema::TITLE, text_around);
        compare::<Description>(schema::DESCRIPTION, text_around);
        compare::<SearchText>(schema::SEARCH_TEXT, text_around);
    }
}
