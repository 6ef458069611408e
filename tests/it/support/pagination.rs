//! Reads lists page by page.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Account, TestApp, TestResponse};

/// The query parameters of a URL, decoded.
pub fn query_parameters(url: &str) -> BTreeMap<String, String> {
    let (_, query) = url.split_once('?').unwrap_or((url, ""));
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// The URL of the next page from the `Link` header, after a check that `next_cursor` in the body is the
/// same cursor and that the other query parameters are unchanged. `None` on the last page.
pub fn next_page(response: &TestResponse, url: &str) -> Option<String> {
    let cursor = match &response.json()["next_cursor"] {
        Value::Null => {
            assert_eq!(response.header("Link"), None, "{url}");
            return None;
        }
        cursor => cursor.as_str().unwrap().to_owned(),
    };
    let link = response.header("Link").unwrap();
    let target = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(r#">; rel="next""#))
        .unwrap_or_else(|| panic!("{link}"));
    let path = |url: &str| url.split('?').next().unwrap().to_owned();
    let mut expected = query_parameters(url);
    // A blank parameter counts as absent.
    expected.retain(|_, value| !value.trim().is_empty());
    expected.insert("cursor".to_owned(), cursor);
    assert_eq!(query_parameters(target), expected, "{url}");
    assert_eq!(path(target), path(url), "{url}");
    Some(target.to_owned())
}

/// Sends a GET for one page of a list, which must succeed.
pub fn get_page(app: &TestApp, account: &Account, url: &str) -> TestResponse {
    let response = app.get(url, account);
    assert_eq!(response.status, 200, "{url}: {response:?}");
    response
}

/// The ids of a whole list, read page by page by following `Link`.
pub fn follow_links(app: &TestApp, account: &Account, url: &str) -> Vec<i64> {
    let mut all = Vec::new();
    let mut next = Some(url.to_owned());
    while let Some(url) = next {
        let response = get_page(app, account, &url);
        all.extend(response.ids());
        assert!(all.len() < 10_000, "{url}: pagination does not end");
        next = next_page(&response, &url);
    }
    all
}
