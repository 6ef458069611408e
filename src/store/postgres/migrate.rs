//! Schema migration: brings a database to the current schema before the pool opens it.
//!
//! The database may be empty, the Flask app's, or an earlier version's. The migration runs `schema.postgres.sql`, whose
//! statements are idempotent, in one transaction, under an advisory lock: of several servers that start together one
//! migrates, and the others wait for it. A database that belongs to another program, or to a newer version of this one,
//! is left unchanged.

use postgres::{Client, GenericClient};

use super::connect::{LastServer, connect_beginning_with};
use super::connect_error::explain;
use super::flask_tables::FlaskTables;
use super::server_checks::{check_server, check_tables};
use super::session::DatabaseSession;
use crate::config::postgres::PostgresUrl;
use crate::error::{Error, StorageError, StorageFault};
use crate::model::Timestamp;
use crate::store::engine::{Connection, values};
use crate::store::schema::VERSION;

const SCHEMA: &str = include_str!("../../../schema.postgres.sql");

/// The table with the version of the schema. The Flask app's databases have none.
const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version
    (id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL)";

/// The key of the advisory lock: "task-api" in ASCII.
const LOCK: i64 = i64::from_be_bytes(*b"task-api");

/// Checks the server and the database, and migrates it.
///
/// # Errors
/// One line for the operator, without the name of the setting: this program cannot use the database or must not change it.
pub fn run(url: &PostgresUrl, last: &LastServer) -> Result<(), String> {
    let mut client = connect_beginning_with(url, last)?;
    check_server(&mut client)?;
    // A start on a current database takes no lock.
    match schema_version(&mut client)? {
        Some(VERSION) => Ok(()),
        found => {
            check_version(found)?;
            migrate(&mut client)
        }
    }
}

fn migrate(client: &mut Client) -> Result<(), String> {
    // Without it each statement that has nothing to do would log a notice.
    client
        .batch_execute("SET client_min_messages = warning")
        .map_err(|why| explain(&why))?;
    let mut transaction = client.transaction().map_err(|why| explain(&why))?;
    upgrade_locked(&mut transaction)?;
    transaction.commit().map_err(|why| explain(&why))
}

/// Takes the lock and brings the schema to this version, in the transaction that is open. The lock ends with it.
///
/// # Errors
/// One line for the operator.
pub fn upgrade_locked(transaction: &mut impl GenericClient) -> Result<(), String> {
    // CockroachDB has no advisory locks, and its transactions are serializable: the call does nothing there.
    transaction
        .query("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .map_err(|why| explain(&why))?;
    let found = schema_version(transaction)?;
    check_version(found)?;
    match found {
        Some(VERSION) => Ok(()),
        _ => upgrade(transaction, found),
    }
}

fn upgrade(transaction: &mut impl GenericClient, found: Option<i64>) -> Result<(), String> {
    let flask_tables = match found {
        None => FlaskTables::find(transaction)?,
        Some(_) => FlaskTables::default(),
    };
    flask_tables.widen(transaction)?;
    let script = format!("{VERSION_TABLE};\n{SCHEMA}");
    transaction
        .batch_execute(&script)
        .map_err(|why| explain(&why))?;
    if !flask_tables.is_empty() {
        let now = Timestamp::now().to_stored();
        let sql = format!(
            "INSERT INTO flask_takeover (id, at) VALUES (1, '{now}') ON CONFLICT DO NOTHING"
        );
        transaction
            .batch_execute(&sql)
            .map_err(|why| explain(&why))?;
    }
    let sql = "INSERT INTO schema_version (id, version) VALUES (1, $1)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version";
    transaction
        .execute(sql, &[&VERSION])
        .map_err(|why| explain(&why))?;
    Ok(())
}

/// Whose tables a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Neither this program's nor the Flask app's.
    Nothing,
    /// Those that the Flask app has made.
    Flask,
    /// This program's, of this version of the schema.
    Version(i64),
}

/// Finds out whose tables the database has, without a change.
///
/// # Errors
/// One line for the operator, without the name of the setting: this program cannot use the database or must not change it.
pub fn find_content(client: &mut impl GenericClient) -> Result<Content, String> {
    let found = schema_version(client)?;
    check_version(found)?;
    if let Some(version) = found {
        return Ok(Content::Version(version));
    }
    match FlaskTables::find(client)?.is_empty() {
        true => Ok(Content::Nothing),
        false => Ok(Content::Flask),
    }
}

/// The version of the schema; `None` if this program has not created or taken over the database.
///
/// # Errors
/// One line for the operator: the database cannot be read.
pub fn schema_version(client: &mut impl GenericClient) -> Result<Option<i64>, String> {
    let sql = "SELECT to_regclass('schema_version') IS NOT NULL";
    let row = client.query_one(sql, &[]).map_err(|why| explain(&why))?;
    if !row.try_get(0).map_err(|why| explain(&why))? {
        return Ok(None);
    }
    let sql = "SELECT version FROM schema_version WHERE id = 1";
    let row = client.query_opt(sql, &[]);
    let version = row.and_then(|row| row.map(|row| row.try_get(0)).transpose());
    version.map_err(|why| {
        format!(
            "the table schema_version is not this program's: {}",
            explain(&why)
        )
    })
}

fn check_version(found: Option<i64>) -> Result<(), String> {
    match found {
        Some(version) if version > VERSION => Err(format!(
            "a newer version of this program has migrated the database (schema version {version}; this \
             program knows {VERSION}): use that version"
        )),
        _ => Ok(()),
    }
}

/// Checks that no newer version of this program has migrated the database.
///
/// # Errors
/// [`Error::StorageUnavailable`] if one has, or if the database cannot be reached.
pub fn check_not_newer(db: &Connection) -> Result<(), Error> {
    let sql = "SELECT version FROM schema_version WHERE id = 1";
    match db.query_optional(sql, &[], |row| row.get::<i64>(0))? {
        Some(version) if version > VERSION => Err(newer()),
        _ => Ok(()),
    }
}

/// Tests whether the database can be written, whether it has all tables and the role all rights to them, and whether a
/// newer version of this program has migrated it.
///
/// # Errors
/// Why it cannot be used.
pub fn probe(session: &DatabaseSession) -> Result<(), Error> {
    let db = Connection::Postgres(session);
    let sql = "UPDATE schema_version SET version = version WHERE id = 1 AND version <= ?1";
    match db.execute(sql, values![VERSION])? {
        0 => Err(newer()),
        _ => check_tables(&db),
    }
}

fn newer() -> Error {
    let cause = "the schema has another version than this program knows; stop this server";
    Error::StorageUnavailable(StorageError::new(StorageFault::Newer, cause))
}
