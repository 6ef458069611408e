//! Tests the query plans of lists: every statement that a list can build reads an index in its order, without
//! a full scan and without sorting (EXPLAIN QUERY PLAN).

#![allow(clippy::unwrap_used)]

use super::{Store, audit, tasks, users};
use crate::model::{
    Action, AuditQuery, Deadlines, Id, Position, Role, SearchText, Sort, SortKey, Status,
    TaskQuery, Timestamp, UserQuery,
};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("project.db"), 1).unwrap();
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
        for [visible, assigned, status, q, after, before] in subsets() {
            filters.push(TaskQuery {
                visible_to: visible.then(|| "1".parse().unwrap()),
                assigned_user_id: assigned.then(|| "2".parse().unwrap()),
                status: status.then_some(Status::Pending),
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
                        let (plan, sql) = tasks::select_range(&filter, &range, 21).plan(db)?;
                        check(&filter, &plan, &sql);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_list_of_tasks_scans_or_sorts() {
    for_every_list_of_tasks(|_, plan, sql| {
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        // A title is never NULL, so `title IS NOT NULL` selects the whole index. SQLite calls that a SCAN of
        // the index; it stops at LIMIT.
        let walks_all_titles = plan == "SCAN task USING INDEX task_by_title";
        assert!(
            plan.starts_with("SEARCH task USING INDEX") || walks_all_titles,
            "{sql}\n{plan}"
        );
    });
}

#[test]
fn a_list_of_tasks_searches_its_index_by_each_exact_filter() {
    for_every_list_of_tasks(|filter, plan, sql| {
        let assigned = filter.visible_to.or(filter.assigned_user_id).is_some();
        assert_eq!(
            plan.contains("assigned_user_id=?"),
            assigned,
            "{sql}\n{plan}"
        );
        assert_eq!(
            plan.contains("status=?"),
            filter.status.is_some(),
            "{sql}\n{plan}"
        );
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

#[test]
fn no_page_of_the_audit_log_scans_or_sorts() {
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
                for position in positions() {
                    let (plan, sql) =
                        audit::select_page(&filter, position.as_ref(), 21).plan(db)?;
                    // Without any condition it reads the table backwards and stops at LIMIT.
                    let has_filter = action || actor || subject || since || before;
                    let reads_in_order = plan.starts_with("SEARCH audit USING")
                        || (!has_filter && plan.starts_with("SCAN audit"));
                    assert!(reads_in_order, "{sql}\n{plan}");
                    assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
                    assert!(!plan.contains("SCAN audit USING"), "{sql}\n{plan}");
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_list_of_accounts_scans_or_sorts() {
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
                    let (plan, sql) =
                        users::select_page(&filter, position.as_ref(), 21).plan(db)?;
                    assert!(plan.starts_with("SEARCH user USING"), "{sql}\n{plan}");
                    assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
                    assert_eq!(plan.contains("role=?"), role, "{sql}\n{plan}");
                    assert_eq!(plan.contains("<expr>=?"), approved, "{sql}\n{plan}");
                }
            }
            Ok(())
        })
        .unwrap();
}
