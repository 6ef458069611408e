//! Every statement about the tables `audit` and `audit_head`: rows that are added, read and verified, and
//! never changed.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};

use super::columns;
use super::query_builder::{Query, SelectBuilder};
use crate::crypto::sha256_hex;
use crate::error::Error;
use crate::model::{Action, Actor, AuditEntry, AuditFilter, Page, Position, User};

const COLUMNS: &str = "id, at, action, actor_id, actor, subject_id, subject, address, detail";

/// What the first row is chained to.
const NO_HASH: &str = "";

/// Adds a row behind the last one. `subject` is the account that it is about.
pub fn record(
    db: &Connection,
    actor: &Actor,
    action: Action,
    subject: Option<&User>,
    detail: Option<Value>,
) -> Result<(), Error> {
    let (rows, last) = head(db)?;
    let Some(id) = rows.checked_add(1) else {
        return Err(Error::Internal(
            "audit_head is not what was written".to_owned(),
        ));
    };
    let row = Raw {
        id,
        at: Some(actor.at.to_stored().max(time_of(db, rows)?)),
        action: Some(action.as_str().to_owned()),
        actor_id: actor.account.map(|user| user.id.get()),
        actor: actor.account.map(|user| user.username.clone()),
        subject_id: subject.map(|user| user.id.get()),
        subject: subject.map(|user| user.username.clone()),
        address: actor.address.map(|address| address.to_string()),
        detail: detail.map(|detail| detail.to_string()),
    };
    let hash = row.hash(&last);
    let sql = format!(
        "INSERT INTO audit ({COLUMNS}, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
    );
    db.prepare_cached(&sql)?.execute(params![
        row.id,
        row.at,
        row.action,
        row.actor_id,
        row.actor,
        row.subject_id,
        row.subject,
        row.address,
        row.detail,
        hash,
    ])?;
    let sql = "INSERT INTO audit_head (id, count, hash) VALUES (1, ?1, ?2)
        ON CONFLICT (id) DO UPDATE SET count = excluded.count, hash = excluded.hash";
    db.prepare_cached(sql)?.execute(params![row.id, hash])?;
    Ok(())
}

/// When the row of this id was written. Rows are numbered in the order of time, also where a clock has been
/// put back.
fn time_of(db: &Connection, id: i64) -> Result<String, Error> {
    let found = db
        .prepare_cached("SELECT at FROM audit WHERE id = ?1")?
        .query_row([id], |row| columns::read_or_null(row, 0))
        .optional()?;
    Ok(found.flatten().unwrap_or_default())
}

/// Adds a row for each thing that an account's change has changed.
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

/// How many rows there should be, and the last one's hash.
fn head(db: &Connection) -> Result<(i64, String), Error> {
    let sql = "SELECT count, hash FROM audit_head WHERE id = 1";
    let head = db
        .prepare_cached(sql)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(head.unwrap_or((0, NO_HASH.to_owned())))
}

/// A row exactly as it is stored.
#[derive(Debug, PartialEq)]
struct Raw {
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

impl Raw {
    fn of(row: &Row) -> rusqlite::Result<Raw> {
        Ok(Raw {
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

    /// SHA-256, in hex, over the hash of the row before and all that this one holds. As JSON, so that no
    /// text can pass for the end of one column and the beginning of the next.
    fn hash(&self, previous: &str) -> String {
        let all = json!([
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
        sha256_hex(&all.to_string())
    }
}

/// What became of the record.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it was written: so many rows, and the last one's hash.
    Intact(i64, String),
    /// It is not, from this row on.
    Broken(i64, &'static str),
}

/// Reads the whole record and follows the chain. `progress` is told how many rows have been read.
pub fn verify(db: &Connection, progress: impl Fn(i64)) -> Result<Verdict, Error> {
    // The rows and the head of one moment: others go on writing.
    let db = &*db.unchecked_transaction()?;
    let (mut count, mut last) = (0, NO_HASH.to_owned());
    let sql = format!("SELECT {COLUMNS}, hash FROM audit ORDER BY id");
    let mut statement = db.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        count += 1;
        progress(count);
        if id != count {
            return Ok(Verdict::Broken(count, "has been removed"));
        }
        let found = (Raw::of(row), row.get::<_, String>(9));
        match found {
            (Ok(raw), Ok(hash)) if raw.hash(&last) == hash => last = hash,
            _ => return Ok(Verdict::Broken(id, "is not what was written")),
        }
    }
    Ok(match head(db)? {
        (rows, _) if rows > count => Verdict::Broken(count + 1, "has been removed"),
        (rows, _) if rows < count => Verdict::Broken(rows + 1, "has been inserted"),
        (_, hash) if hash != last => Verdict::Broken(count, "is not what was written"),
        _ => Verdict::Intact(count, last),
    })
}

/// A page of the record, the newest rows first.
pub fn list(
    db: &Connection,
    filter: &AuditFilter,
    after: Option<&Position>,
) -> Result<Page<AuditEntry>, Error> {
    let query = select_page(filter, after, filter.page_size.get() + 1);
    query.page(db, filter.page_size, from_row, |entry| entry.id)
}

fn from_row(row: &Row) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        id: columns::id(row, 0)?,
        at: columns::timestamp(row, 1)?,
        action: columns::text(row, 2)?.into(),
        actor_id: columns::read_or_null(row, 3)?,
        actor: columns::read_or_null(row, 4)?,
        subject_id: columns::read_or_null(row, 5)?,
        subject: columns::read_or_null(row, 6)?,
        address: columns::read_or_null(row, 7)?,
        detail: columns::text(row, 8)?.and_then(|text| serde_json::from_str(text).ok()),
    })
}

pub(super) fn select_page(filter: &AuditFilter, after: Option<&Position>, limit: usize) -> Query {
    // Rows are numbered in the order of time, and so a moment is a number.
    const FIRST_SINCE: &str = "coalesce((SELECT id FROM audit WHERE at >= ? ORDER BY at, id LIMIT 1), 9223372036854775807)";
    let mut select = SelectBuilder::new(COLUMNS, "audit");
    select
        .filter_some(
            "action = ?",
            filter.action.map(|action| action.as_str().to_owned()),
        )
        .filter_some("actor_id = ?", filter.actor_id.map(i64::from))
        .filter_some("subject_id = ?", filter.subject_id.map(i64::from))
        .filter_some(
            &format!("id >= {FIRST_SINCE}"),
            filter.since.map(|at| at.to_stored()),
        )
        .filter_some(
            &format!("id < {FIRST_SINCE}"),
            filter.before.map(|at| at.to_stored()),
        )
        .filter_some("id < ?", after.map(|position| position.id.get()));
    select.order_by("id DESC", limit)
}
