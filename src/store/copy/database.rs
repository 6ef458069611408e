//! One of the two databases of a copy, in a transaction.

use std::collections::BTreeSet;

use super::postgres_side;
use super::sqlite_side::{self, NewFile};
use crate::config::database::{DatabaseArgs, DatabaseFiles, DatabaseUrl};
use crate::error::Error;
use crate::store::declared::Table;
use crate::store::engine::{Connection, values};
use crate::store::postgres::DatabaseSession;
use crate::store::query_builder::quote;
use crate::store::schema::TUTORIAL_TABLES;

/// An open database.
pub enum Database {
    Sqlite(rusqlite::Connection),
    Postgres(Box<DatabaseSession>),
}

impl Database {
    /// The connection, for statements.
    pub fn connection(&self) -> Connection<'_> {
        match self {
            Database::Sqlite(db) => Connection::Sqlite(db),
            Database::Postgres(session) => Connection::Postgres(session),
        }
    }

    /// Runs statements without parameters.
    ///
    /// # Errors
    /// Those of the database.
    pub fn batch(&self, sql: &str) -> Result<(), Error> {
        match self {
            Database::Sqlite(db) => Ok(db.execute_batch(sql)?),
            Database::Postgres(session) => Ok(session.batch(sql)?),
        }
    }

    /// The names of the columns of a table; none if there is no such table.
    ///
    /// # Errors
    /// Those of the database.
    fn columns(&self, table: &str) -> Result<BTreeSet<String>, Error> {
        let sql = match self {
            Database::Sqlite(_) => "SELECT name FROM pragma_table_info(?1)",
            Database::Postgres(_) => {
                // Unlike information_schema it lists tables that the role may not read.
                "SELECT attname::text FROM pg_attribute
                 WHERE attrelid = to_regclass(quote_ident(?1)) AND attnum > 0 AND NOT attisdropped"
            }
        };
        let names = self
            .connection()
            .query_all(sql, values![table], |row| row.get(0))?;
        Ok(names.into_iter().collect())
    }
}

/// The database to copy, in one snapshot.
pub struct Source {
    database: Database,
    /// Whether it is the Flask app's, which has only the tutorial's tables.
    pub is_flask: bool,
}

impl Source {
    /// Opens a database that no server uses.
    ///
    /// # Errors
    /// [`Error::Internal`] if it is not this program's or the Flask app's, or not of this version, or in use.
    pub fn open(url: &DatabaseUrl, files: &DatabaseFiles) -> Result<Source, Error> {
        let (database, is_flask) = match url {
            DatabaseUrl::Sqlite(_) => {
                let (db, is_flask) = sqlite_side::open_source(files)?;
                (Database::Sqlite(db), is_flask)
            }
            DatabaseUrl::Postgres(url) => {
                let (session, is_flask) = postgres_side::open_source(url)?;
                (Database::Postgres(session.into()), is_flask)
            }
        };
        let source = Source { database, is_flask };
        source.begin()?;
        source.require_tables()?;
        Ok(source)
    }

    /// Begins a snapshot, with which all statements see the same state.
    fn begin(&self) -> Result<(), Error> {
        self.database.batch(match self.database {
            Database::Sqlite(_) => "BEGIN",
            Database::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        })
    }

    /// Ends the snapshot and begins a new one, which sees the changes since.
    ///
    /// # Errors
    /// Those of the database.
    pub fn renew_snapshot(&self) -> Result<(), Error> {
        self.database.batch("COMMIT")?;
        self.begin()
    }

    /// The connection, for statements.
    pub fn connection(&self) -> Connection<'_> {
        self.database.connection()
    }

    fn require_tables(&self) -> Result<(), Error> {
        for (table, _) in TUTORIAL_TABLES {
            if self.database.columns(table)?.is_empty() {
                return Err(internal("it is no database of Task API"));
            }
        }
        Ok(())
    }

    /// Whether it has the table.
    ///
    /// # Errors
    /// Those of the database.
    pub fn has(&self, table: &Table) -> Result<bool, Error> {
        Ok(!self.database.columns(&table.name)?.is_empty())
    }

    /// The columns of the table that this program does not know.
    ///
    /// # Errors
    /// Those of the database.
    pub fn unknown_columns(&self, table: &Table) -> Result<Vec<String>, Error> {
        let mut columns = self.database.columns(&table.name)?;
        for column in &table.columns {
            columns.remove(&column.name);
        }
        Ok(columns.into_iter().collect())
    }
}

/// The database to write, with empty tables, in a transaction.
pub struct Target {
    // Closed before the file is removed.
    database: Database,
    /// The file that becomes the database, with SQLite.
    file: Option<NewFile>,
}

impl Target {
    /// Creates the tables in a database that must be empty.
    ///
    /// # Errors
    /// [`Error::Internal`] if it is not empty or cannot be used.
    pub fn open(
        url: &DatabaseUrl,
        files: &DatabaseFiles,
        tables: &[Table],
    ) -> Result<Target, Error> {
        let (database, file) = match url {
            DatabaseUrl::Sqlite(_) => {
                let (db, file) = sqlite_side::create_target(files)?;
                (Database::Sqlite(db), Some(file))
            }
            DatabaseUrl::Postgres(url) => {
                let session = postgres_side::open_target(url)?;
                (Database::Postgres(session.into()), None)
            }
        };
        let target = Target { database, file };
        target.require_empty(tables)?;
        Ok(target)
    }

    /// Checks that no table has a row. Creating the tables writes some itself.
    fn require_empty(&self, tables: &[Table]) -> Result<(), Error> {
        const WRITTEN_BY_SCHEMA: [&str; 2] = ["id_sequence", "flask_takeover"];
        for table in tables {
            if WRITTEN_BY_SCHEMA.contains(&table.name.as_str()) {
                continue;
            }
            let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", quote(&table.name));
            if self.connection().query_one(&sql, &[], |row| row.get(0))? {
                return Err(internal(format!(
                    "it is not empty: its table {} has rows; name a new database",
                    table.name
                )));
            }
        }
        Ok(())
    }

    /// The connection, for statements.
    pub fn connection(&self) -> Connection<'_> {
        self.database.connection()
    }

    /// Whether the database is a file of its own, which does not exist before the commit.
    pub fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// Commits, and gives a SQLite file its name.
    ///
    /// # Errors
    /// Those of the database and of the file system.
    pub fn commit(self) -> Result<(), Error> {
        if let Database::Postgres(session) = &self.database {
            postgres_side::set_sequences(session)?;
        }
        self.database.batch("COMMIT")?;
        drop(self.database);
        match self.file {
            Some(file) => file.publish().map_err(internal),
            None => Ok(()),
        }
    }
}

/// The files of one side: those of a SQLite file, or the keys at `KEYS_PATH`.
///
/// # Errors
/// The folder cannot be read.
pub fn files(args: &DatabaseArgs) -> Result<DatabaseFiles, Error> {
    args.files().map_err(internal)
}

/// A copy does not change its source, and so does not migrate it.
pub(super) const EARLIER_VERSION: &str = "it is of an earlier version of this program: start `task-api serve` on it once, which migrates it";

pub(super) fn internal(why: impl ToString) -> Error {
    Error::Internal(why.to_string())
}
