//! The tables that the Flask app has made: whether they are the tutorial's, and what has to be wider for this program.

use postgres::{Error, GenericClient};

use super::connect_error::explain;
use super::declared::{self, ColumnType};
use crate::store::query_builder::quote;
use crate::store::schema::TUTORIAL_TABLES;

/// Those of the tutorial's tables that a database has.
#[derive(Default)]
pub struct FlaskTables(Vec<(&'static str, Vec<FoundColumn>)>);

/// A column of a table in the database.
struct FoundColumn {
    name: String,
    /// The name of its type in `pg_type`.
    type_name: String,
    /// Of text with a limit.
    max_chars: Option<i32>,
    /// An INSERT has to name it.
    is_required: bool,
    /// An INSERT must not name it.
    is_generated: bool,
}

const COLUMNS: &str = "
    SELECT column_name::text, udt_name::text, character_maximum_length::int4,
           is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO' AND is_generated = 'NEVER',
           is_generated <> 'NEVER' OR coalesce(identity_generation, '') = 'ALWAYS'
      FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1";

const IS_TABLE: &str = "
    SELECT EXISTS (SELECT 1 FROM information_schema.tables
     WHERE table_schema = current_schema() AND table_name = $1 AND table_type = 'BASE TABLE')";

impl FlaskTables {
    /// Reads which of the tables there are.
    ///
    /// # Errors
    /// One line for the operator, without the name of the setting: a table is another program's.
    pub fn find(client: &mut impl GenericClient) -> Result<FlaskTables, String> {
        let mut found = Vec::new();
        for (table, _) in TUTORIAL_TABLES {
            let columns = FoundColumn::all(client, table).map_err(|why| explain(&why))?;
            if columns.is_empty() {
                continue;
            }
            let row = client.query_one(IS_TABLE, &[&table]);
            let is_table = row.and_then(|row| row.try_get(0));
            check(table, &columns, is_table.map_err(|why| explain(&why))?).map_err(|why| {
                format!("the database is neither this program's nor the tutorial's: its table {table} {why}")
            })?;
            found.push((table, columns));
        }
        Ok(FlaskTables(found))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The statements that make each text as long as this program needs it, and order titles by their bytes. They change
    /// the catalogue and no row.
    pub fn widen(&self) -> String {
        let mut script = String::new();
        for (table, columns) in &self.0 {
            for (name, wanted) in declared::columns(table) {
                let column = columns.iter().find(|column| column.name == name);
                let Some(wider) = column.and_then(|column| column.wider(wanted)) else {
                    continue;
                };
                let table = quote(table);
                script += &format!("ALTER TABLE {table} ALTER COLUMN {name} TYPE {wider};\n");
            }
        }
        script
    }
}

/// Checks that this program can read and write the columns, and that an INSERT which names only those that it knows
/// succeeds.
fn check(table: &str, columns: &[FoundColumn], is_table: bool) -> Result<(), String> {
    if !is_table {
        return Err("is a view".to_owned());
    }
    for (name, wanted) in declared::columns(table) {
        let column = columns.iter().find(|column| column.name == name);
        let column = column.ok_or_else(|| format!("has no column {name}"))?;
        let names = type_names(wanted);
        if !names.contains(&column.type_name.as_str()) {
            let (found, names) = (&column.type_name, names.join(" or "));
            return Err(format!(
                "has a column {name} of the type {found}, which must be {names}"
            ));
        }
        if column.is_generated {
            return Err(format!(
                "has a column {name} whose values PostgreSQL generates"
            ));
        }
    }
    let is_known = |name: &str| declared::columns(table).any(|(known, _)| known == name);
    match columns
        .iter()
        .find(|column| column.is_required && !is_known(&column.name))
    {
        Some(column) => Err(format!(
            "requires a value for {}, a column that this program does not know",
            column.name
        )),
        None => Ok(()),
    }
}

/// The types that hold the same values: what SQLAlchemy creates, and what is wider.
fn type_names(wanted: ColumnType) -> &'static [&'static str] {
    match wanted {
        ColumnType::Number => &["int4", "int8"],
        ColumnType::Boolean => &["bool"],
        ColumnType::Timestamp => &["timestamp"],
        ColumnType::Text(_) => &["varchar", "text"],
    }
}

impl FoundColumn {
    fn all(client: &mut impl GenericClient, table: &str) -> Result<Vec<FoundColumn>, Error> {
        let rows = client.query(COLUMNS, &[&table])?;
        let columns = rows.iter().map(|row| {
            Ok(FoundColumn {
                name: row.try_get(0)?,
                type_name: row.try_get(1)?,
                max_chars: row.try_get(2)?,
                is_required: row.try_get(3)?,
                is_generated: row.try_get(4)?,
            })
        });
        columns.collect()
    }

    /// The type that the column must get, if it has another one.
    fn wider(&self, wanted: ColumnType) -> Option<String> {
        let ColumnType::Text(wanted) = wanted else {
            return None;
        };
        let (is_title, found) = (self.name == "title", self.max_chars);
        let length = found.zip(wanted).map(|(found, wanted)| found.max(wanted));
        if length == found && !is_title {
            return None;
        }
        let text = length.map_or("TEXT".to_owned(), |length| format!("VARCHAR({length})"));
        Some(if is_title {
            text + r#" COLLATE "C""#
        } else {
            text
        })
    }
}
