//! A PostgreSQL database as the source or the target of a copy.

use postgres::Client;

use super::database::{EARLIER_VERSION, internal};
use crate::config::postgres::PostgresUrl;
use crate::error::Error;
use crate::store::postgres::migrate::{Content, find_content, upgrade_locked};
use crate::store::postgres::server_checks::check_server;
use crate::store::postgres::{ConnectError, DatabaseSession, connect};
use crate::store::schema::VERSION;

/// The other side may take any time between two statements. Row-level security must fail and not hide rows.
const SETTINGS: &str = "SET client_min_messages = warning;
    SET statement_timeout = 0;
    SET row_security = off;
    SET idle_in_transaction_session_timeout = 0";

/// Other connections of this program, by the name that it gives to them or that this URL does.
const IS_USED: &str = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND application_name IN ('task-api', current_setting('application_name')) AND pid <> pg_backend_pid())";

/// PostgreSQL numbers the rows of these tables from sequences of its own, which continue after the highest id.
const SET_SEQUENCE: &str = r#"SELECT setval(pg_get_serial_sequence('"TABLE"', 'id'), greatest(highest, 1), highest > 0)
    FROM (SELECT least(2147483647, greatest(
        (SELECT max(id) FROM "TABLE"), (SELECT last FROM id_sequence WHERE name = 'TABLE'), 0)) AS highest) AS used"#;

/// Opens the database for reading. Returns whether it is the Flask app's.
///
/// # Errors
/// [`Error::Internal`] if a server uses it, or if it is another version's.
pub fn open_source(url: &PostgresUrl) -> Result<(DatabaseSession, bool), Error> {
    let mut client = open_primary(url)?;
    let row = client.query_one(IS_USED, &[]).map_err(failure)?;
    if row.try_get(0).map_err(failure)? {
        return Err(internal("a server uses it: stop all servers first"));
    }
    let is_flask = match find_content(&mut client).map_err(internal)? {
        Content::Flask => true,
        Content::Version(VERSION) => false,
        Content::Version(_) => return Err(internal(EARLIER_VERSION)),
        Content::Nothing => return Err(internal("it is no database of Task API")),
    };
    Ok((session_in_transaction(client), is_flask))
}

/// Begins a transaction and creates the tables in it. A server that starts meanwhile waits for its end.
///
/// # Errors
/// [`Error::Internal`] if this program cannot use the database.
pub fn open_target(url: &PostgresUrl) -> Result<DatabaseSession, Error> {
    let mut client = open(url)?;
    check_server(&mut client).map_err(internal)?;
    client.batch_execute("BEGIN").map_err(failure)?;
    upgrade_locked(&mut client).map_err(internal)?;
    Ok(session_in_transaction(client))
}

/// A primary may be read-only, so that nothing changes during the copy. A standby may lack what was written last, and
/// does not know who uses the primary.
fn open_primary(url: &PostgresUrl) -> Result<Client, Error> {
    let why = match open(url) {
        Ok(client) => return Ok(client),
        Err(why) => why,
    };
    let mut client = open(&url.for_any_server()).map_err(|_| why)?;
    let row = client.query_one("SELECT pg_is_in_recovery()", &[]);
    match row.and_then(|row| row.try_get(0)).map_err(failure)? {
        true => Err(internal(
            "the server is a standby, which may lag behind: name the primary, or promote it",
        )),
        false => Ok(client),
    }
}

fn open(url: &PostgresUrl) -> Result<Client, Error> {
    let mut client = connect(url).map_err(internal)?;
    client.batch_execute(SETTINGS).map_err(failure)?;
    Ok(client)
}

/// Sets the sequences of the tables that have one. CockroachDB has none for them, and nothing happens there.
///
/// # Errors
/// Those of the database.
pub fn set_sequences(session: &DatabaseSession) -> Result<(), Error> {
    for table in ["user", "task", "task_history"] {
        session.batch(&SET_SEQUENCE.replace("TABLE", table))?;
    }
    Ok(())
}

/// A session whose statements run in a transaction: the one that is open, or the snapshot of the source.
fn session_in_transaction(client: Client) -> DatabaseSession {
    let session = DatabaseSession::new(client);
    session.set_in_transaction(true);
    session
}

fn failure(why: postgres::Error) -> Error {
    internal(ConnectError::from(why))
}
