//! The open database: reads and write transactions, on whichever engine `DATABASE_URL` names.

use std::thread::Thread;

use super::audit::seal::{self, AuditSealer};
use super::engine::Connection;
use super::sqlite::{KeptReader, SqliteDatabase};
use super::{account_keys, audit, pending_accounts};
use crate::config::database::DatabaseFiles;
use crate::error::{Error, StorageError, StorageFault};
use crate::metrics::exposition::Exposition;

/// The open database.
#[derive(Debug)]
pub struct Store {
    database: Database,
}

/// The engines.
#[derive(Debug)]
enum Database {
    Sqlite(SqliteDatabase),
}

impl Store {
    /// Opens the database file with this many read-only connections. Creates it if it does not exist, and
    /// migrates it to the current schema.
    ///
    /// # Errors
    /// One line for the operator; it names the setting and the file.
    pub fn open(files: &DatabaseFiles, readers: usize) -> Result<Store, String> {
        let path = files.database();
        let explain = |why: Error| format!("DATABASE_URL: cannot open {}: {why}", path.display());
        let database = SqliteDatabase::open(files, readers).map_err(explain)?;
        let store = Store {
            database: Database::Sqlite(database),
        };
        store.synchronise_accounts().map_err(explain)?;
        seal::open(&store)?;
        Ok(store)
    }

    /// Runs `f` with a read-only connection, in one snapshot: several statements see the same state.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if no connection becomes free.
    pub fn read<T>(&self, f: impl Fn(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        match &self.database {
            Database::Sqlite(database) => database.read(f),
        }
    }

    /// Keeps a reader for this thread, for threads that handle many requests; see [`super::reader`].
    ///
    /// # Errors
    /// [`Error::Busy`] if no connection becomes free.
    pub fn keep_reader(&self) -> Result<KeptReader, Error> {
        match &self.database {
            Database::Sqlite(database) => database.keep_reader(),
        }
    }

    /// Runs `f` in one transaction: if `f` returns an error, it is rolled back; otherwise it is committed and
    /// on the disk when this returns. Within [`Store::write_group`] it is on the disk when the group ends.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if another process keeps the database locked;
    /// [`Error::StorageUnavailable`] if it cannot be written.
    pub fn write<T>(&self, f: impl Fn(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        match &self.database {
            Database::Sqlite(database) => database.write(f),
        }
    }

    /// Group commit: runs `run` with each item; all transactions that it writes share one commit. Returns each
    /// result with the outcome of the commit. No result may leave the process before this returns.
    pub fn write_group<I, T>(
        &self,
        items: impl IntoIterator<Item = I>,
        run: impl FnMut(I) -> T,
    ) -> Vec<(T, Result<(), Error>)> {
        match &self.database {
            Database::Sqlite(database) => database.write_group(items, run),
        }
    }

    /// Seals the audit log.
    pub(super) fn audit(&self) -> &AuditSealer {
        match &self.database {
            Database::Sqlite(database) => database.audit(),
        }
    }

    /// Writes the metrics of the database.
    pub fn write_metrics(&self, text: &mut Exposition) {
        match &self.database {
            Database::Sqlite(database) => database.write_metrics(text),
        }
        audit::write_metrics(self.read(audit::ChainHead::read).ok().as_ref(), text);
        self.audit().write_metrics(text);
    }

    /// Readiness: the database can be read and written, and is the right one.
    ///
    /// # Errors
    /// [`Error::StorageUnavailable`]; [`Error::Busy`] while another program keeps the database locked.
    pub fn check_ready(&self) -> Result<(), Error> {
        match &self.database {
            Database::Sqlite(database) => {
                database.check_state()?;
                database.check_files()?;
            }
        }
        self.ping().map_err(|why| match why {
            Error::Internal(cause) => {
                Error::StorageUnavailable(StorageError::new(StorageFault::Failing, cause))
            }
            other => other,
        })
    }

    /// Checks that the open database is the right one and not known to be damaged, such as for a backup.
    ///
    /// # Errors
    /// [`Error::StorageUnavailable`].
    pub fn check_right_file(&self) -> Result<(), Error> {
        match &self.database {
            Database::Sqlite(database) => database.check_right_file(),
        }
    }

    /// Runs a short query, to check that the database responds.
    ///
    /// # Errors
    /// [`Error::Busy`] if no connection becomes free or the database is locked; [`Error::Internal`] for any other
    /// error of the database.
    pub fn ping(&self) -> Result<(), Error> {
        self.read(|db| {
            let sql = r#"SELECT EXISTS (SELECT 1 FROM "user")"#;
            Ok(db.query_one(sql, &[], |_| Ok(()))?)
        })
    }

    // ---- background work ------------------------------------------------------------------------

    /// Brings what this program records about each account to the state of the table `user`, which another program
    /// may have changed: the keys, and which accounts await approval. Writes only if there is something to do, in
    /// small transactions, so that requests can write in between.
    ///
    /// # Errors
    /// [`Error::Busy`] and [`Error::StorageUnavailable`] if the database cannot be written.
    pub fn synchronise_accounts(&self) -> Result<(), Error> {
        /// Accounts in one transaction.
        const BATCH: u32 = 500;
        while !self.read(account_keys::are_current)? {
            self.write(|db| account_keys::synchronise(db, BATCH))?;
        }
        if self.read(pending_accounts::has_outdated)? {
            self.write(pending_accounts::delete_outdated)?;
        }
        Ok(())
    }

    /// The thread that calls [`Store::watch`] is woken when the write-ahead log has become long.
    pub fn set_watcher(&self, thread: Thread) {
        match &self.database {
            Database::Sqlite(database) => database.set_watcher(thread),
        }
    }

    /// Looks after the database: whether it is the right one and can be written, and the length of its write-ahead log.
    /// To be called twice a second, see [`crate::app::storage_watch`].
    pub fn watch(&self) {
        match &self.database {
            Database::Sqlite(database) => database.watch(),
        }
    }

    /// Returns free space of the database to the system, a part of at most `limit` pages at a time.
    ///
    /// # Errors
    /// [`Error::Busy`] and [`Error::StorageUnavailable`] if the database cannot be written.
    pub fn release_free_space(&self, limit: u32, pause: impl Fn()) -> Result<(), Error> {
        match &self.database {
            Database::Sqlite(database) => database.release_pages(limit, pause),
        }
    }

    /// Reads every page in the background, to find damage before a request does.
    ///
    /// # Errors
    /// The check cannot run. Damage that it finds is reported and is no error.
    pub fn check_integrity(&self) -> Result<(), Error> {
        match &self.database {
            Database::Sqlite(database) => database.check_integrity(),
        }
    }

    /// Checkpoint: moves the content of the write-ahead log into the database file and truncates the log, so
    /// that the one file is the whole database.
    ///
    /// # Errors
    /// [`Error::Busy`] if a thread or another process is reading or writing at that moment. Nothing is lost
    /// then: the log stays beside the database file.
    pub fn checkpoint(&self) -> Result<(), Error> {
        match &self.database {
            Database::Sqlite(database) => database.checkpoint(),
        }
    }
}
