//! What the real Flask stack answers, and what this program does: `flask/parity.json` holds both, and the
//! reason for every difference. Here its cases are replayed to this program; `flask/parity.py` replays
//! them to the Flask stack.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use task_api::config::Config;
use task_api::config::cors::CorsArgs;

use crate::support::jwt::{base64, hs256};
use crate::support::{Answer, TestApp, keys};

fn corpus() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/flask/parity.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// What a list holds; nothing where it is left out.
fn list(value: &Value) -> Vec<&Value> {
    value.as_array().into_iter().flatten().collect()
}

/// What an object holds; nothing where it is left out.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// Calls `check` with every case and the group that it is in.
fn each_case(corpus: &Value, mut check: impl FnMut(&Value, &Value)) {
    for group in list(&corpus["groups"]) {
        for case in list(&group["cases"]) {
            check(group, case);
        }
    }
}

/// The answer that the case expects here.
fn expected(case: &Value) -> &Value {
    case.get("ours").unwrap_or(&case["flask"])
}

/// The corpus' token with a case's changes.
fn token(corpus: &Value, change: &Value) -> String {
    // JSON, or text as it is.
    let part = |value: &Value| match value {
        Value::String(text) => base64(text),
        json => base64(json.to_string()),
    };
    let usual = &corpus["token"];
    let mut claims = usual["claims"].as_object().unwrap().clone();
    for (name, value) in members(&change["claims"]) {
        claims.insert(name.clone(), value.clone());
    }
    for name in list(&change["without"]) {
        claims.shift_remove(text(name)).unwrap();
    }
    let header = part(change.get("header").unwrap_or(&usual["header"]));
    let payload = part(change.get("payload").unwrap_or(&claims.into()));
    let signed = format!("{header}.{payload}");
    let key = text(change.get("key").unwrap_or(&corpus["key"]));
    let tag = match change.get("tag") {
        Some(tag) => text(tag).to_owned(),
        None => base64(hs256(key.as_bytes(), &signed)),
    };
    format!("{signed}.{tag}")
}

/// The application with the settings of a group. `None` where they stop the start.
fn start(corpus: &Value, settings: &Value) -> Option<TestApp> {
    let setting = |name: &str, default| settings.get(name).map_or(default, text).to_owned();
    let cors = CorsArgs {
        cors_origins: setting("CORS_ORIGINS", "*").parse().ok()?,
        cors_supports_credentials: setting("CORS_SUPPORTS_CREDENTIALS", "false")
            .parse()
            .unwrap(),
    };
    let key = text(&corpus["key"]).as_bytes();
    let mut checked = Ok(());
    let change = |config: &mut Config| {
        config.cors = cors;
        checked = config.check();
    };
    let app = TestApp::with_keys(tempfile::tempdir().unwrap(), &keys(key, &[]), change);
    checked.ok()?;
    let rows: Vec<&str> = list(&corpus["rows"]).into_iter().map(text).collect();
    app.sql().execute_batch(&rows.join("\n")).unwrap();
    Some(app)
}

fn send(corpus: &Value, app: &TestApp, case: &Value) -> Answer {
    let token = token(corpus, &case["token"]);
    let request = text(&case["request"]).replace("{token}", &token);
    let mut headers = Vec::new();
    for (name, value) in members(&case["headers"]) {
        headers.push((name.as_str(), text(value).replace("{token}", &token)));
    }
    let body = match case.get("json") {
        Some(json) => {
            headers.push(("Content-Type", "application/json".to_owned()));
            json.to_string()
        }
        None => case.get("body").map_or("", text).to_owned(),
    };
    app.send_raw(&request, &headers, body.as_bytes())
}

/// What the answer has in the places that `expected` names.
fn seen(answer: &Answer, expected: &Value) -> Value {
    let mut seen = json!({ "status": answer.status });
    for (name, _) in members(&expected["body"]) {
        seen["body"][name] = answer.json()[name].clone();
    }
    for (name, _) in members(&expected["headers"]) {
        seen["headers"][name] = json!(answer.header(name));
    }
    seen
}

#[test]
fn every_case_is_answered_as_the_corpus_has_it() {
    let corpus = corpus();
    each_case(&corpus, |group, case| {
        let found = match start(&corpus, &group["settings"]) {
            Some(app) => seen(&send(&corpus, &app, case), expected(case)),
            None => json!({ "start": "refused" }),
        };
        assert_eq!(
            &found,
            expected(case),
            "{}: {}",
            group["about"],
            case["case"]
        );
    });
}

#[test]
fn every_difference_has_a_reason_and_no_reason_is_without_a_case() {
    let corpus = corpus();
    let mut given = BTreeSet::new();
    each_case(&corpus, |_, case| {
        let reasons = list(&case["differs"]);
        assert_eq!(
            reasons.is_empty(),
            expected(case) == &case["flask"],
            "{case}"
        );
        given.extend(reasons.into_iter().map(text).map(str::to_owned));
    });
    let listed = members(&corpus["differences"]).map(|(name, _)| name.clone());
    assert_eq!(given, listed.collect());
}

#[test]
fn the_page_for_flask_users_lists_every_difference() {
    let mut table = "| the Flask app | here | why |\n|---|---|---|\n".to_owned();
    for (_, difference) in members(&corpus()["differences"]) {
        let [flask, here, why] = ["flask", "here", "why"].map(|name| text(&difference[name]));
        table += &format!("| {flask} | {here} | {why} |\n");
    }
    let page =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/from-flask.md")).unwrap();
    let between = |text: &str| -> Option<String> {
        let (_, rest) = text.split_once("<!-- parity -->\n")?;
        Some(rest.split_once("<!-- /parity -->")?.0.to_owned())
    };
    assert!(
        between(&page).as_ref() == Some(&table),
        "put this into docs/from-flask.md between <!-- parity --> and <!-- /parity -->:\n{table}"
    );
}
