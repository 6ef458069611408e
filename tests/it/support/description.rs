//! What the tests see, held against the API's description: every answer of every test is of a status, a type
//! and a form that `/openapi.json` has.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::Answer;

/// The description as everybody gets it.
pub static DESCRIPTION: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&task_api::router::openapi_json().unwrap()).unwrap());

/// Headers that stand for something where they are there.
const HEADERS: [&str; 7] = [
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
];

/// What a `$ref` stands for, at once or behind others.
pub fn resolved(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            resolved(DESCRIPTION.pointer(pointer).expect(reference))
        }
        None => value,
    }
}

/// The path of the description that this target has, and the operation there.
fn operation(method: &str, target: &str) -> Option<(&'static str, &'static Value)> {
    let path = target.split('?').next().unwrap();
    let decode = |segment| percent_decode_str(segment).decode_utf8_lossy();
    let segments: Vec<_> = path.split('/').map(decode).collect();
    let matches = |template: &str| {
        let (mut left, mut right) = (template.split('/'), segments.iter());
        loop {
            match (left.next(), right.next()) {
                (None, None) => return true,
                (Some(any), Some(some)) if any.starts_with('{') && !some.is_empty() => {}
                (Some(one), Some(other)) if one == *other => {}
                _ => return false,
            }
        }
    };
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    let found = paths.keys().filter(|template| matches(template));
    // What a path says in words is no id.
    let template = found.min_by_key(|template| template.contains('{'))?;
    let method = match method {
        "HEAD" => "GET",
        _ => method,
    };
    let item = paths[template].as_object().unwrap();
    let named = |name: &&String| name.to_uppercase() == method;
    Some((template, &item[item.keys().find(named)?]))
}

/// Panics unless the description has this answer. What has no operation is 404 or 405, and is not its matter.
pub fn check(method: &str, target: &str, answer: &Answer) {
    let Some((path, operation)) = operation(method, target) else {
        return;
    };
    let status = answer.status.to_string();
    let line = format!("{method} {path} answers {status}");
    let described = operation["responses"]
        .get(&status)
        .unwrap_or_else(|| panic!("{line}, which is not in the description: {answer:?}"));
    let described = resolved(described);
    for name in HEADERS {
        let has = answer.header(name).is_some();
        assert!(
            !has || described["headers"].get(name).is_some(),
            "{line} with {name}, which is not in the description"
        );
    }
    let Some(content) = described.get("content") else {
        assert!(answer.body.is_empty(), "{line} with a body: {answer:?}");
        return;
    };
    let media_type = |text: &str| text.split(';').next().unwrap().to_owned();
    let sent = media_type(answer.header("Content-Type").expect(&line));
    let (_, of_type) = content
        .as_object()
        .unwrap()
        .iter()
        .find(|(name, _)| media_type(name) == sent)
        .unwrap_or_else(|| panic!("{line} with {sent}, which is not in the description"));
    if sent == "application/json" && answer.header("Content-Encoding").is_none() {
        is_of_the_form(&line, &of_type["schema"], &answer.json());
    }
}

/// Panics unless a body that was accepted is as the description wants it, and the query as well.
pub fn check_accepted(method: &str, target: &str, body: &[u8], answer: &Answer) {
    let Some((path, operation)) = operation(method, target).filter(|_| answer.status < 300) else {
        return;
    };
    let line = format!("{method} {path} accepts");
    if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema") {
        is_of_the_form(&line, schema, &as_read(body));
    }
    let query = target.split_once('?').map_or("", |(_, query)| query);
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        let mut known = operation["parameters"].as_array().into_iter().flatten();
        let of_a_list = operation.pointer("/responses/200/headers/Link").is_some();
        assert!(
            !of_a_list || known.any(|known| known["in"] == "query" && known["name"] == *name),
            "{line} {name}, which is not in the description"
        );
    }
}

/// A body as the server sees it before it looks: names and titles without the white space around them, a
/// password in the form NFC.
fn as_read(body: &[u8]) -> Value {
    let mut body: Value = serde_json::from_slice(body).unwrap();
    for name in ["username", "email", "title"] {
        if let Some(text) = body[name].as_str() {
            body[name] = text.trim().into();
        }
    }
    if let Some(password) = body["password"].as_str() {
        body["password"] = password.nfc().collect::<String>().into();
    }
    body
}

fn is_of_the_form(line: &str, schema: &Value, instance: &Value) {
    static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> =
        LazyLock::new(Default::default);
    let key = schema.to_string();
    let known = VALIDATORS.lock().unwrap().get(&key).cloned();
    let validator = known.unwrap_or_else(|| {
        let made = Arc::new(validator(schema));
        let kept = Arc::clone(&made);
        VALIDATORS.lock().unwrap().insert(key, kept);
        made
    });
    let mut errors = validator.iter_errors(instance).map(|error| {
        let at = error.instance_path().to_string();
        format!("{at}: {error:.300}")
    });
    if let Some(error) = errors.next() {
        panic!("{line} what its schema has not: {error}: {instance:.300}");
    }
}

/// Whether something is of this form, and has no member that the form does not name.
pub fn validator(schema: &Value) -> Validator {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [schema],
        "unevaluatedProperties": false,
        "components": DESCRIPTION["components"],
    });
    let mut references = Vec::new();
    close(&mut schema["components"]["schemas"], &mut references);
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

/// Leaves no room for other members wherever a form is referred to, except as a part of another.
fn close(schema: &mut Value, path: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("$ref") && !path.iter().any(|name| name == "allOf") {
                members.insert("unevaluatedProperties".to_owned(), false.into());
            }
            for (name, member) in members {
                path.push(name.clone());
                close(member, path);
                path.pop();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| close(item, path)),
        _ => {}
    }
}
