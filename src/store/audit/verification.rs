//! Verification of the audit log: the hash chain, its start, its seals, and what an operator has kept elsewhere.

use std::mem;
use std::ops::ControlFlow;

use serde_json::Value;

use super::entries::{COLUMNS, ChainHead, HASH, StoredRow};
use super::key::AuditKey;
use super::pruning;
use super::seal::{Seal, authenticate, unsealed_rows};
use crate::config::database::DatabaseFiles;
use crate::error::Error;
use crate::model::Action;
use crate::store::database::Store;
use crate::store::engine::{Connection, DatabaseError, Row, Rows};

/// What an operator has kept in another place, to compare with the log.
#[derive(Default)]
pub struct Kept {
    /// The number of rows and the last hash at some time.
    pub head: Option<ChainHead>,
    /// A copy of the audit key of some epoch.
    pub key: Option<AuditKey>,
}

/// The result of [`verify`].
#[derive(Debug, PartialEq, Eq)]
pub enum Verification {
    /// The log is what was written.
    Intact {
        /// The number of rows so far.
        count: i64,
        /// How many of them were removed from the old end.
        pruned: i64,
        /// The hash of the last row.
        hash: String,
    },
    /// The chain is broken: the number of the first wrong row, and what is wrong with it.
    Broken(i64, &'static str),
    /// The chain is not the one that was written, or that cannot be proved: the reason, as a clause.
    NotAuthentic(String),
}

impl Verification {
    /// What is wrong with the log, for a sentence that begins with it. `None` if it is intact.
    pub fn fault(&self) -> Option<String> {
        match self {
            Verification::Intact { .. } => None,
            Verification::Broken(row, how) => Some(format!("is not intact: row {row} {how}")),
            Verification::NotAuthentic(why) => Some(format!("is not authentic: {why}")),
        }
    }
}

const CHANGED: &str = "is not what was written";
const REMOVED: &str = "has been removed";
const INSERTED: &str = "has been inserted";

/// Why a verification ends before its end.
enum Failure {
    Found(Verification),
    Store(Error),
}

impl From<Verification> for Failure {
    fn from(found: Verification) -> Failure {
        Failure::Found(found)
    }
}

impl From<Error> for Failure {
    fn from(why: Error) -> Failure {
        Failure::Store(why)
    }
}

impl From<DatabaseError> for Failure {
    fn from(why: DatabaseError) -> Failure {
        Failure::Store(why.into())
    }
}

/// Reads the whole log in one snapshot, and checks it: the server may append rows meanwhile. `progress` is called with
/// the number of each row.
///
/// # Errors
/// [`Error::Busy`] and [`Error::Internal`] if the database cannot be read.
pub fn verify(store: &Store, kept: &Kept, progress: impl Fn(i64)) -> Result<Verification, Error> {
    store.read(|db| verify_in(db, store.audit().files(), kept, &progress))
}

/// Checks the chain and its last seal with the key beside the database. `db` has to be in a transaction.
///
/// # Errors
/// [`Error::Busy`] and [`Error::Internal`] if the database cannot be read.
pub fn verify_all(db: &Connection, files: &DatabaseFiles) -> Result<Verification, Error> {
    verify_in(db, files, &Kept::default(), |_| {})
}

fn verify_in(
    db: &Connection,
    files: &DatabaseFiles,
    kept: &Kept,
    progress: impl Fn(i64),
) -> Result<Verification, Error> {
    conclude(check_chain(db, kept, progress).and_then(|chain| {
        check_key(files, &chain, kept)?;
        Ok(chain)
    }))
}

/// Checks what can be checked without the audit key, such as in a backup: the chain, its start, and that the seals
/// are those of this chain. `db` has to be in a transaction.
///
/// # Errors
/// [`Error::Busy`] and [`Error::Internal`] if the database cannot be read.
pub fn verify_chain(db: &Connection) -> Result<Verification, Error> {
    conclude(check_chain(db, &Kept::default(), |_| {}))
}

fn conclude(checked: Result<Chain, Failure>) -> Result<Verification, Error> {
    match checked {
        Ok(Chain { start, end, .. }) => Ok(Verification::Intact {
            count: end.count,
            pruned: start.count,
            hash: end.hash,
        }),
        Err(Failure::Found(found)) => Ok(found),
        Err(Failure::Store(why)) => Err(why),
    }
}

/// A chain that is intact.
struct Chain {
    start: ChainHead,
    end: ChainHead,
    seals: Vec<Seal>,
}

fn check_chain(db: &Connection, kept: &Kept, progress: impl Fn(i64)) -> Result<Chain, Failure> {
    let (start, seals) = (pruning::start(db)?, Seal::all(db)?);
    let known = KnownHead::all(&start, &seals, kept)?;
    let mut walk = Walk::begin(start.clone(), known)?;
    let sql = format!("SELECT {COLUMNS}, hash FROM audit ORDER BY id");
    db.query_each(Rows::Many, &sql, &[], |row| -> Result<_, Failure> {
        walk.step(row)?;
        progress(walk.end.count);
        Ok(ControlFlow::Continue(()))
    })?;
    walk.finish(&ChainHead::read(db)?)?;
    walk.check_start(&start)?;
    let end = walk.end;
    Ok(Chain { start, end, seals })
}

// ---- hash chain ---------------------------------------------------------------------------------

/// A head that the chain has had at some time.
struct KnownHead {
    head: ChainHead,
    /// Where it is from, such as `the seal of epoch 3`.
    source: String,
}

impl KnownHead {
    /// The heads of the seals and the one that the operator has kept, in their order in the chain. Those before the
    /// start of the chain cannot be compared any longer.
    fn all(start: &ChainHead, seals: &[Seal], kept: &Kept) -> Result<Vec<KnownHead>, Verification> {
        let seals = seals.iter().map(|seal| KnownHead {
            head: seal.head.clone(),
            source: format!("the seal of epoch {}", seal.epoch),
        });
        let mut known: Vec<_> = seals
            .filter(|seal| seal.head.count >= start.count)
            .collect();
        if let Some(head) = &kept.head {
            if head.count < start.count {
                return Err(Verification::NotAuthentic(format!(
                    "rows 1 to {} have been pruned, so the hash of row {} cannot be compared",
                    start.count, head.count
                )));
            }
            known.push(KnownHead {
                head: head.clone(),
                source: "the expected hash".to_owned(),
            });
        }
        known.sort_by_key(|known| known.head.count);
        Ok(known)
    }
}

/// Follows the chain from its start.
struct Walk {
    end: ChainHead,
    known: std::vec::IntoIter<KnownHead>,
    /// The last rows that a row says to have been removed.
    announced: ChainHead,
}

impl Walk {
    fn begin(start: ChainHead, known: Vec<KnownHead>) -> Result<Walk, Verification> {
        let mut walk = Walk {
            end: start,
            known: known.into_iter(),
            announced: ChainHead::default(),
        };
        walk.compare_known()?;
        Ok(walk)
    }

    /// Checks the next row.
    fn step(&mut self, row: &Row) -> Result<(), Failure> {
        let (id, expected): (i64, i64) = (row.get(0)?, self.end.count + 1);
        if id < expected {
            return Err(Verification::Broken(id, INSERTED).into());
        }
        if id > expected {
            return Err(Verification::Broken(expected, REMOVED).into());
        }
        match (StoredRow::read(row), row.get::<String>(HASH)) {
            (Ok(stored), Ok(hash)) if stored.hash(&self.end.hash) == hash => {
                self.announced = pruned_rows(&stored).unwrap_or(mem::take(&mut self.announced));
                self.end = ChainHead { count: id, hash };
                Ok(self.compare_known()?)
            }
            _ => Err(Verification::Broken(id, CHANGED).into()),
        }
    }

    /// Compares the known heads of this place in the chain.
    fn compare_known(&mut self) -> Result<(), Verification> {
        while let Some(known) = self.known.as_slice().first() {
            if known.head.count > self.end.count {
                break;
            }
            if known.head != self.end {
                return Err(Verification::NotAuthentic(format!(
                    "row {} does not have the hash of {}: the log was rewritten",
                    known.head.count, known.source
                )));
            }
            self.known.next();
        }
        Ok(())
    }

    /// Compares the end of the rows with the head: whole rows may be missing or added there.
    fn finish(&mut self, head: &ChainHead) -> Result<(), Verification> {
        let end = &self.end;
        if end.count < head.count {
            return Err(Verification::Broken(end.count + 1, REMOVED));
        }
        if end.count > head.count {
            return Err(Verification::Broken(head.count + 1, INSERTED));
        }
        if end.hash != head.hash {
            return Err(Verification::Broken(end.count, CHANGED));
        }
        match self.known.next() {
            None => Ok(()),
            Some(known) => Err(Verification::NotAuthentic(format!(
                "it has {} rows, and {} is of row {}: the last rows have been removed",
                end.count, known.source, known.head.count
            ))),
        }
    }

    /// Checks that a row says what was removed from the old end.
    fn check_start(&self, start: &ChainHead) -> Result<(), Verification> {
        if start.count == 0 || self.announced.count > start.count || self.announced == *start {
            return Ok(());
        }
        Err(Verification::NotAuthentic(format!(
            "rows 1 to {} have been removed, and no row audit_pruned says so",
            start.count
        )))
    }
}

/// The rows that this row says to have been removed, if its action is `audit_pruned`.
fn pruned_rows(row: &StoredRow) -> Option<ChainHead> {
    if row.action.as_deref() != Some(Action::AuditPruned.as_str()) {
        return None;
    }
    let detail: Value = serde_json::from_str(row.detail.as_deref()?).ok()?;
    Some(ChainHead {
        count: detail["count"].as_i64()?,
        hash: detail["hash"].as_str()?.to_owned(),
    })
}

// ---- seals --------------------------------------------------------------------------------------

/// Checks that the last seal is of the end of the chain and was made with the audit key.
fn check_key(files: &DatabaseFiles, chain: &Chain, kept: &Kept) -> Result<(), Verification> {
    let fail = |why| Err(Verification::NotAuthentic(why));
    let Chain { end, seals, .. } = chain;
    let gap = (1..).zip(seals).find(|(epoch, seal)| seal.epoch != *epoch);
    if let Some((epoch, _)) = gap {
        return fail(format!("the seal of epoch {epoch} has been removed"));
    }
    let last = seals.last();
    if let Some(last) = last.filter(|last| last.head != *end) {
        return fail(unsealed_rows(last, end));
    }
    if let Err(why) = authenticate(files, last) {
        return fail(why);
    }
    match &kept.key {
        Some(key) => check_with_key(key.clone(), seals).or_else(fail),
        None => Ok(()),
    }
}

/// Checks all seals since the epoch of this key, with the keys that follow it.
fn check_with_key(mut key: AuditKey, seals: &[Seal]) -> Result<(), String> {
    if seals.last().is_none_or(|last| last.epoch < key.epoch()) {
        let epoch = key.epoch();
        return Err(format!(
            "the given key is of epoch {epoch}, and the database has no seal of that epoch"
        ));
    }
    let first = key.epoch();
    for seal in seals.iter().filter(|seal| seal.epoch >= first) {
        while key.epoch() < seal.epoch {
            key = key.next();
        }
        if !seal.is_made_with(&key) {
            return Err(format!(
                "the seal of epoch {} was not made with the given key or one that follows it: the log was rewritten, \
                 or resealed as a row audit_resealed says",
                seal.epoch
            ));
        }
    }
    Ok(())
}
