//! A session of PostgreSQL: its connection, and the statements that it has prepared.

use std::cell::{Cell, RefCell};
use std::error::Error as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use lru::LruCache;
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{Client, Row, Statement};

use super::values;
use crate::error::{Error, StorageError, StorageFault};
use crate::store::assumption::{Assumption, Condition};
use crate::store::engine::{Column, DatabaseError, Rows, Value};
use crate::store::piggyback;
use crate::store::query_builder::shift_parameters;

/// The most prepared statements of a session: more than this program has.
const MAX_STATEMENTS: NonZeroUsize = match NonZeroUsize::new(512) {
    Some(count) => count,
    None => NonZeroUsize::MIN,
};

/// The rows that a query returns at a time: a list with a search text rarely needs more.
const FETCH_ROWS: usize = 200;

/// The reason why a transaction has to be rolled back, whatever its function makes of the error of its statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// Another transaction has changed what it has read, or waits for it while it waits for that one (deadlock): it can
    /// be run again.
    Conflict,
    /// The connection is lost.
    Lost,
    /// The database has a fault that lasts, such as a full disk.
    Fault,
    /// A cursor needs a transaction.
    NeedsTransaction,
}

/// A connection with its prepared statements.
pub struct DatabaseSession {
    client: RefCell<Client>,
    statements: RefCell<LruCache<String, Statement>>,
    abort: Cell<Option<Abort>>,
    is_discarded: Cell<bool>,
    is_in_transaction: Cell<bool>,
}

/// A row of a query.
pub struct FoundRow {
    row: Row,
    /// The number of columns before those of the query.
    hidden: usize,
}

impl FoundRow {
    fn new(row: Row) -> FoundRow {
        FoundRow { row, hidden: 0 }
    }

    pub fn column(&self, column: usize) -> Column<'_> {
        values::column(&self.row, self.hidden + column)
    }

    pub fn columns(&self) -> usize {
        self.row.len() - self.hidden
    }
}

impl DatabaseSession {
    /// Takes over an open connection.
    pub fn new(client: Client) -> DatabaseSession {
        DatabaseSession {
            client: RefCell::new(client),
            statements: RefCell::new(LruCache::new(MAX_STATEMENTS)),
            abort: Cell::new(None),
            is_discarded: Cell::new(false),
            is_in_transaction: Cell::new(false),
        }
    }

    /// Runs statements without parameters, such as `BEGIN`.
    ///
    /// # Errors
    /// Why the database cannot run them.
    pub fn batch(&self, sql: &str) -> Result<(), DatabaseError> {
        let result = self.client.borrow_mut().batch_execute(sql);
        result.map_err(|why| self.explain(&why))
    }

    /// The reason of the last failure since the last call, if the transaction has to be rolled back for it.
    pub fn take_abort(&self) -> Option<Abort> {
        self.abort.take()
    }

    /// Whether the session cannot be used any longer.
    pub fn is_broken(&self) -> bool {
        self.is_discarded.get() || self.client.borrow().is_closed()
    }

    /// Says whether a transaction is open.
    pub fn set_in_transaction(&self, is_open: bool) {
        self.is_in_transaction.set(is_open);
    }

    /// Marks the session as unusable: its transaction could not be ended.
    pub fn discard(&self) {
        self.is_discarded.set(true);
    }

    pub fn execute(&self, sql: &str, values: &[Value]) -> Result<usize, DatabaseError> {
        let statement = self.prepare(sql, values)?;
        let result = self
            .client
            .borrow_mut()
            .execute(&statement, &as_parameters(values));
        let count = result.map_err(|why| self.explain(&why))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    pub fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<FoundRow>, DatabaseError> {
        // PostgreSQL stores no text with U+0000, so no row has it.
        if values.iter().any(Value::has_null_character) {
            return Ok(Vec::new());
        }
        match (Assumption::condition(), piggyback::wanted()) {
            (condition, wanted)
                if !self.is_in_transaction.get() && (condition.is_some() || wanted.is_some()) =>
            {
                self.query_with(condition, wanted, sql, values)
            }
            _ => Ok(self
                .run(sql, values)?
                .into_iter()
                .map(FoundRow::new)
                .collect()),
        }
    }

    /// Runs a query together with a condition and a scalar subquery, of which one may be missing. A join without a
    /// condition of its own is a nested loop, which keeps the order of the query's rows; one without a row becomes a row
    /// of NULL.
    fn query_with(
        &self,
        condition: Option<Condition>,
        wanted: Option<String>,
        sql: &str,
        values: &[Value],
    ) -> Result<Vec<FoundRow>, DatabaseError> {
        let condition = condition.unwrap_or_else(|| Condition {
            sql: "TRUE".to_owned(),
            values: Vec::new(),
        });
        let sql = format!(
            "SELECT along.holds, along.value, query.* FROM (SELECT ({}) AS holds, ({})::text AS value) AS along
             LEFT JOIN (SELECT TRUE AS found, part.* FROM ({sql}) AS part) AS query ON TRUE",
            shift_parameters(&condition.sql, values.len()),
            wanted.as_deref().unwrap_or("NULL"),
        );
        let rows = self.run(&sql, &[values, &condition.values].concat())?;
        let flag = |row: &Row, column| row.try_get(column).unwrap_or(None) == Some(true);
        if !rows.first().is_some_and(|row| flag(row, 0)) {
            Assumption::Refuted.replace();
            return Err(DatabaseError::Other(Error::WriteConflict));
        }
        Assumption::Confirmed.replace();
        if let Some(Ok(Some(value))) = rows.first().map(|row| row.try_get(1)) {
            piggyback::found(value);
        }
        let found = rows.into_iter().filter(|row| flag(row, 2));
        Ok(found.map(|row| FoundRow { row, hidden: 3 }).collect())
    }

    /// Runs the scalar subquery that is wanted along with the next query, alone. The transaction has one snapshot.
    fn run_wanted(&self) -> Result<(), DatabaseError> {
        if let Some(sql) = piggyback::wanted() {
            let rows = self.run(&format!("SELECT ({sql})::text"), &[])?;
            if let Some(Ok(Some(value))) = rows.first().map(|row| row.try_get(0)) {
                piggyback::found(value);
            }
        }
        Ok(())
    }

    fn run(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, DatabaseError> {
        let statement = self.prepare(sql, values)?;
        let result = self
            .client
            .borrow_mut()
            .query(&statement, &as_parameters(values));
        result.map_err(|why| self.explain(&why))
    }

    /// Runs a query and passes its rows to `step`, until `step` breaks.
    pub fn query_each<E: From<DatabaseError>>(
        &self,
        rows: Rows,
        sql: &str,
        values: &[Value],
        mut step: impl FnMut(&FoundRow) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        if rows == Rows::Many {
            return self.query_by_cursor(sql, values, step);
        }
        for row in &self.query(sql, values)? {
            if step(row)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Fetches the rows in batches from a cursor, which needs a transaction.
    fn query_by_cursor<E: From<DatabaseError>>(
        &self,
        sql: &str,
        values: &[Value],
        mut step: impl FnMut(&FoundRow) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        if !self.is_in_transaction.get() {
            self.abort.set(Some(Abort::NeedsTransaction));
            let cause = "a cursor needs a transaction".to_owned();
            return Err(DatabaseError::Other(Error::Internal(cause)).into());
        }
        self.run_wanted()?;
        let name = cursor_name(sql);
        self.execute(
            &format!("DECLARE {name} NO SCROLL CURSOR FOR {sql}"),
            values,
        )?;
        loop {
            let rows = self.query(&format!("FETCH {FETCH_ROWS} FROM {name}"), &[])?;
            for row in &rows {
                if step(row)?.is_break() {
                    return Ok(self.batch(&format!("CLOSE {name}"))?);
                }
            }
            if rows.len() < FETCH_ROWS {
                return Ok(self.batch(&format!("CLOSE {name}"))?);
            }
        }
    }

    fn prepare(&self, sql: &str, values: &[Value]) -> Result<Statement, DatabaseError> {
        if let Some(prepared) = self.statements.borrow_mut().get(sql) {
            return Ok(prepared.clone());
        }
        let types: Vec<Type> = values.iter().map(Value::postgres_type).collect();
        // The parameters `?1` of SQLite are `$1` in PostgreSQL.
        let result = self
            .client
            .borrow_mut()
            .prepare_typed(&sql.replace('?', "$"), &types);
        let prepared = result.map_err(|why| self.explain(&why))?;
        self.statements
            .borrow_mut()
            .put(sql.to_owned(), prepared.clone());
        Ok(prepared)
    }
}

fn as_parameters<'a>(values: &'a [Value]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| value as _).collect()
}

/// One cursor for each statement, since PostgreSQL keeps the columns of a prepared `FETCH`.
fn cursor_name(sql: &str) -> String {
    let mut hasher = DefaultHasher::new();
    sql.hash(&mut hasher);
    format!("c{:x}", hasher.finish())
}

// ---- errors -------------------------------------------------------------------------------------

impl DatabaseSession {
    fn explain(&self, why: &postgres::Error) -> DatabaseError {
        let explained = explain(why, self.client.borrow().is_closed());
        match &explained {
            DatabaseError::Other(Error::WriteConflict) => self.abort.set(Some(Abort::Conflict)),
            DatabaseError::Other(Error::StorageUnavailable(error)) => match error.fault {
                StorageFault::Unreachable => {
                    self.abort.set(Some(Abort::Lost));
                    self.discard();
                }
                _ => self.abort.set(Some(Abort::Fault)),
            },
            _ => {}
        }
        explained
    }
}

/// Maps the SQLSTATE of an error (appendix "PostgreSQL Error Codes" of its documentation). An error without one is an
/// error of the connection.
fn explain(why: &postgres::Error, is_closed: bool) -> DatabaseError {
    let Some(db) = why.as_db_error() else {
        let cause = format!("PostgreSQL: {why}");
        let is_io = why
            .source()
            .is_some_and(|source| source.is::<std::io::Error>());
        return match is_closed || why.is_closed() || is_io {
            true => unavailable(StorageFault::Unreachable, cause),
            false => DatabaseError::Other(Error::Internal(cause)),
        };
    };
    let cause = format!(
        "PostgreSQL: {} (SQLSTATE {})",
        db.message(),
        db.code().code()
    );
    let is_key = db.constraint().is_some_and(|name| name.ends_with("_pkey"));
    match db.code() {
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
            DatabaseError::Other(Error::WriteConflict)
        }
        // Another program has taken the id at the same time.
        &SqlState::UNIQUE_VIOLATION if is_key => DatabaseError::Other(Error::WriteConflict),
        &SqlState::UNIQUE_VIOLATION => DatabaseError::NotUnique(cause),
        // The columns of references have 32 bits where SQLAlchemy creates them: a larger number refers to no row.
        &SqlState::FOREIGN_KEY_VIOLATION | &SqlState::NUMERIC_VALUE_OUT_OF_RANGE => {
            DatabaseError::NoSuchReference(cause)
        }
        // Another version of this program has changed a table, or a proxy has another session behind the connection.
        &SqlState::INVALID_SQL_STATEMENT_NAME => unavailable(StorageFault::Unreachable, cause),
        &SqlState::FEATURE_NOT_SUPPORTED if db.message().starts_with("cached plan") => {
            unavailable(StorageFault::Unreachable, cause)
        }
        // The database was dropped and created anew, or a restore is in progress.
        &SqlState::UNDEFINED_TABLE
        | &SqlState::UNDEFINED_COLUMN
        | &SqlState::INVALID_SCHEMA_NAME => unavailable(StorageFault::Replaced, cause),
        // For a role that has lost its rights the database is read-only too.
        &SqlState::READ_ONLY_SQL_TRANSACTION | &SqlState::INSUFFICIENT_PRIVILEGE => {
            unavailable(StorageFault::ReadOnly, cause)
        }
        &SqlState::DISK_FULL => unavailable(StorageFault::Full, cause),
        &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED => {
            unavailable(StorageFault::Damaged, cause)
        }
        &SqlState::QUERY_CANCELED | &SqlState::LOCK_NOT_AVAILABLE => {
            DatabaseError::Other(Error::Busy(cause))
        }
        // Ends the connection, if this process was stopped for that long.
        &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            unavailable(StorageFault::Unreachable, cause)
        }
        code => match code.code().get(..2) {
            // Insufficient resources, such as memory.
            Some("53") => DatabaseError::Other(Error::Busy(cause)),
            // Connection exceptions, operator intervention, errors of the system.
            Some("08" | "57" | "58") => unavailable(StorageFault::Unreachable, cause),
            _ => DatabaseError::Other(Error::Internal(cause)),
        },
    }
}

fn unavailable(fault: StorageFault, cause: String) -> DatabaseError {
    DatabaseError::Other(Error::StorageUnavailable(StorageError::new(fault, cause)))
}
