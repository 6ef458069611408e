//! The path of `PUBLIC_URL`: behind a proxy that serves the API below `/todo`, the URLs in responses begin with it.

use serde_json::{Value, json};

use crate::support::TestApp;

/// Values of `PUBLIC_URL`, and what the URLs in responses begin with.
const PREFIXES: &[(Option<&str>, &str)] = &[
    (None, ""),
    (Some("https://tasks.example"), ""),
    (Some("https://tasks.example/"), ""),
    (Some("https://example.com/todo"), "/todo"),
    (Some("http://example.com:8080/a/b/"), "/a/b"),
    (
        Some("https://example.com/Tâches <1>"),
        "/T%C3%A2ches%20%3C1%3E",
    ),
];

fn app(public_url: Option<&str>) -> TestApp {
    TestApp::with(|config| {
        config.links.address.public_url = public_url.map(|url| url.parse().unwrap());
    })
}

#[test]
fn the_location_of_a_new_task_begins_with_the_path_of_the_public_url() {
    for (public_url, prefix) in PREFIXES {
        let app = app(*public_url);
        let manager = app.manager();

        let created = app.send("POST /tasks", manager, r#"{"title": "Buy milk"}"#);

        let id = &created.json()["id"];
        let expected = format!("{prefix}/tasks/{id}");
        assert_eq!(
            created.header("Location"),
            Some(&*expected),
            "{public_url:?}"
        );
    }
}

#[test]
fn the_link_to_the_next_page_begins_with_the_path_of_the_public_url() {
    for (public_url, prefix) in PREFIXES {
        let app = app(*public_url);
        let admin = app.admin();
        app.manager();
        for id in 1..=4 {
            let created = app.send("POST /tasks", admin.clone(), r#"{"title": "Buy milk"}"#);
            assert_eq!(created.json()["id"], id);
        }
        // The audit log has these.
        for id in 1..=2 {
            app.send(&format!("DELETE /tasks/{id}"), admin.clone(), "");
        }
        for path in ["/tasks", "/users", "/audit"] {
            let first = app.get(&format!("{path}?limit=1"), &admin);
            let cursor = first.json()["next_cursor"].clone();
            let next = format!("{path}?cursor={}&limit=1", cursor.as_str().unwrap());
            let expected = format!(r#"<{prefix}{next}>; rel="next""#);
            assert_eq!(first.header("Link"), Some(&*expected), "{public_url:?}");
            // The proxy removes the prefix.
            assert_eq!(app.get(&next, &admin).status, 200, "{next}");
        }
    }
}

#[test]
fn the_server_of_the_openapi_document_is_the_path_of_the_public_url() {
    let without_servers = |mut document: Value| {
        let servers = document.as_object_mut().unwrap().remove("servers");
        (servers.unwrap(), document)
    };
    let serve = |url| without_servers(app(url).send("GET /openapi.json", None, "").json());
    let (_, expected) = serve(None);
    for (public_url, prefix) in PREFIXES {
        let (servers, document) = serve(*public_url);
        let url = if prefix.is_empty() { "/" } else { prefix };
        assert_eq!(servers, json!([{ "url": url }]), "{public_url:?}");
        assert_eq!(document, expected, "{public_url:?}");
    }
}
