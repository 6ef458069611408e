//! A connection in a transaction, on which statements run.

use std::ops::ControlFlow;

use super::{DatabaseError, Row, Value};

/// A connection that a [`Store`](crate::store::Store) lends to a function with statements.
#[derive(Clone, Copy)]
pub enum Connection<'a> {
    /// SQLite, in this process.
    Sqlite(&'a rusqlite::Connection),
    /// PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(&'a crate::store::postgres::DatabaseSession),
}

/// How many rows a query returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// A few: PostgreSQL sends all of them in one round trip.
    Few,
    /// Perhaps many: PostgreSQL sends them in batches, through a cursor.
    Many,
}

impl Connection<'_> {
    /// Runs a statement that returns no rows. Returns the number of rows that it has changed.
    ///
    /// # Errors
    /// A violated constraint, or why the database cannot run it.
    pub fn execute(&self, sql: &str, values: &[Value]) -> Result<usize, DatabaseError> {
        match self {
            Connection::Sqlite(db) => Ok(db
                .prepare_cached(sql)?
                .execute(rusqlite::params_from_iter(values))?),
            #[cfg(feature = "postgres")]
            Connection::Postgres(session) => session.execute(sql, values),
        }
    }

    /// Runs a query and decodes its first row; `None` if it has no row.
    ///
    /// # Errors
    /// As [`Connection::execute`], and those of `decode`.
    pub fn query_optional<T>(
        &self,
        sql: &str,
        values: &[Value],
        decode: impl FnOnce(&Row) -> Result<T, DatabaseError>,
    ) -> Result<Option<T>, DatabaseError> {
        match self {
            Connection::Sqlite(db) => {
                let mut statement = db.prepare_cached(sql)?;
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                rows.next()?
                    .map(|row| decode(&Row::Sqlite(row)))
                    .transpose()
            }
            #[cfg(feature = "postgres")]
            Connection::Postgres(session) => {
                let rows = session.query(sql, values)?;
                rows.first()
                    .map(|row| decode(&Row::Postgres(row)))
                    .transpose()
            }
        }
    }

    /// Runs a query that has a row and decodes it.
    ///
    /// # Errors
    /// As [`Connection::query_optional`]; [`DatabaseError::NoRow`] if there is none.
    pub fn query_one<T>(
        &self,
        sql: &str,
        values: &[Value],
        decode: impl FnOnce(&Row) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        self.query_optional(sql, values, decode)?
            .ok_or(DatabaseError::NoRow)
    }

    /// Runs a query and decodes all its rows.
    ///
    /// # Errors
    /// As [`Connection::query_optional`].
    pub fn query_all<T>(
        &self,
        sql: &str,
        values: &[Value],
        mut decode: impl FnMut(&Row) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        let mut decoded = Vec::new();
        self.query_each(Rows::Few, sql, values, |row| -> Result<_, DatabaseError> {
            decoded.push(decode(row)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(decoded)
    }

    /// Runs a query and passes its rows to `step`, one after the other, until `step` breaks. SQLite computes each
    /// row when it is asked for; PostgreSQL sends the rows as [`Rows`] says.
    ///
    /// # Errors
    /// As [`Connection::execute`], and those of `step`.
    #[cfg_attr(not(feature = "postgres"), expect(unused_variables))]
    pub fn query_each<E: From<DatabaseError>>(
        &self,
        rows: Rows,
        sql: &str,
        values: &[Value],
        mut step: impl FnMut(&Row) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        match self {
            Connection::Sqlite(db) => {
                let mut statement = db.prepare_cached(sql).map_err(DatabaseError::from)?;
                let found = statement.query(rusqlite::params_from_iter(values));
                let mut found = found.map_err(DatabaseError::from)?;
                while let Some(row) = found.next().map_err(DatabaseError::from)? {
                    if step(&Row::Sqlite(row))?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            #[cfg(feature = "postgres")]
            Connection::Postgres(session) => {
                session.query_each(rows, sql, values, |row| step(&Row::Postgres(row)))
            }
        }
    }
}

impl Connection<'_> {
    /// Whether each statement costs a round trip to a server.
    pub fn is_remote(&self) -> bool {
        match self {
            Connection::Sqlite(_) => false,
            #[cfg(feature = "postgres")]
            Connection::Postgres(_) => true,
        }
    }
}

impl<'a> From<&'a rusqlite::Connection> for Connection<'a> {
    fn from(db: &'a rusqlite::Connection) -> Connection<'a> {
        Connection::Sqlite(db)
    }
}
