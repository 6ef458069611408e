//! Builds the SELECT statements of lists, whose conditions depend on the filters of a request.
//!
//! Only values are bound parameters; every piece of SQL text is a constant of this program, so no input of a
//! client becomes SQL (no SQL injection). How a list continues on the next page is explained in
//! [`super::tasks`] (keyset pagination).

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::error::Error;
use crate::model::{Id, Page, PageSize, Position, SearchText};

/// A SELECT to which conditions are added one by one, joined by AND.
pub struct SelectBuilder {
    sql: String,
    values: Vec<Value>,
    /// The text before the next condition.
    separator: &'static str,
}

impl SelectBuilder {
    /// Starts the statement: everything before WHERE.
    pub fn new(columns: &str, table: &str) -> SelectBuilder {
        SelectBuilder {
            sql: format!("SELECT {columns} FROM {table}"),
            values: Vec::new(),
            separator: " WHERE ",
        }
    }

    /// Adds a condition with one value. Each `?` in it is replaced by the number of the bound parameter, such as
    /// `?3`, so the condition may use the value more than once.
    pub fn filter(&mut self, condition: &str, value: impl Into<Value>) -> &mut SelectBuilder {
        self.values.push(value.into());
        let bound = format!("?{}", self.values.len());
        self.filter_plain(&condition.replace('?', &bound))
    }

    /// Adds a condition if its filter is set.
    pub fn filter_some<V: Into<Value>>(
        &mut self,
        condition: &str,
        value: Option<V>,
    ) -> &mut SelectBuilder {
        match value {
            Some(value) => self.filter(condition, value),
            None => self,
        }
    }

    /// Adds a condition without a value.
    pub fn filter_plain(&mut self, condition: &str) -> &mut SelectBuilder {
        self.sql += self.separator;
        self.sql += condition;
        self.separator = " AND ";
        self
    }

    /// Completes the statement with ORDER BY and LIMIT.
    pub fn order_by(mut self, order: &str, limit: usize) -> Query {
        self.values.push(Value::Integer(limit as i64));
        let sql = format!("{} ORDER BY {order} LIMIT ?{}", self.sql, self.values.len());
        Query {
            sql,
            values: self.values,
        }
    }
}

/// A complete statement with its values.
pub struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    /// Runs the statement and calls `handle_row` with each row.
    pub fn for_each(
        self,
        db: &Connection,
        mut handle_row: impl FnMut(&Row) -> rusqlite::Result<()>,
    ) -> Result<(), Error> {
        let mut statement = db.prepare_cached(&self.sql)?;
        let mut rows = statement.query(params_from_iter(self.values))?;
        while let Some(row) = rows.next()? {
            handle_row(row)?;
        }
        Ok(())
    }

    /// Reads a page of a list that is ordered by `id`. The statement's limit must be one row more than the page
    /// holds: the extra row shows that another page follows.
    pub fn page<T>(
        self,
        db: &Connection,
        size: PageSize,
        decode: fn(&Row) -> rusqlite::Result<T>,
        id: fn(&T) -> Id,
    ) -> Result<Page<T>, Error> {
        let mut rows = Vec::with_capacity(size.get() + 1);
        self.for_each(db, |row| {
            rows.push(decode(row)?);
            Ok(())
        })?;
        let end = rows.get(size.get() - 1).map(|row| Position {
            key: None,
            id: id(row),
        });
        Ok(Page::from_rows(rows, size.get(), end))
    }

    /// The query plan (EXPLAIN QUERY PLAN), and the SQL text for messages.
    #[cfg(test)]
    pub fn plan(&self, db: &Connection) -> rusqlite::Result<(String, String)> {
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {}", self.sql))?;
        let values = params_from_iter(self.values.iter());
        let steps = statement.query_map(values, |row| row.get::<_, String>("detail"))?;
        Ok((
            steps.collect::<Result<Vec<_>, _>>()?.join("; "),
            self.sql.clone(),
        ))
    }
}

/// The pattern for `LIKE ? ESCAPE '\'` that matches `q` as a substring. `%` and `_` in it are escaped, so they
/// match themselves.
pub fn like_pattern(q: &SearchText) -> String {
    let mut pattern = String::from("%");
    for c in q.folded().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
