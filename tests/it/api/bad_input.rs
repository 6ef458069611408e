//! Input that nobody should send: each gets its exact answer, and nothing changes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use task_api::router::ROUTES;

use crate::support::{Fixture, PASSWORD, TestApp, TestResponse, comma_separated};

impl Fixture {
    /// Sends as the admin, and sees to it that nothing changes.
    fn refused_raw(&self, line: &str, headers: &[(&str, String)], body: &[u8]) -> TestResponse {
        let before = self.app.rows();
        let mut headers = headers.to_vec();
        headers.push(("Authorization", format!("Bearer {}", self.admin.token)));
        let answer = self.app.send_raw(line, &headers, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(100)]);
        assert!(answer.status >= 400, "{line} {shown}: {answer:?}");
        assert_eq!(self.app.rows(), before, "{line} {shown} changed something");
        assert!(answer.body.len() < 5_000, "{line} {shown}: a long answer");
        answer
    }

    fn refused(&self, line: &str, body: impl AsRef<[u8]>) -> TestResponse {
        let headers = [("Content-Type", "application/json".to_owned())];
        self.refused_raw(line, &headers, body.as_ref())
    }

    /// As [`Fixture::refused`], with this status and this code.
    fn refuses(&self, line: &str, body: impl AsRef<[u8]>, status: u16, code: &str) {
        let body = body.as_ref();
        let answer = self.refused(line, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(100)]);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{line} {shown}"
        );
    }

    /// A 422 that names this field and no other.
    fn refuses_field(&self, line: &str, body: &Value, field: &str) {
        let answer = self.refused(line, body.to_string());
        assert_eq!(answer.code(), "invalid", "{line} {body}");
        assert_eq!(answer.invalid_fields(), [field], "{line} {body}");
    }

    /// Each route that takes a body, with a body that it accepts and that would change something.
    fn bodies(&self) -> Vec<(String, Value)> {
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

/// What people try.
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
fn a_body_that_is_no_json_is_400() {
    let fixture = Fixture::new();
    let bom = "\u{feff}";
    for (line, good) in fixture.bodies() {
        let good = good.to_string();
        let open = &good[..good.len() - 1];
        let member = |text: &str| format!("{open},{text}}}").into_bytes();
        let cases: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b" \n".to_vec(),
            b"{".to_vec(),
            open.as_bytes().to_vec(),
            good.as_bytes()[..good.len() - 2].to_vec(),
            format!("{open},}}").into_bytes(),
            format!("{good} x").into_bytes(),
            format!("{good}{good}").into_bytes(),
            format!("{good}\0").into_bytes(),
            format!("{bom}{bom}{good}").into_bytes(),
            format!(" {bom}{good}").into_bytes(),
            format!("{good}{bom}").into_bytes(),
            bom.as_bytes().to_vec(),
            good.replace('"', "'").into_bytes(),
            good.replace(':', "=").into_bytes(),
            format!("x={good}").into_bytes(),
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
            good.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ];
        for body in cases {
            fixture.refuses(&line, body, 400, "malformed_json");
        }
    }
}

#[test]
fn a_name_that_is_given_twice_is_400() {
    let fixture = Fixture::new();
    for (line, good) in fixture.bodies() {
        let text = good.to_string();
        for (name, value) in good.as_object().unwrap() {
            let twice = text.replacen('{', &format!("{{\"{name}\":{value},"), 1);
            fixture.refuses(&line, twice, 400, "malformed_json");
            // The first letter as an escape makes the same name.
            let first = name.bytes().next().unwrap();
            let escaped = format!("{{\"\\u{first:04x}{}\":{value},", &name[1..]);
            fixture.refuses(
                &line,
                text.replacen('{', &escaped, 1),
                400,
                "malformed_json",
            );
        }
        let unknown = text.replacen('{', r#"{"x":1,"x":2,"#, 1);
        fixture.refuses(&line, unknown, 400, "malformed_json");
    }
}

#[test]
fn a_body_that_is_no_object_is_422() {
    let fixture = Fixture::new();
    for (line, good) in fixture.bodies() {
        for body in [
            "[]", "[1, 2]", "\"text\"", "\"\"", "0", "5", "-1", "1.5", "1e300", "true", "false",
            "null",
        ] {
            let answer = fixture.refused(&line, body);
            assert_eq!(answer.invalid_fields(), ["body"], "{line} {body}");
        }
        let listed = fixture.refused(&line, json!([good]).to_string());
        assert_eq!(listed.invalid_fields(), ["body"], "{line}");
    }
}

#[test]
fn json_nested_a_hundred_thousand_deep_is_refused() {
    let fixture = Fixture::new();
    let n = 100_000;
    let list = format!("{}{}", "[".repeat(n), "]".repeat(n));
    let object = format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
    for (line, good) in fixture.bodies() {
        // It is JSON, and not what any field holds.
        fixture.refuses(&line, &list, 422, "invalid");
        fixture.refuses(&line, &object, 422, "invalid");
        fixture.refuses(&line, "[".repeat(n), 400, "malformed_json");
        fixture.refuses(&line, r#"{"a":"#.repeat(n), 400, "malformed_json");
        fixture.refuses(&line, r#"[{"a":"#.repeat(n), 400, "malformed_json");
        for name in good.as_object().unwrap().keys() {
            for deep in [&list, &object] {
                let body = format!("{{\"{name}\":{deep}}}");
                fixture.refuses(&line, body, 422, "invalid");
            }
            let unfinished = format!("{{\"{name}\":{}}}", "[".repeat(n));
            fixture.refuses(&line, unfinished, 400, "malformed_json");
        }
    }
}

// Fields ------------------------------------------------------------------------------------------

#[test]
fn a_value_of_the_wrong_type_is_422_and_names_its_field() {
    let fixture = Fixture::new();
    let no_text = [
        json!(5),
        json!(1.5),
        json!(true),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({ "$ne": "" }),
    ];
    let no_flag = [
        json!(0),
        json!(1),
        json!("true"),
        json!(""),
        json!(null),
        json!([]),
        json!({}),
    ];
    let no_id = [
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
    for (line, good) in fixture.bodies() {
        for name in good.as_object().unwrap().keys() {
            let wrong = match name.as_str() {
                "is_approved" => &no_flag[..],
                "assigned_user_id" => &no_id[..],
                _ => &no_text[..],
            };
            for value in wrong {
                let mut body = good.clone();
                body[name] = value.clone();
                fixture.refuses_field(&line, &body, name);
            }
            let nullable = ["description", "deadline", "assigned_user_id"];
            if !nullable.contains(&name.as_str()) {
                let mut body = good.clone();
                body[name] = Value::Null;
                fixture.refuses_field(&line, &body, name);
            }
        }
    }
}

#[test]
fn a_field_that_is_missing_is_422_and_all_of_them_are_told_at_once() {
    let fixture = Fixture::new();
    for (line, required) in [
        ("POST /signup", &["email", "password", "username"][..]),
        ("POST /login", &["email", "password"]),
        ("PATCH /me", &["current_password"]),
        ("POST /tasks", &["title"]),
    ] {
        assert_eq!(
            fixture.refused(line, "{}").invalid_fields(),
            required,
            "{line}"
        );
    }
    let answer = fixture.refused(
        "POST /signup",
        json!({ "username": "", "email": "none", "password": "short", "role": "admin" })
            .to_string(),
    );
    assert_eq!(
        answer.invalid_fields(),
        ["email", "password", "role", "username"]
    );
}

#[test]
fn an_unknown_field_is_422_and_promotes_nobody() {
    let fixture = Fixture::new();
    for (line, good) in fixture.bodies() {
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
            let mut body = good.clone();
            body[name] = value;
            fixture.refuses_field(&line, &body, name);
        }
        if !line.contains("/users/") {
            for (name, value) in [("role", json!("admin")), ("is_approved", json!(true))] {
                let mut body = good.clone();
                body[name] = value;
                fixture.refuses_field(&line, &body, name);
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
        for (line, good) in fixture.bodies() {
            for name in ["username", "title"] {
                // A tab in a title becomes a space.
                if good.get(name).is_some() && (name, control) != ("title", '\t') {
                    let mut body = good.clone();
                    body[name] = json!(text);
                    fixture.refuses_field(&line, &body, name);
                }
            }
        }
        let signup = json!({
            "username": "new", "email": format!("a{control}b@example.com"), "password": PASSWORD,
        });
        fixture.refuses_field("POST /signup", &signup, "email");
    }
    for text in ["", " ", "\u{a0}", "\0", "x\0", "\0x"] {
        fixture.refuses_field("POST /tasks", &json!({ "title": text }), "title");
        let signup = json!({ "username": text, "email": "new@example.com", "password": PASSWORD });
        fixture.refuses_field("POST /signup", &signup, "username");
    }
    for control in ['\0', '\u{1b}', '\u{7f}'] {
        let body = json!({ "title": "t", "description": format!("one{control}two") });
        fixture.refuses_field("POST /tasks", &body, "description");
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
        "lines are fine where lines belong"
    );
}

#[test]
fn lengths_are_counted_in_characters() {
    let fixture = Fixture::new();
    // One, two, three and four bytes; a letter with a combining mark that has no form in one code point is
    // two characters.
    for c in ["a", "é", "語", "🪴", "q\u{301}"] {
        let chars = c.chars().count();
        let text = |n: usize| c.repeat(n / chars) + &"x".repeat(n % chars);
        let signup = |username: String| json!({ "username": username, "email": format!("u{}@example.com", username.len()), "password": PASSWORD });
        let answer = fixture
            .app
            .send("POST /signup", None, &signup(text(80)).to_string());
        assert_eq!(answer.status, 201, "{c} {answer:?}");
        assert_eq!(answer.json()["username"], text(80));
        fixture.refuses_field("POST /signup", &signup(text(81)), "username");

        for (line, status) in [
            ("POST /tasks".to_owned(), 201),
            (format!("PATCH /tasks/{}", fixture.task), 200),
        ] {
            let body = json!({ "title": text(255), "description": text(10_000) });
            let answer = fixture
                .app
                .send(&line, fixture.admin.clone(), &body.to_string());
            assert_eq!(answer.status, status, "{c}");
            assert_eq!(answer.json()["title"], text(255));
            assert_eq!(answer.json()["description"], text(10_000));
            fixture.refuses_field(&line, &json!({ "title": text(256) }), "title");
            fixture.refuses_field(
                &line,
                &json!({ "title": "t", "description": text(10_001) }),
                "description",
            );
        }
    }
    let email = |c: &str, n: usize| format!("{}@example.com", c.repeat(n - 12));
    for c in ["a", "é"] {
        let signup = |n: usize| json!({ "username": format!("by mail {c}"), "email": email(c, n), "password": PASSWORD });
        fixture.refuses_field("POST /signup", &signup(121), "email");
        let answer = fixture
            .app
            .send("POST /signup", None, &signup(120).to_string());
        assert_eq!(answer.status, 201, "{c}");
        fixture.refuses_field(
            "PATCH /me",
            &json!({ "email": email(c, 121), "current_password": PASSWORD }),
            "email",
        );
    }
}

#[test]
fn an_e_mail_is_within_its_limit_as_it_is_stored() {
    let fixture = Fixture::new();
    // In lower case this letter becomes two characters.
    let email = format!("{}@example.com", "İ".repeat(108));
    let signup = json!({ "username": "new", "email": email, "password": PASSWORD });
    fixture.refuses_field("POST /signup", &signup, "email");
}

#[test]
fn what_is_no_e_mail_is_422() {
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
        fixture.refuses_field("POST /signup", &signup, "email");
        let me = json!({ "email": email, "current_password": PASSWORD });
        fixture.refuses_field("PATCH /me", &me, "email");
    }
    let label = "x".repeat(64);
    let signup =
        json!({ "username": "new", "email": format!("a@{label}.com"), "password": PASSWORD });
    fixture.refuses_field("POST /signup", &signup, "email");
}

/// JSON has one kind of number, and some languages write each with a fraction.
#[test]
fn a_whole_number_may_have_a_fraction_of_zero() {
    let fixture = Fixture::new();
    for id in ["2.0", "2e0", "0.2e1", "20e-1"] {
        let body = format!(r#"{{"title":"t","assigned_user_id":{id}}}"#);
        let answer = fixture
            .app
            .send("POST /tasks", fixture.admin.clone(), &body);
        assert_eq!(answer.status, 201, "{id}: {answer:?}");
        assert_eq!(answer.json()["assigned_user_id"], 2, "{id}");
    }
    for id in ["2.5", "9223372036854775808.0", "1e300", "-2.0", "0.0"] {
        let body = format!(r#"{{"title":"t","assigned_user_id":{id}}}"#);
        let answer = fixture
            .app
            .send("POST /tasks", fixture.admin.clone(), &body);
        assert_eq!(answer.invalid_fields(), ["assigned_user_id"], "{id}");
    }
}

#[test]
fn e_mails_that_browsers_take_are_taken() {
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
        ("jörg@bücher.example", "jörg@bücher.example"),
        ("почта@пример.рф", "почта@пример.рф"),
        ("'or'1'='1@example.com", "'or'1'='1@example.com"),
        ("%@example.com", "%@example.com"),
        ("_@example.com", "_@example.com"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = fixture.app.sign_up(&format!("a{i}"), email, PASSWORD);
        assert_eq!(answer.status, 201, "{email}: {answer:?}");
        assert_eq!(answer.json()["email"], stored);
        let answer = fixture.app.log_in(email, PASSWORD);
        assert_eq!(answer.status, 200, "{email}");
        assert_eq!(answer.json()["user"]["username"], format!("a{i}"));
    }
}

#[test]
fn values_outside_their_set_are_422() {
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
        fixture.refuses_field(
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
        fixture.refuses_field(
            "POST /tasks",
            &json!({ "title": "t", "status": status }),
            "status",
        );
        fixture.refuses_field(&task, &json!({ "title": "t", "status": status }), "status");
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
        fixture.refuses_field(
            "POST /tasks",
            &json!({ "title": "t", "deadline": deadline }),
            "deadline",
        );
        fixture.refuses_field(
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
        fixture.refuses_field("POST /tasks", &body, "assigned_user_id");
        fixture.refuses_field(
            &format!("PATCH /tasks/{}", fixture.task),
            &body,
            "assigned_user_id",
        );
    }
}

// The body's frame --------------------------------------------------------------------------------

#[test]
fn a_body_over_the_limit_is_413_with_and_without_a_content_length() {
    for (limit, set) in [(1 << 20, false), (1_000, true)] {
        let fixture = Fixture::with_app(TestApp::with(|config| {
            if set {
                config.limits.max_body_bytes = 1_000;
            }
        }));
        for (line, good) in fixture.bodies() {
            let good = good.to_string();
            let padded = |length: usize| good.clone() + &" ".repeat(length - good.len());
            let json_type = ("Content-Type", "application/json".to_owned());
            let length = |n: usize| ("Content-Length", n.to_string());
            let over = padded(limit + 1);
            for (headers, body) in [
                (vec![json_type.clone(), length(limit + 1)], over.as_bytes()),
                (vec![json_type.clone()], over.as_bytes()),
                // What is declared is refused before it is read.
                (vec![json_type.clone(), length(limit + 1)], good.as_bytes()),
                (vec![json_type.clone(), length(usize::MAX)], b""),
                (
                    vec![json_type.clone(), ("Transfer-Encoding", "chunked".into())],
                    over.as_bytes(),
                ),
            ] {
                let answer = fixture.refused_raw(&line, &headers, body);
                assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (413, "body_too_large"),
                    "{line} {headers:?}"
                );
            }
        }
        for (line, good) in fixture.bodies() {
            let good = good.to_string();
            let full = good.clone() + &" ".repeat(limit - good.len());
            let answer = fixture.app.send(&line, fixture.admin.clone(), &full);
            assert!(answer.status < 300, "{line} at the limit: {answer:?}");
        }
    }
}

#[test]
fn a_body_shorter_than_its_content_length_is_400() {
    let fixture = Fixture::new();
    for (line, good) in fixture.bodies() {
        let good = good.to_string();
        for missing in [1, 2, 1_000] {
            let headers = [
                ("Content-Type", "application/json".to_owned()),
                ("Content-Length", (good.len() + missing).to_string()),
            ];
            // Whole JSON all the same: what is there could be taken for everything.
            let answer = fixture.refused_raw(&line, &headers, good.as_bytes());
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (400, "malformed_json"),
                "{line}"
            );
        }
    }
}

#[test]
fn a_body_that_is_not_declared_as_json_is_415() {
    let fixture = Fixture::new();
    for (line, good) in fixture.bodies() {
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
            for body in [good.to_string().as_bytes(), b"", b"{"] {
                let answer = fixture.refused_raw(&line, &headers, body);
                assert_eq!(
                    (answer.status, answer.code().as_str()),
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
        let answer = fixture
            .app
            .send_raw("POST /login", &headers, body.as_bytes());
        assert_eq!(answer.status, 200, "{content_type:?}");
    }
}

// Paths -------------------------------------------------------------------------------------------

#[test]
fn what_can_be_no_id_is_404() {
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
            fixture.refuses(&format!("{line}{id}"), body, 404, "not_found");
        }
    }
}

#[test]
fn an_id_may_be_percent_encoded() {
    let fixture = Fixture::new();
    for path in [
        "/tasks/%31",
        "/users/%31",
        "/%74asks/1",
        "/tasks/1?",
        "/me?",
    ] {
        assert_eq!(fixture.app.get(path, &fixture.admin).status, 200, "{path}");
    }
}

#[test]
fn a_path_that_is_not_in_the_table_is_404() {
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
            fixture.refuses(&format!("{method} {path}"), "{}", 404, "not_found");
        }
    }
}

#[test]
fn every_method_that_a_path_has_not_is_405_and_allow_names_those_it_has() {
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
            for answer in [
                fixture.refused(&line, "{}"),
                fixture.app.send(&line, None, ""),
            ] {
                assert_eq!(answer.status, 405, "{line}");
                assert_eq!(answer.code(), "method_not_allowed", "{line}");
                assert_eq!(
                    comma_separated(answer.header("Allow").unwrap()),
                    allowed,
                    "{line}"
                );
            }
        }
        let answer = fixture.app.send(&format!("OPTIONS {path}"), None, "");
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(
            comma_separated(answer.header("Allow").unwrap()),
            allowed,
            "{path}"
        );
    }
}

#[test]
fn the_server_as_a_whole_has_every_method() {
    let fixture = Fixture::new();
    let answer = fixture.app.send("OPTIONS *", None, "");
    assert_eq!(answer.status, 204);
    let mut all = BTreeSet::from(["HEAD".to_owned(), "OPTIONS".to_owned()]);
    all.extend(ROUTES.iter().map(|route| route.method.to_owned()));
    assert_eq!(comma_separated(answer.header("Allow").unwrap()), all);
    fixture.refuses("GET *", "{}", 404, "not_found");
}

#[test]
fn no_header_turns_one_method_into_another() {
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
fn a_parameter_that_is_not_known_is_422() {
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
                let answer = fixture.refused(&format!("GET {path}?{query}"), "");
                let decoded = percent_encoding::percent_decode_str(name)
                    .decode_utf8()
                    .unwrap();
                assert_eq!(answer.invalid_fields(), [decoded], "{path}?{query}");
            }
        }
        assert_eq!(
            fixture
                .refused(&format!("GET {path}?=1"), "")
                .invalid_fields(),
            [""]
        );
    }
}

#[test]
fn a_parameter_that_is_given_twice_is_422() {
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
        let answer = fixture.refused(&format!("GET {path}?{query}"), "");
        assert_eq!(answer.invalid_fields(), [name], "{path}?{query}");
    }
}

#[test]
fn a_bad_value_of_a_parameter_is_422_and_names_it() {
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
        // A + that is not encoded is a space.
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
                let answer = fixture.refused(&format!("GET {path}?{query}"), "");
                assert_eq!(answer.invalid_fields(), [name], "{path}?{query}");
            }
        }
    }
    let answer = fixture.refused("GET /tasks?foo=", "");
    assert_eq!(
        answer.invalid_fields(),
        ["foo"],
        "a blank value of an unknown name"
    );
    let answer = fixture.refused("GET /tasks?limit=0&status=done&sort=id&foo=1", "");
    assert_eq!(
        answer.invalid_fields(),
        ["foo", "limit", "sort", "status"],
        "all at once"
    );
}

#[test]
fn values_at_their_bounds_are_taken() {
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
fn plus_is_a_space_in_a_query() {
    let fixture = Fixture::new();
    let spaced = fixture
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
        ("one+two", spaced),
        ("one%20two", spaced),
        ("one%2Btwo", plus),
        ("one=two=three", equals),
        ("one%3Dtwo%3Dthree", equals),
        ("one%2520two", percent),
    ] {
        let answer = fixture.app.get(&format!("/tasks?q={q}"), &fixture.admin);
        assert_eq!(answer.ids(), [found], "{q}");
    }
}

// Injection ---------------------------------------------------------------------------------------

#[test]
fn sql_in_a_field_is_text_like_any_other() {
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
        let answer = fixture.app.send("POST /signup", None, &signup.to_string());
        assert_eq!(answer.status, 201, "{text}");
        assert_eq!(answer.json()["username"], *text);
        assert_eq!(answer.json()["role"], "employee", "{text}");
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
fn sql_in_a_sign_in_is_a_wrong_password() {
    let fixture = Fixture::new();
    for text in INJECTIONS {
        for (email, password) in [
            (text.to_string(), PASSWORD.to_owned()),
            (text.to_string(), text.to_string()),
            ("admin@example.com".to_owned(), text.to_string()),
            (format!("admin@example.com{text}"), PASSWORD.to_owned()),
        ] {
            let body = json!({ "email": email, "password": password });
            fixture.refuses(
                "POST /login",
                body.to_string(),
                401,
                "wrong_email_or_password",
            );
        }
    }
}

#[test]
fn sql_where_a_word_of_ours_belongs_is_422() {
    let fixture = Fixture::new();
    let user = format!("PATCH /users/{}", fixture.employee.id);
    for text in INJECTIONS {
        fixture.refuses_field(
            "POST /tasks",
            &json!({ "title": "t", "status": text }),
            "status",
        );
        fixture.refuses_field(
            "POST /tasks",
            &json!({ "title": "t", "deadline": text }),
            "deadline",
        );
        fixture.refuses_field(&user, &json!({ "role": text }), "role");
        fixture.refuses_field("POST /tasks", &json!({ "title": "t", *text: 1 }), text);
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
                let answer = fixture.refused(&format!("GET {path}?{name}={value}"), "");
                assert_eq!(answer.invalid_fields(), [*name], "{path} {name} {text}");
            }
            let answer = fixture.refused(&format!("GET {path}?{value}=1"), "");
            assert_eq!(answer.invalid_fields(), [*text], "{path} {text}");
        }
        let answer = fixture.refused(
            &format!("GET /tasks?sort={}", encoded(&format!("title{text}"))),
            "",
        );
        assert_eq!(answer.invalid_fields(), ["sort"], "{text}");
    }
}

#[test]
fn a_search_finds_what_contains_the_text_and_nothing_else() {
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
    let holds = |row: &Value, fields: [&str; 2], q: &str| {
        fields.iter().any(|field| {
            row[*field]
                .as_str()
                .is_some_and(|text| text.to_lowercase().contains(&q.to_lowercase()))
        })
    };
    let ids = |rows: &Value, fields, q| -> BTreeSet<i64> {
        let rows = rows.as_array().unwrap().iter();
        rows.filter(|row| holds(row, fields, q))
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
            let answer = fixture.app.get(
                &format!("{path}?limit=100&q={}", encoded(q)),
                &fixture.admin,
            );
            let found: BTreeSet<i64> = answer.ids().into_iter().collect();
            assert_eq!(found, ids(rows, fields, q), "{path} {q}");
        }
    }
}

// The request's id --------------------------------------------------------------------------------

#[test]
fn a_sane_request_id_is_taken_over() {
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
            let answer = fixture
                .app
                .send_raw(line, &[("X-Request-Id", id.to_owned())], b"");
            assert_eq!(answer.header("X-Request-Id"), Some(id), "{line}");
        }
    }
}

#[test]
fn any_other_request_id_is_replaced() {
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
            let answer = fixture.app.send_raw(line, &headers, b"");
            let made = answer.header("X-Request-Id").unwrap();
            assert!(
                (16..=128).contains(&made.len())
                    && made.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
                "{id:?}: {made:?}"
            );
            assert!(seen.insert(made.to_owned()), "{made} came twice");
        }
    }
}

#[test]
fn a_body_of_nothing_but_names_is_refused_and_not_sent_back() {
    let fixture = Fixture::new();
    let names = |n: usize| {
        let members: Vec<_> = (0..n).map(|i| format!("\"n{i}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    fixture.refuses("POST /login", names(20), 422, "invalid");
    fixture.refuses("POST /login", names(21), 400, "malformed_json");
    // The answer repeats a part of the name: Fixture::refused looks at its length.
    fixture.refuses(
        "POST /login",
        format!("{{\"{}\":0}}", "n".repeat(100_000)),
        422,
        "invalid",
    );
}

#[test]
fn names_that_cannot_be_seen_or_turn_the_writing_round_are_refused() {
    let fixture = Fixture::new();
    for name in [
        "\u{200b}",
        "ada\u{202e}nimda",
        "ada\u{2066}",
        "\u{feff}ada",
        "a\u{2028}b",
    ] {
        let body = json!({ "username": name, "email": "new@example.com", "password": PASSWORD });
        fixture.refuses_field("POST /signup", &body, "username");
    }
}
