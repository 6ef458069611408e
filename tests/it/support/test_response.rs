//! A response, and the methods with which the tests read it.

use std::fmt::Debug;
use std::io::Read;

use serde_json::Value;

use super::Account;

/// A response as the client receives it.
#[derive(Debug)]
pub struct TestResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl From<rouille::Response> for TestResponse {
    fn from(response: rouille::Response) -> TestResponse {
        let mut body = Vec::new();
        response
            .data
            .into_reader_and_size()
            .0
            .read_to_end(&mut body)
            .unwrap();
        let headers = response
            .headers
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        TestResponse {
            status: response.status_code,
            headers,
            body,
        }
    }
}

impl TestResponse {
    /// The value of a header that may occur at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(
            values.next().is_none(),
            "{name} occurs twice: {:?}",
            self.headers
        );
        value
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The `code` of an error response.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The `msg` of an error response.
    pub fn msg(&self) -> String {
        self.json()["msg"].as_str().unwrap_or_default().to_owned()
    }

    /// The items of a list.
    #[track_caller]
    pub fn items(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        let items = json["items"].as_array();
        items.unwrap_or_else(|| panic!("no list: {self:?}")).clone()
    }

    /// The ids of a list's items.
    #[track_caller]
    pub fn ids(&self) -> Vec<i64> {
        let items = self.items();
        items
            .iter()
            .map(|item| item["id"].as_i64().unwrap())
            .collect()
    }

    /// The account that `POST /login` returns, with its access token.
    #[track_caller]
    pub fn account(&self) -> Account {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Account {
            id: json["user"]["id"].as_i64().unwrap(),
            username: text(&json["user"]["username"]),
            email: text(&json["user"]["email"]),
            token: text(&json["token"]),
        }
    }

    /// Asserts 401 with this `msg` and a `WWW-Authenticate` challenge that says `invalid_token`. `case` is
    /// part of the message when the assertion fails.
    #[track_caller]
    pub fn assert_token_refused(&self, msg: &str, case: impl Debug) {
        let found = (self.status, self.msg());
        assert_eq!((found.0, found.1.as_str()), (401, msg), "{case:?}");
        assert_eq!(self.code(), "invalid_token", "{case:?}");
        let challenge = self.header("WWW-Authenticate");
        assert_eq!(
            challenge,
            Some(r#"Bearer error="invalid_token""#),
            "{case:?}"
        );
    }

    /// The names of all fields in `errors`, after a check that the status is 422.
    pub fn invalid_fields(&self) -> Vec<String> {
        assert_eq!(self.status, 422, "{self:?}");
        self.json()["errors"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }
}
