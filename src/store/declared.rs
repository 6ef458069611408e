//! The tables and columns that both engines have, with types that both hold: read from `schema.sql` itself, so that a new
//! table cannot be forgotten.

use rusqlite::{Connection, Row, params};

use crate::store::schema::{SCHEMA, is_tutorial};

/// The table whose row describes a SQLite file and no data; see `sqlite/storage/mark.rs`.
const OF_THE_FILE: &str = "storage_mark";

/// PostgreSQL has more room for a password hash than `schema.sql` declares, see `schema.postgres.sql`.
const PASSWORD_HASH_CHARS: usize = 255;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    /// The column of its primary key.
    pub key: usize,
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: ColumnType,
    /// `NOT NULL`.
    pub is_required: bool,
    /// What a foreign key does when the account is deleted that it names; `None` without a foreign key.
    pub account: Option<OnDelete>,
}

/// The type of a column in both engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// A whole number up to `max`.
    Integer { max: i64 },
    /// TRUE or FALSE; 0 or 1 in SQLite.
    Boolean,
    /// Text of at most so many characters.
    Text { max_chars: usize },
    /// A moment; text in SQLite.
    Timestamp,
    /// Bytes.
    Bytes,
}

/// What a foreign key does with its row when the account is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// Nothing: the account cannot be deleted while a row names it.
    Refuse,
    /// The row is deleted too.
    Cascade,
}

/// Reads the tables in the order of `schema.sql`, in which a foreign key names an earlier table.
///
/// # Errors
/// Those of SQLite.
pub fn tables() -> rusqlite::Result<Vec<Table>> {
    let db = Connection::open_in_memory()?;
    db.execute_batch(SCHEMA)?;
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> ?1 ORDER BY rowid";
    let mut statement = db.prepare(sql)?;
    let names = statement.query_map([OF_THE_FILE], |row| row.get(0))?;
    let names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
    names.into_iter().map(|name| table(&db, name)).collect()
}

/// All foreign keys name an account, and each primary key has one column; a test checks it.
fn table(db: &Connection, name: String) -> rusqlite::Result<Table> {
    let sql = r#"SELECT c.name, c.type, c."notnull", c.pk, f.on_delete FROM pragma_table_info(?1) AS c
        LEFT JOIN pragma_foreign_key_list(?1) AS f ON f."from" = c.name ORDER BY c.cid"#;
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map(params![name], |row| {
        Ok((column(&name, row)?, row.get::<_, i64>(3)? > 0))
    })?;
    let columns: Vec<(Column, bool)> = rows.collect::<rusqlite::Result<_>>()?;
    let key = columns.iter().position(|(_, is_key)| *is_key);
    Ok(Table {
        key: key.unwrap_or_default(),
        columns: columns.into_iter().map(|(column, _)| column).collect(),
        name,
    })
}

fn column(table: &str, row: &Row) -> rusqlite::Result<Column> {
    let (name, declared): (String, String) = (row.get(0)?, row.get(1)?);
    let on_delete: Option<String> = row.get(4)?;
    let kind = match name.as_str() {
        "password_hash" => ColumnType::Text {
            max_chars: PASSWORD_HASH_CHARS,
        },
        _ => kind(table, &declared),
    };
    Ok(Column {
        kind,
        is_required: row.get(2)?,
        account: on_delete.map(|action| match action.as_str() {
            "CASCADE" => OnDelete::Cascade,
            _ => OnDelete::Refuse,
        }),
        name,
    })
}

fn kind(table: &str, declared: &str) -> ColumnType {
    match declared {
        // As SQLAlchemy declares them, the tutorial's integers have 32 bits in PostgreSQL.
        "INTEGER" if is_tutorial(table) => ColumnType::Integer {
            // PostgreSQL's sequence continues after the highest id.
            max: i64::from(i32::MAX) - 1,
        },
        "INTEGER" => ColumnType::Integer { max: i64::MAX },
        "BOOLEAN" => ColumnType::Boolean,
        "DATETIME" => ColumnType::Timestamp,
        "BLOB" => ColumnType::Bytes,
        text => ColumnType::Text {
            max_chars: max_chars(text),
        },
    }
}

/// The number in `VARCHAR(80)`.
fn max_chars(declared: &str) -> usize {
    let number = declared.strip_prefix("VARCHAR(");
    let number = number.and_then(|number| number.strip_suffix(')')?.parse().ok());
    number.unwrap_or(usize::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Of each `CREATE TABLE` of a script: the name, and the names of its columns.
    fn declared(script: &str) -> Vec<(String, Vec<String>)> {
        let mut tables: Vec<(String, Vec<String>)> = Vec::new();
        for line in script.lines() {
            if let Some(name) = line.strip_prefix("CREATE TABLE IF NOT EXISTS ") {
                let name = name.trim_end_matches(" (").trim_matches('"').to_owned();
                tables.push((name, Vec::new()));
            } else if let Some(column) = line.strip_prefix("  ")
                && column.starts_with(|first: char| first.is_ascii_lowercase())
            {
                let name = column.split(' ').next().unwrap_or_default().to_owned();
                tables.last_mut().unwrap().1.push(name);
            }
        }
        tables
    }

    #[test]
    fn every_table_and_column_of_both_schemas_is_copied_but_the_mark_of_the_file() {
        let copied = tables().unwrap().into_iter().map(|table| {
            let columns = table.columns.into_iter().map(|column| column.name);
            (table.name, columns.collect())
        });
        let copied: Vec<(String, Vec<String>)> = copied.collect();
        for script in [SCHEMA, include_str!("../../schema.postgres.sql")] {
            let mut expected = declared(script);
            expected.retain(|(table, _)| table != OF_THE_FILE);
            assert_eq!(copied, expected);
        }
    }

    #[test]
    fn every_table_has_a_key_of_one_column_and_foreign_keys_to_accounts_only() {
        let keys = SCHEMA.matches("PRIMARY KEY (").count();
        assert_eq!(keys, tables().unwrap().len() + 1);
        assert!(
            !SCHEMA
                .lines()
                .any(|line| line.contains("PRIMARY KEY") && line.contains(", "))
        );
        let foreign = SCHEMA.matches("FOREIGN KEY (").count();
        assert_eq!(SCHEMA.matches(r#"REFERENCES "user" (id)"#).count(), foreign);
        let tables = tables().unwrap();
        let accounts = tables.iter().flat_map(|table| &table.columns);
        assert_eq!(
            accounts.filter(|column| column.account.is_some()).count(),
            foreign
        );
    }

    #[test]
    fn types_are_those_of_the_narrower_engine() {
        let tables = tables().unwrap();
        let kind = |table: &str, column: &str| {
            let table = tables.iter().find(|found| found.name == table).unwrap();
            let column = table.columns.iter().find(|found| found.name == column);
            column.unwrap().clone()
        };
        let narrow = ColumnType::Integer { max: 2_147_483_646 };
        assert_eq!(kind("task", "assigned_user_id").kind, narrow);
        assert_eq!(
            kind("task", "assigned_user_id").account,
            Some(OnDelete::Refuse)
        );
        assert_eq!(kind("session", "user_id").account, Some(OnDelete::Cascade));
        assert_eq!(
            kind("session", "id").kind,
            ColumnType::Integer { max: i64::MAX }
        );
        assert_eq!(
            kind("user", "password_hash").kind,
            ColumnType::Text { max_chars: 255 }
        );
        assert_eq!(
            kind("task", "description").kind,
            ColumnType::Text {
                max_chars: usize::MAX
            }
        );
        assert_eq!(
            kind("task", "title").kind,
            ColumnType::Text { max_chars: 255 }
        );
        assert_eq!(kind("idempotency", "key").kind, ColumnType::Bytes);
        assert!(kind("task", "title").is_required && !kind("task", "status").is_required);
    }
}
