//! The statements for the tables `audit` and `audit_head`: the audit log, which is append-only.
//!
//! Hash chain: the hash of each row covers the hash of the row before it, and `audit_head` holds the number of
//! rows and the last hash. A row that is changed, removed or inserted later breaks the chain
//! ([verification](super::verification)). The hashes have no key; [seals](super::seal) protect them
//! against an attacker who computes the whole chain again.

use serde_json::{Value as Json, json};

use super::seal;
use crate::crypto::sha256_hex;
use crate::error::Error;
use crate::metrics::exposition::Exposition;
use crate::model::{
    Action, Actor, ApiToken, AuditEntry, AuditQuery, Page, Position, Timestamp, User,
};
use crate::store::engine::{Connection, DatabaseError, Row, Value, values};
use crate::store::page_reader::PageReader;
use crate::store::query_builder::{Query, SelectBuilder};

/// The columns that the hash covers.
pub(in crate::store) const COLUMNS: &str =
    "id, at, action, actor_id, actor, subject_id, subject, address, detail,
    request_id, os_user, latest_at";

/// The column `hash` of a row, after [`COLUMNS`].
pub(in crate::store) const HASH: usize = 12;

/// Appends a row. `subject` is the account that the action is about.
pub fn record(
    db: &Connection,
    actor: &Actor,
    action: Action,
    subject: Option<&User>,
    detail: Option<Json>,
) -> Result<(), Error> {
    let head = ChainHead::read(db)?;
    seal::note_base(&head);
    let id = head.count.checked_add(1);
    let id = id.ok_or_else(|| Error::Internal("audit_head has an invalid count".to_owned()))?;
    let at = actor.at.to_stored();
    let row = StoredRow {
        id,
        latest_at: latest_time(db, head.count)?.filter(|latest| *latest > at),
        at: Some(at),
        action: Some(action.as_str().to_owned()),
        actor_id: actor.account.map(|user| user.id.get()),
        actor: actor.account.map(|user| user.username.clone()),
        subject_id: subject.map(|user| user.id.get()),
        subject: subject.map(|user| user.username.clone()),
        address: actor.address.map(|address| address.to_string()),
        detail: detail.map(|detail| detail.to_string()),
        request_id: actor.request_id.map(str::to_owned),
        os_user: actor.os_user.map(str::to_owned),
    };
    let hash = row.hash(&head.hash);
    row.insert(db, &hash)?;
    ChainHead { count: id, hash }.write(db)
}

/// The latest time of the rows up to this one; `None` if there is no such row.
fn latest_time(db: &Connection, id: i64) -> Result<Option<String>, Error> {
    let found = db.query_optional(
        "SELECT coalesce(latest_at, at) FROM audit WHERE id = ?1",
        values![id],
        |row| Ok(row.or_null(0)),
    )?;
    Ok(found.flatten())
}

/// What a row about a token for scripts says of it.
pub fn token_detail(token: &ApiToken) -> Json {
    json!({ "id": token.id, "name": token.name, "scope": token.scope })
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainHead {
    /// The number of rows, including those that were removed from the old end.
    pub count: i64,
    /// The hash of the last row, in hex.
    pub hash: String,
}

impl ChainHead {
    /// Reads the head of the whole log.
    pub fn read(db: &Connection) -> Result<ChainHead, Error> {
        let sql = "SELECT count, hash FROM audit_head WHERE id = 1";
        let head = db.query_optional(sql, &[], |row| {
            Ok(ChainHead {
                count: row.get(0)?,
                hash: row.get(1)?,
            })
        })?;
        Ok(head.unwrap_or_default())
    }

    fn write(&self, db: &Connection) -> Result<(), Error> {
        let sql = "INSERT INTO audit_head (id, count, hash) VALUES (1, ?1, ?2)
            ON CONFLICT (id) DO UPDATE SET count = excluded.count, hash = excluded.hash";
        db.execute(sql, values![self.count, &self.hash])?;
        Ok(())
    }
}

/// A row of `audit` exactly as it is stored, since the hash covers the stored values.
pub(in crate::store) struct StoredRow {
    id: i64,
    at: Option<String>,
    pub action: Option<String>,
    actor_id: Option<i64>,
    actor: Option<String>,
    subject_id: Option<i64>,
    subject: Option<String>,
    address: Option<String>,
    pub detail: Option<String>,
    request_id: Option<String>,
    os_user: Option<String>,
    latest_at: Option<String>,
}

impl StoredRow {
    pub fn read(row: &Row) -> Result<StoredRow, DatabaseError> {
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
            request_id: row.get(9)?,
            os_user: row.get(10)?,
            latest_at: row.get(11)?,
        })
    }

    fn insert(&self, db: &Connection, hash: &str) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO audit ({COLUMNS}, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
        );
        let values = values![
            self.id,
            Value::stored(self.at.as_deref()),
            &self.action,
            self.actor_id,
            &self.actor,
            self.subject_id,
            &self.subject,
            &self.address,
            &self.detail,
            &self.request_id,
            &self.os_user,
            Value::stored(self.latest_at.as_deref()),
            hash,
        ];
        db.execute(&sql, values)?;
        Ok(())
    }

    /// SHA-256, in hex, of the previous row's hash and all columns of this row. They are hashed as a JSON array,
    /// which is unambiguous: plain concatenation would give the same text for different rows.
    pub fn hash(&self, previous: &str) -> String {
        let mut values = vec![
            json!(previous),
            json!(self.id),
            json!(self.at),
            json!(self.action),
            json!(self.actor_id),
            json!(self.actor),
            json!(self.subject_id),
            json!(self.subject),
            json!(self.address),
            json!(self.detail),
        ];
        // Rows of earlier versions do not have these columns, and were hashed without them.
        let added = [&self.request_id, &self.os_user, &self.latest_at];
        if added.iter().any(|column| column.is_some()) {
            values.extend(added.map(|column| json!(column)));
        }
        sha256_hex(&Json::from(values).to_string())
    }
}

/// Writes the number of rows and the last hash, so that another system keeps them. Writes nothing if the database
/// cannot be read: the other metrics are needed most then.
pub(in crate::store) fn write_metrics(head: Option<&ChainHead>, text: &mut Exposition) {
    let Some(ChainHead { count, hash }) = head else {
        return;
    };
    let help = "Rows of the audit log so far, including those that were removed from its old end.";
    text.gauge("audit_rows", help).sample(&[], count);
    let labels = [("rows", &*count.to_string()), ("hash", hash)];
    let help = "The number of rows of the audit log and the hash of the last one, for `audit verify --expect`.";
    text.gauge("audit_head_info", help).sample(&labels, 1);
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
        order: "id DESC",
    };
    let ranges = IdRange::all(db, filter, after)?;
    reader.read(db, ranges.iter().map(|range| select_range(filter, range)))
}

/// Decodes a row of [`COLUMNS`].
fn from_row(row: &Row) -> Result<AuditEntry, DatabaseError> {
    Ok(AuditEntry {
        id: row.id(0)?,
        at: row.or_null::<Timestamp>(1),
        action: row.or_null::<&str>(2).into(),
        actor_id: row.or_null(3),
        actor: row.or_null(4),
        subject_id: row.or_null(5),
        subject: row.or_null(6),
        address: row.or_null(7),
        detail: row
            .or_null::<&str>(8)
            .and_then(|text| serde_json::from_str(text).ok()),
        request_id: row.or_null(9),
        os_user: row.or_null(10),
    })
}

/// A part of a list: rows with these ids.
///
/// The latest time until a row grows with its id, so a filter by time becomes one by id. Only late rows, which were
/// written when the clock had been set back, can be earlier than the rows before them. So a list up to `before` has
/// two parts, the newer one first: late rows after the first row at or after `before`, and all rows before that row.
/// Each row's own time is tested too.
#[derive(Debug, Default, Clone, Copy)]
pub(in crate::store) struct IdRange {
    pub is_late: bool,
    /// Inclusive.
    pub from: Option<i64>,
    /// Exclusive.
    pub until: Option<i64>,
}

impl IdRange {
    fn all(
        db: &Connection,
        filter: &AuditQuery,
        after: Option<&Position>,
    ) -> Result<Vec<IdRange>, Error> {
        let first_since = |at: Option<Timestamp>| at.map(|at| first_since(db, at)).transpose();
        let (from, before) = (first_since(filter.since)?, first_since(filter.before)?);
        let until = after.map(|position| position.id.get());
        let late = before.map(|before| IdRange {
            is_late: true,
            from: from.max(Some(before)),
            until,
        });
        let others = IdRange {
            is_late: false,
            from,
            until: until.into_iter().chain(before).min(),
        };
        Ok(late.into_iter().chain([others]).collect())
    }
}

/// The id of the first row that is not before this time, or that follows such a row; the largest integer if there
/// is none.
fn first_since(db: &Connection, at: Timestamp) -> Result<i64, Error> {
    let sql = "SELECT id FROM audit WHERE coalesce(latest_at, at) >= ?1
        ORDER BY coalesce(latest_at, at), id LIMIT 1";
    let id = db.query_optional(sql, values![at], |row| row.get(0))?;
    Ok(id.unwrap_or(i64::MAX))
}

pub(in crate::store) fn select_range(filter: &AuditQuery, range: &IdRange) -> Query {
    let mut select = SelectBuilder::new(COLUMNS, "NULL", "audit");
    if range.is_late {
        select.filter_plain("latest_at IS NOT NULL");
    }
    add_filters(&mut select, filter, range.is_late);
    select.filter_some("id >= ?", range.from);
    select.filter_some("id < ?", range.until);
    select.test_some("at >= ?", filter.since);
    select.test_some("at < ?", filter.before);
    select.order_by("id DESC")
}

/// Adds the exact filters. The first one that is set is searched in its index, the others are tested: the fewest
/// rows are about one account, and the most have the same action. Among the few late rows all are tested.
fn add_filters(select: &mut SelectBuilder, filter: &AuditQuery, is_late: bool) {
    let action = filter.action.map(|action| Value::from(action.as_str()));
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
    if !is_late && let Some((condition, value)) = set.next() {
        select.filter_some(condition, value);
    }
    for (condition, value) in set {
        select.test_some(condition, value);
    }
}

// ---- clients ------------------------------------------------------------------------------------

/// From where an account has signed in.
#[derive(Debug)]
pub struct AuditClient {
    /// The account.
    pub account: Option<i64>,
    /// The IP address.
    pub address: String,
}

/// The clients of the last 100 sign-ins.
pub fn recent_clients(db: &Connection) -> Result<Vec<AuditClient>, Error> {
    let sql = "SELECT subject_id, address FROM audit WHERE action = ?1 AND address IS NOT NULL
        ORDER BY id DESC LIMIT 100";
    Ok(db.query_all(sql, values![Action::SignIn.as_str()], |row| {
        Ok(AuditClient {
            account: row.get(0)?,
            address: row.get(1)?,
        })
    })?)
}
