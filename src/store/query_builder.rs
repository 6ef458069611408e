//! Putting together the statements of lists, whose conditions depend on what was asked for.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::error::Error;
use crate::model::{Id, Page, PageSize, Position, SearchText};

/// A SELECT that grows condition by condition. Its text comes from this program alone; what came
/// from a client is bound.
pub struct SelectBuilder {
    sql: String,
    values: Vec<Value>,
    separator: &'static str,
}

impl SelectBuilder {
    /// Begins with everything up to WHERE.
    pub fn new(columns: &str, table: &str) -> SelectBuilder {
        SelectBuilder {
            sql: format!("SELECT {columns} FROM {table}"),
            values: Vec::new(),
            separator: " WHERE ",
        }
    }

    /// Adds a condition, in which each `?` stands for `value`.
    pub fn filter(&mut self, condition: &str, value: impl Into<Value>) -> &mut SelectBuilder {
        self.values.push(value.into());
        let bound = format!("?{}", self.values.len());
        self.filter_plain(&condition.replace('?', &bound))
    }

    /// Adds a condition if there is a value for it.
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

    /// Ends the statement with an order and a limit. More conditions cannot follow.
    pub fn order_by(mut self, order: &str, limit: usize) -> Query {
        self.values.push(Value::Integer(limit as i64));
        let sql = format!("{} ORDER BY {order} LIMIT ?{}", self.sql, self.values.len());
        Query {
            sql,
            values: self.values,
        }
    }
}

/// A whole statement and its values.
pub struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    /// Runs the statement and hands over one row after the other.
    pub fn for_each(
        self,
        db: &Connection,
        mut take: impl FnMut(&Row) -> rusqlite::Result<()>,
    ) -> Result<(), Error> {
        let mut statement = db.prepare_cached(&self.sql)?;
        let mut rows = statement.query(params_from_iter(self.values))?;
        while let Some(row) = rows.next()? {
            take(row)?;
        }
        Ok(())
    }

    /// Runs a query whose limit is one row more than the page holds: the extra row tells that another page
    /// follows. For lists in the order of `id`.
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
        Ok(Page::of(rows, size.get(), end))
    }

    /// How SQLite would run the statement, and the statement itself.
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

/// The pattern for `LIKE ... ESCAPE '\'` that finds `q` anywhere, its `%` and `_` taken literally.
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
