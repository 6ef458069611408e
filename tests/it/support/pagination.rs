//! A list, page by page.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Answer, Person, TestApp};

pub fn parameters(url: &str) -> BTreeMap<String, String> {
    let (_, query) = url.split_once('?').unwrap_or((url, ""));
    form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// The page behind this one: what `Link` points to, after a check that the body says the same.
pub fn next_page(answer: &Answer, url: &str) -> Option<String> {
    let cursor = match &answer.json()["next_cursor"] {
        Value::Null => {
            assert_eq!(answer.header("Link"), None, "{url}");
            return None;
        }
        cursor => cursor.as_str().unwrap().to_owned(),
    };
    let link = answer.header("Link").unwrap();
    let target = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(r#">; rel="next""#))
        .unwrap_or_else(|| panic!("{link}"));
    let path = |url: &str| url.split('?').next().unwrap().to_owned();
    let mut expected = parameters(url);
    expected.insert("cursor".to_owned(), cursor);
    assert_eq!(parameters(target), expected, "{url}");
    assert_eq!(path(target), path(url), "{url}");
    Some(target.to_owned())
}

pub fn page(app: &TestApp, person: &Person, url: &str) -> Answer {
    let answer = app.get(url, person);
    assert_eq!(answer.status, 200, "{url}: {answer:?}");
    answer
}

/// Every id of a list, page by page, by following `Link`.
pub fn walk_links(app: &TestApp, person: &Person, url: &str) -> Vec<i64> {
    let mut all = Vec::new();
    let mut here = Some(url.to_owned());
    while let Some(url) = here {
        let answer = page(app, person, &url);
        all.extend(answer.ids());
        assert!(all.len() < 10_000, "{url}: no end");
        here = next_page(&answer, &url);
    }
    all
}
