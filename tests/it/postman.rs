//! The Postman collection keeps up with the table of routes: each but the pages has a request that succeeds, no request
//! is to anything else, each tests its status, and every variable comes from the environment or a script.
//! Whether the server answers as the collection says shows when it is run.

use std::collections::BTreeSet;

use serde_json::Value;
use task_api::router::ROUTES;

const COLLECTION: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/postman/task-api.postman_collection.json"
));
const ENVIRONMENT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/postman/local.postman_environment.json"
));

/// The requests of a folder, and of the folders in it.
fn requests(item: &Value) -> Vec<Value> {
    match item["item"].as_array() {
        Some(items) => items.iter().flat_map(requests).collect(),
        None => vec![item.clone()],
    }
}

fn all_requests() -> Vec<Value> {
    requests(&serde_json::from_str(COLLECTION).unwrap())
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    let list = list.as_array().into_iter().flatten();
    list.map(|text| text.as_str().unwrap())
}

/// Method and path as the table of routes has them: a segment that is a variable stands for `{id}`.
fn line(request: &Value) -> String {
    let method = request["request"]["method"].as_str().unwrap();
    let path: Vec<_> = texts(&request["request"]["url"]["path"])
        .map(|segment| match segment.starts_with("{{") {
            true => "{id}",
            false => segment,
        })
        .collect();
    format!("{method} /{}", path.join("/"))
}

/// The status that a `pm.test` of the request's scripts expects.
fn status(request: &Value) -> Option<u16> {
    let scripts = request["event"].as_array().into_iter().flatten();
    scripts
        .flat_map(|event| texts(&event["script"]["exec"]))
        .filter(|line| line.starts_with("pm.test("))
        .find_map(|line| {
            let (_, status) = line.split_once("to.have.status(")?;
            status.split_once(')')?.0.parse().ok()
        })
}

/// Every text of the collection that stands between these two.
fn between(before: &str, after: &str) -> BTreeSet<&'static str> {
    COLLECTION
        .split(before)
        .skip(1)
        .map(|rest| rest.split(after).next().unwrap())
        .collect()
}

#[test]
fn every_route_but_the_pages_has_a_request_that_succeeds() {
    let succeed: Vec<_> = all_requests()
        .iter()
        .filter(|request| matches!(status(request), Some(200..=299)))
        .map(line)
        .collect();
    for route in ROUTES.iter().filter(|route| !is_page(route.path)) {
        let route = format!("{} {}", route.method, route.path);
        assert!(succeed.contains(&route), "{route}");
    }
}

/// What is there to be looked at in a browser.
fn is_page(path: &str) -> bool {
    path == "/" || path == "/docs" || path.ends_with("{file}")
}

#[test]
fn every_request_is_to_a_route_unless_it_shows_that_there_is_none() {
    let known: BTreeSet<_> = ROUTES
        .iter()
        // A browser asks any path for its methods.
        .flat_map(|route| {
            [route.method, "OPTIONS"].map(|method| format!("{method} {}", route.path))
        })
        .collect();
    for request in all_requests() {
        let shows_none = matches!(status(&request), Some(404 | 405));
        assert!(
            known.contains(&line(&request)) || shows_none,
            "{}: {}",
            request["name"],
            line(&request)
        );
    }
}

#[test]
fn every_request_tests_its_status() {
    for request in all_requests() {
        assert!(status(&request).is_some(), "{}", request["name"]);
    }
}

/// Postman shows one and sends the other.
#[test]
fn every_url_is_the_sum_of_its_parts() {
    for request in all_requests() {
        let url = &request["request"]["url"];
        let path: Vec<_> = texts(&url["host"]).chain(texts(&url["path"])).collect();
        let query: Vec<_> = url["query"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|pair| {
                ["key", "value"]
                    .map(|part| pair[part].as_str().unwrap())
                    .join("=")
            })
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let sum = format!("{}{mark}{}", path.join("/"), query.join("&"));
        assert_eq!(url["raw"], sum, "{}", request["name"]);
    }
}

#[test]
fn every_variable_comes_from_the_environment_or_a_script() {
    let environment: Value = serde_json::from_str(ENVIRONMENT).unwrap();
    let values = environment["values"].as_array().unwrap();
    let mut known = between(r#"pm.collectionVariables.set(\""#, r#"\""#);
    known.extend(values.iter().map(|value| value["key"].as_str().unwrap()));

    let used = between("{{", "}}");
    let unknown: Vec<_> = used.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
