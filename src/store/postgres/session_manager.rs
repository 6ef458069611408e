//! The sessions of the pool: connections with their prepared statements.

use r2d2::ManageConnection;

use super::connect::ConnectionManager;
use super::connect_error::ConnectError;
use super::session::DatabaseSession;

/// Settings of each session. A transaction of a process that hangs must not keep its locks for ever. A wait for a lock
/// ends before the time limit of a response, so that it does not look like a server that hangs.
const SETTINGS: &str = "SET client_min_messages = warning;
    SET idle_in_transaction_session_timeout = '30s';
    SET lock_timeout = '5s'";

/// Opens the sessions of a pool.
pub struct SessionManager(pub ConnectionManager);

impl ManageConnection for SessionManager {
    type Connection = DatabaseSession;
    type Error = ConnectError;

    fn connect(&self) -> Result<DatabaseSession, ConnectError> {
        let mut client = self.0.connect()?;
        client.batch_execute(SETTINGS)?;
        Ok(DatabaseSession::new(client))
    }

    /// Never called: a test of each connection would cost a round trip. A lost connection is noticed by the first
    /// statement, and replaced.
    fn is_valid(&self, _: &mut DatabaseSession) -> Result<(), ConnectError> {
        Ok(())
    }

    fn has_broken(&self, session: &mut DatabaseSession) -> bool {
        session.is_broken()
    }
}
