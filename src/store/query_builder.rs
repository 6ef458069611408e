//! Builds the SELECT statements of lists, whose conditions depend on the filters of a request.
//!
//! Only values are bound parameters; every piece of SQL text is a constant of this program, so no input of a
//! client becomes SQL (no SQL injection). How a list continues on the next page is explained in
//! [`super::tasks`] (keyset pagination).

use super::engine::Value;
#[cfg(test)]
use super::engine::{Connection, DatabaseError};

/// A name as an identifier of SQL: it may be a reserved word, as `user` is in PostgreSQL.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A SELECT to which conditions are added one by one, joined by AND: those that an index searches as a filter,
/// all others as a test (see [`super::page_reader`]).
pub struct SelectBuilder {
    columns: String,
    table: &'static str,
    filters: Vec<String>,
    tests: Vec<String>,
    values: Vec<Value<'static>>,
}

impl SelectBuilder {
    /// Starts the statement. The column `key` is the sort key, or NULL for a list in the order of `id`.
    pub fn new(columns: &str, key: &str, table: &'static str) -> SelectBuilder {
        SelectBuilder {
            columns: format!("{columns}, {key} AS sort_key"),
            table,
            filters: Vec::new(),
            tests: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Adds a condition with one value to WHERE. The `?` in it is replaced by the number of the bound parameter,
    /// such as `?3`.
    pub fn filter(
        &mut self,
        condition: &str,
        value: impl Into<Value<'static>>,
    ) -> &mut SelectBuilder {
        let condition = self.bind(condition, value.into());
        self.filter_plain(&condition)
    }

    /// Adds a condition to WHERE if its filter is set.
    pub fn filter_some<V: Into<Value<'static>>>(
        &mut self,
        condition: &str,
        value: Option<V>,
    ) -> &mut SelectBuilder {
        match value {
            Some(value) => self.filter(condition, value),
            None => self,
        }
    }

    /// Adds a condition without a value to WHERE.
    pub fn filter_plain(&mut self, condition: &str) -> &mut SelectBuilder {
        self.filters.push(condition.to_owned());
        self
    }

    /// Adds a condition to the tests if its filter is set. Their conjunction is the last column of the result;
    /// a row for which it is false or NULL is not in the list.
    pub fn test_some<V: Into<Value<'static>>>(
        &mut self,
        condition: &str,
        value: Option<V>,
    ) -> &mut SelectBuilder {
        if let Some(value) = value {
            let condition = self.bind(condition, value.into());
            self.tests.push(condition);
        }
        self
    }

    /// Adds a condition without a value to the tests if its filter is set.
    pub fn test_plain_if(&mut self, is_set: bool, condition: &str) -> &mut SelectBuilder {
        if is_set {
            self.tests.push(condition.to_owned());
        }
        self
    }

    fn bind(&mut self, condition: &str, value: Value<'static>) -> String {
        self.values.push(value);
        condition.replace('?', &format!("?{}", self.values.len()))
    }

    /// Completes the statement. It has no LIMIT: SQLite computes each row when it is asked for, and the reader
    /// of a page stops asking. PostgreSQL gets one from [`Query::union`].
    pub fn order_by(self, order: &str) -> Query {
        let SelectBuilder { columns, table, .. } = self;
        let tests = conjunction(&self.tests);
        let filters = conjunction(&self.filters);
        Query {
            sql: format!("SELECT {columns}, {tests} FROM {table} WHERE {filters} ORDER BY {order}"),
            values: self.values,
            has_tests: !self.tests.is_empty(),
        }
    }
}

/// The conjunction of the conditions; TRUE if there is none.
fn conjunction(conditions: &[String]) -> String {
    match conditions {
        [] => "TRUE".to_owned(),
        _ => conditions.join(" AND "),
    }
}

/// A complete statement with its values.
pub struct Query {
    /// The text.
    pub sql: String,
    /// The bound values.
    pub values: Vec<Value<'static>>,
    /// Whether rows are tested, so that not each of them is in the list.
    pub has_tests: bool,
}

impl Query {
    /// One statement for several, which returns the first `limit` rows: a round trip costs more than rows that are not
    /// needed. `order` is the order of all rows together, in which UNION ALL alone does not return them.
    pub fn union(queries: &[Query], order: &str, limit: usize) -> Query {
        let limit = Value::Integer(i64::try_from(limit).ok());
        let (mut parts, mut values) = (Vec::new(), Vec::new());
        for query in queries {
            let first = values.len();
            values.extend(query.values.iter().cloned().chain([limit.clone()]));
            let sql = shift_parameters(&query.sql, first);
            parts.push(format!("({sql} LIMIT ?{})", values.len()));
        }
        let parts = parts.join(" UNION ALL ");
        values.push(limit);
        let last = values.len();
        Query {
            sql: format!("SELECT * FROM ({parts}) AS part ORDER BY {order} LIMIT ?{last}"),
            values,
            has_tests: false,
        }
    }
}

/// Adds `by` to the number of each parameter.
pub fn shift_parameters(sql: &str, by: usize) -> String {
    let mut parts = sql.split('?');
    let mut shifted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        let number = part[..end].parse::<usize>().unwrap_or_default();
        shifted += &format!("?{}{}", number + by, &part[end..]);
    }
    shifted
}

#[cfg(test)]
impl Query {
    /// SQLite's query plan (EXPLAIN QUERY PLAN), and the SQL text for messages.
    pub fn plan(&self, db: &Connection) -> Result<(String, String), DatabaseError> {
        /// The column `detail` of a step.
        const DETAIL: usize = 3;
        let sql = format!("EXPLAIN QUERY PLAN {}", self.sql);
        let steps = db.query_all(&sql, &self.values, |row| row.get::<String>(DETAIL))?;
        Ok((steps.join("; "), self.sql.clone()))
    }
}
