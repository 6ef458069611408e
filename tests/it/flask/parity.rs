//! Parity with the Flask app: `tests/flask/parity.json` has requests, the responses of the real Flask stack and
//! of this program, and the reason for each difference. These tests send the requests to this program;
//! `tests/flask/parity.py` sends them to the Flask stack.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use task_api::config::Config;
use task_api::config::cors::CorsArgs;

use crate::support::jwt::{base64, hs256};
use crate::support::{TestApp, TestResponse, keys};

fn corpus() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/flask/parity.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The items of a list; none if the list is absent.
fn list(value: &Value) -> Vec<&Value> {
    value.as_array().into_iter().flatten().collect()
}

/// The members of an object; none if the object is absent.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a string: {value}"))
}

/// Calls `check` with every case and the group that it is in.
fn for_each_case(corpus: &Value, mut check: impl FnMut(&Value, &Value)) {
    for group in list(&corpus["groups"]) {
        for case in list(&group["cases"]) {
            check(group, case);
        }
    }
}

/// The response that the case expects of this program.
fn expected(case: &Value) -> &Value {
    case.get("ours").unwrap_or(&case["flask"])
}

/// The token of the corpus with the changes of a case; `now` is in seconds since 1970.
fn token(corpus: &Value, change: &Value, now: i64) -> String {
    // A string is encoded as it is, any other value as JSON.
    let part = |value: &Value| match value {
        Value::String(text) => base64(text),
        json => base64(json.to_string()),
    };
    let default = &corpus["token"];
    let mut claims = default["claims"].as_object().unwrap().clone();
    for (name, seconds) in members(&default["seconds_from_now"]) {
        claims.insert(name.clone(), (now + seconds.as_i64().unwrap()).into());
    }
    for (name, value) in members(&change["claims"]) {
        claims.insert(name.clone(), value.clone());
    }
    for name in list(&change["without"]) {
        claims.shift_remove(text(name)).unwrap();
    }
    let header = part(change.get("header").unwrap_or(&default["header"]));
    let payload = part(change.get("payload").unwrap_or(&claims.into()));
    let signed = format!("{header}.{payload}");
    let key = text(change.get("key").unwrap_or(&corpus["key"]));
    let tag = match change.get("tag") {
        Some(tag) => text(tag).to_owned(),
        None => base64(hs256(key.as_bytes(), &signed)),
    };
    format!("{signed}.{tag}")
}

/// The application with the settings of a group. `None` if these settings are rejected.
fn start(corpus: &Value, settings: &Value) -> Option<TestApp> {
    let setting = |name: &str, default| settings.get(name).map_or(default, text).to_owned();
    let cors = CorsArgs {
        cors_origins: setting("CORS_ORIGINS", "*").parse().ok()?,
        cors_allow_headers: setting("CORS_ALLOW_HEADERS", "").parse().ok()?,
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
    // As a start does on a database of the Flask app.
    app.app.store.synchronise_accounts().unwrap();
    Some(app)
}

fn send(corpus: &Value, app: &TestApp, case: &Value) -> TestResponse {
    let token = token(corpus, &case["token"], app.now());
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

/// The parts of the response that `expected` names.
fn expected_parts_of(response: &TestResponse, expected: &Value) -> Value {
    let mut parts = json!({ "status": response.status });
    for (name, _) in members(&expected["body"]) {
        parts["body"][name] = response.json()[name].clone();
    }
    for (name, _) in members(&expected["headers"]) {
        parts["headers"][name] = json!(response.header(name));
    }
    parts
}

#[test]
fn every_case_of_the_corpus_gets_its_expected_response() {
    let corpus = corpus();
    for_each_case(&corpus, |group, case| {
        let found = match start(&corpus, &group["settings"]) {
            Some(app) => expected_parts_of(&send(&corpus, &app, case), expected(case)),
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
fn every_difference_from_flask_has_a_reason_and_every_reason_has_a_case() {
    let corpus = corpus();
    let mut given = BTreeSet::new();
    for_each_case(&corpus, |_, case| {
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
fn docs_from_flask_md_lists_every_difference() {
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
