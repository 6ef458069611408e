//! A transaction of a session.

use std::mem;

use super::session::{Abort, DatabaseSession};
use crate::error::Error;
use crate::store::engine::Connection;

/// The kinds of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionKind {
    /// One statement that reads, which needs no `BEGIN`.
    OneRead,
    /// Reads only, in one snapshot.
    Read,
    /// Serializable: its result is as if no other transaction ran at the same time (serializable snapshot isolation).
    /// The rules that compare a write with other rows need no locks then.
    Write,
}

impl TransactionKind {
    fn begin(self) -> Option<&'static str> {
        match self {
            TransactionKind::OneRead => None,
            TransactionKind::Read => Some("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
            TransactionKind::Write => Some("BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE"),
        }
    }
}

/// An open transaction. If this is dropped without [`Transaction::commit`], it is rolled back.
pub struct Transaction<'a> {
    session: &'a DatabaseSession,
    is_open: bool,
}

impl<'a> Transaction<'a> {
    /// Begins a transaction.
    ///
    /// # Errors
    /// Why the database cannot begin it.
    pub fn begin(
        session: &'a DatabaseSession,
        kind: TransactionKind,
    ) -> Result<Transaction<'a>, Error> {
        session.take_abort();
        if let Some(begin) = kind.begin() {
            session.batch(begin)?;
        }
        let is_open = kind != TransactionKind::OneRead;
        session.set_in_transaction(is_open);
        Ok(Transaction { session, is_open })
    }

    /// The connection, for statements.
    pub fn connection(&self) -> Connection<'a> {
        Connection::Postgres(self.session)
    }

    /// Why the transaction has to be rolled back, whatever its function has returned.
    pub fn take_abort(&self) -> Option<Abort> {
        self.session.take_abort()
    }

    /// Commits.
    ///
    /// # Errors
    /// A conflict, after which nothing is committed; a lost connection, after which it is unknown whether it is.
    pub fn commit(mut self) -> Result<(), Error> {
        if mem::take(&mut self.is_open) {
            self.session.batch("COMMIT")?;
        }
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_open && self.session.batch("ROLLBACK").is_err() {
            // The pool must not lend a session that is still in a transaction.
            self.session.discard();
        }
    }
}
