//! Lists: their rows and order, filters, and keyset pagination, which must return each row exactly once, also
//! where a page looks at so many rows or bytes that it ends before it is full.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rusqlite::params;
use serde_json::{Value, json};
use task_api::model::Role;

use crate::support::pagination::{follow_links, get_page, next_page};
use crate::support::sql::TestSql;
use crate::support::{Account, SORTS, TestApp};

const LIMITS: [usize; 5] = [1, 2, 3, 7, 100];

/// A row of `task`, as the test inserted it.
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
    /// The value that the list is sorted by.
    fn key(&self, sort: &str) -> Option<&str> {
        match sort.trim_start_matches('-') {
            "created_at" => self.created_at.as_deref(),
            "deadline" => self.deadline.as_deref(),
            _ => Some(&self.title),
        }
    }

    /// The order of the contract: rows with a NULL key last in both directions, equal keys by id.
    fn compare(&self, other: &Row, sort: &str) -> Ordering {
        let directed = |order: Ordering| {
            if sort.starts_with('-') {
                order.reverse()
            } else {
                order
            }
        };
        let by_key = match (self.key(sort), other.key(sort)) {
            (Some(one), Some(two)) => directed(one.cmp(two)),
            (one, two) => one.is_none().cmp(&two.is_none()),
        };
        by_key.then(directed(self.id.cmp(&other.id)))
    }

    fn insert(&self, db: &TestSql) {
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

/// A linear congruential generator with a fixed seed: the same pseudorandom numbers in every run.
struct TestRng(u64);

impl TestRng {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    fn row(&mut self, id: i64, user_ids: &[i64]) -> Row {
        let titles = ["alpha", "Alpha", "beta", "zeta", "été", "Été", "a b", "a"];
        let timestamps = [
            "2026-11-01 08:00:00.000000",
            "2026-11-01 08:00:00.000001",
            "2026-12-01 08:00:00.000000",
            "2027-01-01 00:00:00.000000",
        ];
        let mut times: Vec<_> = timestamps
            .iter()
            .map(|text| Some(text.to_string()))
            .collect();
        times.extend([None, None]);
        let mut assignees: Vec<_> = user_ids.iter().copied().map(Some).collect();
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

/// Inserts tasks with many equal and many NULL sort keys. Their ids are multiples of ten, so that a test can
/// insert others between them.
fn insert_random_tasks(app: &TestApp, user_ids: &[i64], count: i64) -> Vec<Row> {
    let mut rng = TestRng(7);
    let rows: Vec<_> = (1..=count).map(|n| rng.row(n * 10, user_ids)).collect();
    let db = app.sql();
    db.execute_batch("BEGIN").unwrap();
    rows.iter().for_each(|row| row.insert(&db));
    db.execute_batch("COMMIT").unwrap();
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

fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    format!("{url}{separator}{name}={value}")
}

/// The ids of a whole list, read page by page with the parameter `cursor`.
fn follow_cursors(app: &TestApp, account: &Account, url: &str, limit: usize) -> Vec<i64> {
    let url = with_parameter(url, "limit", &limit.to_string());
    let mut all = Vec::new();
    let mut current = url.clone();
    loop {
        let response = get_page(app, account, &current);
        let found = response.ids();
        all.extend(&found);
        assert!(all.len() < 10_000, "{current}: pagination does not end");
        if next_page(&response, &current).is_none() {
            assert!(found.len() <= limit, "{current}");
            assert!(
                current == url || !found.is_empty(),
                "{current}: an empty page after the first"
            );
            return all;
        }
        assert_eq!(found.len(), limit, "{current}");
        current = with_parameter(
            &url,
            "cursor",
            response.json()["next_cursor"].as_str().unwrap(),
        );
    }
}

#[test]
fn each_sort_with_each_filter_returns_each_task_once_and_in_order() {
    let app = TestApp::new();
    let (manager, one, two) = (
        app.manager(),
        app.employee(),
        app.account("second", Role::Employee, true),
    );
    let rows = insert_random_tasks(&app, &[one.id, two.id], 48);
    // RFC 3339 for the request, and the format of the database for the expected rows.
    let after = ("2026-11-01T08:00:00Z", "2026-11-01 08:00:00.000000");
    let before = ("2027-01-01T01:00:00+01:00", "2027-01-01 00:00:00.000000");
    let mut lists = 0;
    for sort in SORTS {
        for status in [None, Some("pending"), Some("completed")] {
            for assignee in [None, Some(one.id), Some(manager.id)] {
                for q in [None, Some("NEEDLE"), Some("É")] {
                    for (from, to) in [(false, false), (true, false), (false, true), (true, true)] {
                        let mut url = with_parameter("/tasks", "sort", sort);
                        if let Some(status) = status {
                            url = with_parameter(&url, "status", status);
                        }
                        if let Some(id) = assignee {
                            url = with_parameter(&url, "assigned_user_id", &id.to_string());
                        }
                        if let Some(q) = q {
                            url = with_parameter(&url, "q", q);
                        }
                        if from {
                            url = with_parameter(&url, "deadline_after", after.0);
                        }
                        if to {
                            url = with_parameter(&url, "deadline_before", before.0);
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
                        // All limits for the long lists, two limits for the others.
                        let limits = if q.is_none() && from == to {
                            &LIMITS[..]
                        } else {
                            &[2, 7]
                        };
                        for &limit in limits {
                            assert_eq!(
                                follow_cursors(&app, &manager, &url, limit),
                                expected,
                                "{url} by {limit}"
                            );
                            lists += 1;
                        }
                        let url = with_parameter(&url, "limit", "3");
                        assert_eq!(follow_links(&app, &manager, &url), expected, "{url}");
                    }
                }
            }
        }
    }
    assert!(lists > 1_000, "{lists}");
}

#[test]
fn the_list_of_accounts_returns_each_account_once_in_order_of_id() {
    let app = TestApp::new();
    let manager = app.manager();
    let mut rng = TestRng(3);
    let mut users = vec![(manager.id, "manager", true, manager.username.clone())];
    for n in 0..30 {
        let role = rng.pick(&[Role::Employee, Role::Manager, Role::Admin]);
        let is_approved = rng.below(2) == 0;
        let username = format!("{}{n}", rng.pick(&["ann", "Bob", "ZOË"]));
        let account = app.account(&username, role, is_approved);
        users.push((account.id, role.as_str(), is_approved, username));
    }
    for role in [None, Some("employee"), Some("manager"), Some("admin")] {
        for approved in [None, Some(true), Some(false)] {
            for q in [None, Some("zoë"), Some("1")] {
                let mut url = "/users".to_owned();
                if let Some(role) = role {
                    url = with_parameter(&url, "role", role);
                }
                if let Some(approved) = approved {
                    url = with_parameter(&url, "approved", &approved.to_string());
                }
                if let Some(q) = q {
                    url = with_parameter(&url, "q", q);
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
                        follow_cursors(&app, &manager, &url, limit),
                        expected,
                        "{url} by {limit}"
                    );
                }
                let url = with_parameter(&url, "limit", "3");
                assert_eq!(follow_links(&app, &manager, &url), expected, "{url}");
            }
        }
    }
}

#[test]
fn tasks_inserted_or_deleted_between_pages_do_not_move_other_tasks() {
    for sort in SORTS {
        for limit in [1, 2, 3, 7] {
            let app = TestApp::new();
            let (manager, employee) = (app.manager(), app.employee());
            let mut rows = insert_random_tasks(&app, &[employee.id], 24);
            let db = app.sql();
            let mut rng = TestRng(limit as u64);
            let mut last: Option<Row> = None;
            let mut url = format!("/tasks?sort={sort}&limit={limit}");
            loop {
                let remaining = rows.iter().filter(|row| {
                    last.as_ref()
                        .is_none_or(|last| row.compare(last, sort) == Ordering::Greater)
                });
                let remaining = sorted(remaining, sort);
                let has_next = remaining.len() > limit;
                let expected: Vec<Row> = remaining.into_iter().take(limit).cloned().collect();
                let response = get_page(&app, &manager, &url);
                assert_eq!(response.ids(), ids(&expected), "{url}");
                let next = next_page(&response, &url);
                assert_eq!(next.is_some(), has_next, "{url}");
                let Some(next) = next else { break };
                url = next;

                // Deletes the row of the cursor, and sometimes any other row.
                let end = expected.last().unwrap().clone();
                let mut deleted = vec![end.id];
                if rng.below(2) == 0 {
                    deleted.push(rows[rng.below(rows.len())].id);
                }
                for id in deleted {
                    db.execute("DELETE FROM task WHERE id = ?1", [id]).unwrap();
                    rows.retain(|row| row.id != id);
                }
                // Sometimes inserts a row: one with the sort key of the last row and the next or previous
                // id, or one anywhere. Never more rows than were deleted, so that the pagination ends.
                let mut inserted = vec![];
                if rng.below(2) == 0 {
                    let mut twin = end.clone();
                    twin.id += if rng.below(2) == 0 { 1 } else { -1 };
                    inserted.push(twin);
                } else if rng.below(2) == 0 {
                    let id = end.id + 2 + rng.below(3) as i64;
                    inserted.push(rng.row(id, &[employee.id]));
                }
                for row in inserted {
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
fn a_page_with_the_last_row_has_no_next_page() {
    let app = TestApp::new();
    let manager = app.manager();
    let url = "/tasks?sort=created_at";
    let empty = get_page(&app, &manager, url);
    assert_eq!(empty.json(), json!({ "items": [], "next_cursor": null }));
    assert_eq!(empty.header("Link"), None);
    let created: Vec<_> = (0..6)
        .map(|_| app.create_task(&manager, json!({ "title": "t" })))
        .collect();
    for (limit, pages) in [(1, 6), (2, 3), (3, 2), (4, 2), (5, 2), (6, 1), (7, 1)] {
        let mut next = Some(format!("{url}&limit={limit}"));
        let mut seen = Vec::new();
        let mut count = 0;
        while let Some(url) = next {
            let response = get_page(&app, &manager, &url);
            seen.extend(response.ids());
            next = next_page(&response, &url);
            count += 1;
        }
        assert_eq!((count, &seen), (pages, &created), "{limit}");
    }
}

#[test]
fn by_default_a_page_has_twenty_tasks_and_starts_with_the_newest() {
    let app = TestApp::new();
    let manager = app.manager();
    let mut created: Vec<_> = (0..25)
        .map(|_| {
            app.advance(1);
            app.create_task(&manager, json!({ "title": "t" }))
        })
        .collect();
    created.reverse();
    let response = get_page(&app, &manager, "/tasks");
    assert_eq!(response.ids(), created[..20]);
    let link = next_page(&response, "/tasks").unwrap();
    assert_eq!(get_page(&app, &manager, &link).ids(), created[20..]);
    assert_eq!(
        get_page(&app, &manager, "/tasks?sort=-created_at&limit=100").ids(),
        created
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
fn a_changed_cursor_is_422() {
    let app = TestApp::new();
    let manager = app.manager();
    let deadlines = [json!("2026-12-24T18:00:00.5Z"), json!(null)];
    for deadline in [0, 0, 1, 1].map(|n| &deadlines[n]) {
        app.create_task(&manager, json!({ "title": "t", "deadline": deadline }));
    }
    // A cursor with a sort key, one with a NULL key, and one of the other list. Their lengths differ.
    let with_key = "/tasks?sort=deadline&limit=1";
    let with_null_key = "/tasks?sort=deadline&limit=3";
    app.employee();
    for url in [with_key, with_null_key, "/users?limit=1"] {
        let cursor = get_page(&app, &manager, url).json()["next_cursor"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(cursor.chars().all(|c| ALPHABET.contains(c)), "{cursor}");
        let assert_invalid = |bad: &str| {
            let response = app.get(&with_parameter(url, "cursor", bad), &manager);
            assert_eq!(
                response.invalid_fields(),
                ["cursor"],
                "{url}: {bad:?} for {cursor}"
            );
        };
        assert_eq!(
            get_page(&app, &manager, &with_parameter(url, "cursor", &cursor))
                .ids()
                .len(),
            1
        );
        for (at, original) in cursor.char_indices() {
            for other in ALPHABET.chars().chain("+/= \0é%".chars()) {
                if other != original {
                    let mut bad = cursor.clone();
                    bad.replace_range(at..=at, &other.to_string());
                    assert_invalid(&bad);
                }
            }
            // An empty cursor counts as absent.
            if at > 0 {
                assert_invalid(&cursor[..at]);
                assert_invalid(&cursor[at..]);
            }
            let (head, tail) = cursor.split_at(at);
            assert_invalid(&format!("{head}A{tail}"));
        }
        for more in ALPHABET.chars().chain("+/=.\n\0".chars()) {
            assert_invalid(&format!("{cursor}{more}"));
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
            assert_invalid(&bad);
        }
    }
}

#[test]
fn a_cursor_of_another_list_is_422() {
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
            let response = get_page(&app, &manager, &with_parameter(url, "limit", "1"));
            let cursor = response.json()["next_cursor"].as_str().unwrap().to_owned();
            (response.ids(), cursor)
        })
        .collect();
    for (at, url) in lists.iter().enumerate() {
        for (origin, (seen, cursor)) in cursors.iter().enumerate() {
            let url = with_parameter(&with_parameter(url, "cursor", cursor), "limit", "1");
            let response = app.get(&url, &manager);
            if at == origin {
                assert_eq!(response.status, 200, "{url}: {response:?}");
                assert_ne!(&response.ids(), seen, "{url}");
            } else {
                assert_eq!(
                    response.invalid_fields(),
                    ["cursor"],
                    "cursor of {} in {url}",
                    lists[origin]
                );
            }
        }
    }
}

#[test]
fn a_client_may_change_the_limit_between_pages() {
    let app = TestApp::new();
    let manager = app.manager();
    let created: Vec<_> = (0..12)
        .map(|_| app.create_task(&manager, json!({ "title": "t" })))
        .collect();
    let mut seen = Vec::new();
    let mut cursor: Option<String> = None;
    for limit in [Some(1), Some(3), Some(2), None] {
        let mut url = "/tasks?sort=created_at".to_owned();
        if let Some(limit) = limit {
            url = with_parameter(&url, "limit", &limit.to_string());
        }
        if let Some(cursor) = &cursor {
            url = with_parameter(&url, "cursor", cursor);
        }
        let response = get_page(&app, &manager, &url);
        seen.extend(response.ids());
        cursor = response.json()["next_cursor"].as_str().map(Into::into);
    }
    assert_eq!((seen, cursor), (created, None));
}

#[test]
fn a_cursor_is_valid_for_the_same_parameters_in_any_order() {
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
fn an_employee_with_the_cursor_of_a_manager_gets_only_their_own_tasks() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let task = |assignee: &Account| {
        app.create_task(
            &manager,
            json!({ "title": "t", "assigned_user_id": assignee.id }),
        )
    };
    let created: Vec<_> = (0..4)
        .flat_map(|_| [task(&manager), task(&employee)])
        .collect();
    let url = "/tasks?sort=created_at&limit=2";
    let link = next_page(&get_page(&app, &manager, url), url).unwrap();
    assert_eq!(
        get_page(&app, &employee, &link).ids(),
        [created[3], created[5]]
    );
}

/// Inserts `count` tasks without a match for `q=needle`, older than every other task.
fn insert_hay(app: &TestApp, count: i64) {
    let sql = "WITH RECURSIVE hay (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM hay WHERE n < ?1)
        INSERT INTO task (title, status, created_at) SELECT 'hay', 'pending', '2020-01-01 00:00:00.000000' FROM hay";
    app.sql().execute(sql, [count]).unwrap();
}

/// The ids of each page of a list.
fn read_pages(app: &TestApp, account: &Account, list: &str) -> Vec<Vec<i64>> {
    let mut pages = Vec::new();
    let mut next = Some(list.to_owned());
    while let Some(url) = next {
        let response = get_page(app, account, &url);
        pages.push(response.ids());
        next = next_page(&response, &url);
    }
    pages
}

#[test]
fn a_page_that_has_looked_at_many_rows_ends_and_the_next_one_continues() {
    let app = TestApp::new();
    let manager = app.manager();
    let first = app.create_task(&manager, json!({ "title": "needle" }));
    insert_hay(&app, 12_000);
    let last = app.create_task(
        &manager,
        json!({ "title": "needle", "status": "completed" }),
    );
    for (list, pages) in [
        (
            "/tasks?q=needle&sort=created_at",
            vec![vec![], vec![], vec![first, last]],
        ),
        (
            "/tasks?q=needle&sort=created_at&limit=1",
            vec![vec![], vec![], vec![first], vec![last]],
        ),
        (
            "/tasks?q=needle&sort=-created_at",
            vec![vec![last, first], vec![], vec![]],
        ),
        (
            "/tasks?q=needle&sort=-created_at&limit=1",
            vec![vec![last], vec![first], vec![], vec![]],
        ),
        (
            "/tasks?q=needle&sort=title",
            vec![vec![], vec![], vec![first, last]],
        ),
        (
            "/tasks?q=nowhere&sort=deadline",
            vec![vec![], vec![], vec![]],
        ),
        (
            "/tasks?deadline_after=2026-01-01T00:00:00Z",
            vec![vec![], vec![], vec![]],
        ),
        // An index searches by these filters, so their pages look at nothing else.
        ("/tasks?status=completed", vec![vec![last]]),
        (
            "/tasks?sort=deadline&deadline_after=2026-01-01T00:00:00Z",
            vec![vec![]],
        ),
        ("/tasks?assigned_user_id=1&q=needle", vec![vec![]]),
    ] {
        assert_eq!(read_pages(&app, &manager, list), pages, "{list}");
    }
}

#[test]
fn a_page_of_accounts_or_of_the_audit_log_looks_at_a_bounded_number_of_rows_too() {
    let app = TestApp::new();
    let admin = app.admin();
    let sql = r#"WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 12000)
        INSERT INTO "user" (username, email, password_hash) SELECT 'hay' || n, 'hay' || n, '' FROM n"#;
    app.sql().execute(sql, []).unwrap();
    let last = app.account("needle", Role::Employee, true).id;
    let found = vec![vec![], vec![], vec![last]];
    assert_eq!(read_pages(&app, &admin, "/users?q=NEEDLE"), found);

    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 12000)
        INSERT INTO audit (id, at, action, actor_id, hash)
        SELECT n, '2026-11-01 08:00:00.000000', CASE n WHEN 1 THEN 'role_changed' ELSE 'approved' END, 1, '' FROM n";
    app.sql().execute(sql, []).unwrap();
    let found = vec![vec![], vec![], vec![1]];
    let list = "/audit?actor_id=1&action=role_changed";
    assert_eq!(read_pages(&app, &admin, list), found);
    // The index searches by the only filter.
    let found = vec![vec![1]];
    assert_eq!(
        read_pages(&app, &admin, "/audit?action=role_changed"),
        found
    );
}

#[test]
fn a_page_that_has_read_much_text_ends_after_at_least_one_task() {
    let app = TestApp::new();
    let manager = app.manager();
    let created: Vec<_> = (0..5)
        .map(|_| app.create_task(&manager, json!({ "title": "t" })))
        .collect();
    let set_descriptions = |length: usize| {
        let text = format!("{}needle", "ä".repeat(length));
        app.sql()
            .execute("UPDATE task SET description = ?1", [text])
            .unwrap();
    };
    for (length, per_page) in [(100, 5), (150_000, 4), (300_000, 2), (3_000_000, 1)] {
        set_descriptions(length);
        for q in ["", "&q=NEEDLE"] {
            let url = format!("/tasks?sort=created_at{q}");
            let first = get_page(&app, &manager, &url).ids();
            assert_eq!(first, created[..per_page], "{length}{q}");
            assert_eq!(follow_links(&app, &manager, &url), created, "{length}{q}");
        }
        assert_eq!(
            follow_links(&app, &manager, "/tasks?q=nowhere"),
            [0; 0],
            "{length}"
        );
    }
}

/// Random rows, of which some have so much text that a page ends after few of them.
#[test]
fn pages_that_end_early_together_are_the_whole_list() {
    let app = TestApp::new();
    let (manager, employee) = (app.manager(), app.employee());
    let rows = insert_random_tasks(&app, &[employee.id], 60);
    let (mut rng, db) = (TestRng(11), app.sql());
    for row in &rows {
        // Appends only what no search text matches, and keeps NULL.
        let text = ".".repeat(rng.pick(&[0, 0, 300_000, 600_000, 1_100_000]));
        let sql = "UPDATE task SET description = description || ?1 WHERE id = ?2";
        db.execute(sql, params![text, row.id]).unwrap();
    }
    let matches = |row: &Row, q: &str| {
        let description = row.description.as_deref().unwrap_or_default();
        row.title.to_lowercase().contains(q) || description.contains(q)
    };
    for sort in SORTS {
        for q in ["", "needle", "alpha", "nowhere"] {
            for status in ["", "pending"] {
                for (caller, own) in [(&manager, None), (&employee, Some(employee.id))] {
                    let shown = rows.iter().filter(|row| {
                        matches(row, q)
                            && (status.is_empty() || row.status == Some(status))
                            && (own.is_none() || row.assigned_user_id == own)
                    });
                    let expected = ids(sorted(shown, sort));
                    for limit in [1, 3, 100] {
                        let url = format!("/tasks?sort={sort}&q={q}&status={status}&limit={limit}");
                        assert_eq!(follow_links(&app, caller, &url), expected, "{url}");
                    }
                }
            }
        }
    }
}

/// LIKE compares such a pattern with the text anew at each position.
#[test]
fn q_with_many_partial_matches_is_found_or_not() {
    let app = TestApp::new();
    let manager = app.manager();
    let task = app.create_task(&manager, json!({ "title": "t" }));
    let text = "a".repeat(20_000_000);
    app.sql()
        .execute("UPDATE task SET description = ?1", [text])
        .unwrap();
    let many = "a".repeat(199);
    for (q, found) in [
        (format!("{many}A"), vec![task]),
        (format!("{many}b"), vec![]),
    ] {
        assert_eq!(
            follow_links(&app, &manager, &format!("/tasks?q={q}")),
            found
        );
    }
}

#[test]
fn q_matches_substrings_in_any_case_and_takes_every_character_literally() {
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
    let all: Vec<_> = tasks.iter().map(|task| task.0).collect();
    for (q, found) in [
        ("", &all[..]),
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
        ("two%09%09words", &["two"]),
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
        let response = get_page(&app, &manager, &url);
        let found_names: Vec<_> = response.ids().iter().map(|id| names[id]).collect();
        assert_eq!(found_names, found, "{q}");
    }
}

/// Lowercase sigma is `ς` at the end of a word and `σ` elsewhere.
#[test]
fn q_that_ends_in_sigma_matches_within_a_word_and_at_its_end() {
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
fn an_empty_q_does_not_filter() {
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
fn an_invalid_parameter_is_422_and_the_response_names_it() {
    let app = TestApp::new();
    let manager = app.manager();
    app.create_task(&manager, json!({ "title": "t" }));
    for (query, invalid) in [
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
        // `+` is a space in a query unless it is percent-encoded.
        (
            "deadline_before=2026-12-24T18:00:00+01:00",
            vec!["deadline_before"],
        ),
        ("q=%00", vec!["q"]),
        ("q=a%0Ab", vec!["q"]),
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
        let response = app.get(&format!("/tasks?{query}"), &manager);
        assert_eq!(response.invalid_fields(), invalid, "{query}");
    }
}

#[test]
fn deadline_after_and_deadline_before_are_exclusive() {
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
fn an_employee_lists_only_their_own_tasks_with_any_filter() {
    let app = TestApp::new();
    let (manager, employee, other) = (
        app.manager(),
        app.employee(),
        app.account("other", Role::Employee, true),
    );
    let rows = insert_random_tasks(&app, &[employee.id, other.id, manager.id], 40);
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
            assert_eq!(
                follow_cursors(&app, &employee, &url, limit),
                expected,
                "{url}"
            );
        }
    }
    for sort in SORTS {
        let own = rows
            .iter()
            .filter(|row| row.assigned_user_id == Some(employee.id));
        let expected = ids(sorted(own, sort));
        let url = format!("/tasks?sort={sort}");
        assert_eq!(follow_cursors(&app, &employee, &url, 2), expected, "{url}");
    }
    // An employee without tasks gets an empty list, not an error.
    let newcomer = app.account("newcomer", Role::Employee, true);
    assert_eq!(get_page(&app, &newcomer, "/tasks").ids(), [0; 0]);
}
