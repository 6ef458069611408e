//! Invalid input: each request gets the exact error response, and nothing in the database changes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use task_api::router::ROUTES;

use crate::support::{Fixture, PASSWORD, TestApp, TestResponse, comma_separated};

impl Fixture {
    /// Sends a request as the admin. Asserts that it gets an error response of limited length and changes
    /// nothing.
    fn send_invalid_raw(
        &self,
        line: &str,
        headers: &[(&str, String)],
        body: &[u8],
    ) -> TestResponse {
        let before = self.app.rows();
        let mut headers = headers.to_vec();
        headers.push(("Authorization", format!("Bearer {}", self.admin.token)));
        let response = self.app.send_raw(line, &headers, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(100)]);
        assert!(response.status >= 400, "{line} {shown}: {response:?}");
        assert_eq!(self.app.rows(), before, "{line} {shown} changed something");
        assert!(
            response.body.len() < 5_000,
            "{line} {shown}: a long response"
        );
        response
    }

    /// As [`Fixture::send_invalid_raw`], with a body that is declared as JSON.
    fn send_invalid(&self, line: &str, body: impl AsRef<[u8]>) -> TestResponse {
        let headers = [("Content-Type", "application/json".to_owned())];
        self.send_invalid_raw(line, &headers, body.as_ref())
    }

    /// As [`Fixture::send_invalid`]; asserts this status and this `code`.
    fn assert_error(&self, line: &str, body: impl AsRef<[u8]>, status: u16, code: &str) {
        let body = body.as_ref();
        let response = self.send_invalid(line, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(100)]);
        assert_eq!(
            (response.status, response.code().as_str()),
            (status, code),
            "{line} {shown}"
        );
    }

    /// As [`Fixture::send_invalid`]; asserts a 422 that names this field and no other.
    fn assert_invalid_field(&self, line: &str, body: &Value, field: &str) {
        let response = self.send_invalid(line, body.to_string());
        assert_eq!(response.code(), "invalid", "{line} {body}");
        assert_eq!(response.invalid_fields(), [field], "{line} {body}");
    }

    /// Each route with a request body, and a valid body that would change something.
    fn valid_bodies(&self) -> Vec<(String, Value)> {
        vec![
            (
                "POST /signup".into(),
                json!({ "username": "new", "email": "new@example.com", "password": PASSWORD }),
            ),
            (
                "POST /login".into(),
                json!({ "email": "admin@example.com", "password": PASSWORD }),
            ),
            (
                "PATCH /me".into(),
                json!({
                    "email": "mine@example.com", "password": "another password", "current_password": PASSWORD,
                }),
            ),
            (
                format!("PATCH /users/{}", self.employee.id),
                json!({ "role": "manager", "is_approved": false }),
            ),
            ("POST /tasks".into(), self.task_body()),
            (format!("PATCH /tasks/{}", self.task), self.task_body()),
        ]
    }

    fn task_body(&self) -> Value {
        json!({
            "title": "new", "description": "new", "status": "completed",
            "deadline": "2027-01-01T00:00:00Z", "assigned_user_id": self.admin.id,
        })
    }
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Texts that attackers send: SQL, templates and HTML.
const INJECTIONS: &[&str] = &[
    "' OR '1'='1",
    "' OR 1=1 --",
    "\" OR \"\"=\"",
    "'; DROP TABLE task; --",
    "\"; DROP TABLE \"user\"; --",
    "1); DELETE FROM task; --",
    "x' UNION SELECT password_hash FROM user --",
    "admin'--",
    "\\'; DROP TABLE task; --",
    "?1",
    ":id",
    "$1",
    "%",
    "_",
    "\\",
    "%' ESCAPE '%",
    "title; DROP TABLE task",
    "(SELECT password_hash FROM user)",
    "CASE WHEN 1 THEN id ELSE title END",
    "{{7*7}}",
    "<script>alert(1)</script>",
];

// JSON --------------------------------------------------------------------------------------------

#[test]
fn a_body_that_is_not_json_is_400() {
    let fixture = Fixture::new();
    let bom = "\u{feff}";
    for (line, valid) in fixture.valid_bodies() {
        let valid = valid.to_string();
        let open = &valid[..valid.len() - 1];
        let member = |text: &str| format!("{open},{text}}}").into_bytes();
        let cases: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b" \n".to_vec(),
            b"{".to_vec(),
            open.as_bytes().to_vec(),
            valid.as_bytes()[..valid.len() - 2].to_vec(),
            format!("{open},}}").into_bytes(),
            format!("{valid} x").into_bytes(),
            format!("{valid}{valid}").into_bytes(),
            format!("{valid}\0").into_bytes(),
            format!("{bom}{bom}{valid}").into_bytes(),
            format!(" {bom}{valid}").into_bytes(),
            format!("{valid}{bom}").into_bytes(),
            bom.as_bytes().to_vec(),
            valid.replace('"', "'").into_bytes(),
            valid.replace(':', "=").into_bytes(),
            format!("x={valid}").into_bytes(),
            b"username=new&email=new%40example.com".to_vec(),
            b"<xml/>".to_vec(),
            b"undefined".to_vec(),
            b"NaN".to_vec(),
            b"[1,".to_vec(),
            b"[1}".to_vec(),
            member(r#""title":NaN"#),
            member(r#""title":Infinity"#),
            member(r#""title":-Infinity"#),
            member(r#""title":01"#),
            member(r#""title":1."#),
            member(r#""title":1e999"#),
            member(r#""title":"a"b"#),
            member(r#"title:"a""#),
            member(r#""title":"\x41""#),
            member(r#""title":"\u12""#),
            member(r#""title":"\ud800""#),
            member(r#""title":"\udc00 ""#),
            member(r#""title":"\ud800\ud800""#),
            member(r#""\ud800":1"#),
            member("\"title\":\"line\nbreak\""),
            member("\"title\":\"null\0\""),
            member("/* comment */ \"title\":1"),
            [open.as_bytes(), b",\"title\":\"\xff\"}"].concat(),
            [open.as_bytes(), b",\"title\":\"\xc0\xaf\"}"].concat(),
            [open.as_bytes(), b",\"title\":\"\xed\xa0\x80\"}"].concat(),
            [open.as_bytes(), b",\"\xff\":1}"].concat(),
            valid.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            valid.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ];
        for body in cases {
            fixture.assert_error(&line, body, 400, "malformed_json");
        }
    }
}

#[test]
fn a_json_object_with_a_duplicate_name_is_400() {
    let fixture = Fixture::new();
    for (line, valid) in fixture.valid_bodies() {
        let text = valid.to_string();
        for (name, value) in valid.as_object().unwrap() {
            let duplicate = text.replacen('{', &format!("{{\"{name}\":{value},"), 1);
            fixture.assert_error(&line, duplicate, 400, "malformed_json");
            // The same name with its first letter as an escape sequence.
            let first = name.bytes().next().unwrap();
            let escaped = format!("{{\"\\u{first:04x}{}\":{value},", &name[1..]);
            fixture.assert_error(
                &line,
                text.replacen('{', &escaped, 1),
                400,
                "malformed_json",
            );
        }
        let unknown = text.replacen('{', r#"{"x":1,"x":2,"#, 1);
        fixture.assert_error(&line, unknown, 400, "malformed_json");
    }
}

#[test]
fn a_json_body_that_is_not_an_object_is_422() {
    let fixture = Fixture::new();
    for (line, valid) in fixture.valid_bodies() {
        for body in [
            "[]", "[1, 2]", "\"text\"", "\"\"", "0", "5", "-1", "1.5", "1e300", "true", "false",
            "null",
        ] {
            let response = fixture.send_invalid(&line, body);
            assert_eq!(response.invalid_fields(), ["body"], "{line} {body}");
        }
        let in_array = fixture.send_invalid(&line, json!([valid]).to_string());
        assert_eq!(in_array.invalid_fields(), ["body"], "{line}");
    }
}

#[test]
fn json_nested_a_hundred_thousand_levels_deep_is_422_or_400() {
    let fixture = Fixture::new();
    let n = 100_000;
    let list = format!("{}{}", "[".repeat(n), "]".repeat(n));
    let object = format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
    for (line, valid) in fixture.valid_bodies() {
        // Valid JSON, but of the wrong type for every field.
        fixture.assert_error(&line, &list, 422, "invalid");
        fixture.assert_error(&line, &object, 422, "invalid");
        fixture.assert_error(&line, "[".repeat(n), 400, "malformed_json");
        fixture.assert_error(&line, r#"{"a":"#.repeat(n), 400, "malformed_json");
        fixture.assert_error(&line, r#"[{"a":"#.repeat(n), 400, "malformed_json");
        for name in valid.as_object().unwrap().keys() {
            for deep in [&list, &object] {
                let body = format!("{{\"{name}\":{deep}}}");
                fixture.assert_error(&line, body, 422, "invalid");
            }
            let unfinished = format!("{{\"{name}\":{}}}", "[".repeat(n));
            fixture.assert_error(&line, unfinished, 400, "malformed_json");
        }
    }
}

// Fields ------------------------------------------------------------------------------------------

#[test]
fn a_value_of_the_wrong_type_is_422_and_the_response_names_its_field() {
    let fixture = Fixture::new();
    let not_strings = [
        json!(5),
        json!(1.5),
        json!(true),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({ "$ne": "" }),
    ];
    let not_booleans = [
        json!(0),
        json!(1),
        json!("true"),
        json!(""),
        json!(null),
        json!([]),
        json!({}),
    ];
    let not_ids = [
        json!("1"),
        json!(1.5),
        json!(true),
        json!([1]),
        json!({}),
        json!(""),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(9_223_372_036_854_775_808_u64),
        json!(u64::MAX),
        json!(1e300),
    ];
    for (line, valid) in fixture.valid_bodies() {
        for name in valid.as_object().unwrap().keys() {
            let wrong = match name.as_str() {
                "is_approved" => &not_booleans[..],
                "assigned_user_id" => &not_ids[..],
                _ => &not_strings[..],
            };
            for value in wrong {
                let mut body = valid.clone();
                body[name] = value.clone();
                fixture.assert_invalid_field(&line, &body, name);
            }
            let nullable = ["description", "deadline", "assigned_user_id"];
            if !nullable.contains(&name.as_str()) {
                let mut body = valid.clone();
                body[name] = Value::Null;
                fixture.assert_invalid_field(&line, &body, name);
            }
        }
    }
}

#[test]
fn a_missing_field_is_422_and_the_response_names_all_invalid_fields() {
    let fixture = Fixture::new();
    for (line, required) in [
        ("POST /signup", &["email", "password", "username"][..]),
        ("POST /login", &["email", "password"]),
        ("PATCH /me", &["current_password"]),
        ("POST /tasks", &["title"]),
    ] {
        assert_eq!(
            fixture.send_invalid(line, "{}").invalid_fields(),
            required,
            "{line}"
        );
    }
    let response = fixture.send_invalid(
        "POST /signup",
        json!({ "username": "", "email": "none", "password": "short", "role": "admin" })
            .to_string(),
    );
    assert_eq!(
        response.invalid_fields(),
        ["email", "password", "role", "username"]
    );
}

#[test]
fn an_unknown_field_such_as_role_is_422_and_changes_nothing() {
    let fixture = Fixture::new();
    for (line, valid) in fixture.valid_bodies() {
        for (name, value) in [
            ("id", json!(1)),
            ("password_hash", json!("x")),
            ("created_at", json!("2020-01-01T00:00:00Z")),
            ("isApproved", json!(true)),
            ("Title", json!("x")),
            ("EMAIL", json!("x@example.com")),
            ("", json!("x")),
            ("email ", json!("x@example.com")),
            ("__proto__", json!({ "role": "admin" })),
            ("constructor", json!(null)),
        ] {
            let mut body = valid.clone();
            body[name] = value;
            fixture.assert_invalid_field(&line, &body, name);
        }
        if !line.contains("/users/") {
            for (name, value) in [("role", json!("admin")), ("is_approved", json!(true))] {
                let mut body = valid.clone();
                body[name] = value;
                fixture.assert_invalid_field(&line, &body, name);
            }
        }
    }
}

#[test]
fn control_characters_in_names_and_titles_are_422() {
    let fixture = Fixture::new();
    for control in [
        '\0', '\u{1}', '\u{8}', '\t', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}',
        '\u{2028}', '\u{2029}',
    ] {
        let text = format!("one{control}two");
        for (line, valid) in fixture.valid_bodies() {
            for name in ["username", "title"] {
                // A tab in a title becomes a space.
                if valid.get(name).is_some() && (name, control) != ("title", '\t') {
                    let mut body = valid.clone();
                    body[name] = json!(text);
                    fixture.assert_invalid_field(&line, &body, name);
                }
            }
        }
        let signup = json!({
            "username": "new", "email": format!("a{control}b@example.com"), "password": PASSWORD,
        });
        fixture.assert_invalid_field("POST /signup", &signup, "email");
    }
    for text in ["", " ", "\u{a0}", "\0", "x\0", "\0x"] {
        fixture.assert_invalid_field("POST /tasks", &json!({ "title": text }), "title");
        let signup = json!({ "username": text, "email": "new@example.com", "password": PASSWORD });
        fixture.assert_invalid_field("POST /signup", &signup, "username");
    }
    for control in ['\0', '\u{1b}', '\u{7f}'] {
        let body = json!({ "title": "t", "description": format!("one{control}two") });
        fixture.assert_invalid_field("POST /tasks", &body, "description");
    }
    let lines = "one\ntwo\r\n\tthree\n";
    let task = fixture.app.create_task(
        &fixture.admin,
        json!({ "title": "t", "description": lines }),
    );
    let task = fixture.app.get(&format!("/tasks/{task}"), &fixture.admin);
    assert_eq!(
        task.json()["description"],
        lines,
        "a description may have several lines"
    );
}

#[test]
fn lengths_are_counted_in_characters() {
    let fixture = Fixture::new();
    // One, two, three and four bytes of UTF-8. A letter with a combining mark counts as two characters when
    // Unicode has no single code point for it.
    for c in ["a", "é", "語", "🪴", "q\u{301}"] {
        let chars = c.chars().count();
        let text = |n: usize| c.repeat(n / chars) + &"x".repeat(n % chars);
        let signup = |username: String| json!({ "username": username, "email": format!("u{}@example.com", username.len()), "password": PASSWORD });
        let response = fixture
            .app
            .send("POST /signup", None, &signup(text(80)).to_string());
        assert_eq!(response.status, 201, "{c} {response:?}");
        assert_eq!(response.json()["username"], text(80));
        fixture.assert_invalid_field("POST /signup", &signup(text(81)), "username");

        for (line, status) in [
            ("POST /tasks".to_owned(), 201),
            (format!("PATCH /tasks/{}", fixture.task), 200),
        ] {
            let body = json!({ "title": text(255), "description": text(10_000) });
            let response = fixture
                .app
                .send(&line, fixture.admin.clone(), &body.to_string());
            assert_eq!(response.status, status, "{c}");
            assert_eq!(response.json()["title"], text(255));
            assert_eq!(response.json()["description"], text(10_000));
            fixture.assert_invalid_field(&line, &json!({ "title": text(256) }), "title");
            fixture.assert_invalid_field(
                &line,
                &json!({ "title": "t", "description": text(10_001) }),
                "description",
            );
        }
    }
    let email = |c: &str, n: usize| format!("{}@example.com", c.repeat(n - 12));
    for c in ["a", "é"] {
        let signup = |n: usize| json!({ "username": format!("by mail {c}"), "email": email(c, n), "password": PASSWORD });
        fixture.assert_invalid_field("POST /signup", &signup(121), "email");
        let response = fixture
            .app
            .send("POST /signup", None, &signup(120).to_string());
        assert_eq!(response.status, 201, "{c}");
        fixture.assert_invalid_field(
            "PATCH /me",
            &json!({ "email": email(c, 121), "current_password": PASSWORD }),
            "email",
        );
    }
}

#[test]
fn the_length_of_an_email_address_is_counted_in_lower_case() {
    let fixture = Fixture::new();
    // The lower case of this letter is two characters.
    let email = format!("{}@example.com", "İ".repeat(108));
    let signup = json!({ "username": "new", "email": email, "password": PASSWORD });
    fixture.assert_invalid_field("POST /signup", &signup, "email");
}

#[test]
fn an_invalid_email_address_is_422() {
    let fixture = Fixture::new();
    for email in [
        "",
        " ",
        "a",
        "@",
        "a@",
        "@b",
        "@example.com",
        "a@b@example.com",
        "a@@example.com",
        "a b@example.com",
        "a@exam ple.com",
        "a@example..com",
        "a@.example.com",
        "a@example.com.",
        "a@-example.com",
        "a@example-.com",
        "a@exam_ple.com",
        "a@[127.0.0.1]",
        "\"a\"@example.com",
        "a,b@example.com",
        "<a@example.com>",
        "Anna <a@example.com>",
        "mailto:a@example.com",
        "a@example.com,b@example.com",
        "a;b@example.com",
        "a(b)@example.com",
        "a\\b@example.com",
        "a@example.com/x",
        "a@example.com:25",
        "a@exam\nple.com",
        "a\r\nBcc: b@example.com",
        "a\0@example.com",
        "a%00@example\0.com",
        "a\u{200b}@example.com",
        "' OR '1'='1@example.com",
    ] {
        let signup = json!({ "username": "new", "email": email, "password": PASSWORD });
        fixture.assert_invalid_field("POST /signup", &signup, "email");
        let me = json!({ "email": email, "current_password": PASSWORD });
        fixture.assert_invalid_field("PATCH /me", &me, "email");
    }
    let label = "x".repeat(64);
    let signup =
        json!({ "username": "new", "email": format!("a@{label}.com"), "password": PASSWORD });
    fixture.assert_invalid_field("POST /signup", &signup, "email");
}

/// JSON has only one type of numbers, and some languages write every number with a fraction.
#[test]
fn an_id_in_json_may_be_written_with_a_fraction_of_zero() {
    let fixture = Fixture::new();
    for id in ["2.0", "2e0", "0.2e1", "20e-1"] {
        let body = format!(r#"{{"title":"t","assigned_user_id":{id}}}"#);
        let response = fixture
            .app
            .send("POST /tasks", fixture.admin.clone(), &body);
        assert_eq!(response.status, 201, "{id}: {response:?}");
        assert_eq!(response.json()["assigned_user_id"], 2, "{id}");
    }
    for id in ["2.5", "9223372036854775808.0", "1e300", "-2.0", "0.0"] {
        let body = format!(r#"{{"title":"t","assigned_user_id":{id}}}"#);
        let response = fixture
            .app
            .send("POST /tasks", fixture.admin.clone(), &body);
        assert_eq!(response.invalid_fields(), ["assigned_user_id"], "{id}");
    }
}

#[test]
fn email_addresses_that_browsers_accept_are_valid() {
    let fixture = Fixture::new();
    for (i, (email, stored)) in [
        ("a@b", "a@b"),
        ("a@localhost", "a@localhost"),
        ("First.Last+Tag@Example.COM", "first.last+tag@example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        (
            "!#$%&'*+/=?^_`{|}~-@example.com",
            "!#$%&'*+/=?^_`{|}~-@example.com",
        ),
        (".a..b.@example.com", ".a..b.@example.com"),
        ("a@1.2.3", "a@1.2.3"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("jörg@büro.example", "jörg@xn--bro-hoa.example"),
        ("почта@пример.рф", "почта@xn--e1afmkfd.xn--p1ai"),
        ("'or'1'='1@example.com", "'or'1'='1@example.com"),
        ("%@example.com", "%@example.com"),
        ("_@example.com", "_@example.com"),
    ]
    .into_iter()
    .enumerate()
    {
        let response = fixture.app.sign_up(&format!("a{i}"), email, PASSWORD);
        assert_eq!(response.status, 201, "{email}: {response:?}");
        assert_eq!(response.json()["email"], stored);
        let response = fixture.app.log_in(email, PASSWORD);
        assert_eq!(response.status, 200, "{email}");
        assert_eq!(response.json()["user"]["username"], format!("a{i}"));
    }
}

#[test]
fn unknown_roles_and_statuses_and_invalid_deadlines_are_422() {
    let fixture = Fixture::new();
    let task = format!("PATCH /tasks/{}", fixture.task);
    let user = format!("PATCH /users/{}", fixture.employee.id);
    for role in [
        "",
        "boss",
        "Admin",
        "ADMIN",
        "admin ",
        "root",
        "employee,admin",
        "admin\0",
    ] {
        fixture.assert_invalid_field(
            &user,
            &json!({ "role": role, "is_approved": false }),
            "role",
        );
    }
    for status in [
        "",
        "done",
        "Pending",
        "in progress",
        "in-progress",
        "completed ",
        "pending\0",
    ] {
        fixture.assert_invalid_field(
            "POST /tasks",
            &json!({ "title": "t", "status": status }),
            "status",
        );
        fixture.assert_invalid_field(&task, &json!({ "title": "t", "status": status }), "status");
    }
    for deadline in [
        "",
        "tomorrow",
        "2027-01-01",
        "2027-01-01T00:00:00",
        "2027-01-01 00:00:00",
        "2027-01-01T00:00:00+02",
        "2027-13-01T00:00:00Z",
        "2027-02-29T00:00:00Z",
        "2027-01-01T24:00:00Z",
        "2027-01-01T00:60:00Z",
        "2027-01-01T00:00:00+25:00",
        "2027-01-01T00Z",
        "20270101T000000Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
        "-2027-01-01T00:00:00Z",
        " 2027-01-01T00:00:00Z",
        "2027-01-01T00:00:00Z ",
        "2027-01-01T00:00:00Z\0",
        "1798761600",
        "٢٠٢٧-01-01T00:00:00Z",
    ] {
        fixture.assert_invalid_field(
            "POST /tasks",
            &json!({ "title": "t", "deadline": deadline }),
            "deadline",
        );
        fixture.assert_invalid_field(
            &task,
            &json!({ "title": "t", "deadline": deadline }),
            "deadline",
        );
    }
}

#[test]
fn an_assignee_that_does_not_exist_is_422() {
    let fixture = Fixture::new();
    for id in [3, 999_999, i64::MAX] {
        let body = json!({ "title": "new", "status": "completed", "assigned_user_id": id });
        fixture.assert_invalid_field("POST /tasks", &body, "assigned_user_id");
        fixture.assert_invalid_field(
            &format!("PATCH /tasks/{}", fixture.task),
            &body,
            "assigned_user_id",
        );
    }
}

// Body framing and type ---------------------------------------------------------------------------

#[test]
fn a_body_over_the_limit_is_413_with_and_without_a_content_length() {
    for (limit, set) in [(1 << 20, false), (1_000, true)] {
        let fixture = Fixture::with_app(TestApp::with(|config| {
            if set {
                config.limits.max_body_bytes = 1_000;
            }
        }));
        for (line, valid) in fixture.valid_bodies() {
            let valid = valid.to_string();
            let padded = |length: usize| valid.clone() + &" ".repeat(length - valid.len());
            let json_type = ("Content-Type", "application/json".to_owned());
            let length = |n: usize| ("Content-Length", n.to_string());
            let over = padded(limit + 1);
            for (headers, body) in [
                (vec![json_type.clone(), length(limit + 1)], over.as_bytes()),
                (vec![json_type.clone()], over.as_bytes()),
                // A declared length over the limit is rejected before the body is read.
                (vec![json_type.clone(), length(limit + 1)], valid.as_bytes()),
                (vec![json_type.clone(), length(usize::MAX)], b""),
                (
                    vec![json_type.clone(), ("Transfer-Encoding", "chunked".into())],
                    over.as_bytes(),
                ),
            ] {
                let response = fixture.send_invalid_raw(&line, &headers, body);
                assert_eq!(
                    (response.status, response.code().as_str()),
                    (413, "body_too_large"),
                    "{line} {headers:?}"
                );
            }
        }
        for (line, valid) in fixture.valid_bodies() {
            let valid = valid.to_string();
            let full = valid.clone() + &" ".repeat(limit - valid.len());
            let response = fixture.app.send(&line, fixture.admin.clone(), &full);
            assert!(response.status < 300, "{line} at the limit: {response:?}");
        }
    }
}

#[test]
fn a_body_shorter_than_its_content_length_is_400() {
    let fixture = Fixture::new();
    for (line, valid) in fixture.valid_bodies() {
        let valid = valid.to_string();
        for missing in [1, 2, 1_000] {
            let headers = [
                ("Content-Type", "application/json".to_owned()),
                ("Content-Length", (valid.len() + missing).to_string()),
            ];
            // The received part is complete JSON, so that only the missing bytes make it invalid.
            let response = fixture.send_invalid_raw(&line, &headers, valid.as_bytes());
            assert_eq!(
                (response.status, response.code().as_str()),
                (400, "malformed_json"),
                "{line}"
            );
        }
    }
}

#[test]
fn a_body_that_is_not_declared_as_json_is_415() {
    let fixture = Fixture::new();
    for (line, valid) in fixture.valid_bodies() {
        for content_type in [
            None,
            Some(""),
            Some("text/plain"),
            Some("text/plain; application/json"),
            Some("text/json"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=x"),
            Some("application/json5"),
            Some("application/jsonp"),
            Some("application/javascript"),
            Some("application/xml"),
            Some("application"),
            Some("json"),
            Some("*/*"),
            Some("application/*"),
            Some("text/plain, application/json"),
            Some("application /json"),
        ] {
            let headers: Vec<_> = content_type
                .map(|value| ("Content-Type", value.to_owned()))
                .into_iter()
                .collect();
            for body in [valid.to_string().as_bytes(), b"", b"{"] {
                let response = fixture.send_invalid_raw(&line, &headers, body);
                assert_eq!(
                    (response.status, response.code().as_str()),
                    (415, "unsupported_media_type"),
                    "{line} {content_type:?}"
                );
            }
        }
    }
}

#[test]
fn json_may_be_declared_in_any_case_and_with_a_charset() {
    let fixture = Fixture::new();
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "APPLICATION/JSON",
        "Application/Json; Charset=\"utf-8\"",
        " application/json ",
        "application/json ; charset=utf-8",
        "application/json;",
    ] {
        let headers = [("Content-Type", content_type.to_owned())];
        let body = json!({ "email": "admin@example.com", "password": PASSWORD }).to_string();
        let response = fixture
            .app
            .send_raw("POST /login", &headers, body.as_bytes());
        assert_eq!(response.status, 200, "{content_type:?}");
    }
}

// Paths -------------------------------------------------------------------------------------------

#[test]
fn a_path_with_an_invalid_id_is_404() {
    let fixture = Fixture::new();
    let mut ids: Vec<String> = [
        "0",
        "-1",
        "-0",
        "+1",
        "%2B1",
        "01",
        "001",
        "1.0",
        "1e0",
        "0x1",
        "1_0",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551617",
        "-9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999999",
        "abc",
        "null",
        "true",
        "me",
        "*",
        "%",
        "%2",
        "%zz",
        "%00",
        "1%00",
        "%ff",
        "%C0%B1",
        "1%ff",
        "%201",
        "1%20",
        "1+",
        "%0A1",
        "1%0D%0A",
        "%D9%A1",
        "1;x",
        "1,2",
        ".",
        "..",
        "%2e%2e",
        "%2531",
        "1%2F",
        "%2F1",
        "1%3Fx",
        "{id}",
        "<1>",
    ]
    .map(str::to_owned)
    .to_vec();
    ids.extend(
        INJECTIONS
            .iter()
            .map(|text| encoded(text).replace('+', "%20")),
    );
    for id in ids {
        for line in [
            "GET /tasks/",
            "PATCH /tasks/",
            "DELETE /tasks/",
            "GET /users/",
            "PATCH /users/",
            "DELETE /users/",
        ] {
            let body = if line.starts_with("PATCH") { "{}" } else { "" };
            fixture.assert_error(&format!("{line}{id}"), body, 404, "not_found");
        }
    }
}

#[test]
fn an_id_may_be_percent_encoded_and_the_other_parts_of_a_path_have_one_spelling() {
    let fixture = Fixture::new();
    for (path, status) in [
        ("/tasks/%31", 200),
        ("/users/%31", 200),
        ("/tasks/1?", 200),
        ("/me?", 200),
        ("/%74asks/1", 404),
        ("/t%61sks/%31", 404),
        ("/%75sers/1", 404),
    ] {
        let response = fixture.app.get(path, &fixture.admin);
        assert_eq!(response.status, status, "{path}");
    }
}

#[test]
fn a_path_that_is_not_in_the_route_table_is_404() {
    let fixture = Fixture::new();
    let mut paths: Vec<String> = [
        "",
        #[cfg(not(feature = "board"))]
        "/",
        "//",
        "/*",
        "/nowhere",
        "/tasks%2F1",
        "/tasks%2f1",
        "%2Ftasks",
        "/%2Ftasks",
        "/users%2F1",
        "/tasks%5C1",
        "/tasks\\1",
        "//tasks",
        "/tasks//1",
        "/tasks/1/more",
        "/TASKS",
        "/Tasks/1",
        "/tasks.json",
        "/tasks;x=1",
        "/tasks%3Flimit=1",
        "/tasks%20",
        "/tasks%00",
        "/%ff",
        "/%zz",
        "/tasks/%ff/x",
        "/./tasks",
        "/x/../tasks",
        "/../../etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/project.db",
        "/api/tasks",
        "/tasks\0",
        "/táks",
        "/task",
        "/user",
        "/user/1",
    ]
    .map(str::to_owned)
    .to_vec();
    for route in ROUTES {
        let path = route.path.replace("{id}", "1");
        paths.push(format!("{path}/"));
        paths.push(format!("{path}//"));
        paths.push(format!("/{path}"));
        paths.push(path.replace('/', "%2F"));
    }
    paths.push("/".to_owned() + &"x".repeat(60_000));
    paths.push("/x".repeat(30_000));
    for path in paths {
        for method in ["GET", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            fixture.assert_error(&format!("{method} {path}"), "{}", 404, "not_found");
        }
    }
}

#[test]
fn a_method_that_the_path_does_not_have_is_405_with_allow() {
    let fixture = Fixture::new();
    let paths: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
    for path in paths {
        let mut allowed = BTreeSet::from(["OPTIONS".to_owned()]);
        for route in ROUTES.iter().filter(|route| route.path == path) {
            allowed.insert(route.method.to_owned());
            if route.method == "GET" {
                allowed.insert("HEAD".to_owned());
            }
        }
        let path = path.replace("{id}", "1");
        for method in [
            "GET",
            "HEAD",
            "POST",
            "PUT",
            "PATCH",
            "DELETE",
            "TRACE",
            "CONNECT",
            "TRACK",
            "PROPFIND",
            "QUERY",
            "BREW",
            "get",
            "Post",
            "patch",
            "delete",
            "options",
            "GETX",
            "GE",
            "X-HTTP-Method-Override",
        ] {
            if allowed.contains(method) {
                continue;
            }
            let line = format!("{method} {path}");
            for response in [
                fixture.send_invalid(&line, "{}"),
                fixture.app.send(&line, None, ""),
            ] {
                assert_eq!(response.status, 405, "{line}");
                assert_eq!(response.code(), "method_not_allowed", "{line}");
                assert_eq!(
                    comma_separated(response.header("Allow").unwrap()),
                    allowed,
                    "{line}"
                );
            }
        }
        let response = fixture.app.send(&format!("OPTIONS {path}"), None, "");
        assert_eq!(response.status, 204, "{path}");
        assert_eq!(
            comma_separated(response.header("Allow").unwrap()),
            allowed,
            "{path}"
        );
    }
}

#[test]
fn options_for_the_whole_server_gets_all_methods() {
    let fixture = Fixture::new();
    let response = fixture.app.send("OPTIONS *", None, "");
    assert_eq!(response.status, 204);
    let mut all = BTreeSet::from(["HEAD".to_owned(), "OPTIONS".to_owned()]);
    all.extend(ROUTES.iter().map(|route| route.method.to_owned()));
    assert_eq!(comma_separated(response.header("Allow").unwrap()), all);
    fixture.assert_error("GET *", "{}", 404, "not_found");
}

#[test]
fn headers_and_parameters_do_not_override_the_method() {
    let fixture = Fixture::new();
    for name in [
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-HTTP-Method",
    ] {
        let headers = [
            (name, "DELETE".to_owned()),
            ("Authorization", format!("Bearer {}", fixture.admin.token)),
        ];
        let line = format!("GET /tasks/{}?_method=DELETE", fixture.task);
        fixture.app.send_raw(&line, &headers, b"");
        assert_eq!(
            fixture
                .app
                .get(&format!("/tasks/{}", fixture.task), &fixture.admin)
                .status,
            200,
            "{name}"
        );
    }
}

// Queries -----------------------------------------------------------------------------------------

#[test]
fn an_unknown_parameter_is_422() {
    let fixture = Fixture::new();
    let names = [
        "foo",
        "page",
        "offset",
        "per_page",
        "order",
        "Limit",
        "LIMIT",
        "limit[]",
        "limit%20",
        "q%00",
        "id",
        "title",
        "password_hash",
        "_method",
        "access_token",
        "visible_to",
        "%F0%9F%AA%B4",
    ];
    for (path, more) in [
        ("/tasks", &["role", "approved"][..]),
        ("/users", &["status", "sort", "assigned_user_id"]),
    ] {
        for name in names.iter().chain(more) {
            for query in [
                format!("{name}=1"),
                format!("limit=5&{name}=1"),
                name.to_string(),
                format!("{name}=&q=x"),
            ] {
                let response = fixture.send_invalid(&format!("GET {path}?{query}"), "");
                let decoded = percent_encoding::percent_decode_str(name)
                    .decode_utf8()
                    .unwrap();
                assert_eq!(response.invalid_fields(), [decoded], "{path}?{query}");
            }
        }
        assert_eq!(
            fixture
                .send_invalid(&format!("GET {path}?=1"), "")
                .invalid_fields(),
            [""]
        );
    }
}

#[test]
fn a_duplicate_parameter_is_422() {
    let fixture = Fixture::new();
    for (path, query, name) in [
        ("/tasks", "status=pending&status=pending", "status"),
        ("/tasks", "status=pending&status=completed", "status"),
        ("/tasks", "limit=1&limit=2", "limit"),
        ("/tasks", "limit=1&l%69mit=2", "limit"),
        ("/tasks", "limit=1&q=x&limit=1", "limit"),
        ("/tasks", "q=&q=", "q"),
        ("/tasks", "q&q", "q"),
        ("/tasks", "sort=title&sort=-title", "sort"),
        (
            "/tasks",
            "assigned_user_id=1&assigned_user_id=2",
            "assigned_user_id",
        ),
        ("/users", "role=admin&role=employee", "role"),
        ("/users", "approved=true&approved=false", "approved"),
        ("/users", "cursor=x&cursor=y", "cursor"),
    ] {
        let response = fixture.send_invalid(&format!("GET {path}?{query}"), "");
        assert_eq!(response.invalid_fields(), [name], "{path}?{query}");
    }
}

#[test]
fn an_invalid_parameter_is_422_and_the_response_names_it() {
    let fixture = Fixture::new();
    let limits = [
        "0",
        "-1",
        "101",
        "1000000000",
        "1e2",
        "1.0",
        "abc",
        "0x10",
        "10%20",
        "%2010",
        "18446744073709551617",
        "%",
        "%zz",
        "%ff",
        "NaN",
        "10,20",
        "*",
    ];
    let cursors = [
        "x",
        "AAAA",
        "%00",
        "%ff",
        "null",
        "0",
        "eyJpZCI6MX0",
        "../../x",
    ];
    let roles = [
        "boss",
        "Admin",
        "admin%20",
        "admin,employee",
        "*",
        "%25",
        "%ff",
    ];
    let flags = [
        "yes", "no", "1", "0", "True", "TRUE", "true%20", "null", "%ff",
    ];
    let statuses = [
        "done",
        "Pending",
        "pending%20",
        "pending,completed",
        "*",
        "%25",
        "%ff",
        "null",
    ];
    let ids = [
        "0",
        "-1",
        "01",
        "%2B1",
        "+1",
        "1.0",
        "abc",
        "null",
        "9223372036854775808",
        "%ff",
        "1,2",
        "1%00",
    ];
    let sorts = [
        "-",
        "id",
        "--title",
        "Title",
        "title%20",
        "title,deadline",
        "+title",
        "title%20desc",
        "status",
        "%ff",
    ];
    let times = [
        "2027-01-01",
        "2027-01-01T00:00:00",
        "tomorrow",
        "1798761600",
        "2027-02-30T00:00:00Z",
        "%ff",
        // `+` is a space in a query unless it is percent-encoded.
        "2027-01-01T00:00:00+02:00",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
    ];
    let texts = ["%ff", "%C0%AF", "%ED%A0%80", "a%00b", "a%0Ab"];
    for (path, name, values) in [
        ("/tasks", "limit", &limits[..]),
        ("/users", "limit", &limits),
        ("/tasks", "cursor", &cursors),
        ("/users", "cursor", &cursors),
        ("/users", "role", &roles),
        ("/users", "approved", &flags),
        ("/tasks", "status", &statuses),
        ("/tasks", "assigned_user_id", &ids),
        ("/tasks", "sort", &sorts),
        ("/tasks", "deadline_before", &times),
        ("/tasks", "deadline_after", &times),
        ("/tasks", "q", &texts),
        ("/users", "q", &texts),
    ] {
        for value in values {
            for query in [format!("{name}={value}"), format!("&{name}={value}&")] {
                let response = fixture.send_invalid(&format!("GET {path}?{query}"), "");
                assert_eq!(response.invalid_fields(), [name], "{path}?{query}");
            }
        }
    }
    let response = fixture.send_invalid("GET /tasks?foo=", "");
    assert_eq!(
        response.invalid_fields(),
        ["foo"],
        "an unknown name with a blank value"
    );
    let response = fixture.send_invalid("GET /tasks?limit=0&status=done&sort=id&foo=1", "");
    assert_eq!(
        response.invalid_fields(),
        ["foo", "limit", "sort", "status"],
        "all invalid names at once"
    );
}

#[test]
fn parameters_at_their_limits_are_valid() {
    let fixture = Fixture::new();
    for path in [
        "/tasks",
        "/tasks?",
        "/tasks?&",
        "/tasks?&&limit=1&",
        "/tasks?limit=1",
        "/tasks?limit=100",
        "/users?limit=100",
        "/tasks?q=",
        "/tasks?q",
        "/tasks?assigned_user_id=9223372036854775807",
        "/tasks?sort=-deadline",
        "/tasks?deadline_before=2027-01-01T00:00:00%2B02:00",
        "/tasks?deadline_after=0001-01-01T00:00:00Z",
        "/tasks?deadline_before=9999-12-31T23:59:59.999999Z",
        "/users?approved=true&role=admin",
        "/tasks?st%61tus=pending",
    ] {
        assert_eq!(fixture.app.get(path, &fixture.admin).status, 200, "{path}");
    }
}

#[test]
fn a_plus_in_a_query_is_a_space() {
    let fixture = Fixture::new();
    let space = fixture
        .app
        .create_task(&fixture.admin, json!({ "title": "one two" }));
    let plus = fixture
        .app
        .create_task(&fixture.admin, json!({ "title": "one+two" }));
    let equals = fixture
        .app
        .create_task(&fixture.admin, json!({ "title": "one=two=three" }));
    let percent = fixture
        .app
        .create_task(&fixture.admin, json!({ "title": "one%20two" }));
    for (q, found) in [
        ("one+two", space),
        ("one%20two", space),
        ("one%2Btwo", plus),
        ("one=two=three", equals),
        ("one%3Dtwo%3Dthree", equals),
        ("one%2520two", percent),
    ] {
        let response = fixture.app.get(&format!("/tasks?q={q}"), &fixture.admin);
        assert_eq!(response.ids(), [found], "{q}");
    }
}

// Injection ---------------------------------------------------------------------------------------

#[test]
fn sql_in_a_text_field_is_stored_as_text() {
    let fixture = Fixture::new();
    for (i, text) in INJECTIONS.iter().enumerate() {
        let body = json!({ "title": text, "description": text });
        let task = fixture.app.create_task(&fixture.admin, body.clone());
        let stored = fixture
            .app
            .get(&format!("/tasks/{task}"), &fixture.admin)
            .json();
        assert_eq!(
            (&stored["title"], &stored["description"]),
            (&body["title"], &body["title"])
        );
        let patched = fixture.app.send(
            &format!("PATCH /tasks/{}", fixture.task),
            fixture.admin.clone(),
            &body.to_string(),
        );
        assert_eq!(patched.json()["title"], *text);

        let signup =
            json!({ "username": text, "email": format!("a{i}@example.com"), "password": PASSWORD });
        let response = fixture.app.send("POST /signup", None, &signup.to_string());
        assert_eq!(response.status, 201, "{text}");
        assert_eq!(response.json()["username"], *text);
        assert_eq!(response.json()["role"], "employee", "{text}");
    }
    let count = |sql: &str| -> i64 {
        fixture
            .app
            .sql()
            .query_row(sql, [], |row| row.get(0))
            .unwrap()
    };
    let n = INJECTIONS.len() as i64;
    assert_eq!(count("SELECT count(*) FROM task"), n + 1);
    assert_eq!(count(r#"SELECT count(*) FROM "user""#), n + 2);
    assert_eq!(
        count(r#"SELECT count(*) FROM "user" WHERE role = 'admin'"#),
        1
    );
}

#[test]
fn sql_in_a_sign_in_is_401() {
    let fixture = Fixture::new();
    for text in INJECTIONS {
        for (email, password) in [
            (text.to_string(), PASSWORD.to_owned()),
            (text.to_string(), text.to_string()),
            ("admin@example.com".to_owned(), text.to_string()),
            (format!("admin@example.com{text}"), PASSWORD.to_owned()),
        ] {
            let body = json!({ "email": email, "password": password });
            fixture.assert_error(
                "POST /login",
                body.to_string(),
                401,
                "wrong_email_or_password",
            );
        }
    }
}

#[test]
fn sql_in_the_place_of_a_keyword_number_or_name_is_422() {
    let fixture = Fixture::new();
    let user = format!("PATCH /users/{}", fixture.employee.id);
    for text in INJECTIONS {
        fixture.assert_invalid_field(
            "POST /tasks",
            &json!({ "title": "t", "status": text }),
            "status",
        );
        fixture.assert_invalid_field(
            "POST /tasks",
            &json!({ "title": "t", "deadline": text }),
            "deadline",
        );
        fixture.assert_invalid_field(&user, &json!({ "role": text }), "role");
        fixture.assert_invalid_field("POST /tasks", &json!({ "title": "t", *text: 1 }), text);
        let value = encoded(text);
        for (path, names) in [
            (
                "/tasks",
                &[
                    "status",
                    "assigned_user_id",
                    "deadline_before",
                    "deadline_after",
                    "sort",
                    "limit",
                    "cursor",
                ][..],
            ),
            ("/users", &["role", "approved", "limit", "cursor"]),
        ] {
            for name in names {
                let response = fixture.send_invalid(&format!("GET {path}?{name}={value}"), "");
                assert_eq!(response.invalid_fields(), [*name], "{path} {name} {text}");
            }
            let response = fixture.send_invalid(&format!("GET {path}?{value}=1"), "");
            assert_eq!(response.invalid_fields(), [*text], "{path} {text}");
        }
        let response = fixture.send_invalid(
            &format!("GET /tasks?sort={}", encoded(&format!("title{text}"))),
            "",
        );
        assert_eq!(response.invalid_fields(), ["sort"], "{text}");
    }
}

#[test]
fn a_search_finds_exactly_the_rows_that_contain_the_text() {
    let fixture = Fixture::new();
    for text in INJECTIONS {
        fixture
            .app
            .create_task(&fixture.admin, json!({ "title": text }));
        fixture
            .app
            .create_task(&fixture.admin, json!({ "title": "t", "description": text }));
    }
    let tasks = fixture.app.get("/tasks?limit=100", &fixture.admin).json()["items"].take();
    let users = fixture.app.get("/users?limit=100", &fixture.admin).json()["items"].take();
    let contains = |row: &Value, fields: [&str; 2], q: &str| {
        fields.iter().any(|field| {
            row[*field]
                .as_str()
                .is_some_and(|text| text.to_lowercase().contains(&q.to_lowercase()))
        })
    };
    let ids = |rows: &Value, fields, q| -> BTreeSet<i64> {
        let rows = rows.as_array().unwrap().iter();
        rows.filter(|row| contains(row, fields, q))
            .map(|row| row["id"].as_i64().unwrap())
            .collect()
    };
    for q in INJECTIONS.iter().chain(&[
        "%%",
        "__",
        "\\%",
        "*",
        "?",
        "[a-z]",
        "a%",
        "dRoP tAbLe",
        "@",
    ]) {
        for (path, rows, fields) in [
            ("/tasks", &tasks, ["title", "description"]),
            ("/users", &users, ["username", "email"]),
        ] {
            let response = fixture.app.get(
                &format!("{path}?limit=100&q={}", encoded(q)),
                &fixture.admin,
            );
            let found: BTreeSet<i64> = response.ids().into_iter().collect();
            assert_eq!(found, ids(rows, fields, q), "{path} {q}");
        }
    }
}

// Request id --------------------------------------------------------------------------------------

#[test]
fn a_valid_request_id_is_returned() {
    let fixture = Fixture::new();
    for id in [
        "1",
        "abc-123_DEF",
        "0191e1c0-5d5a-7a52-8f1f-0f9ad1a2b3c4",
        "Root=1-67891233-abcdef012345678912345678",
        &"x".repeat(128),
    ] {
        for line in [
            "GET /healthz",
            "GET /nowhere",
            "GET /hello",
            "OPTIONS /login",
            "PUT /login",
        ] {
            let response = fixture
                .app
                .send_raw(line, &[("X-Request-Id", id.to_owned())], b"");
            assert_eq!(response.header("X-Request-Id"), Some(id), "{line}");
        }
    }
}

#[test]
fn an_invalid_request_id_is_replaced() {
    let fixture = Fixture::new();
    let mut seen = BTreeSet::new();
    let long = "x".repeat(129);
    let longer = "x".repeat(100_000);
    for id in [
        None,
        Some(""),
        Some(" "),
        Some("a b"),
        Some(" a"),
        Some("a\nb"),
        Some("a\r\nSet-Cookie: x=1"),
        Some("a\tb"),
        Some("a\0b"),
        Some("\u{7f}"),
        Some("é"),
        Some("🪴"),
        Some("a\u{2028}b"),
        Some("a\"b"),
        Some("a;b"),
        Some("a,b"),
        Some("<script>"),
        Some("${jndi:ldap://x}"),
        Some("\u{1b}[31m"),
        Some(&long),
        Some(&longer),
    ] {
        let headers: Vec<_> = id
            .map(|id| ("X-Request-Id", id.to_owned()))
            .into_iter()
            .collect();
        for line in ["GET /healthz", "GET /nowhere", "PUT /login"] {
            let response = fixture.app.send_raw(line, &headers, b"");
            let generated = response.header("X-Request-Id").unwrap();
            assert!(
                (16..=128).contains(&generated.len())
                    && generated
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-'),
                "{id:?}: {generated:?}"
            );
            assert!(
                seen.insert(generated.to_owned()),
                "{generated} was generated twice"
            );
        }
    }
}

#[test]
fn a_body_with_many_or_long_unknown_names_gets_a_short_error() {
    let fixture = Fixture::new();
    let names = |n: usize| {
        let members: Vec<_> = (0..n).map(|i| format!("\"n{i}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    fixture.assert_error("POST /login", names(20), 422, "invalid");
    fixture.assert_error("POST /login", names(21), 400, "malformed_json");
    // The response repeats only a part of the name: `Fixture::send_invalid` checks its length.
    fixture.assert_error(
        "POST /login",
        format!("{{\"{}\":0}}", "n".repeat(100_000)),
        422,
        "invalid",
    );
}

#[test]
fn invisible_characters_and_directional_overrides_in_user_names_are_422() {
    let fixture = Fixture::new();
    for name in [
        "\u{200b}",
        "ada\u{202e}nimda",
        "ada\u{2066}",
        "\u{feff}ada",
        "a\u{2028}b",
    ] {
        let body = json!({ "username": name, "email": "new@example.com", "password": PASSWORD });
        fixture.assert_invalid_field("POST /signup", &body, "username");
    }
}
