//! Compares the responses of all tests with the OpenAPI document: each has a status, a media type and a
//! body that `/openapi.json` describes.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use task_api::model::Timestamp;
use unicode_normalization::UnicodeNormalization;

use super::TestResponse;

/// The OpenAPI document, as `GET /openapi.json` returns it.
pub static OPENAPI: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&task_api::router::openapi_json("").unwrap()).unwrap());

/// Headers that the OpenAPI document must list for each response that carries them.
const HEADERS: [&str; 7] = [
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
];

/// Follows a `$ref`, and the `$ref` that it leads to, to the value itself. Returns other values unchanged.
pub fn resolve_ref(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            resolve_ref(OPENAPI.pointer(pointer).expect(reference))
        }
        None => value,
    }
}

/// The path template of the OpenAPI document that matches this request target, and the operation there.
fn operation(method: &str, target: &str) -> Option<(&'static str, &'static Value)> {
    let path = target.split('?').next().unwrap();
    let decode = |segment| percent_decode_str(segment).decode_utf8_lossy();
    let segments: Vec<_> = path.split('/').map(decode).collect();
    let matches = |template: &str| {
        let (mut expected, mut actual) = (template.split('/'), segments.iter());
        loop {
            match (expected.next(), actual.next()) {
                (None, None) => return true,
                (Some(parameter), Some(value))
                    if parameter.starts_with('{') && !value.is_empty() => {}
                (Some(literal), Some(segment)) if literal == *segment => {}
                _ => return false,
            }
        }
    };
    let paths = OPENAPI["paths"].as_object().unwrap();
    let found = paths.keys().filter(|template| matches(template));
    // A path without a parameter goes first: `/me/sessions/revoke-all` is not a session id.
    let template = found.min_by_key(|template| template.contains('{'))?;
    let method = match method {
        "HEAD" => "GET",
        _ => method,
    };
    let item = paths[template].as_object().unwrap();
    let is_method = |name: &&String| name.to_uppercase() == method;
    Some((template, &item[item.keys().find(is_method)?]))
}

/// Panics unless the OpenAPI document describes this response. Of a request without an operation there (404 and
/// 405), only the schema of the error is checked.
pub fn check(method: &str, target: &str, response: &TestResponse) {
    let Some((path, operation)) = operation(method, target) else {
        if response.status >= 400 && !response.body.is_empty() {
            let error = json!({ "$ref": "#/components/schemas/Error" });
            assert_matches_schema(
                &format!("{method} {target} returns"),
                &error,
                &response.json(),
            );
        }
        return;
    };
    let status = response.status.to_string();
    let line = format!("{method} {path} returns {status}");
    let described = operation["responses"]
        .get(&status)
        .unwrap_or_else(|| panic!("{line}, which is not in the OpenAPI document: {response:?}"));
    let described = resolve_ref(described);
    for name in HEADERS {
        let is_present = response.header(name).is_some();
        assert!(
            !is_present || described["headers"].get(name).is_some(),
            "{line} with {name}, which is not in the OpenAPI document"
        );
    }
    let Some(content) = described.get("content") else {
        assert!(response.body.is_empty(), "{line} with a body: {response:?}");
        return;
    };
    let media_type = |text: &str| text.split(';').next().unwrap().to_owned();
    let content_type = media_type(response.header("Content-Type").expect(&line));
    let (_, described) = content
        .as_object()
        .unwrap()
        .iter()
        .find(|(name, _)| media_type(name) == content_type)
        .unwrap_or_else(|| {
            panic!("{line} with {content_type}, which is not in the OpenAPI document")
        });
    if content_type == "application/json" && response.header("Content-Encoding").is_none() {
        let body = response.json();
        assert_matches_schema(&line, &described["schema"], &body);
        assert!(
            response.status < 400
                || described["examples"]
                    .get(body["code"].as_str().unwrap())
                    .is_some(),
            "{line} with a code that is not in the OpenAPI document: {body}"
        );
    }
}

/// Panics unless the request body and the query parameters of an accepted request match the OpenAPI document.
pub fn check_accepted(method: &str, target: &str, body: &[u8], response: &TestResponse) {
    let Some((path, operation)) = operation(method, target).filter(|_| response.status < 300)
    else {
        return;
    };
    let line = format!("{method} {path} accepts");
    if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
        assert_matches_schema(&line, schema, &normalized(body));
    }
    let query = target.split_once('?').map_or("", |(_, query)| query);
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        let is_list = operation.pointer("/responses/200/headers/Link").is_some();
        assert!(
            !is_list || parameters.any(|known| known["in"] == "query" && known["name"] == *name),
            "{line} {name}, which is not in the OpenAPI document"
        );
    }
}

/// The request body after the server's normalization: without a byte order mark, user names, email
/// addresses and titles trimmed, text in Unicode normalization form C (NFC), and the deadline in RFC 3339.
fn normalized(body: &[u8]) -> Value {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let mut body: Value = serde_json::from_slice(body).unwrap();
    for name in ["username", "email", "title"] {
        if let Some(text) = body[name].as_str() {
            body[name] = text.trim().into();
        }
    }
    for name in ["username", "email", "title", "description", "password"] {
        if let Some(text) = body[name].as_str() {
            body[name] = text.nfc().collect::<String>().into();
        }
    }
    if let Some(deadline) = body["deadline"].as_str() {
        body["deadline"] = String::from(deadline.parse::<Timestamp>().unwrap()).into();
    }
    body
}

fn assert_matches_schema(line: &str, schema: &Value, instance: &Value) {
    static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> =
        LazyLock::new(Default::default);
    let key = schema.to_string();
    let cached = VALIDATORS.lock().unwrap().get(&key).cloned();
    let validator = cached.unwrap_or_else(|| {
        let validator = Arc::new(strict_validator(schema));
        let cached = Arc::clone(&validator);
        VALIDATORS.lock().unwrap().insert(key, cached);
        validator
    });
    let mut errors = validator.iter_errors(instance).map(|error| {
        let path = error.instance_path().to_string();
        format!("{path}: {error:.300}")
    });
    if let Some(error) = errors.next() {
        panic!("{line} what does not match the schema: {error}: {instance:.300}");
    }
}

/// A validator for this schema that rejects members which the schema does not name.
pub fn strict_validator(schema: &Value) -> Validator {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [schema],
        "unevaluatedProperties": false,
        "components": OPENAPI["components"],
    });
    let mut references = Vec::new();
    forbid_extra_members(&mut schema["components"]["schemas"], &mut references);
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

/// Sets `unevaluatedProperties: false` beside each `$ref`. A `$ref` within `allOf` is left out: it
/// describes only a part of the members, and the outer schema forbids the rest.
fn forbid_extra_members(schema: &mut Value, path: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("$ref") && !path.iter().any(|name| name == "allOf") {
                members.insert("unevaluatedProperties".to_owned(), false.into());
            }
            for (name, member) in members {
                path.push(name.clone());
                forbid_extra_members(member, path);
                path.pop();
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| forbid_extra_members(item, path)),
        _ => {}
    }
}
