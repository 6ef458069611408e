//! The Postman collection matches the route table: every route except the pages has a request that succeeds, every
//! request is to a route and tests its status, and every variable is set by the environment or a script. Whether the
//! responses match the collection is tested by running the collection against a server.

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

/// The requests of a folder and of its subfolders.
fn requests(item: &Value) -> Vec<Value> {
    match item["item"].as_array() {
        Some(items) => items.iter().flat_map(requests).collect(),
        None => vec![item.clone()],
    }
}

fn all_requests() -> Vec<Value> {
    requests(&serde_json::from_str(COLLECTION).unwrap())
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    let list = list.as_array().into_iter().flatten();
    list.map(|text| text.as_str().unwrap())
}

/// Method and path as the route table writes them: a variable as a segment becomes `{id}`.
fn route_of(request: &Value) -> String {
    let method = request["request"]["method"].as_str().unwrap();
    let path: Vec<_> = strings(&request["request"]["url"]["path"])
        .map(|segment| match segment.starts_with("{{") {
            true => "{id}",
            false => segment,
        })
        .collect();
    format!("{method} /{}", path.join("/"))
}

/// The status that a `pm.test` of the request's scripts expects.
fn expected_status(request: &Value) -> Option<u16> {
    let scripts = request["event"].as_array().into_iter().flatten();
    scripts
        .flat_map(|event| strings(&event["script"]["exec"]))
        .filter(|line| line.starts_with("pm.test("))
        .find_map(|line| {
            let (_, status) = line.split_once("to.have.status(")?;
            status.split_once(')')?.0.parse().ok()
        })
}

/// Every text of the collection between `before` and `after`.
fn texts_between(before: &str, after: &str) -> BTreeSet<&'static str> {
    COLLECTION
        .split(before)
        .skip(1)
        .map(|rest| rest.split(after).next().unwrap())
        .collect()
}

#[test]
fn every_route_except_the_pages_has_a_request_that_succeeds() {
    let successful: Vec<_> = all_requests()
        .iter()
        .filter(|request| matches!(expected_status(request), Some(200..=299)))
        .map(route_of)
        .collect();
    for route in ROUTES.iter().filter(|route| !is_page(route.path)) {
        let route = format!("{} {}", route.method, route.path);
        assert!(successful.contains(&route), "{route}");
    }
}

/// Whether the path is for a browser.
fn is_page(path: &str) -> bool {
    path == "/" || path == "/docs" || path.ends_with("{file}")
}

#[test]
fn every_request_is_to_an_existing_route_unless_it_expects_404_or_405() {
    let known: BTreeSet<_> = ROUTES
        .iter()
        // A CORS preflight is possible on every path.
        .flat_map(|route| {
            [route.method, "OPTIONS"].map(|method| format!("{method} {}", route.path))
        })
        .collect();
    for request in all_requests() {
        let expects_no_route = matches!(expected_status(&request), Some(404 | 405));
        assert!(
            known.contains(&route_of(&request)) || expects_no_route,
            "{}: {}",
            request["name"],
            route_of(&request)
        );
    }
}

#[test]
fn every_request_has_a_test_of_its_status() {
    for request in all_requests() {
        assert!(expected_status(&request).is_some(), "{}", request["name"]);
    }
}

/// Postman displays `raw` and sends the parts.
#[test]
fn every_raw_url_equals_the_parts_that_postman_sends() {
    for request in all_requests() {
        let url = &request["request"]["url"];
        let path: Vec<_> = strings(&url["host"]).chain(strings(&url["path"])).collect();
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
        let separator = if query.is_empty() { "" } else { "?" };
        let url_of_parts = format!("{}{separator}{}", path.join("/"), query.join("&"));
        assert_eq!(url["raw"], url_of_parts, "{}", request["name"]);
    }
}

#[test]
fn every_variable_comes_from_the_environment_or_a_script() {
    let environment: Value = serde_json::from_str(ENVIRONMENT).unwrap();
    let values = environment["values"].as_array().unwrap();
    let mut known = texts_between(r#"pm.collectionVariables.set(\""#, r#"\""#);
    known.extend(values.iter().map(|value| value["key"].as_str().unwrap()));

    let used = texts_between("{{", "}}");
    let unknown: Vec<_> = used.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
