//! A database connection of the tests, for statements that no route executes.

#[cfg(feature = "postgres")]
use std::cell::RefCell;

use rusqlite::types::{FromSql, ToSql, Value as SqlValue};
use rusqlite::{Connection, params_from_iter};

/// A connection to SQLite or PostgreSQL. Parameters are `?1`, `?2` and so on for both. Values are SQLite's for both:
/// a boolean is 0 or 1, and a time is a text such as `2026-11-23 04:22:41.136817`.
pub enum TestSql {
    Sqlite(Connection),
    #[cfg(feature = "postgres")]
    Postgres(RefCell<postgres::Client>),
}

/// Why a statement failed.
#[derive(Debug, PartialEq)]
pub struct SqlError(pub String);

impl<E: std::error::Error> From<E> for SqlError {
    fn from(error: E) -> SqlError {
        let cause = error.source().map(|cause| format!(": {cause}"));
        SqlError(format!("{error}{}", cause.unwrap_or_default()))
    }
}

/// A row of a result.
pub struct TestRow(pub Vec<SqlValue>);

impl TestRow {
    /// The value of a column, whose number begins with 0.
    pub fn get<T: FromSql>(&self, column: usize) -> Result<T, SqlError> {
        let value = self.0.get(column);
        let value = value.ok_or_else(|| SqlError(format!("no column {column}")))?;
        Ok(T::column_result(value.into())?)
    }
}

/// Parameters of a statement: `[]`, an array of values of one type, or `rusqlite::params![...]`.
pub trait TestParams {
    fn values(&self) -> Vec<SqlValue>;
}

impl TestParams for &[&dyn ToSql] {
    fn values(&self) -> Vec<SqlValue> {
        self.iter().map(|value| owned(*value)).collect()
    }
}

impl TestParams for [&dyn ToSql; 0] {
    fn values(&self) -> Vec<SqlValue> {
        Vec::new()
    }
}

// Not for each length: the type of the values in `[]` would be unknown.
macro_rules! arrays {
    ($($length:literal)*) => {
        $(impl<T: ToSql> TestParams for [T; $length] {
            fn values(&self) -> Vec<SqlValue> {
                self.iter().map(|value| owned(value)).collect()
            }
        })*
    };
}
arrays!(1 2 3 4 5 6 7 8);

fn owned(value: &dyn ToSql) -> SqlValue {
    use rusqlite::types::ToSqlOutput::{Borrowed, Owned};
    match value.to_sql().unwrap() {
        Borrowed(value) => value.try_into().unwrap(),
        Owned(value) => value,
        other => panic!("no value: {other:?}"),
    }
}

impl TestSql {
    /// Executes a statement and returns the number of rows that it has changed.
    pub fn execute(&self, sql: &str, params: impl TestParams) -> Result<usize, SqlError> {
        let values = params.values();
        match self {
            TestSql::Sqlite(db) => Ok(db.execute(sql, params_from_iter(values))?),
            #[cfg(feature = "postgres")]
            TestSql::Postgres(client) => {
                on_postgres::execute(&mut client.borrow_mut(), sql, &values)
            }
        }
    }

    /// Executes statements without parameters.
    pub fn execute_batch(&self, sql: &str) -> Result<(), SqlError> {
        match self {
            TestSql::Sqlite(db) => Ok(db.execute_batch(sql)?),
            #[cfg(feature = "postgres")]
            TestSql::Postgres(client) => Ok(client.borrow_mut().batch_execute(sql)?),
        }
    }

    /// The first row of a result, which must have one.
    pub fn query_row<T>(
        &self,
        sql: &str,
        params: impl TestParams,
        read: impl FnMut(&TestRow) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let rows = self.query(sql, params, read)?;
        let row = rows.into_iter().next();
        row.ok_or_else(|| SqlError("no row".to_owned()))
    }

    /// All rows of a result.
    pub fn query<T>(
        &self,
        sql: &str,
        params: impl TestParams,
        read: impl FnMut(&TestRow) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let values = params.values();
        let rows = match self {
            TestSql::Sqlite(db) => on_sqlite(db, sql, values)?,
            #[cfg(feature = "postgres")]
            TestSql::Postgres(client) => {
                on_postgres::query(&mut client.borrow_mut(), sql, &values)?
            }
        };
        rows.iter().map(read).collect()
    }

    /// From now on, reading tasks is an internal error.
    pub fn break_tasks(&self) {
        let sql = match self {
            TestSql::Sqlite(_) => "DROP TABLE task",
            // A table that is gone would be an outage.
            #[cfg(feature = "postgres")]
            TestSql::Postgres(_) => {
                "DROP TABLE task; CREATE VIEW task AS SELECT 1 / 0 AS id, '' AS title, '' AS description, '' AS status,
                 now()::timestamp AS deadline, now()::timestamp AS created_at, 1 AS assigned_user_id"
            }
        };
        self.execute_batch(sql).unwrap();
    }

    /// From now on this connection can break foreign keys, as the Flask app does on SQLite.
    pub fn without_foreign_keys(&self) {
        let sql = match self {
            TestSql::Sqlite(_) => "PRAGMA foreign_keys = OFF",
            #[cfg(feature = "postgres")]
            TestSql::Postgres(_) => "SET session_replication_role = replica",
        };
        self.execute_batch(sql).unwrap();
    }

    /// Begins a transaction. Until it ends, all other writes wait, and reads do not.
    pub fn lock_writes(&self) {
        match self {
            TestSql::Sqlite(db) => db.execute_batch("BEGIN IMMEDIATE").unwrap(),
            #[cfg(feature = "postgres")]
            TestSql::Postgres(client) => on_postgres::lock_writes(&mut client.borrow_mut()),
        }
    }

    /// Makes each `INSERT`, `UPDATE` or `DELETE` (`operation`) of a table fail.
    pub fn break_writes(&self, operation: &str, table: &str) {
        let sql = match self {
            TestSql::Sqlite(_) => format!(
                "CREATE TRIGGER broken_{operation}_{table} BEFORE {operation} ON \"{table}\"
                 BEGIN SELECT RAISE(ABORT, 'broken'); END"
            ),
            #[cfg(feature = "postgres")]
            TestSql::Postgres(_) => format!(
                "CREATE OR REPLACE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN RAISE EXCEPTION ''broken''; END';
                 CREATE TRIGGER broken_{operation}_{table} BEFORE {operation} ON \"{table}\"
                 FOR EACH ROW EXECUTE FUNCTION broken()"
            ),
        };
        self.execute_batch(&sql).unwrap();
    }

    /// Ends what [`TestSql::break_writes`] has begun.
    pub fn repair_writes(&self, operation: &str, table: &str) {
        let trigger = format!("broken_{operation}_{table}");
        let sql = match self {
            TestSql::Sqlite(_) => format!("DROP TRIGGER {trigger}"),
            #[cfg(feature = "postgres")]
            TestSql::Postgres(_) => format!("DROP TRIGGER {trigger} ON \"{table}\""),
        };
        self.execute_batch(&sql).unwrap();
    }
}

fn on_sqlite(db: &Connection, sql: &str, values: Vec<SqlValue>) -> Result<Vec<TestRow>, SqlError> {
    let mut statement = db.prepare(sql)?;
    let columns = statement.column_count();
    let rows = statement.query_map(params_from_iter(values), |row| {
        let values = (0..columns).map(|column| row.get(column));
        values.collect::<Result<_, _>>().map(TestRow)
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Statements on PostgreSQL, with SQLite's parameters and values.
#[cfg(feature = "postgres")]
mod on_postgres {
    use std::error::Error;
    use std::time::SystemTime;

    use postgres::Client;
    use postgres::types::{FromSql, Type};
    use rusqlite::types::Value as SqlValue;
    use task_api::model::Timestamp;

    use super::{SqlError, TestRow};

    pub fn execute(client: &mut Client, sql: &str, values: &[SqlValue]) -> Result<usize, SqlError> {
        let changed = client.execute(&with_literals(sql, values), &[])?;
        Ok(usize::try_from(changed)?)
    }

    pub fn query(
        client: &mut Client,
        sql: &str,
        values: &[SqlValue],
    ) -> Result<Vec<TestRow>, SqlError> {
        let rows = client.query(&with_literals(sql, values), &[])?;
        let read = |row: &postgres::Row| {
            let fields = (0..row.len()).map(|column| row.try_get(column));
            let values = fields.map(|field| field.map(|Field(value)| value));
            values.collect::<Result<_, _>>().map(TestRow)
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// EXCLUSIVE conflicts with all locks but those of reads.
    pub fn lock_writes(client: &mut Client) {
        let sql = "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public'";
        let tables: String = client.query_one(sql, &[]).unwrap().get(0);
        let sql = format!("BEGIN; LOCK TABLE {tables} IN EXCLUSIVE MODE");
        client.batch_execute(&sql).unwrap();
    }

    /// The statement with literals for `?1`, `?2` and so on. PostgreSQL converts a literal in quotes to the type that
    /// its place in the statement expects, such as that of a column, and a parameter in binary form it does not.
    fn with_literals(sql: &str, values: &[SqlValue]) -> String {
        let mut quote = None;
        let mut text = String::new();
        let mut rest = sql;
        while let Some(char) = rest.chars().next() {
            rest = &rest[char.len_utf8()..];
            match (quote, char) {
                (None, '?') => {
                    let digits = rest.find(|char: char| !char.is_ascii_digit());
                    let (number, after) = rest.split_at(digits.unwrap_or(rest.len()));
                    let number: usize = number.parse().expect("a parameter is ?1, ?2 and so on");
                    text.push_str(&literal(&values[number - 1]));
                    rest = after;
                    continue;
                }
                (None, '\'' | '"') => quote = Some(char),
                (Some(begun), _) if begun == char => quote = None,
                _ => (),
            }
            text.push(char);
        }
        text
    }

    fn literal(value: &SqlValue) -> String {
        match value {
            SqlValue::Null => "NULL".to_owned(),
            SqlValue::Integer(value) => format!("'{value}'"),
            SqlValue::Real(value) => format!("'{value}'"),
            SqlValue::Text(text) => format!("'{}'", text.replace('\'', "''")),
            SqlValue::Blob(bytes) => format!("'\\x{}'", data_encoding::HEXLOWER.encode(bytes)),
        }
    }

    /// A value of a row.
    struct Field(SqlValue);

    impl<'a> FromSql<'a> for Field {
        fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Field, Box<dyn Error + Sync + Send>> {
            let value = match *kind {
                Type::BOOL => SqlValue::Integer(bool::from_sql(kind, raw)?.into()),
                Type::INT2 => SqlValue::Integer(i16::from_sql(kind, raw)?.into()),
                Type::INT4 => SqlValue::Integer(i32::from_sql(kind, raw)?.into()),
                Type::INT8 => SqlValue::Integer(i64::from_sql(kind, raw)?),
                Type::FLOAT8 => SqlValue::Real(f64::from_sql(kind, raw)?),
                Type::TEXT | Type::VARCHAR | Type::NAME => {
                    SqlValue::Text(String::from_sql(kind, raw)?)
                }
                Type::BYTEA => SqlValue::Blob(raw.to_vec()),
                Type::TIMESTAMP => {
                    let time = Timestamp::from(SystemTime::from_sql(kind, raw)?);
                    SqlValue::Text(time.to_stored())
                }
                _ => return Err(format!("the tests read no {kind}: add a CAST").into()),
            };
            Ok(Field(value))
        }

        fn from_sql_null(_: &Type) -> Result<Field, Box<dyn Error + Sync + Send>> {
            Ok(Field(SqlValue::Null))
        }

        fn accepts(_: &Type) -> bool {
            true
        }
    }
}
