//! The statements that read and write a whole table.

use crate::store::declared::{ColumnType, Table};
use crate::store::query_builder::quote;

impl Table {
    /// The statement that reads all rows: the columns, and after them one truth value for each of
    /// [`Table::flags`].
    pub fn select(&self) -> String {
        let columns = self.columns.iter().map(|column| quote(&column.name));
        let flags = self.flags().map(|(_, sql)| sql);
        let list: Vec<_> = columns.chain(flags).collect();
        let key = quote(&self.columns[self.key].name);
        format!(
            "SELECT {} FROM {} AS copied ORDER BY {key}",
            list.join(", "),
            quote(&self.name)
        )
    }

    /// What has to be known of a column besides its value, as conditions in SQL: of a foreign key, whether its account is
    /// missing; of a timestamp that reads as NULL, whether it is something else, such as PostgreSQL's `infinity`.
    pub fn flags(&self) -> impl Iterator<Item = (usize, String)> + '_ {
        let columns = self.columns.iter().enumerate();
        columns.filter_map(|(at, column)| {
            let name = quote(&column.name);
            let sql = match (column.account, column.kind) {
                (Some(_), _) => format!(
                    r#"({name} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "user" AS account WHERE account.id = copied.{name}))"#
                ),
                (None, ColumnType::Timestamp) => format!("({name} IS NOT NULL)"),
                _ => return None,
            };
            Some((at, sql))
        })
    }

    /// The statement that writes this many rows.
    pub fn insert(&self, rows: usize) -> String {
        let width = self.columns.len();
        let columns: Vec<_> = self.columns.iter().map(|c| quote(&c.name)).collect();
        let row = |row: usize| {
            let parameters = (1..=width).map(|column| format!("?{}", row * width + column));
            format!("({})", parameters.collect::<Vec<_>>().join(", "))
        };
        format!(
            "INSERT INTO {} ({}) VALUES {}",
            quote(&self.name),
            columns.join(", "),
            (0..rows).map(row).collect::<Vec<_>>().join(", ")
        )
    }
}
