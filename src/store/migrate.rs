//! Bringing a database file up to date, be it new, the Flask app's, or an earlier version's of this
//! program. Whatever is no such file is left exactly as it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::pool::{WAIT_TIMEOUT, set_up_writer};
use super::sqlite_error::is_busy;
use crate::error::Error;
use crate::model::Timestamp;

const SCHEMA: &str = include_str!("../../schema.sql");

/// Which version of `schema.sql` a file has is kept in it (`PRAGMA user_version`). The Flask app's
/// has 0.
const VERSION: i64 = 2;

/// The tutorial's tables and columns, which everything here relies on.
const TABLES: [(&str, &[&str]); 2] = [
    (
        "user",
        &[
            "id",
            "username",
            "email",
            "password_hash",
            "role",
            "is_approved",
            "created_at",
        ],
    ),
    (
        "task",
        &[
            "id",
            "title",
            "description",
            "status",
            "deadline",
            "created_at",
            "assigned_user_id",
        ],
    ),
];

/// Makes the file and what is in it, as far as it is missing. Before the first change a copy of the
/// file is kept beside it.
///
/// # Errors
/// [`Error::Internal`] for a file that is not this program's to change, and [`Error::Busy`] for one
/// that another program holds.
pub fn prepare(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Err(internal("it is a folder"));
    }
    create_private(path).map_err(internal)?;
    inspect(path)?;
    let mut db = Connection::open(path)?;
    set_up_writer(&mut db)?;
    if db.is_readonly("main")? {
        return Err(internal("it cannot be written"));
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Behind the lock: another program may have done it in the meantime.
    if version(&transaction)? < VERSION {
        keep_copy(path)?;
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    enter_wal(&db)
}

fn internal(why: impl ToString) -> Error {
    Error::Internal(why.to_string())
}

/// A new database holds password hashes: only its owner may read it. SQLite gives its `-wal` and
/// `-shm` files the same mode. A file that is there stays as it is.
fn create_private(path: &Path) -> io::Result<()> {
    match private(path) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => Err(why),
        _ => Ok(()),
    }
}

fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Whether the file is one of ours or of the Flask app's. Nothing is written, not even the checkpoint
/// that a connection makes which could write.
fn inspect(path: &Path) -> Result<(), Error> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(WAIT_TIMEOUT)?;
    let version = match version(&db) {
        Err(why) if is_half_written(&why) => {
            take_back(path)?;
            version(&db)
        }
        known => known,
    }?;
    if version > VERSION {
        return Err(internal(format!(
            "a newer version of this program has made it (schema {version}; this one knows {VERSION})"
        )));
    }
    for (table, expected) in TABLES {
        inspect_table(&db, table, expected)?;
    }
    Ok(())
}

/// Whoever wrote last was killed in the middle of it, and left a journal beside the file.
fn is_half_written(why: &rusqlite::Error) -> bool {
    matches!(why, rusqlite::Error::SqliteFailure(why, _)
        if why.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
}

/// Puts the file back to where it was before, as any program does that opens it and can write.
fn take_back(path: &Path) -> rusqlite::Result<()> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(WAIT_TIMEOUT)?;
    version(&db).map(drop)
}

fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// A table that is not there yet will be made.
fn inspect_table(db: &Connection, table: &str, expected: &[&str]) -> Result<(), Error> {
    let sql = r#"SELECT name, "notnull" AND dflt_value IS NULL FROM pragma_table_info(?1)"#;
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let columns: Vec<(String, bool)> = rows.collect::<Result<_, _>>()?;
    if columns.is_empty() {
        return Ok(());
    }
    let is_there = |name: &&&str| columns.iter().any(|(column, _)| column == *name);
    if let Some(missing) = expected.iter().find(|name| !is_there(name)) {
        return Err(internal(format!(
            "it is not the tutorial's: its table {table} has no column {missing}"
        )));
    }
    let is_ours = |name: &str| expected.contains(&name);
    match columns
        .iter()
        .find(|(name, needed)| *needed && !is_ours(name))
    {
        Some((name, _)) => Err(internal(format!(
            "it is not the tutorial's: its table {table} needs a value for {name}, of which this \
             program knows nothing"
        ))),
        None => Ok(()),
    }
}

/// Copies what is in the file to a new one beside it, if anything is.
fn keep_copy(path: &Path) -> Result<(), Error> {
    // Not the connection that holds the write lock: SQLite copies from one that could not write.
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master)";
    if !db.query_row(sql, [], |row| row.get(0))? {
        return Ok(());
    }
    let copy = copy_path(path);
    // What is killed in the middle leaves nothing that looks like a whole copy.
    let part = with_suffix(&copy, ".part");
    match save(&db, &part).and_then(|()| fs::rename(&part, &copy).map_err(internal)) {
        Ok(()) => {
            log::info!("kept the database as it was in {}", copy.display());
            Ok(())
        }
        Err(why) => {
            let _ = fs::remove_file(&part);
            Err(internal(format!("no copy {}: {why}", copy.display())))
        }
    }
}

/// Copies the database to a new file, onto the disk.
fn save(db: &Connection, to: &Path) -> Result<(), Error> {
    private(to).map_err(internal)?;
    db.backup("main", to, None)?;
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(internal)
}

/// `project.db` becomes `project.db.20261123T042241.136817Z.bak`.
fn copy_path(path: &Path) -> PathBuf {
    let now = Timestamp::now().to_stored();
    let now = now.replace(['-', ':'], "").replace(' ', "T");
    with_suffix(path, &format!(".{now}Z.bak"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut longer = path.as_os_str().to_owned();
    longer.push(suffix);
    longer.into()
}

/// WAL lets readers go on while somebody writes. The file remembers it; only the first start changes
/// anything. Two first starts at once can collide here, where the busy timeout does not apply.
fn enter_wal(db: &Connection) -> Result<(), Error> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    let mode = loop {
        match db.query_row("PRAGMA journal_mode = WAL", [], |row| {
            row.get::<_, String>(0)
        }) {
            Err(why) if is_busy(&why) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            answer => break answer?,
        }
    };
    match mode.as_str() {
        "wal" => Ok(()),
        // File systems without shared memory, such as those over a network.
        _ => Err(internal("its file system does not support SQLite's WAL")),
    }
}
