//! The statements for the tables `audit` and `audit_head`: the audit log, which is append-only.
//!
//! Hash chain: the hash of each row covers the hash of the row before it, and `audit_head` holds the number of
//! rows and the last hash. A row that is changed, removed or inserted later breaks the chain ([`verify`]). The
//! hashes have no key, so they do not protect against an attacker who recomputes the whole chain; for that,
//! an operator keeps the last hash somewhere else.

use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};

use super::decode;
use super::page_reader::PageReader;
use super::query_builder::{Query, SelectBuilder};
use crate::crypto::sha256_hex;
use crate::error::Error;
use crate::model::{Action, Actor, AuditEntry, AuditQuery, Page, Position, User};

const COLUMNS: &str = "id, at, action, actor_id, actor, subject_id, subject, address, detail";

/// Appends a row. `subject` is the account that the action is about.
pub fn record(
    db: &Connection,
    actor: &Actor,
    action: Action,
    subject: Option<&User>,
    detail: Option<Value>,
) -> Result<(), Error> {
    let head = ChainHead::read(db)?;
    let id = head.count.checked_add(1);
    let id = id.ok_or_else(|| Error::Internal("audit_head has an invalid count".to_owned()))?;
    let row = StoredRow {
        id,
        // Rows are numbered in the order of time, even if the clock has been set back.
        at: Some(actor.at.to_stored().max(time_of(db, head.count)?)),
        action: Some(action.as_str().to_owned()),
        actor_id: actor.account.map(|user| user.id.get()),
        actor: actor.account.map(|user| user.username.clone()),
        subject_id: subject.map(|user| user.id.get()),
        subject: subject.map(|user| user.username.clone()),
        address: actor.address.map(|address| address.to_string()),
        detail: detail.map(|detail| detail.to_string()),
    };
    let hash = row.hash(&head.hash);
    row.insert(db, &hash)?;
    ChainHead { count: id, hash }.write(db)
}

/// The time of the row with this id; an empty text, which is less than every time, if there is no such row.
fn time_of(db: &Connection, id: i64) -> Result<String, Error> {
    let found = db
        .prepare_cached("SELECT at FROM audit WHERE id = ?1")?
        .query_row([id], |row| decode::or_null(row, 0))
        .optional()?;
    Ok(found.flatten().unwrap_or_default())
}

/// Appends a row for each property of an account that has changed: its role, e-mail address and approval.
pub fn record_changes(
    db: &Connection,
    actor: &Actor,
    before: &User,
    after: &User,
) -> Result<(), Error> {
    if before.role != after.role {
        let detail = json!({ "from": before.role, "to": after.role });
        record(db, actor, Action::RoleChanged, Some(after), Some(detail))?;
    }
    if before.email != after.email {
        let detail = json!({ "from": before.email, "to": after.email });
        record(db, actor, Action::EmailChanged, Some(after), Some(detail))?;
    }
    match (before.is_approved, after.is_approved) {
        (false, true) => record(db, actor, Action::Approved, Some(after), None),
        (true, false) => record(db, actor, Action::ApprovalWithdrawn, Some(after), None),
        _ => Ok(()),
    }
}

// ---- hash chain ---------------------------------------------------------------------------------

/// The row of `audit_head`: the number of rows and the hash of the last one. An empty log has no such row; its
/// head, to which the first row is chained, is the default.
#[derive(Default)]
struct ChainHead {
    count: i64,
    hash: String,
}

impl ChainHead {
    fn read(db: &Connection) -> Result<ChainHead, Error> {
        let sql = "SELECT count, hash FROM audit_head WHERE id = 1";
        let head = db
            .prepare_cached(sql)?
            .query_row([], |row| {
                Ok(ChainHead {
                    count: row.get(0)?,
                    hash: row.get(1)?,
                })
            })
            .optional()?;
        Ok(head.unwrap_or_default())
    }

    fn write(&self, db: &Connection) -> Result<(), Error> {
        let sql = "INSERT INTO audit_head (id, count, hash) VALUES (1, ?1, ?2)
            ON CONFLICT (id) DO UPDATE SET count = excluded.count, hash = excluded.hash";
        db.prepare_cached(sql)?
            .execute(params![self.count, self.hash])?;
        Ok(())
    }
}

/// A row of `audit` exactly as it is stored, since the hash covers the stored values.
#[derive(Debug, PartialEq)]
struct StoredRow {
    id: i64,
    at: Option<String>,
    action: Option<String>,
    actor_id: Option<i64>,
    actor: Option<String>,
    subject_id: Option<i64>,
    subject: Option<String>,
    address: Option<String>,
    detail: Option<String>,
}

impl StoredRow {
    fn read(row: &Row) -> rusqlite::Result<StoredRow> {
        Ok(StoredRow {
            id: row.get(0)?,
            at: row.get(1)?,
            action: row.get(2)?,
            actor_id: row.get(3)?,
            actor: row.get(4)?,
            subject_id: row.get(5)?,
            subject: row.get(6)?,
            address: row.get(7)?,
            detail: row.get(8)?,
        })
    }

    fn insert(&self, db: &Connection, hash: &str) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO audit ({COLUMNS}, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
        );
        db.prepare_cached(&sql)?.execute(params![
            self.id,
            self.at,
            self.action,
            self.actor_id,
            self.actor,
            self.subject_id,
            self.subject,
            self.address,
            self.detail,
            hash,
        ])?;
        Ok(())
    }

    /// SHA-256, in hex, of the previous row's hash and all columns of this row. They are hashed as a JSON array,
    /// which is unambiguous: plain concatenation would give the same text for different rows.
    fn hash(&self, previous: &str) -> String {
        let values = json!([
            previous,
            self.id,
            self.at,
            self.action,
            self.actor_id,
            self.actor,
            self.subject_id,
            self.subject,
            self.address,
            self.detail,
        ]);
        sha256_hex(&values.to_string())
    }
}

/// The result of [`verify`].
#[derive(Debug, PartialEq, Eq)]
pub enum Verification {
    /// The chain is intact: the number of rows, and the hash of the last one.
    Intact(i64, String),
    /// The chain is broken: the number of the first wrong row, and what is wrong with it.
    Broken(i64, &'static str),
}

/// Reads the whole log and checks the hash chain. `progress` is called with the number of rows read so far. The
/// server may append rows meanwhile, so `db` has to be in a transaction: the rows and the head are of one
/// snapshot.
pub fn verify(db: &Connection, progress: impl Fn(i64)) -> Result<Verification, Error> {
    let mut end = ChainHead::default();
    let sql = format!("SELECT {COLUMNS}, hash FROM audit ORDER BY id");
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        end.count += 1;
        progress(end.count);
        if id != end.count {
            return Ok(Verification::Broken(end.count, REMOVED));
        }
        match (StoredRow::read(row), row.get::<_, String>(9)) {
            (Ok(stored), Ok(hash)) if stored.hash(&end.hash) == hash => end.hash = hash,
            _ => return Ok(Verification::Broken(id, CHANGED)),
        }
    }
    Ok(compare(end, &ChainHead::read(db)?))
}

const CHANGED: &str = "is not what was written";
const REMOVED: &str = "has been removed";
const INSERTED: &str = "has been inserted";

/// Compares the end of the rows with the head of the chain: whole rows may be missing or added there.
fn compare(end: ChainHead, head: &ChainHead) -> Verification {
    if end.count < head.count {
        Verification::Broken(end.count + 1, REMOVED)
    } else if end.count > head.count {
        Verification::Broken(head.count + 1, INSERTED)
    } else if end.hash != head.hash {
        Verification::Broken(end.count, CHANGED)
    } else {
        Verification::Intact(end.count, end.hash)
    }
}

// ---- lists --------------------------------------------------------------------------------------

/// Reads a page of the audit log, the newest rows first; `after` is the last row of the page before.
pub fn list(
    db: &Connection,
    filter: &AuditQuery,
    after: Option<&Position>,
) -> Result<Page<AuditEntry>, Error> {
    let reader = PageReader {
        size: filter.page_size,
        decode: from_row,
        q: None,
        searched: &[],
    };
    reader.read(db, [select_page(filter, after)])
}

/// Decodes a row of [`COLUMNS`].
fn from_row(row: &Row) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        id: decode::id(row, 0)?,
        at: decode::timestamp(row, 1)?,
        action: decode::text(row, 2)?.into(),
        actor_id: decode::or_null(row, 3)?,
        actor: decode::or_null(row, 4)?,
        subject_id: decode::or_null(row, 5)?,
        subject: decode::or_null(row, 6)?,
        address: decode::or_null(row, 7)?,
        detail: decode::text(row, 8)?.and_then(|text| serde_json::from_str(text).ok()),
    })
}

pub(super) fn select_page(filter: &AuditQuery, after: Option<&Position>) -> Query {
    // Rows are numbered in the order of time, so a filter by time becomes one by id: the id of the first row at or
    // after that time, or the largest integer if there is none.
    const FIRST_SINCE: &str = "coalesce((SELECT id FROM audit WHERE at >= ? ORDER BY at, id LIMIT 1), 9223372036854775807)";
    let mut select = SelectBuilder::new(COLUMNS, "NULL", "audit");
    add_filters(&mut select, filter);
    select.filter_some(
        &format!("id >= {FIRST_SINCE}"),
        filter.since.map(|at| at.to_stored()),
    );
    // At most one upper bound: SQLite searches by one, and would test the other on each row. The rows of a later
    // page are before `before` already.
    match after {
        Some(position) => select.filter("id < ?", position.id.get()),
        None => select.filter_some(
            &format!("id < {FIRST_SINCE}"),
            filter.before.map(|at| at.to_stored()),
        ),
    };
    select.order_by("id DESC")
}

/// Adds the exact filters. The first one that is set is searched in its index, the others are tested: the fewest
/// rows are about one account, and the most have the same action.
fn add_filters(select: &mut SelectBuilder, filter: &AuditQuery) {
    let action = filter
        .action
        .map(|action| SqlValue::from(action.as_str().to_owned()));
    let filters = [
        (
            "subject_id = ?",
            filter.subject_id.map(|id| i64::from(id).into()),
        ),
        (
            "actor_id = ?",
            filter.actor_id.map(|id| i64::from(id).into()),
        ),
        ("action = ?", action),
    ];
    let mut set = filters.into_iter().filter(|(_, value)| value.is_some());
    if let Some((condition, value)) = set.next() {
        select.filter_some(condition, value);
    }
    for (condition, value) in set {
        select.test_some(condition, value);
    }
}
