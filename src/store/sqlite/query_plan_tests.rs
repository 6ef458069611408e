//! Tests the query plans of lists: every statement that a list can build reads an index in its order, without
//! sorting (EXPLAIN QUERY PLAN), and every condition in WHERE is one that the index is searched by. So SQLite
//! passes over no row by itself, and a page counts every row that it looks at.

#![allow(clippy::unwrap_used)]

use strum::VariantArray;

use crate::config::concurrency::Connections;
use crate::config::database::DatabaseUrl;
use crate::model::{
    Action, AuditQuery, Deadlines, Id, Position, Role, SearchText, Sort, SortKey, Status,
    StatusFilter, TaskQuery, Timestamp, UserQuery,
};
use crate::store::audit::{self, IdRange};
use crate::store::{Store, tasks, users};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("project.db");
    let url: DatabaseUrl = format!("sqlite:///{}", path.display()).parse().unwrap();
    let store = Store::open(&url.into(), Connections::ONE).unwrap();
    (folder, store)
}

/// Every combination of `N` filters that are set or not set.
fn subsets<const N: usize>() -> impl Iterator<Item = [bool; N]> {
    (0..1 << N).map(|bits: usize| std::array::from_fn(|at| bits >> at & 1 == 1))
}

fn task_filters() -> Vec<TaskQuery> {
    let mut filters = Vec::new();
    for sort in [
        "created_at",
        "-created_at",
        "deadline",
        "-deadline",
        "title",
        "-title",
    ] {
        for [visible, assigned, pending, unknown, q, after, before] in subsets() {
            let status = match (pending, unknown) {
                (true, true) => continue,
                (true, false) => Some(StatusFilter::Pending),
                (false, true) => Some(StatusFilter::Unknown),
                (false, false) => None,
            };
            filters.push(TaskQuery {
                visible_to: visible.then(|| "1".parse().unwrap()),
                assigned_user_id: assigned.then(|| "2".parse().unwrap()),
                status,
                q: q.then(|| "x".parse::<SearchText>().unwrap()),
                deadlines: Deadlines {
                    after: after.then(|| "2026-01-01T00:00:00Z".parse().unwrap()),
                    before: before.then(|| "2027-01-01T00:00:00Z".parse().unwrap()),
                },
                sort: sort.parse::<Sort>().unwrap(),
                ..TaskQuery::default()
            });
        }
    }
    filters
}

/// The first page, and a page after a row with a key and after one without.
fn positions() -> [Option<Position>; 3] {
    let id = "5".parse().unwrap();
    [
        None,
        Some(Position {
            key: Some("2026-06-01 00:00:00.000000".to_owned()),
            id,
        }),
        Some(Position { key: None, id }),
    ]
}

/// Calls `check` for each combination of filters, sort order and position, with the query plan and the SQL text
/// of each statement.
fn for_every_list_of_tasks(check: impl Fn(&TaskQuery, &str, &str)) {
    let (_folder, store) = store();
    store
        .read(|db| {
            for filter in task_filters() {
                for position in positions() {
                    for range in tasks::key_ranges(&filter, position.as_ref()) {
                        let (plan, sql) = tasks::select_range(&filter, &range).plan(db)?;
                        check(&filter, &plan, &sql);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}

/// Checks that the plan searches an index by all conditions in WHERE and reads it in order.
fn assert_reads_in_order(plan: &str, sql: &str) {
    assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    let (_, conditions) = sql.split_once(" WHERE ").unwrap();
    let (conditions, _) = conditions.rsplit_once(" ORDER BY ").unwrap();
    // A title is never NULL: SQLite drops the one condition, and for the other it reads nothing.
    if conditions.contains("title IS NULL") {
        return;
    }
    // The index has such rows only.
    let unknown = tasks::UNKNOWN_STATUS;
    let conditions = conditions.replace(&format!("{unknown} AND "), "");
    let conditions = conditions.replace(unknown, "TRUE");
    let conditions = conditions.replace(" AND title IS NOT NULL", "");
    // The index has such rows only.
    let conditions = conditions.replace("latest_at IS NOT NULL AND ", "");
    if matches!(conditions.as_str(), "TRUE" | "title IS NOT NULL") {
        // Every row is in the list. SQLite calls that a SCAN; the page ends it.
        assert!(plan.starts_with("SCAN "), "{sql}\n{plan}");
        return;
    }
    assert!(plan.starts_with("SEARCH "), "{sql}\n{plan}");
    let (searched, _) = plan.split_once(')').unwrap();
    let count = |text: &str| text.split(" AND ").count();
    assert_eq!(count(searched), count(&conditions), "{sql}\n{plan}");
}

#[test]
fn a_status_of_this_program_is_not_unknown() {
    for status in Status::VARIANTS {
        let text = format!("'{status}'");
        assert!(tasks::UNKNOWN_STATUS.contains(&text), "{text}");
        assert!(crate::store::schema::SCHEMA.contains(tasks::UNKNOWN_STATUS));
    }
}

#[test]
fn every_list_of_tasks_searches_an_index_by_each_condition() {
    for_every_list_of_tasks(|_, plan, sql| assert_reads_in_order(plan, sql));
}

#[test]
fn a_list_of_tasks_searches_by_account_or_status() {
    for_every_list_of_tasks(|filter, plan, sql| {
        let assigned = filter.assignee().is_some();
        let status = filter.status.filter(|_| !assigned);
        let unknown = status == Some(StatusFilter::Unknown);
        let known = status.is_some() && !unknown;
        assert_eq!(plan.contains("assigned_user_id=?"), assigned, "{sql}");
        assert_eq!(plan.contains("status=?"), known, "{sql}");
        assert_eq!(plan.contains("task_unknown_status"), unknown, "{sql}");
    });
}

#[test]
fn a_list_by_deadline_searches_its_index_by_both_bounds() {
    for_every_list_of_tasks(|filter, plan, sql| {
        let Deadlines { after, before } = filter.deadlines;
        if filter.sort.key == SortKey::Deadline && !plan.contains("deadline=?") {
            assert!(
                after.is_none() || plan.contains("deadline>?"),
                "{sql}\n{plan}"
            );
            assert!(
                before.is_none() || plan.contains("deadline<?"),
                "{sql}\n{plan}"
            );
        }
        // At most one condition for each bound: SQLite would search by only one of two.
        assert!(sql.matches(" deadline > ?").count() <= 1, "{sql}");
        assert!(sql.matches(" deadline < ?").count() <= 1, "{sql}");
    });
}

/// Late rows, and all rows, with each combination of bounds; late rows have always a lower one.
fn id_ranges() -> impl Iterator<Item = IdRange> {
    let ranges = subsets().map(|[is_late, from, until]| IdRange {
        is_late,
        from: from.then_some(5),
        until: until.then_some(9),
    });
    ranges.filter(|range| !range.is_late || range.from.is_some())
}

#[test]
fn every_page_of_the_audit_log_searches_an_index_by_each_condition() {
    let (_folder, store) = store();
    let one = Id::try_from(1).ok();
    store
        .read(|db| {
            for [action, actor, subject, since, before] in subsets() {
                let filter = AuditQuery {
                    action: action.then_some(Action::SignIn),
                    actor_id: one.filter(|_| actor),
                    subject_id: one.filter(|_| subject),
                    since: since.then(Timestamp::now),
                    before: before.then(Timestamp::now),
                    ..AuditQuery::default()
                };
                for range in id_ranges() {
                    let (plan, sql) = audit::select_range(&filter, &range).plan(db)?;
                    assert_reads_in_order(&plan, &sql);
                    assert_eq!(plan.contains("audit_late"), range.is_late, "{sql}\n{plan}");
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_list_of_accounts_searches_an_index_by_each_condition() {
    let (_folder, store) = store();
    store
        .read(|db| {
            for [role, approved, q] in subsets() {
                let filter = UserQuery {
                    role: role.then_some(Role::Manager),
                    approved: approved.then_some(false),
                    q: q.then(|| "x".parse::<SearchText>().unwrap()),
                    ..UserQuery::default()
                };
                for position in positions() {
                    let (plan, sql) = users::select_page(&filter, position.as_ref()).plan(db)?;
                    assert_reads_in_order(&plan, &sql);
                    assert_eq!(plan.contains("role=?"), role, "{sql}\n{plan}");
                    assert_eq!(plan.contains("<expr>=?"), approved, "{sql}\n{plan}");
                }
            }
            Ok(())
        })
        .unwrap();
}
