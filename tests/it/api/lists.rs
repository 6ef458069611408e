//! Lists: what they show, in what order, and that walking them page by page loses nothing.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rusqlite::params;
use serde_json::{Value, json};
use task_api::model::Role;

use crate::support::pagination::{follow_links, get_page, next_page};
use crate::support::{Account, SORTS, TestApp};

const LIMITS: [usize; 5] = [1, 2, 3, 7, 100];

/// A row of `task`, as the test put it there.
#[derive(Debug, Clone)]
struct Row {
    id: i64,
    title: String,
    description: Option<String>,
    status: Option<&'static str>,
    deadline: Option<String>,
    created_at: Option<String>,
    assigned_user_id: Option<i64>,
}

impl Row {
    fn key(&self, sort: &str) -> Option<&str> {
        match sort.trim_start_matches('-') {
            "created_at" => self.created_at.as_deref(),
            "deadline" => self.deadline.as_deref(),
            _ => Some(&self.title),
        }
    }

    /// The order of the contract: rows without a key last in both directions, ties by id.
    fn compare(&self, other: &Row, sort: &str) -> Ordering {
        let turn = |order: Ordering| {
            if sort.starts_with('-') {
                order.reverse()
            } else {
                order
            }
        };
        let by_key = match (self.key(sort), other.key(sort)) {
            (Some(one), Some(two)) => turn(one.cmp(two)),
            (one, two) => one.is_none().cmp(&two.is_none()),
        };
        by_key.then(turn(self.id.cmp(&other.id)))
    }

    fn insert(&self, db: &rusqlite::Connection) {
        let sql = "INSERT INTO task VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        db.execute(
            sql,
            params![
                self.id,
                self.title,
                self.description,
                self.status,
                self.deadline,
                self.created_at,
                self.assigned_user_id
            ],
        )
        .unwrap();
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.throw(from.len())].clone()
    }

    fn row(&mut self, id: i64, people: &[i64]) -> Row {
        let titles = ["alpha", "Alpha", "beta", "zeta", "été", "Été", "a b", "a"];
        let moments = [
            "2026-11-01 08:00:00.000000",
            "2026-11-01 08:00:00.000001",
            "2026-12-01 08:00:00.000000",
            "2027-01-01 00:00:00.000000",
        ];
        let mut times: Vec<_> = moments.iter().map(|text| Some(text.to_string())).collect();
        times.extend([None, None]);
        let mut assignees: Vec<_> = people.iter().copied().map(Some).collect();
        assignees.push(None);
        Row {
            id,
            title: self.pick(&titles).to_owned(),
            description: self
                .pick(&[None, Some("needle"), Some("hay")])
                .map(Into::into),
            status: self.pick(&[
                Some("pending"),
                Some("in_progress"),
                Some("completed"),
                Some("done"),
                None,
            ]),
            deadline: self.pick(&times),
            created_at: self.pick(&times),
            assigned_user_id: self.pick(&assignees),
        }
    }
}

/// Tasks with many equal and many missing keys, with ids that leave room between them.
fn fill(app: &TestApp, people: &[i64], count: i64) -> Vec<Row> {
    let mut dice = Dice(7);
    let rows: Vec<_> = (1..=count).map(|n| dice.row(n * 10, people)).collect();
    let mut db = app.sql();
    let transaction = db.transaction().unwrap();
    rows.iter().for_each(|row| row.insert(&transaction));
    transaction.commit().unwrap();
    rows
}

fn sorted<'a>(rows: impl IntoIterator<Item = &'a Row>, sort: &str) -> Vec<&'a Row> {
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|one, two| one.compare(two, sort));
    rows
}

fn ids<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Vec<i64> {
    rows.into_iter().map(|row| row.id).collect()
}

fn with(url: &str, name: &str, value: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    format!("{url}{mark}{name}={value}")
}

/// Every id of a list, page by page, by `next_cursor` in the query.
fn walk(app: &TestApp, account: &Account, url: &str, limit: usize) -> Vec<i64> {
    let url = with(url, "limit", &limit.to_string());
    let mut all = Vec::new();
    let mut here = url.clone();
    loop {
        let answer = get_page(app, account, &here);
        let found = answer.ids();
        all.extend(&found);
        assert!(all.len() < 10_000, "{here}: no end");
        if next_page(&answer, &here).is_none() {
            assert!(found.len() <= limit, "{here}");
            assert!(
                here == url || !found.is_empty(),
                "{here}: a next page with nothing on it"
            );
            return all;
        }
        assert_eq!(found.len(), limit, "{here}");
        here = with(
            &url,
            "cursor",
            answer.json()["next_cursor"].as_str().unwrap(),
        );
    }
}

#[test]
fn every_sort_with_every_filter_shows_each_task_once_in_its_place() {
    let app = TestApp::new();
    let (manager, one, two) = (
        app.manager(),
        app.employee(),
        app.account("second", Role::Employee, true),
    );
    let rows = fill(&app, &[one.id, two.id], 48);
    // RFC 3339 for the request, the stored form for the expectation.
    let after = ("2026-11-01T08:00:00Z", "2026-11-01 08:00:00.000000");
    let before = ("2027-01-01T01:00:00+01:00", "2027-01-01 00:00:00.000000");
    let mut walks = 0;
    for sort in SORTS {
        for status in [None, Some("pending"), Some("completed")] {
            for assignee in [None, Some(one.id), Some(manager.id)] {
                for q in [None, Some("NEEDLE"), Some("É")] {
                    for (from, to) in [(false, false), (true, false), (false, true), (true, true)] {
                        let mut url = with("/tasks", "sort", sort);
                        if let Some(status) = status {
                            url = with(&url, "status", status);
                        }
                        if let Some(id) = assignee {
                            url = with(&url, "assigned_user_id", &id.to_string());
                        }
                        if let Some(q) = q {
                            url = with(&url, "q", q);
                        }
                        if from {
                            url = with(&url, "deadline_after", after.0);
                        }
                        if to {
                            url = with(&url, "deadline_before", before.0);
                        }
                        let shown = rows.iter().filter(|row| {
                            let deadline = row.deadline.as_deref();
                            status.is_none_or(|status| row.status == Some(status))
                                && assignee.is_none_or(|id| row.assigned_user_id == Some(id))
                                && q.is_none_or(|q| {
                                    let q = q.to_lowercase();
                                    let text = row.description.as_deref().unwrap_or_default();
                                    row.title.to_lowercase().contains(&q) || text.contains(&q)
                                })
                                && (!from || deadline.is_some_and(|at| at > after.1))
                                && (!to || deadline.is_some_and(|at| at < before.1))
                        });
                        let expected = ids(sorted(shown, sort));
                        // Every limit where the list is long, two of them for the rest.
                        let limits = if q.is_none() && from == to {
                            &LIMITS[..]
                        } else {
                            &[2, 7]
                        };
                        for &limit in limits {
                            assert_eq!(
                                walk(&app, &manager, &url, limit),
                                expected,
                                "{url} by {limit}"
                            );
                            walks += 1;
                        }
                        let url = with(&url, "limit", "3");
                        assert_eq!(follow_links(&app, &manager, &url), expected, "{url}");
                    }
                }
            }
        }
    }
    assert!(walks > 1_000, "{walks}");
}

#[test]
fn the_list_of_accounts_shows_each_once_by_id() {
    let app = TestApp::new();
    let manager = app.manager();
    let mut dice = Dice(3);
    let mut users = vec![(manager.id, "manager", true, manager.username.clone())];
    for n in 0..30 {
        let role = dice.pick(&[Role::Employee, Role::Manager, Role::Admin]);
        let is_approved = dice.throw(2) == 0;
        let username = format!("{}{n}", dice.pick(&["ann", "Bob", "ZOË"]));
        let account = app.account(&username, role, is_approved);
        users.push((account.id, role.as_str(), is_approved, username));
    }
    for role in [None, Some("employee"), Some("manager"), Some("admin")] {
        for approved in [None, Some(true), Some(false)] {
            for q in [None, Some("zoë"), Some("1")] {
                let mut url = "/users".to_owned();
                if let Some(role) = role {
                    url = with(&url, "role", role);
                }
                if let Some(approved) = approved {
                    url = with(&url, "approved", &approved.to_string());
                }
                if let Some(q) = q {
                    url = with(&url, "q", q);
                }
                let expected: Vec<_> = users
                    .iter()
                    .filter(|user| role.is_none_or(|role| user.1 == role))
                    .filter(|user| approved.is_none_or(|approved| user.2 == approved))
                    .filter(|user| q.is_none_or(|q| user.3.to_lowercase().contains(q)))
                    .map(|user| user.0)
                    .collect();
                for limit in LIMITS {
                    assert_eq!(
                        walk(&app, &manager, &url, limit),
                        expected,
                        "{url} by {limit}"
                    );
                }
                let url = with(&url, "limit", "3");
                assert_eq!(follow_links(&app, &manager, &url), expected, "{url}");
            }
        }
    }
}

#[test]
fn tasks_that_come_and_go_between_pages_disturb_no_other() {
    for sort in SORTS {
        for limit in [1, 2, 3, 7] {
            let app = TestApp::new();
            let (manager, employee) = (app.manager(), app.employee());
            let mut rows = fill(&app, &[employee.id], 24);
            let db = app.sql();
            let mut dice = Dice(limit as u64);
            let mut last: Option<Row> = None;
            let mut url = format!("/tasks?sort={sort}&limit={limit}");
            loop {
                let behind = rows.iter().filter(|row| {
                    last.as_ref()
                        .is_none_or(|last| row.compare(last, sort) == Ordering::Greater)
                });
                let behind = sorted(behind, sort);
                let more = behind.len() > limit;
                let expected: Vec<Row> = behind.into_iter().take(limit).cloned().collect();
                let answer = get_page(&app, &manager, &url);
                assert_eq!(answer.ids(), ids(&expected), "{url}");
                let following = next_page(&answer, &url);
                assert_eq!(following.is_some(), more, "{url}");
                let Some(following) = following else { break };
                url = following;

                // The row that the cursor points at goes, and one that was not seen yet, perhaps.
                let end = expected.last().unwrap().clone();
                let mut gone = vec![end.id];
                if dice.throw(2) == 0 {
                    gone.push(rows[dice.throw(rows.len())].id);
                }
                for id in gone {
                    db.execute("DELETE FROM task WHERE id = ?1", [id]).unwrap();
                    rows.retain(|row| row.id != id);
                }
                // New ones come: equal to the end of the page but for the id, and anywhere. Not more
                // than went, or there would be no end.
                let mut new = vec![];
                if dice.throw(2) == 0 {
                    let mut twin = end.clone();
                    twin.id += if dice.throw(2) == 0 { 1 } else { -1 };
                    new.push(twin);
                } else if dice.throw(2) == 0 {
                    let id = end.id + 2 + dice.throw(3) as i64;
                    new.push(dice.row(id, &[employee.id]));
                }
                for row in new {
                    if rows.iter().all(|other| other.id != row.id) {
                        row.insert(&db);
                        rows.push(row);
                    }
                }
                last = Some(end);
            }
        }
    }
}

#[test]
fn a_page_that_holds_all_that_is_left_is_the_last() {
    let app = TestApp::new();
    let manager = app.manager();
    let url = "/tasks?sort=created_at";
    let empty = get_page(&app, &manager, url);
    assert_eq!(empty.json(), json!({ "items": [], "next_cursor": null }));
    assert_eq!(empty.header("Link"), None);
    let made: Vec<_> = (0..6)
        .map(|_| app.create_task(&manager, json!({ "title": "t" })))
        .collect();
    for (limit, pages) in [(1, 6), (2, 3), (3, 2), (4, 2), (5, 2), (6, 1), (7, 1)] {
        let mut here = Some(format!("{url}&limit={limit}"));
        let mut seen = Vec::new();
        let mut count = 0;
        while let Some(url) = here {
            let answer = get_page(&app, &manager, &url);
            seen.extend(answer.ids());
            here = next_page(&answer, &url);
            count += 1;
        }
        assert_eq!((count, &seen), (pages, &made), "{limit}");
    }
}

#[test]
fn the_newest_task_comes_first_and_twenty_to_a_page() {
    let app = TestApp::new();
    let manager = app.manager();
    let mut made: Vec<_> = (0..25)
        .map(|_| {
            app.advance(1);
            app.create_task(&manager, json!({ "title": "t" }))
        })
        .collect();
    made.reverse();
    let answer = get_page(&app, &manager, "/tasks");
    assert_eq!(answer.ids(), made[..20]);
    let link = next_page(&answer, "/tasks").unwrap();
    assert_eq!(get_page(&app, &manager, &link).ids(), made[20..]);
    assert_eq!(
        get_page(&app, &manager, "/tasks?sort=-created_at&limit=100").ids(),
        made
    );
    for n in 0..25 {
        app.account(&format!("user{n}"), Role::Employee, true);
    }
    assert_eq!(get_page(&app, &manager, "/users").ids().len(), 20);
    assert_eq!(get_page(&app, &manager, "/users?limit=100").ids().len(), 26);
}

#[test]
fn a_limit_is_a_number_from_1_to_100() {
    let app = TestApp::new();
    let manager = app.manager();
    for _ in 0..101 {
        app.create_task(&manager, json!({ "title": "t" }));
    }
    for limit in [1, 2, 99, 100] {
        let url = format!("/tasks?limit={limit}");
        assert_eq!(get_page(&app, &manager, &url).ids().len(), limit);
    }
    for path in ["/tasks", "/users"] {
        for bad in [
            "0",
            "101",
            "-1",
            "1.5",
            "1e1",
            "+1",
            "ten",
            "%31%30%00",
            "10%20",
            "99999999999999999999",
        ] {
            let url = format!("{path}?limit={bad}");
            assert_eq!(app.get(&url, &manager).invalid_fields(), ["limit"], "{url}");
        }
    }
}

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[test]
fn a_cursor_comes_back_unchanged_or_is_refused() {
    let app = TestApp::new();
    let manager = app.manager();
    let deadlines = [json!("2026-12-24T18:00:00.5Z"), json!(null)];
    for deadline in [0, 0, 1, 1].map(|n| &deadlines[n]) {
        app.create_task(&manager, json!({ "title": "t", "deadline": deadline }));
    }
    // A cursor that holds a key, one without, and one of the other list; their lengths differ.
    let keyed = "/tasks?sort=deadline&limit=1";
    let keyless = "/tasks?sort=deadline&limit=3";
    app.employee();
    for url in [keyed, keyless, "/users?limit=1"] {
        let cursor = get_page(&app, &manager, url).json()["next_cursor"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(cursor.chars().all(|c| ALPHABET.contains(c)), "{cursor}");
        let refused = |bad: &str| {
            let answer = app.get(&with(url, "cursor", bad), &manager);
            assert_eq!(
                answer.invalid_fields(),
                ["cursor"],
                "{url}: {bad:?} for {cursor}"
            );
        };
        assert_eq!(
            get_page(&app, &manager, &with(url, "cursor", &cursor))
                .ids()
                .len(),
            1
        );
        for (at, original) in cursor.char_indices() {
            for other in ALPHABET.chars().chain("+/= \0é%".chars()) {
                if other != original {
                    let mut bad = cursor.clone();
                    bad.replace_range(at..=at, &other.to_string());
                    refused(&bad);
                }
            }
            // An empty one counts as absent.
            if at > 0 {
                refused(&cursor[..at]);
                refused(&cursor[at..]);
            }
            let (head, tail) = cursor.split_at(at);
            refused(&format!("{head}A{tail}"));
        }
        for more in ALPHABET.chars().chain("+/=.\n\0".chars()) {
            refused(&format!("{cursor}{more}"));
        }
        for bad in [
            format!("{cursor}=="),
            format!("{cursor}{cursor}"),
            format!(" {cursor}"),
            cursor.to_lowercase(),
            cursor.to_uppercase(),
            "null".to_owned(),
            "1".to_owned(),
            "A".repeat(32),
            "A".repeat(5_000),
        ] {
            refused(&bad);
        }
    }
}

#[test]
fn a_cursor_belongs_to_the_list_that_gave_it_out() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    for _ in 0..6 {
        app.create_task(
            &manager,
            json!({
                "title": "two words",
                "deadline": "2026-12-24T18:00:00Z",
                "assigned_user_id": employee.id,
            }),
        );
    }
    let assigned = format!("/tasks?assigned_user_id={}", employee.id);
    let lists = [
        "/users",
        "/users?q=e",
        "/users?approved=true",
        "/tasks",
        "/tasks?sort=created_at",
        "/tasks?sort=deadline",
        "/tasks?sort=-deadline",
        "/tasks?sort=title",
        "/tasks?status=pending",
        "/tasks?q=two",
        "/tasks?q=two+words",
        "/tasks?deadline_after=2026-01-01T00:00:00Z",
        "/tasks?deadline_before=2027-01-01T00:00:00Z",
        "/tasks?status=pending&q=two",
        assigned.as_str(),
    ];
    let cursors: Vec<_> = lists
        .iter()
        .map(|url| {
            let answer = get_page(&app, &manager, &with(url, "limit", "1"));
            let cursor = answer.json()["next_cursor"].as_str().unwrap().to_owned();
            (answer.ids(), cursor)
        })
        .collect();
    for (at, url) in lists.iter().enumerate() {
        for (origin, (seen, cursor)) in cursors.iter().enumerate() {
            let here = with(&with(url, "cursor", cursor), "limit", "1");
            let answer = app.get(&here, &manager);
            if at == origin {
                assert_eq!(answer.status, 200, "{here}: {answer:?}");
                assert_ne!(&answer.ids(), seen, "{here}");
            } else {
                assert_eq!(
                    answer.invalid_fields(),
                    ["cursor"],
                    "{}'s at {here}",
                    lists[origin]
                );
            }
        }
    }
}

#[test]
fn the_limit_may_change_from_page_to_page() {
    let app = TestApp::new();
    let manager = app.manager();
    let made: Vec<_> = (0..12)
        .map(|_| app.create_task(&manager, json!({ "title": "t" })))
        .collect();
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    for limit in [Some(1), Some(3), Some(2), None] {
        let mut url = "/tasks?sort=created_at".to_owned();
        if let Some(limit) = limit {
            url = with(&url, "limit", &limit.to_string());
        }
        if let Some(cursor) = &cursor {
            url = with(&url, "cursor", cursor);
        }
        let answer = get_page(&app, &manager, &url);
        seen.extend(answer.ids());
        cursor = answer.json()["next_cursor"].as_str().map(Into::into);
    }
    assert_eq!((seen, cursor), (made, None));
}

#[test]
fn the_order_of_the_parameters_does_not_matter_to_a_cursor() {
    let app = TestApp::new();
    let manager = app.manager();
    for _ in 0..3 {
        app.create_task(&manager, json!({ "title": "a b" }));
    }
    let first = get_page(&app, &manager, "/tasks?status=pending&q=a+b&limit=2");
    let cursor = first.json()["next_cursor"].as_str().unwrap().to_owned();
    for url in [
        format!("/tasks?cursor={cursor}&limit=2&q=a+b&status=pending"),
        format!("/tasks?limit=2&q=a%20b&status=pending&cursor={cursor}"),
        format!("/tasks?&q=%61+%62&&limit=2&cursor={cursor}&status=pending&"),
    ] {
        assert_eq!(get_page(&app, &manager, &url).ids().len(), 1, "{url}");
    }
}

#[test]
fn somebody_elses_cursor_shows_no_more_than_ones_own_tasks() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let task = |assignee: &Account| {
        app.create_task(
            &manager,
            json!({ "title": "t", "assigned_user_id": assignee.id }),
        )
    };
    let made: Vec<_> = (0..4)
        .flat_map(|_| [task(&manager), task(&employee)])
        .collect();
    let url = "/tasks?sort=created_at&limit=2";
    let link = next_page(&get_page(&app, &manager, url), url).unwrap();
    assert_eq!(get_page(&app, &employee, &link).ids(), [made[3], made[5]]);
}

#[test]
fn q_finds_a_part_in_any_case_and_takes_every_character_literally() {
    let app = TestApp::new();
    let manager = app.manager();
    let tasks = [
        ("milk", "Buy MILK", None),
        ("ete", "L'été", Some("vacances")),
        ("ETE", "PLAN D'ÉTÉ", None),
        ("percent", "100% sure", None),
        ("score", "snake_case", None),
        ("slash", r"C:\temp", None),
        ("quote", "it's", None),
        (
            "described",
            "nothing here",
            Some("first line\nSECOND été line"),
        ),
        ("two", "two  words", None),
        ("plus", "1+1=2", None),
        ("amp", "this&that", None),
        ("russian", "Отчёт", None),
    ];
    let names: BTreeMap<i64, &str> = tasks
        .iter()
        .map(|(name, title, description)| {
            let body = json!({ "title": title, "description": description });
            (app.create_task(&manager, body), *name)
        })
        .collect();
    let everything: Vec<_> = tasks.iter().map(|task| task.0).collect();
    for (q, found) in [
        ("", &everything[..]),
        ("milk", &["milk"]),
        ("MILK", &["milk"]),
        ("uy+mI", &["milk"]),
        ("uy%20mI", &["milk"]),
        ("ÉTÉ", &["ete", "ETE", "described"]),
        ("été", &["ete", "ETE", "described"]),
        ("Été", &["ete", "ETE", "described"]),
        ("%C3%89t%C3%A9", &["ete", "ETE", "described"]),
        ("ete", &[]),
        ("VACANCES", &["ete"]),
        ("second", &["described"]),
        ("отчЁТ", &["russian"]),
        ("%25", &["percent"]),
        ("0%25+s", &["percent"]),
        ("%25sure", &[]),
        ("_", &["score"]),
        ("e_c", &["score"]),
        ("s_ake", &[]),
        ("%5C", &["slash"]),
        ("%5Ctemp", &["slash"]),
        ("%5C%5C", &[]),
        ("%5C%25", &[]),
        ("'", &["ete", "ETE", "quote"]),
        ("'+OR+1=1--", &[]),
        ("two++words", &["two"]),
        ("two+words", &[]),
        ("two%2B%2Bwords", &[]),
        ("1%2B1", &["plus"]),
        ("1+1", &[]),
        ("1%2B1=2", &["plus"]),
        ("1%2B1%3D2", &["plus"]),
        ("s%26t", &["amp"]),
        ("nowhere", &[]),
    ] {
        let url = format!("/tasks?sort=created_at&limit=100&q={q}");
        let answer = get_page(&app, &manager, &url);
        let found_names: Vec<_> = answer.ids().iter().map(|id| names[id]).collect();
        assert_eq!(found_names, found, "{q}");
    }
}

/// The small sigma at the end of a word is another letter than the one within a word.
#[test]
fn q_finds_a_part_of_a_word_that_ends_in_sigma_alone() {
    let app = TestApp::new();
    let manager = app.manager();
    let whole = app.create_task(&manager, json!({ "title": "ΟΔΟΣ" }));
    let longer = app.create_task(&manager, json!({ "title": "ΟΔΟΣΗΜΑ" }));
    for (q, found) in [
        ("ΟΔΟΣΗΜΑ", vec![longer]),
        ("οδοσημα", vec![longer]),
        ("ΟΔΟ", vec![whole, longer]),
        ("ΟΔΟΣ", vec![whole, longer]),
    ] {
        let url = format!("/tasks?sort=created_at&q={q}");
        assert_eq!(get_page(&app, &manager, &url).ids(), found, "{q}");
    }
}

#[test]
fn an_empty_q_is_no_filter() {
    let app = TestApp::new();
    let manager = app.manager();
    for title in ["one", "two"] {
        app.create_task(&manager, json!({ "title": title }));
    }
    for (plain, with_q) in [
        ("/tasks", "/tasks?q="),
        ("/tasks", "/tasks?q"),
        ("/users", "/users?q="),
    ] {
        assert_eq!(
            get_page(&app, &manager, plain).json(),
            get_page(&app, &manager, with_q).json()
        );
    }
}

#[test]
fn a_parameter_that_makes_no_sense_is_refused_by_name() {
    let app = TestApp::new();
    let manager = app.manager();
    app.create_task(&manager, json!({ "title": "t" }));
    for (query, refused) in [
        ("status=done", vec!["status"]),
        ("status=Pending", vec!["status"]),
        ("assigned_user_id=0", vec!["assigned_user_id"]),
        ("assigned_user_id=x", vec!["assigned_user_id"]),
        ("assigned_user_id=null", vec!["assigned_user_id"]),
        (
            "assigned_user_id=9223372036854775808",
            vec!["assigned_user_id"],
        ),
        ("sort=id", vec!["sort"]),
        ("sort=--title", vec!["sort"]),
        ("sort=%2Btitle", vec!["sort"]),
        ("sort=title,deadline", vec!["sort"]),
        ("sort=Title", vec!["sort"]),
        ("deadline_after=2026-12-24", vec!["deadline_after"]),
        (
            "deadline_before=2026-12-24T18:00:00",
            vec!["deadline_before"],
        ),
        // The plus of the zone is a space, unless it is encoded.
        (
            "deadline_before=2026-12-24T18:00:00+01:00",
            vec!["deadline_before"],
        ),
        ("q=%00", vec!["q"]),
        ("q=a%0Ab", vec!["q"]),
        ("q=a%09b", vec!["q"]),
        ("q=%7F", vec!["q"]),
        ("q=a%C2%85b", vec!["q"]),
        ("q=%FF", vec!["q"]),
        ("q=%C3", vec!["q"]),
        ("statsu=pending", vec!["statsu"]),
        ("Status=pending", vec!["Status"]),
        ("role=admin", vec!["role"]),
        ("page=2", vec!["page"]),
        ("status=pending&status=completed", vec!["status"]),
        ("q=a&%71=b", vec!["q"]),
        ("cursor=a&cursor=a", vec!["cursor"]),
        (
            "limit=0&sort=x&colour=red&status=done",
            vec!["colour", "limit", "sort", "status"],
        ),
    ] {
        let answer = app.get(&format!("/tasks?{query}"), &manager);
        assert_eq!(answer.invalid_fields(), refused, "{query}");
    }
}

#[test]
fn a_span_of_deadlines_leaves_out_its_ends() {
    let app = TestApp::new();
    let manager = app.manager();
    let task =
        |deadline: Value| app.create_task(&manager, json!({ "title": "t", "deadline": deadline }));
    let before = task(json!("2026-12-24T17:59:59.999999Z"));
    let exactly = task(json!("2026-12-24T18:00:00Z"));
    let after = task(json!("2026-12-24T18:00:00.000001Z"));
    let day_later = task(json!("2026-12-25T18:00:00Z"));
    task(Value::Null);
    for (query, found) in [
        ("deadline_before=2026-12-24T18:00:00Z", vec![before]),
        ("deadline_before=2026-12-24T19:00:00%2B01:00", vec![before]),
        ("deadline_before=2026-12-24T13:00:00-05:00", vec![before]),
        (
            "deadline_before=2026-12-24T18:00:00.000001Z",
            vec![before, exactly],
        ),
        (
            "deadline_after=2026-12-24T18:00:00Z",
            vec![after, day_later],
        ),
        (
            "deadline_after=2026-12-24T18:00:00.000001Z",
            vec![day_later],
        ),
        (
            "deadline_after=2026-12-24T17:59:59.999999Z&deadline_before=2026-12-24T18:00:00.000001Z",
            vec![exactly],
        ),
        (
            "deadline_after=2026-12-24T18:00:00Z&deadline_before=2026-12-24T18:00:00Z",
            vec![],
        ),
        (
            "deadline_after=2026-12-25T18:00:00Z&deadline_before=2026-12-24T18:00:00Z",
            vec![],
        ),
        (
            "deadline_after=0001-01-01T00:00:00Z",
            vec![before, exactly, after, day_later],
        ),
        (
            "deadline_before=9999-12-31T23:59:59.999999Z",
            vec![before, exactly, after, day_later],
        ),
    ] {
        for sort in ["created_at", "deadline"] {
            let url = format!("/tasks?sort={sort}&{query}");
            assert_eq!(get_page(&app, &manager, &url).ids(), found, "{url}");
        }
        for sort in ["-created_at", "-deadline"] {
            let url = format!("/tasks?sort={sort}&{query}");
            let mut shown = get_page(&app, &manager, &url).ids();
            shown.reverse();
            assert_eq!(shown, found, "{url}");
        }
    }
}

#[test]
fn an_employee_lists_their_own_tasks_whatever_they_ask_for() {
    let app = TestApp::new();
    let (manager, employee, other) = (
        app.manager(),
        app.employee(),
        app.account("other", Role::Employee, true),
    );
    let rows = fill(&app, &[employee.id, other.id, manager.id], 40);
    let own = |filter: &dyn Fn(&Row) -> bool| {
        let own = rows
            .iter()
            .filter(|row| row.assigned_user_id == Some(employee.id) && filter(row));
        ids(sorted(own, "title"))
    };
    let all = own(&|_| true);
    assert!(all.len() > 3 && all.len() < rows.len());
    for (query, expected) in [
        (String::new(), all.clone()),
        ("&q=".to_owned(), all.clone()),
        (
            "&status=completed".to_owned(),
            own(&|row| row.status == Some("completed")),
        ),
        (
            "&q=alpha".to_owned(),
            own(&|row| row.title.to_lowercase() == "alpha"),
        ),
        (
            "&deadline_after=2026-01-01T00:00:00Z".to_owned(),
            own(&|row| row.deadline.is_some()),
        ),
        (format!("&assigned_user_id={}", employee.id), all.clone()),
        (format!("&assigned_user_id={}", other.id), vec![]),
        (format!("&assigned_user_id={}", manager.id), vec![]),
        ("&assigned_user_id=999".to_owned(), vec![]),
        (
            format!("&assigned_user_id={}&status=pending&q=a", other.id),
            vec![],
        ),
    ] {
        for limit in [1, 3, 100] {
            let url = format!("/tasks?sort=title{query}");
            assert_eq!(walk(&app, &employee, &url, limit), expected, "{url}");
        }
    }
    for sort in SORTS {
        let own = rows
            .iter()
            .filter(|row| row.assigned_user_id == Some(employee.id));
        let expected = ids(sorted(own, sort));
        let url = format!("/tasks?sort={sort}");
        assert_eq!(walk(&app, &employee, &url, 2), expected, "{url}");
    }
    // Without a task of one's own there is an empty list, and no error.
    let newcomer = app.account("newcomer", Role::Employee, true);
    assert_eq!(get_page(&app, &newcomer, "/tasks").ids(), [0; 0]);
}
