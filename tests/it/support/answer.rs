//! An answer, and what the tests ask of it.

use std::io::Read;

use serde_json::Value;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl From<rouille::Response> for Answer {
    fn from(response: rouille::Response) -> Answer {
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
        Answer {
            status: response.status_code,
            headers,
            body,
        }
    }
}

impl Answer {
    /// The value of a header that is there once at most.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(
            values.next().is_none(),
            "{name} is there twice: {:?}",
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

    /// The error's code.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The error's words.
    pub fn msg(&self) -> String {
        self.json()["msg"].as_str().unwrap_or_default().to_owned()
    }

    /// The ids of a list's rows.
    pub fn ids(&self) -> Vec<i64> {
        let json = self.json();
        let items = json["items"]
            .as_array()
            .unwrap_or_else(|| panic!("no list: {self:?}"));
        items
            .iter()
            .map(|item| item["id"].as_i64().unwrap())
            .collect()
    }

    /// The names of the fields that a 422 refuses, and nothing but them.
    pub fn refused(&self) -> Vec<String> {
        assert_eq!(self.status, 422, "{self:?}");
        self.json()["errors"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    }
}
