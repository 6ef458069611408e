//! The open database: reads and write transactions, on whichever engine `DATABASE_URL` names.

use std::thread::Thread;

use super::assumption::{Assumption, Condition};
use super::audit::seal::{self, AuditSealer};
use super::engine::Connection;
#[cfg(feature = "postgres")]
use super::postgres::PostgresDatabase;
use super::sqlite::{KeptReader, SqliteDatabase};
use super::{account_keys, audit, pending_accounts, piggyback};
use crate::config::concurrency::Connections;
use crate::config::database::{DatabaseArgs, DatabaseUrl};
use crate::error::Error;
use crate::metrics::exposition::Exposition;

/// The open database.
#[derive(Debug)]
pub struct Store {
    database: Database,
    /// The file, or the URL without its password.
    location: String,
}

/// The engines.
#[derive(Debug)]
// A process has one, and a pointer would cost each read.
#[allow(clippy::large_enum_variant)]
enum Database {
    Sqlite(SqliteDatabase),
    #[cfg(feature = "postgres")]
    Postgres(PostgresDatabase),
}

impl Store {
    /// Opens the database with this many connections. Migrates it to the current schema. Creates a SQLite file that does
    /// not exist.
    ///
    /// # Errors
    /// One line for the operator; it names the setting and the file.
    pub fn open(args: &DatabaseArgs, connections: Connections) -> Result<Store, String> {
        let store = Store::connect(args, connections)?;
        seal::check_key(&store)?;
        store.prepare()
    }

    /// As [`Store::open`], also if there is no key for the seals of the audit log: to verify the log, or to seal it anew.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_for_audit(args: &DatabaseArgs, connections: Connections) -> Result<Store, String> {
        Store::connect(args, connections)?.prepare()
    }

    fn connect(args: &DatabaseArgs, connections: Connections) -> Result<Store, String> {
        let files = args.files()?;
        match &args.database_url {
            DatabaseUrl::Sqlite(_) => {
                let path = files.database().display().to_string();
                let database = SqliteDatabase::open(&files, connections.reads);
                Ok(Store {
                    database: Database::Sqlite(database.map_err(|why| cannot_open(&path, &why))?),
                    location: path,
                })
            }
            #[cfg(feature = "postgres")]
            DatabaseUrl::Postgres(url) => {
                let standby = args.postgres.read_database_url.as_ref();
                let database = PostgresDatabase::open(url, standby, &files, connections)?;
                Ok(Store {
                    database: Database::Postgres(database),
                    location: url.to_string(),
                })
            }
        }
    }

    fn prepare(self) -> Result<Store, String> {
        let synchronised = self.synchronise_accounts();
        synchronised.map_err(|why| cannot_open(&self.location, &why))?;
        seal::open(&self)?;
        Ok(self)
    }

    /// Where the database is, for the log: the file, or the URL without its password.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Runs `f` with a read-only connection, in one snapshot: several statements see the same state.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if no connection becomes free.
    pub fn read<T>(&self, f: impl Fn(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        match &self.database {
            Database::Sqlite(database) => database.read(f),
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.read(f),
        }
    }

    /// As [`Store::read`], for an `f` that runs one statement. Several of them may see different states.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_one<T>(&self, f: impl Fn(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        match &self.database {
            Database::Sqlite(database) => database.read(f),
            // A statement alone is a transaction: one round trip and not three.
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.read_one(f),
        }
    }

    /// Whether each statement costs a round trip to a server.
    pub fn is_remote(&self) -> bool {
        !matches!(self.database, Database::Sqlite(_))
    }

    /// Assumes that a condition is true until [`Store::confirm_assumption`]. Only for a database that is remote: one in
    /// this process is asked at once.
    pub fn assume(&self, condition: Condition) {
        Assumption::Pending(condition).replace();
    }

    /// Assumes and wants nothing: a new request begins. A panic may have left an assumption of the one before.
    pub fn reset_request_state(&self) {
        Assumption::Confirmed.replace();
        piggyback::take();
    }

    /// Runs `f`, whose first query returns the text of the scalar subquery `sql` along, in the same round trip and from
    /// the same snapshot. Only for a database that is remote. The text is `None` if `f` has run no query.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn with_piggybacked_value<T>(
        &self,
        sql: String,
        f: impl FnOnce() -> Result<T, Error>,
    ) -> Result<(T, Option<String>), Error> {
        piggyback::want(sql);
        let result = f();
        let value = piggyback::take();
        Ok((result?, value))
    }

    /// Whether what this thread has assumed is true. Asks the database unless a query has done so.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn confirm_assumption(&self) -> Result<bool, Error> {
        match Assumption::Confirmed.replace() {
            Assumption::Confirmed => Ok(true),
            Assumption::Refuted => Ok(false),
            Assumption::Pending(Condition { sql, values }) => self.read_one(|db| {
                let sql = format!("SELECT {sql}");
                Ok(db.query_one(&sql, &values, |row| row.get(0))?)
            }),
        }
    }

    /// Keeps a reader for this thread, for threads that handle many requests; see `sqlite/reader.rs`. `None` with
    /// PostgreSQL.
    ///
    /// # Errors
    /// [`Error::Busy`] if no connection becomes free.
    pub fn keep_reader(&self) -> Result<Option<KeptReader>, Error> {
        match &self.database {
            Database::Sqlite(database) => database.keep_reader().map(Some),
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => Ok(None),
        }
    }

    /// Runs `f` in one transaction: if `f` returns an error, it is rolled back; otherwise it is committed and
    /// on the disk when this returns. Within [`Store::write_group`] it is on the disk when the group ends. With PostgreSQL
    /// `f` may run several times, until no other transaction interferes, so it must do nothing but statements.
    ///
    /// # Errors
    /// Those of `f`; [`Error::Busy`] if another process keeps the database locked, if other transactions interfere for
    /// too long, or if the connection is lost during the commit, so that its result is unknown;
    /// [`Error::StorageUnavailable`] if it cannot be written.
    pub fn write<T>(&self, f: impl Fn(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        match &self.database {
            Database::Sqlite(database) => database.write(f),
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.write(f),
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
            // PostgreSQL shares the syncs of commits itself.
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => items
                .into_iter()
                .map(run)
                .map(|done| (done, Ok(())))
                .collect(),
        }
    }

    /// Seals the audit log.
    pub(super) fn audit(&self) -> &AuditSealer {
        match &self.database {
            Database::Sqlite(database) => database.audit(),
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.audit(),
        }
    }

    /// Writes the metrics of the database.
    pub fn write_metrics(&self, text: &mut Exposition) {
        match &self.database {
            Database::Sqlite(database) => database.write_metrics(text),
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.write_metrics(text),
        }
        audit::write_metrics(self.read(audit::ChainHead::read).ok().as_ref(), text);
        self.audit().write_metrics(text);
    }

    /// Readiness: the database can be read and written, and is the right one.
    ///
    /// # Errors
    /// [`Error::StorageUnavailable`]; [`Error::Busy`] while another program keeps the database locked; [`Error::Internal`]
    /// for any other error of the database.
    pub fn check_ready(&self) -> Result<(), Error> {
        match &self.database {
            Database::Sqlite(database) => {
                database.check_state()?;
                database.check_files()?;
            }
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.check_state()?,
        }
        self.ping()
    }

    /// Checks that the open database is the right one and not known to be damaged, such as for a backup.
    ///
    /// # Errors
    /// [`Error::StorageUnavailable`].
    pub fn check_right_file(&self) -> Result<(), Error> {
        match &self.database {
            Database::Sqlite(database) => database.check_right_file(),
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => Ok(()),
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
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => {}
        }
    }

    /// Looks after the database: whether it is the right one and can be written, and the length of its write-ahead log.
    /// To be called twice a second, see [`crate::app::storage_watch`].
    pub fn watch(&self) {
        match &self.database {
            Database::Sqlite(database) => database.watch(),
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.watch(),
        }
    }

    /// Returns free space of the database to the system, a part of at most `limit` pages at a time.
    ///
    /// # Errors
    /// [`Error::Busy`] and [`Error::StorageUnavailable`] if the database cannot be written.
    pub fn release_free_space(&self, limit: u32, pause: impl Fn()) -> Result<(), Error> {
        match &self.database {
            Database::Sqlite(database) => database.release_pages(limit, pause),
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => Ok(()),
        }
    }

    /// Reads every page in the background, to find damage before a request does.
    ///
    /// # Errors
    /// The check cannot run. Damage that it finds is reported and is no error.
    pub fn check_integrity(&self) -> Result<(), Error> {
        match &self.database {
            Database::Sqlite(database) => database.check_integrity(),
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => {
                database.check_standby();
                Ok(())
            }
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
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => Ok(()),
        }
    }
}

fn cannot_open(location: &str, why: &Error) -> String {
    format!("DATABASE_URL: cannot open {location}: {why}")
}
