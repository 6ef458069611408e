//! The settings of each new connection to SQLite, and of the memory that it uses.

use std::hint::black_box;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

/// How long a request waits for a connection, and a statement for the lock of another process (SQLite's busy
/// timeout).
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a read waits for a lock. Another process takes one for moments only, for example to recover the
/// write-ahead log after a crash. An event loop that waits serves no other request.
const READ_TIMEOUT: Duration = Duration::from_millis(250);

/// The largest page cache of a connection in bytes; SQLite's default.
pub const MAX_CACHE: u64 = 2000 << 10;

/// Makes the allocator of the C library keep what SQLite frees after each write.
///
/// A write has a savepoint, whose statement journal is a block of 120 KiB (`SQLITE_STMTJRNL_SPILL`). glibc returns the end
/// of its heap to the system once more than 128 KiB of it are free, so each write would return these pages and fault them
/// in again: up to half of its processor time. This threshold is dynamic (mallopt(3), M_TRIM_THRESHOLD): when a block with
/// a mapping of its own is freed, it becomes twice the size of that block.
pub fn keep_freed_memory() {
    const SIZE: usize = 512 << 10;
    drop(black_box(vec![0_u8; SIZE]));
}

/// Sets up a read-only connection with a page cache of at most `cache` bytes.
pub fn set_up_reader(db: &mut Connection, cache: u64) -> rusqlite::Result<()> {
    set_up(db, cache)?;
    db.busy_timeout(READ_TIMEOUT)?;
    keep_log_on_close(db);
    db.pragma_update(None, "query_only", true)
}

/// Leaves the write-ahead log as it is when the last connection is closed. By default SQLite would move its content
/// into the database file, also into a file that another program has overwritten.
pub fn keep_log_on_close(db: &Connection) {
    // The only possible error is that SQLite does not know the option, and it is compiled in.
    if let Err(why) = db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        log::error!("cannot configure a database connection: {why}");
    }
}

/// Sets up a connection that writes, with a page cache of at most `cache` bytes.
pub fn set_up_writer(db: &mut Connection, cache: u64) -> rusqlite::Result<()> {
    set_up(db, cache)?;
    // With a write-ahead log, FULL syncs the log at each commit: a write is on the disk before it is
    // acknowledged.
    db.pragma_update(None, "synchronous", "FULL")
}

/// The settings of every connection. SQLite does not store them in the file.
fn set_up(db: &mut Connection, cache: u64) -> rusqlite::Result<()> {
    db.busy_timeout(WAIT_TIMEOUT)?;
    // A negative number is a size in KiB, a positive one a number of pages.
    db.pragma_update(None, "cache_size", -(cache.min(MAX_CACHE) as i64 / 1024))?;
    db.pragma_update(None, "foreign_keys", true)?;
    // A list has one statement for each combination of filters; rusqlite caches 16 prepared statements by
    // default.
    db.set_prepared_statement_cache_capacity(128);
    // The query planner stability guarantee (QPSG): plans do not depend on bound values. Without it SQLite
    // prepares a cached statement again on every call if its LIMIT is bound.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}
