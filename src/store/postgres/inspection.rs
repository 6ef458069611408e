//! Reads facts about a database for the operator, without a change to it. Unlike
//! [`PostgresDatabase::open`](super::PostgresDatabase::open) it does not migrate.

use postgres::Client;

use super::connect::connect;
use super::connect_error::explain;
use super::migrate::{self, Content};
use super::server_checks::check_server;
use super::session::DatabaseSession;
use super::transaction::{Transaction, TransactionKind};
use crate::config::postgres::PostgresUrl;
use crate::error::Error;
use crate::store::engine::Connection;
use crate::store::schema::VERSION;

/// An open database that has tables.
pub struct PostgresInspection {
    session: DatabaseSession,
    server: String,
    content: Content,
}

/// How many connections a server accepts from this role to this database, those of other programs included.
const CONNECTION_LIMITS: &str = "
    SELECT current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8
             - coalesce(current_setting('reserved_connections', true), '0')::int8,
           nullif(rolconnlimit, -1)::int8, nullif(datconnlimit, -1)::int8
      FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()";

impl PostgresInspection {
    /// Connects, with the checks of a start. `None` if the database has no table of this program or the Flask app.
    ///
    /// # Errors
    /// One line for the operator: why a start would refuse the database.
    pub fn open(url: &PostgresUrl) -> Result<Option<PostgresInspection>, String> {
        PostgresInspection::connect(url).map_err(|why| format!("DATABASE_URL: {why}"))
    }

    fn connect(url: &PostgresUrl) -> Result<Option<PostgresInspection>, String> {
        let mut client = connect(url)?;
        check_server(&mut client)?;
        let content = migrate::find_content(&mut client)?;
        if content == Content::Nothing {
            return Ok(None);
        }
        Ok(Some(PostgresInspection {
            server: server_version(&mut client)?,
            session: DatabaseSession::new(client),
            content,
        }))
    }

    /// Says which server it is, and whose database.
    pub fn version(&self) -> String {
        let server = &self.server;
        match self.content {
            Content::Version(VERSION) => format!("{server}, schema version {VERSION}"),
            Content::Version(version) => {
                format!("{server}, schema version {version}; the next start migrates it")
            }
            Content::Nothing | Content::Flask => {
                format!("{server}, of the Flask app; the next start takes it over")
            }
        }
    }

    /// Whether the database has the tables of this version.
    pub fn is_current(&self) -> bool {
        self.content == Content::Version(VERSION)
    }

    /// Runs `f` in a transaction that only reads.
    ///
    /// # Errors
    /// Those of `f`, and why the database cannot be read.
    pub fn read<T>(&self, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let transaction = Transaction::begin(&self.session, TransactionKind::Read)?;
        let result = f(&transaction.connection())?;
        transaction.commit()?;
        Ok(result)
    }

    /// The number of connections that the server, the role and the database permit. `None` if none of them says.
    ///
    /// # Errors
    /// The server does not tell.
    pub fn max_connections(&self) -> Result<Option<i64>, Error> {
        self.read(|db| {
            let limits = db.query_one(CONNECTION_LIMITS, &[], |row| {
                Ok([row.get::<Option<i64>>(0)?, row.get(1)?, row.get(2)?])
            })?;
            Ok(limits.into_iter().flatten().min())
        })
    }
}

/// What `READ_DATABASE_URL` leads to.
pub struct Standby {
    /// Whether the server is a standby: it repeats what the primary writes.
    pub is_standby: bool,
}

impl Standby {
    /// Connects to the database for reads.
    ///
    /// # Errors
    /// One line for the operator: it cannot be reached, or it is no copy of a database of this version.
    pub fn find(url: &PostgresUrl) -> Result<Standby, String> {
        Standby::connect(url).map_err(|why| format!("READ_DATABASE_URL: {why}"))
    }

    fn connect(url: &PostgresUrl) -> Result<Standby, String> {
        let mut client = connect(url)?;
        let row = client.query_one("SELECT pg_is_in_recovery()", &[]);
        let is_standby = row.and_then(|row| row.try_get(0));
        let is_standby = is_standby.map_err(|why| explain(&why))?;
        match migrate::schema_version(&mut client)? {
            Some(VERSION) => Ok(Standby { is_standby }),
            _ => Err(format!(
                "the database has not the schema version {VERSION}: it must be a copy of that of DATABASE_URL"
            )),
        }
    }
}

/// The name and the version of the server, such as `PostgreSQL 15.8`.
fn server_version(client: &mut Client) -> Result<String, String> {
    let row = client.query_one("SELECT version()", &[]);
    let text = row.and_then(|row| row.try_get(0));
    let text: String = text.map_err(|why| explain(&why))?;
    let name = text.split(" on ").next().unwrap_or(&text);
    Ok(name.split(" (").next().unwrap_or(name).to_owned())
}
