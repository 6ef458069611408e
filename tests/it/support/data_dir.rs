//! Where a test keeps its data: a temporary folder, and on PostgreSQL a database too.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;

#[cfg(feature = "postgres")]
use super::postgres::TestDatabase;
use super::sql::TestSql;
#[cfg(feature = "postgres")]
use task_api::config::postgres::PostgresArgs;

/// The database engine of a test run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// The engine that the environment variable `TEST_DATABASE` names: `sqlite` by default, or `postgres`.
    pub fn current() -> Engine {
        match std::env::var("TEST_DATABASE").as_deref() {
            Err(_) | Ok("sqlite") => Engine::Sqlite,
            Ok("postgres") if cfg!(feature = "postgres") => Engine::Postgres,
            Ok("postgres") => panic!("TEST_DATABASE=postgres needs `--features postgres`"),
            Ok(other) => panic!("TEST_DATABASE is sqlite or postgres, not {other:?}"),
        }
    }
}

/// A temporary folder for SQLite's file and the keys, and on PostgreSQL a database. Both end with this value.
pub struct DataDir {
    folder: TempDir,
    #[cfg(feature = "postgres")]
    postgres: Option<TestDatabase>,
}

impl DataDir {
    pub fn new() -> DataDir {
        tempfile::tempdir().unwrap().into()
    }

    /// With a database that is empty on PostgreSQL too, where the others have the schema from the beginning.
    pub fn empty() -> DataDir {
        DataDir {
            folder: tempfile::tempdir().unwrap(),
            #[cfg(feature = "postgres")]
            postgres: (Engine::current() == Engine::Postgres).then(TestDatabase::new),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The setting `DATABASE_URL`.
    pub fn database_url(&self) -> String {
        #[cfg(feature = "postgres")]
        if let Some(database) = &self.postgres {
            return database.url.clone();
        }
        format!("sqlite:///{}", self.path().join("project.db").display())
    }

    /// The database on PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn database(&self) -> Option<&TestDatabase> {
        self.postgres.as_ref()
    }

    /// The settings that only PostgreSQL has: the keys lie in the folder, and there are few connections, since each
    /// test opens all of its own.
    #[cfg(feature = "postgres")]
    pub fn postgres_args(&self) -> PostgresArgs {
        match &self.postgres {
            Some(_) => PostgresArgs {
                keys_path: Some(self.path().join("project.db")),
                database_connections: Some(2),
                ..PostgresArgs::default()
            },
            None => PostgresArgs::default(),
        }
    }

    /// A separate connection to the database.
    pub fn sql(&self) -> TestSql {
        #[cfg(feature = "postgres")]
        if let Some(database) = &self.postgres {
            return TestSql::Postgres(database.connect().into());
        }
        TestSql::Sqlite(self.sqlite())
    }

    /// The path of SQLite's file. Only tests in a module `sqlite_only` may call it.
    #[track_caller]
    pub fn database_file(&self) -> PathBuf {
        let is_sqlite = Engine::current() == Engine::Sqlite;
        assert!(
            is_sqlite,
            "only for SQLite: run the tests with `-- --skip sqlite_only::`"
        );
        self.path().join("project.db")
    }

    /// A separate connection to SQLite's file. Only tests in a module `sqlite_only` may call it.
    #[track_caller]
    pub fn sqlite(&self) -> Connection {
        Connection::open(self.database_file()).unwrap()
    }
}

impl From<TempDir> for DataDir {
    fn from(folder: TempDir) -> DataDir {
        #[cfg(feature = "postgres")]
        let postgres = (Engine::current() == Engine::Postgres).then(TestDatabase::migrated);
        DataDir {
            folder,
            #[cfg(feature = "postgres")]
            postgres,
        }
    }
}

#[cfg(feature = "postgres")]
impl From<TestDatabase> for DataDir {
    fn from(database: TestDatabase) -> DataDir {
        DataDir {
            folder: tempfile::tempdir().unwrap(),
            postgres: Some(database),
        }
    }
}
