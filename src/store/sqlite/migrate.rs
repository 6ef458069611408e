//! Schema migration: brings a database file to the current schema before the pools open it.
//!
//! The file may be new, the Flask app's, or an earlier version's. The schema version is stored in the file
//! (`PRAGMA user_version`), and the migration runs `schema.sql`, whose statements are idempotent, in one
//! transaction. A file that belongs to another program, or to a newer version of this one, is left unchanged,
//! byte for byte. Before the first change a backup is made beside the file.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use super::backup::{KEY_TABLE, Watch, copy_snapshot};
use super::connection_settings::{MAX_CACHE, WAIT_TIMEOUT, set_up_writer};
use super::error_codes::is_busy;
use super::storage::start_checks::{check_files_beside, check_log_belongs};
use crate::config::database::DatabaseFiles;
use crate::error::{Error, StorageError, StorageFault};
use crate::model::Timestamp;
use crate::store::files::PartialFile;
use crate::store::flask_takeover;
use crate::store::schema::{SCHEMA, TUTORIAL_TABLES, VERSION};

/// Creates the file if it does not exist, checks it, and migrates it.
///
/// # Errors
/// [`Error::Internal`] if this program cannot use the file or must not change it; [`Error::Busy`] if another
/// process keeps it locked.
pub fn run(files: &DatabaseFiles) -> Result<(), Error> {
    let path = files.database();
    check_before_open(files)?;
    if create_if_missing(path).map_err(internal)? {
        log::info!("created the database {}", path.display());
    }
    drop(open_compatible(path)?);
    check_log_belongs(files)?;
    let mut db = Connection::open(path)?;
    set_up_writer(&mut db, MAX_CACHE)?;
    if db.is_readonly("main")? {
        return Err(internal("the file is read-only"));
    }
    // A start on a current database takes no write lock, so it does not wait for another server.
    if schema_version(&db)? < VERSION {
        migrate(files, &mut db)?;
    }
    enable_wal(&db)
}

fn migrate(files: &DatabaseFiles, db: &mut Connection) -> Result<(), Error> {
    // Effective at once in an empty database, otherwise with the next VACUUM.
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Checked again while holding the write lock: another process may have migrated the file in the meantime.
    let is_outdated = schema_version(&transaction)? < VERSION;
    if is_outdated {
        let backup = back_up(files)?;
        let upgraded = upgrade(&transaction).and_then(|()| Ok(transaction.commit()?));
        if let (Err(_), Some(backup)) = (&upgraded, backup) {
            // Each further start would leave another copy of the unchanged database.
            let _ = fs::remove_file(backup);
        }
        upgraded?;
        enable_auto_vacuum(db);
        // The file alone has all tables now, without a write-ahead log.
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

/// Enables incremental vacuum, by which maintenance returns free pages to the system. It rebuilds the file, unless it
/// is new. A failure, such as a disk without room for a second copy, leaves the file as it is: it works, but does not
/// shrink.
fn enable_auto_vacuum(db: &Connection) {
    /// The value of the pragma for `INCREMENTAL`.
    const INCREMENTAL: i64 = 2;
    let mode = db.query_row("PRAGMA auto_vacuum", [], |row| row.get::<_, i64>(0));
    let result = match mode {
        Ok(INCREMENTAL) => Ok(()),
        _ => db.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM"),
    };
    if let Err(why) = result {
        log::warn!("the database file will not shrink when rows are deleted; VACUUM failed: {why}");
    }
}

/// Brings the schema of an earlier version to the current one.
pub fn upgrade(transaction: &Transaction) -> Result<(), Error> {
    if schema_version(transaction)? < VERSION {
        let is_made_by_flask = is_made_by_flask(transaction)?;
        add_missing_columns(transaction)?;
        transaction.execute_batch(SCHEMA)?;
        if is_made_by_flask {
            flask_takeover::record(&(&**transaction).into(), Timestamp::now())?;
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(())
}

/// The columns that a later version has added to a table of this program: table, name and type. `schema.sql`
/// creates the table with them, but leaves an existing table as it is, and SQLite has no `ADD COLUMN IF NOT EXISTS`.
const ADDED_COLUMNS: [(&str, &str, &str); 3] = [
    ("audit", "request_id", "VARCHAR(128)"),
    ("audit", "os_user", "VARCHAR(64)"),
    ("audit", "latest_at", "DATETIME"),
];

/// Runs before `schema.sql`, whose indexes are on these columns.
fn add_missing_columns(db: &Connection) -> Result<(), Error> {
    for (table, name, kind) in ADDED_COLUMNS {
        let columns = read_columns(db, table)?;
        let exists = columns.iter().any(|(column, _)| column == name);
        if !columns.is_empty() && !exists {
            db.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {name} {kind}"))?;
        }
    }
    Ok(())
}

/// How `schema.sql` creates the table of accounts. The Flask app leaves the name unquoted, and SQLite keeps the text.
const OWN_TABLE: &str = r#"CREATE TABLE "user""#;

/// Whether the Flask app has created the database: it has a table of accounts, and this program has not created it.
fn is_made_by_flask(db: &Connection) -> Result<bool, Error> {
    let sql = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'user' COLLATE NOCASE";
    let table: Option<String> = db.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(table.is_some_and(|sql| !sql.starts_with(OWN_TABLE)))
}

fn internal(why: impl ToString) -> Error {
    Error::Internal(why.to_string())
}

/// Creates an empty database file that only its owner may read, since it will hold password hashes, and returns whether
/// it did. SQLite gives its `-wal` and `-shm` files the same mode. Leaves an existing file and its mode as they are.
fn create_if_missing(path: &Path) -> io::Result<bool> {
    match PartialFile::create(path.to_owned()) {
        Ok(file) => file.keep(),
        Err(why) if why.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(why) => return Err(why),
    }
    Ok(true)
}

// ---- checks -------------------------------------------------------------------------------------

/// Checks the files without opening the database.
///
/// # Errors
/// [`Error::Internal`] if it is no plain file, if a restore was interrupted, or if it is missing and a file of an
/// earlier database lies beside it.
pub fn check_before_open(files: &DatabaseFiles) -> Result<(), Error> {
    match files.database().metadata() {
        Ok(found) if found.is_dir() => return Err(internal("it is a folder")),
        // Opening a named pipe waits for its other end.
        Ok(found) if !found.is_file() => return Err(internal("it is not a plain file")),
        _ => {}
    }
    refuse_interrupted_restore(files)?;
    check_files_beside(files)
}

/// Opens a file that is this program's or the Flask app's. The connection is read-only: one that may write would
/// run a checkpoint when it is closed, and so change a file that belongs to another program.
///
/// # Errors
/// [`Error::Internal`] if the file is another program's, a newer version's, or a backup.
pub fn open_compatible(path: &Path) -> Result<Connection, Error> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(WAIT_TIMEOUT)?;
    match schema_version(&db) {
        Err(why) if needs_rollback(&why) => roll_back_journal(path)?,
        result => drop(result?),
    }
    check_usable(&db)?;
    Ok(db)
}

/// Checks that a database is this program's or the Flask app's, and not a backup.
///
/// # Errors
/// [`Error::Internal`] if it is another program's, a newer version's, or a backup.
pub fn check_usable(db: &Connection) -> Result<(), Error> {
    check_compatible(db)?;
    if db.table_exists(None::<&str>, KEY_TABLE)? {
        return Err(internal(
            "it is a backup that contains keys: put it in place with `task-api restore`",
        ));
    }
    Ok(())
}

/// A restore that was killed leaves a database that may be the old one, the new one, or missing.
///
/// # Errors
/// [`Error::Internal`] if a restore was interrupted.
pub fn refuse_interrupted_restore(files: &DatabaseFiles) -> Result<(), Error> {
    let marker = files.restore_marker();
    match marker.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(internal(format!(
            "a restore was interrupted: run `task-api restore` again ({} says more)",
            marker.display()
        ))),
        Err(why) => Err(internal(why)),
    }
}

/// Checks that a database is this program's, of this or an earlier version.
///
/// # Errors
/// [`Error::Internal`] if it is another program's, a newer version's, or the Flask app's.
pub fn check_is_ours(db: &Connection) -> Result<(), Error> {
    check_compatible(db)?;
    check_has_tables(db)?;
    if schema_version(db)? == 0 {
        return Err(internal(
            "it is a database of the Flask app: let DATABASE_URL name it, and `task-api serve` takes it over",
        ));
    }
    Ok(())
}

/// Checks that it has the tables of this program and the Flask app.
///
/// # Errors
/// [`Error::Internal`] if it has not.
pub fn check_has_tables(db: &Connection) -> Result<(), Error> {
    for (table, _) in TUTORIAL_TABLES {
        if !db.table_exists(None::<&str>, table)? {
            return Err(internal("it is no database of Task API"));
        }
    }
    Ok(())
}

/// Checks the version, and that the tutorial's tables are usable if they exist.
fn check_compatible(db: &Connection) -> Result<(), Error> {
    let version = schema_version(db)?;
    if version > VERSION {
        return Err(internal(format!(
            "a newer version of this program has migrated it (schema version {version}; this program \
             knows {VERSION}): use that version"
        )));
    }
    for (table, expected) in TUTORIAL_TABLES {
        check_table(db, table, expected)?;
    }
    Ok(())
}

/// Whether the last writer was killed in the middle of a transaction and has left a rollback journal, which a
/// read-only connection cannot apply.
pub fn needs_rollback(why: &rusqlite::Error) -> bool {
    matches!(why, rusqlite::Error::SqliteFailure(why, _)
        if why.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
}

/// Applies the rollback journal, as every program does that opens the file for writing: the first read of a
/// connection that may write rolls the unfinished transaction back.
fn roll_back_journal(path: &Path) -> rusqlite::Result<()> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(WAIT_TIMEOUT)?;
    schema_version(&db).map(drop)
}

/// Checks that no newer version of this program has migrated the database meanwhile.
///
/// # Errors
/// [`StorageFault::Newer`].
pub fn check_version(db: &Connection) -> Result<(), Error> {
    let mut statement = db.prepare_cached("PRAGMA user_version")?;
    match statement.query_row([], |row| row.get::<_, i64>(0))? {
        version if version > VERSION => {
            let cause = format!(
                "the schema has version {version}, this program knows {VERSION}; stop this server, or restore the \
                 backup from before the migration"
            );
            Err(Error::StorageUnavailable(StorageError::new(
                StorageFault::Newer,
                cause,
            )))
        }
        _ => Ok(()),
    }
}

/// The schema version that the file has: 0 in the Flask app's files.
pub fn schema_version(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Checks that a table has the expected columns, and that an INSERT which names only those would succeed. A
/// table that does not exist will be created.
fn check_table(db: &Connection, table: &str, expected: &[&str]) -> Result<(), Error> {
    let columns = read_columns(db, table)?;
    if columns.is_empty() {
        return Ok(());
    }
    let exists = |name: &str| columns.iter().any(|(column, _)| column == name);
    if let Some(missing) = expected.iter().find(|name| !exists(name)) {
        return Err(foreign_table(table, &format!("has no column {missing}")));
    }
    let is_unknown = |name: &str| !expected.contains(&name);
    match columns
        .iter()
        .find(|(name, is_required)| *is_required && is_unknown(name))
    {
        Some((name, _)) => Err(foreign_table(
            table,
            &format!("requires a value for {name}, a column that this program does not know"),
        )),
        None => Ok(()),
    }
}

/// The names of a table's columns, and whether an INSERT has to provide a value for each.
fn read_columns(db: &Connection, table: &str) -> rusqlite::Result<Vec<(String, bool)>> {
    let sql = r#"SELECT name, "notnull" AND dflt_value IS NULL FROM pragma_table_info(?1)"#;
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

fn foreign_table(table: &str, why: &str) -> Error {
    internal(format!(
        "it is neither this program's nor the tutorial's: its table {table} {why}"
    ))
}

// ---- backup -------------------------------------------------------------------------------------

/// Copies the database to a new file beside it. Does nothing if it is empty.
fn back_up(files: &DatabaseFiles) -> Result<Option<PathBuf>, Error> {
    // A connection of its own: SQLite cannot back up from the one that holds the write lock.
    let db = Connection::open_with_flags(files.database(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let snapshot = db.unchecked_transaction()?;
    if is_empty(&snapshot)? {
        return Ok(None);
    }
    let backup = files.beside(format!(".{}.bak", Timestamp::now().to_precise_file_name()));
    copy_to(&snapshot, &backup).map_err(|why| {
        internal(format!(
            "cannot make the backup {}: {why}",
            backup.display()
        ))
    })?;
    log::info!(
        "backed up the database to {} before its migration",
        backup.display()
    );
    Ok(Some(backup))
}

/// Whether it has no table.
pub fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master)";
    let has_content: bool = db.query_row(sql, [], |row| row.get(0))?;
    Ok(!has_content)
}

/// Returns when the copy is on the disk. It gets its name at the end, so that a killed process leaves nothing that
/// looks like a complete backup.
fn copy_to(snapshot: &Transaction, backup: &Path) -> Result<(), Error> {
    let partial = PartialFile::for_target(backup).map_err(internal)?;
    copy_snapshot(snapshot, &partial, &Watch::default())?;
    partial.publish(backup).map_err(internal)
}

// ---- write-ahead log ----------------------------------------------------------------------------

/// Switches the file to a write-ahead log (WAL), with which readers continue during a write. The mode is stored
/// in the file, so only the first start changes anything. Two first starts at the same time can collide here,
/// where SQLite's busy timeout does not apply.
fn enable_wal(db: &Connection) -> Result<(), Error> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    let mode = loop {
        match set_wal_mode(db) {
            Err(why) if is_busy(&why) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => break result?,
        }
    };
    // SQLite keeps the old mode on a file system without shared memory, such as a network file system.
    if mode == "wal" {
        Ok(())
    } else {
        Err(internal(
            "its file system does not support SQLite's write-ahead log (WAL)",
        ))
    }
}

/// Returns the mode that is in effect afterwards.
fn set_wal_mode(db: &Connection) -> rusqlite::Result<String> {
    db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
}
