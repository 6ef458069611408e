//! Reads. Each thread has a connection of its own and statements that are prepared once, so a read takes no
//! lock of this program and parses no SQL.

use std::cell::RefCell;
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Statement};

use crate::error::Error;

static DATABASE: OnceLock<String> = OnceLock::new();

thread_local! {
    static READER: RefCell<Option<Reader>> = const { RefCell::new(None) };
}

/// The prepared statements of one thread. Their connection is never closed.
pub struct Reader {
    pub user_by_name: Statement<'static>,
    pub user_by_email: Statement<'static>,
    pub all_tasks: Statement<'static>,
    pub own_tasks: Statement<'static>,
    pub search_all: Statement<'static>,
    pub search_own: Statement<'static>,
}

/// Sets the path of the database, before the first read.
pub fn set_database(path: &str) {
    DATABASE.get_or_init(|| path.to_owned());
}

/// Calls `read` with the statements of this thread.
pub fn read<T>(read: impl FnOnce(&mut Reader) -> Result<T, Error>) -> Result<T, Error> {
    READER.with_borrow_mut(|reader| match reader {
        Some(reader) => read(reader),
        None => read(reader.insert(Reader::open()?)),
    })
}

/// Opens a connection with the settings that reads and writes share.
pub fn connect(path: &str) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    // Without this, SQLite prepares a statement with a bound LIMIT again on each call.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = 1")?;
    Ok(db)
}

impl Reader {
    fn open() -> Result<Reader, Error> {
        let path = DATABASE
            .get()
            .ok_or_else(|| Error::internal("no database"))?;
        let db: &'static Connection = Box::leak(Box::new(connect(path)?));
        db.execute_batch("PRAGMA query_only = 1; PRAGMA mmap_size = 268435456")?;
        let list = |filter: &str| {
            db.prepare(&format!(
                "SELECT id, title, description, status, deadline, created_at, assigned_user_id FROM task
                 WHERE {filter} created_at <= ?1 AND (created_at, id) < (?1, ?2)
                 ORDER BY created_at DESC, id DESC LIMIT ?3"
            ))
        };
        let search = r"(title LIKE ?5 ESCAPE '\' OR description LIKE ?5 ESCAPE '\') AND";
        Ok(Reader {
            user_by_name: db
                .prepare(r#"SELECT id, role, is_approved FROM "user" WHERE username = ?1"#)?,
            user_by_email: db.prepare(
                r#"SELECT id, username, email, role, is_approved, created_at, password_hash
                   FROM "user" WHERE email = ?1"#,
            )?,
            all_tasks: list("?4 IS NULL AND")?,
            own_tasks: list("assigned_user_id = ?4 AND")?,
            search_all: list(&format!("?4 IS NULL AND {search}"))?,
            search_own: list(&format!("assigned_user_id = ?4 AND {search}"))?,
        })
    }
}
