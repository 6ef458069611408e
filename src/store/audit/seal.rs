//! Seals of the audit log: HMACs of the head of its hash chain, with the [audit key](super::key).
//!
//! The hashes of the chain have no key, so an attacker who can write to the database can compute a whole new chain,
//! but not its seal. Each commit with new rows renews the seal of the present epoch, in the same transaction. A row
//! that is written without this program is noticed even at the end of the log: a transaction is sealed only if the
//! head that it began with was sealed.
//!
//! Several processes may use one database. The seals in the database are what they agree on: each advances its own
//! key to the epoch of the last seal.

use std::cell::{Cell, RefCell};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::Mutex;
use serde_json::json;

use super::entries::{self, ChainHead};
use super::key::AuditKey;
use crate::config::database::DatabaseFiles;
use crate::error::Error;
use crate::metrics::exposition::Exposition;
use crate::model::{Action, Actor, Timestamp};
use crate::store::database::Store;
use crate::store::engine::{Connection, DatabaseError, Row, Value, values};
#[cfg(feature = "postgres")]
use crate::store::postgres;

/// A row of `audit_seal`: the head of the hash chain in an epoch, until its end the present one.
pub(in crate::store) struct Seal {
    pub epoch: i64,
    pub began_at: String,
    pub head: ChainHead,
    mac: String,
}

const COLUMNS: &str = "epoch, began_at, count, hash, mac";

impl Seal {
    /// Seals the head with this key.
    fn new(key: &AuditKey, began_at: String, head: ChainHead) -> Seal {
        let mut seal = Seal {
            epoch: key.epoch(),
            began_at,
            head,
            mac: String::new(),
        };
        seal.mac = key.mac(&seal.text());
        seal
    }

    /// What the HMAC covers: a JSON array, which is unambiguous.
    fn text(&self) -> String {
        let ChainHead { count, hash } = &self.head;
        json!([self.epoch, self.began_at, count, hash]).to_string()
    }

    /// Whether the seal was made with this key, which has to be of the seal's epoch.
    pub fn is_made_with(&self, key: &AuditKey) -> bool {
        let mac = key.mac(&self.text());
        mac.len() == self.mac.len() && ct_codecs::verify(mac.as_bytes(), self.mac.as_bytes())
    }

    fn read(row: &Row) -> Result<Seal, DatabaseError> {
        Ok(Seal {
            epoch: row.get(0)?,
            began_at: row.get(1)?,
            head: ChainHead {
                count: row.get(2)?,
                hash: row.get(3)?,
            },
            mac: row.get(4)?,
        })
    }

    /// Reads the seal of the present epoch.
    pub fn last(db: &Connection) -> Result<Option<Seal>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM audit_seal ORDER BY epoch DESC LIMIT 1");
        Ok(db.query_optional(&sql, &[], Seal::read)?)
    }

    /// Reads all seals, in the order of their epochs.
    pub fn all(db: &Connection) -> Result<Vec<Seal>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM audit_seal ORDER BY epoch");
        Ok(db.query_all(&sql, &[], Seal::read)?)
    }

    /// Writes the seal of a new epoch, or renews that of the present one.
    fn write(&self, db: &Connection) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO audit_seal ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (epoch)
             DO UPDATE SET count = excluded.count, hash = excluded.hash, mac = excluded.mac"
        );
        let ChainHead { count, hash } = &self.head;
        let values = values![
            self.epoch,
            Value::stored(Some(&self.began_at)),
            *count,
            hash,
            &self.mac
        ];
        db.execute(&sql, values)?;
        Ok(())
    }

    /// The number of rows before this epoch.
    fn count_before(&self, db: &Connection) -> Result<i64, Error> {
        let sql = "SELECT count FROM audit_seal WHERE epoch = ?1 - 1";
        let count = db.query_optional(sql, values![self.epoch], |row| row.get(0))?;
        Ok(count.unwrap_or(0))
    }
}

thread_local! {
    /// The head of the hash chain before the first row of this thread's transaction.
    static BASE: RefCell<Option<ChainHead>> = const { RefCell::new(None) };
    /// The number of rows that were committed before this thread's transaction.
    static COMMITTED_BEFORE: Cell<i64> = const { Cell::new(0) };
    /// The number of rows in the transaction that this thread is about to commit.
    static PENDING: Cell<i64> = const { Cell::new(0) };
    /// Whether the rows in the transaction of this thread have a seal, or why not: not known yet if `None`.
    static OUTCOME: RefCell<Option<Result<(), String>>> = const { RefCell::new(None) };
}

/// Notes the head that a row is about to follow. Only the first one of a transaction counts.
pub(in crate::store) fn note_base(head: &ChainHead) {
    BASE.with_borrow_mut(|base| {
        base.get_or_insert_with(|| head.clone());
    });
}

/// Makes the seals of this process.
pub struct AuditSealer {
    files: DatabaseFiles,
    /// The key that made the last seal known to this process.
    key: Mutex<Option<AuditKey>>,
    /// Whether rows are written without a seal.
    has_failed: AtomicBool,
    /// The number of rows at the last commit that this process has sealed. An older state of the log that is put back
    /// with its seal has fewer.
    committed: AtomicI64,
}

impl AuditSealer {
    /// A sealer that has loaded no key yet; see [`open`].
    pub fn new(files: &DatabaseFiles) -> AuditSealer {
        AuditSealer {
            files: files.clone(),
            key: Mutex::new(None),
            has_failed: AtomicBool::new(false),
            committed: AtomicI64::new(0),
        }
    }

    /// The files of the database, among them the key.
    pub(in crate::store) fn files(&self) -> &DatabaseFiles {
        &self.files
    }

    /// A new transaction begins on this thread.
    pub(in crate::store) fn begin(&self) {
        BASE.take();
        OUTCOME.take();
        PENDING.set(0);
        COMMITTED_BEFORE.set(self.committed.load(Ordering::Relaxed));
    }

    /// Seals the rows of a transaction, before its commit. Without the key, or if the log has been changed without
    /// it, the rows stay without a seal, which goes to the log once: an outage would not make them more authentic.
    pub(in crate::store) fn seal_head(&self, db: &Connection) -> Result<(), Error> {
        let Some(base) = BASE.take() else {
            return Ok(());
        };
        let (head, last) = (ChainHead::read(db)?, Seal::last(db)?);
        if last.as_ref().is_some_and(|last| last.head == head) {
            return Ok(());
        }
        let key = check_not_older(&base).and_then(|()| self.key_of(last.as_ref(), &base));
        if let (Ok(key), Some(last)) = (&key, last) {
            PENDING.set(head.count);
            Seal::new(key, last.began_at, head).write(db)?;
        }
        match db {
            Connection::Sqlite(_) => self.report(key.err().as_ref()),
            // The transaction fails, and is run again, if another server has ended the epoch since it has begun: the key
            // in the file is newer than the last seal that it sees.
            #[cfg(feature = "postgres")]
            Connection::Postgres(_) => {
                OUTCOME.set(Some(key.map(|_| ())));
            }
        }
        Ok(())
    }

    /// The transaction whose rows were sealed is committed.
    pub(in crate::store) fn note_commit(&self) {
        self.committed.fetch_max(PENDING.get(), Ordering::Relaxed);
        if let Some(outcome) = OUTCOME.take() {
            self.report(outcome.err().as_ref());
        }
    }

    /// The key of the last seal, which has to be of this head: the key in memory or, if another process has replaced
    /// that, the one in the file.
    ///
    /// # Errors
    /// Those of [`authenticate`].
    fn key_of(&self, last: Option<&Seal>, head: &ChainHead) -> Result<AuditKey, String> {
        if let Some(last) = last
            && last.head != *head
        {
            return Err(unsealed_rows(last, head));
        }
        let mut key = self.key.lock();
        let in_memory = key.as_ref().zip(last);
        let made_with = |(key, last): (&AuditKey, &Seal)| {
            let key = key.advance_to(last.epoch)?;
            last.is_made_with(&key).then_some(key)
        };
        let found = match in_memory.and_then(made_with) {
            Some(key) => key,
            None => authenticate(&self.files, last)?,
        };
        Ok(key.insert(found).clone())
    }

    /// Logs the transition between a log that is sealed and one that is not.
    fn report(&self, failure: Option<&String>) {
        let had_failed = self.has_failed.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(why) if !had_failed => log::error!(
                "the audit log is no longer authenticated: {why}; its new rows are written without a seal, and \
                 `task-api audit verify` fails until `task-api audit reseal`"
            ),
            None if had_failed => log::info!("the audit log is authenticated again"),
            _ => {}
        }
    }

    /// Writes the first seal, with a new key. Runs with the lock for the key file, so that two processes that open a
    /// new database at the same time make one key. `has_made_key` says whether an earlier attempt has made the file.
    fn make_first_seal(&self, db: &Connection, has_made_key: &Cell<bool>) -> Result<(), Error> {
        lock_key_file(db)?;
        if let Some(last) = Seal::last(db)? {
            return match has_made_key.get() {
                true => self.remove_unused_key(&last),
                false => Ok(()),
            };
        }
        let key = match AuditKey::read(&self.files.audit_key()).map_err(internal)? {
            Some(key) => key,
            None => {
                let key = AuditKey::random(0)?;
                key.write(&self.files).map_err(internal)?;
                has_made_key.set(true);
                key
            }
        };
        let (now, head) = (Timestamp::now().to_stored(), ChainHead::read(db)?);
        if head.count > 0 {
            log::warn!(
                "sealed an audit log of {} rows that had no seal",
                head.count
            );
        }
        Seal::new(&key.next(), now, head).write(db)
    }

    /// Removes a key that has made no seal, since a server with another key file has made the first seal meanwhile. The
    /// operator reads then that the key is missing, and not that the log was changed.
    fn remove_unused_key(&self, last: &Seal) -> Result<(), Error> {
        match authenticate(&self.files, Some(last)) {
            Ok(_) => Ok(()),
            Err(_) => fs::remove_file(self.files.audit_key()).map_err(internal),
        }
    }

    /// Brings the key file to the epoch of the last seal, which deletes the older key. The file is one epoch behind
    /// if the process was killed between the two steps of [`end_epoch`].
    fn save_key(&self, store: &Store) -> Result<(), Error> {
        let key = |db: &Connection| {
            let (head, last) = (ChainHead::read(db)?, Seal::last(db)?);
            Ok(self.key_of(last.as_ref(), &head))
        };
        let newer_key = |db: &Connection| {
            let stored = AuditKey::read(&self.files.audit_key()).map_err(internal)?;
            let is_newer =
                |key: &AuditKey| stored.is_none_or(|stored| stored.epoch() < key.epoch());
            Ok::<_, Error>(key(db)?.ok().filter(is_newer))
        };
        let mut found = store.read(key)?;
        if found.is_err() {
            // Another server may have ended the epoch since this transaction has begun. The next one sees its seal.
            found = store.read(key)?;
        }
        self.report(found.as_ref().err());
        if store.read(newer_key)?.is_none() {
            return Ok(());
        }
        store.write(|db| {
            lock_key_file(db)?;
            match newer_key(db)? {
                Some(key) => key.write(&self.files).map_err(internal),
                None => Ok(()),
            }
        })
    }

    /// Writes whether the log is sealed.
    pub(in crate::store) fn write_metrics(&self, text: &mut Exposition) {
        let is_sealed = !self.has_failed.load(Ordering::Relaxed);
        let help = "Whether new rows of the audit log are authenticated with the audit key.";
        text.gauge("audit_sealed", help)
            .sample(&[], u8::from(is_sealed));
    }
}

/// Checks that no older state of the log was put back while this process runs.
fn check_not_older(base: &ChainHead) -> Result<(), String> {
    match COMMITTED_BEFORE.get() {
        count if base.count < count => Err(format!(
            "it has {} rows and had {count}: an older state was put back",
            base.count
        )),
        _ => Ok(()),
    }
}

impl std::fmt::Debug for AuditSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditSealer").finish_non_exhaustive()
    }
}

/// Says which rows have no seal.
pub(in crate::store) fn unsealed_rows(last: &Seal, head: &ChainHead) -> String {
    format!(
        "it has {} rows, and the last seal is of {}: the rows between were written without the audit key",
        head.count, last.head.count
    )
}

/// Only one process at a time replaces the key file. SQLite's write transactions run one after the other anyway.
fn lock_key_file(db: &Connection) -> Result<(), Error> {
    match db {
        Connection::Sqlite(_) => Ok(()),
        #[cfg(feature = "postgres")]
        Connection::Postgres(session) => postgres::lock_key_file(session),
    }
}

fn internal(why: impl ToString) -> Error {
    Error::Internal(format!("the audit key: {}", why.to_string()))
}

/// Returns the key in the file, advanced to the last seal, if it has made that seal.
///
/// # Errors
/// Why the log cannot be authenticated, as a clause.
pub(in crate::store) fn authenticate(
    files: &DatabaseFiles,
    last: Option<&Seal>,
) -> Result<AuditKey, String> {
    let path = files.audit_key();
    let key = AuditKey::read(&path);
    let path = path.display();
    let key = key.map_err(|why| format!("the audit key {path}: {why}"))?;
    match (key, last) {
        (None, _) if !files.has_database() => Err(format!(
            "there is no audit key {path}: copy the file of another server on this database"
        )),
        (None, _) => Err(format!(
            "there is no audit key {path}: it was removed, or the database was copied without it"
        )),
        (Some(_), None) => Err(format!(
            "the database has no seal of the audit key {path}: the seals were removed, or the key belongs to \
             another database"
        )),
        (Some(key), Some(last)) if key.epoch() > last.epoch => Err(format!(
            "the audit key {path} is of epoch {}, and the last seal of epoch {}: the database is an older copy",
            key.epoch(),
            last.epoch
        )),
        (Some(key), Some(last)) => key
            .advance_to(last.epoch)
            .filter(|key| last.is_made_with(key))
            .ok_or_else(|| {
                format!(
                    "the seal of epoch {} was not made with the audit key {path}: the log was changed, or the \
                     key belongs to another database",
                    last.epoch
                )
            }),
    }
}

/// Whether the log has neither a row nor a seal.
#[cfg(feature = "postgres")]
pub(in crate::store) fn is_new(db: &Connection) -> Result<bool, Error> {
    Ok(ChainHead::read(db)?.count == 0 && Seal::last(db)?.is_none())
}

/// Checks that this server or command can seal what it writes. With PostgreSQL the key is not beside the database, so a
/// wrong `KEYS_PATH` would leave the log without a seal for all servers.
///
/// # Errors
/// One line for the operator: the log is sealed, and there is no key.
pub(in crate::store) fn check_key(store: &Store) -> Result<(), String> {
    let files = store.audit().files();
    let key = files.audit_key();
    let is_sealed = || store.read(|db| Ok(Seal::last(db)?.is_some()));
    if files.has_database() || key.exists() || !is_sealed().map_err(|why| why.to_string())? {
        return Ok(());
    }
    Err(format!(
        "KEYS_PATH: the file {} does not exist, and the audit log is sealed: copy the file of another server",
        key.display()
    ))
}

/// Loads the key, and makes it if neither the database nor the folder has ever had one. Without a valid key the
/// program goes on; the log says what that means.
///
/// # Errors
/// One line for the operator: the key file is not the owner's alone, or no key file, or it cannot be written.
pub(in crate::store) fn open(store: &Store) -> Result<(), String> {
    let sealer = store.audit();
    let explain = |why: &dyn std::fmt::Display| {
        format!(
            "the audit key {}: {why}",
            sealer.files.audit_key().display()
        )
    };
    let key = AuditKey::read(&sealer.files.audit_key()).map_err(|why| explain(&why))?;
    let is_new = key.is_none_or(|key| key.epoch() == 0);
    let has_seal = store.read(|db| Ok(Seal::last(db)?.is_some()));
    if is_new && !has_seal.map_err(|why| explain(&why))? {
        let has_made_key = Cell::new(false);
        let sealed = store.write(|db| sealer.make_first_seal(db, &has_made_key));
        sealed.map_err(|why| explain(&why))?;
    }
    if let Err(why) = sealer.save_key(store) {
        log::error!("{}", explain(&why));
    }
    Ok(())
}

/// Ends the present epoch if rows were written in it and it is at least `min_age` seconds old: begins the next one
/// with the next key, and deletes the present key. In this order, since a later key can be computed from the file and
/// an earlier one cannot.
///
/// # Errors
/// [`Error::Busy`] and [`Error::StorageUnavailable`]; [`Error::Internal`] if the key file cannot be replaced.
pub fn end_epoch(store: &Store, now: Timestamp, min_age: i64) -> Result<(), Error> {
    let is_due = |db: &Connection| match Seal::last(db)? {
        Some(last) => Ok(last.head.count > last.count_before(db)? && is_old(&last, now, min_age)),
        None => Ok(false),
    };
    if store.read(is_due)? {
        store.write(|db| {
            // Another process may have ended it meanwhile.
            if is_due(db)? {
                begin_epoch(store.audit(), db, now)?;
            }
            Ok(())
        })?;
    }
    store.audit().save_key(store)
}

/// A clock that has been set back ends the epoch too: otherwise it would last until the clock has caught up.
fn is_old(last: &Seal, now: Timestamp, min_age: i64) -> bool {
    let began_at = Timestamp::from_stored(&last.began_at).unwrap_or(Timestamp::EPOCH);
    let age = now.unix_seconds() - began_at.unix_seconds();
    !(0..min_age).contains(&age)
}

fn begin_epoch(sealer: &AuditSealer, db: &Connection, now: Timestamp) -> Result<(), Error> {
    let (head, last) = (ChainHead::read(db)?, Seal::last(db)?);
    match sealer.key_of(last.as_ref(), &head) {
        Ok(key) => Seal::new(&key.next(), now.to_stored(), head).write(db),
        Err(_) => Ok(()),
    }
}

/// Seals the log as it is with a new random key, after the old one was lost or does not fit any longer. A row of the
/// log says so. Returns the epoch of the new key.
///
/// # Errors
/// [`Error::Busy`] and [`Error::StorageUnavailable`]; [`Error::Internal`] if the key file cannot be replaced.
pub fn reseal(store: &Store, actor: &Actor) -> Result<i64, Error> {
    let sealer = store.audit();
    store.write(|db| {
        lock_key_file(db)?;
        let last = Seal::last(db)?;
        let failure = authenticate(&sealer.files, last.as_ref()).err();
        let epoch = last.map_or(0, |last| last.epoch) + 1;
        let detail = json!({ "epoch": epoch, "reason": failure });
        entries::record(db, actor, Action::AuditResealed, None, Some(detail))?;
        let key = AuditKey::random(epoch)?;
        Seal::new(&key, actor.at.to_stored(), ChainHead::read(db)?).write(db)?;
        // Before the commit: a server that sees the new seal finds its key.
        key.write(&sealer.files).map_err(internal)?;
        Ok(epoch)
    })
}
