//! What `schema.postgres.sql` declares: the names of the tables, and the columns of the tutorial's.

use crate::store::query_builder::quote;

/// The script that creates PostgreSQL's tables and indexes.
pub const SCHEMA: &str = include_str!("../../../schema.postgres.sql");

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS ";

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// A whole number.
    Number,
    /// TRUE or FALSE.
    Boolean,
    /// A moment, without a time zone.
    Timestamp,
    /// Text of at most so many characters; `None` is no limit.
    Text(Option<i32>),
}

/// The tables, as identifiers of SQL.
pub fn tables() -> impl Iterator<Item = String> {
    SCHEMA.lines().filter_map(table).map(quote)
}

/// The columns of a table with their types.
pub fn columns(name: &str) -> impl Iterator<Item = (&'static str, ColumnType)> {
    let lines = SCHEMA
        .lines()
        .skip_while(move |line| table(line) != Some(name));
    // Constraints begin with a capital letter.
    let columns = lines
        .skip(1)
        .take_while(|line| *line != ");")
        .filter(|line| {
            !line
                .trim_start()
                .starts_with(|first: char| first.is_ascii_uppercase())
        });
    columns.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, column_type(words.next()?)?))
    })
}

fn table(line: &'static str) -> Option<&'static str> {
    let name = line.strip_prefix(CREATE_TABLE)?.strip_suffix(" (")?;
    Some(name.trim_matches('"'))
}

fn column_type(word: &str) -> Option<ColumnType> {
    match word.trim_end_matches(',') {
        "SERIAL" | "INTEGER" => Some(ColumnType::Number),
        "BOOLEAN" => Some(ColumnType::Boolean),
        "TIMESTAMP" => Some(ColumnType::Timestamp),
        "TEXT" => Some(ColumnType::Text(None)),
        varchar => {
            let length = varchar.strip_prefix("VARCHAR(")?.strip_suffix(')')?;
            Some(ColumnType::Text(Some(length.parse().ok()?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::TUTORIAL_TABLES;

    #[test]
    fn the_columns_of_the_tutorials_tables_are_found() {
        for (table, names) in TUTORIAL_TABLES {
            let found: Vec<_> = columns(table).map(|(name, _)| name).collect();
            assert_eq!(found, names);
        }
        let types: Vec<_> = columns("task").map(|(_, found)| found).collect();
        let (number, moment) = (ColumnType::Number, ColumnType::Timestamp);
        let text = ColumnType::Text;
        assert_eq!(
            types,
            [
                number,
                text(Some(255)),
                text(None),
                text(Some(20)),
                moment,
                moment,
                number
            ]
        );
        assert_eq!(
            columns("user").nth(5),
            Some(("is_approved", ColumnType::Boolean))
        );
    }

    #[test]
    fn every_table_is_found() {
        let count = SCHEMA.matches("CREATE TABLE").count();
        assert_eq!(tables().count(), count);
        assert!(tables().any(|name| name == "\"user\"") && tables().any(|name| name == "\"task\""));
    }
}
