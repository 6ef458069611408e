//! The tables that the Flask app has made: whether they are the tutorial's, and what has to be wider for this program.

use postgres::{Error, GenericClient};

use super::connect_error::explain;
use crate::store::declared::{Column, ColumnType, Table, tables};
use crate::store::query_builder::quote;
use crate::store::schema::is_tutorial;

/// Those of the tutorial's tables that a database has.
#[derive(Default)]
pub struct FlaskTables(Vec<(Table, Vec<FoundColumn>)>);

/// A column of a table in the database.
struct FoundColumn {
    name: String,
    /// The name of its type in `pg_type`.
    type_name: String,
    /// Of text with a limit.
    max_chars: Option<i32>,
    collation: Option<String>,
    is_nullable: bool,
    /// An INSERT need not name it.
    has_default: bool,
    /// An INSERT must not name it.
    is_generated: bool,
}

const COLUMNS: &str = "
    SELECT column_name::text, coalesce(domain_name, udt_name)::text, character_maximum_length::int4, collation_name::text,
           is_nullable = 'YES',
           column_default IS NOT NULL OR is_identity = 'YES' OR is_generated <> 'NEVER',
           is_generated <> 'NEVER' OR coalesce(identity_generation, '') = 'ALWAYS'
      FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1";

/// Tables and partitioned tables are `r` and `p`; indexes and sequences have names of their own.
const KIND: &str = "
    SELECT relkind IN ('r', 'p') FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname = current_schema() AND relname = $1 AND relkind IN ('r', 'p', 'v', 'm', 'f')";

/// The columns in which this program writes NULL.
const OPTIONAL: [&str; 3] = ["description", "deadline", "assigned_user_id"];

impl FlaskTables {
    /// Reads which of the tables there are.
    ///
    /// # Errors
    /// One line for the operator, without the name of the setting: a table is another program's.
    pub fn find(client: &mut impl GenericClient) -> Result<FlaskTables, String> {
        let mut found = Vec::new();
        let declared = tables().map_err(|why| why.to_string())?;
        for table in declared
            .into_iter()
            .filter(|table| is_tutorial(&table.name))
        {
            let name = &table.name;
            let row = client.query_opt(KIND, &[name]);
            let is_table = row.and_then(|row| row.map(|row| row.try_get(0)).transpose());
            let Some(is_table) = is_table.map_err(|why| explain(&why))? else {
                continue;
            };
            let columns = FoundColumn::all(client, name).map_err(|why| explain(&why))?;
            check(&table, &columns, is_table).map_err(|why| {
                format!("the database is neither this program's nor the tutorial's: its table {name} {why}")
            })?;
            found.push((table, columns));
        }
        Ok(FlaskTables(found))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes each text as long as this program needs it, and orders titles by their bytes. Changes the catalogue and no
    /// row.
    ///
    /// # Errors
    /// One line for the operator: something depends on the type, such as a view.
    pub fn widen(&self, client: &mut impl GenericClient) -> Result<(), String> {
        for (table, columns) in &self.0 {
            for wanted in &table.columns {
                let column = columns.iter().find(|column| column.name == wanted.name);
                let Some(wider) = column.and_then(|column| column.wider(wanted.kind)) else {
                    continue;
                };
                let (table, name) = (&table.name, &wanted.name);
                let sql = format!(
                    "ALTER TABLE {} ALTER COLUMN {name} TYPE {wider}",
                    quote(table)
                );
                client.batch_execute(&sql).map_err(|why| {
                    let detail = why
                        .as_db_error()
                        .and_then(|why| why.detail())
                        .unwrap_or_default();
                    let why = explain(&why);
                    format!("{table}.{name} cannot become {wider}: {why} {detail}")
                        .trim_end()
                        .to_owned()
                })?;
            }
        }
        Ok(())
    }
}

/// Checks that this program can read and write the columns, and that an INSERT which names only those that it knows
/// succeeds.
fn check(table: &Table, columns: &[FoundColumn], is_table: bool) -> Result<(), String> {
    if !is_table {
        return Err("is no table".to_owned());
    }
    for Column { name, kind, .. } in &table.columns {
        let column = columns.iter().find(|column| column.name == *name);
        let column = column.ok_or_else(|| format!("has no column {name}"))?;
        let names = type_names(*kind);
        if !names.contains(&column.type_name.as_str()) {
            let (found, names) = (&column.type_name, names.join(" or "));
            return Err(format!(
                "has a column {name} of the type {found}, which must be {names}"
            ));
        }
        if OPTIONAL.contains(&name.as_str()) && !column.is_nullable {
            return Err(format!(
                "has a column {name} that must not be NULL, and a task need not have one"
            ));
        }
        if name == "id" && !column.has_default {
            return Err("has a column id without a default".to_owned());
        }
        if column.is_generated {
            return Err(format!(
                "has a column {name} whose values PostgreSQL generates"
            ));
        }
    }
    let is_known = |name: &str| table.columns.iter().any(|known| known.name == name);
    match columns
        .iter()
        .find(|column| column.is_required() && !is_known(&column.name))
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
        ColumnType::Integer { .. } => &["int4", "int8"],
        ColumnType::Boolean => &["bool"],
        ColumnType::Timestamp => &["timestamp"],
        ColumnType::Text { .. } => &["varchar", "text"],
        ColumnType::Bytes => &["bytea"],
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
                collation: row.try_get(3)?,
                is_nullable: row.try_get(4)?,
                has_default: row.try_get(5)?,
                is_generated: row.try_get(6)?,
            })
        });
        columns.collect()
    }

    fn is_required(&self) -> bool {
        !self.is_nullable && !self.has_default
    }

    /// The type that the column must get, if it has another one.
    fn wider(&self, wanted: ColumnType) -> Option<String> {
        let ColumnType::Text { max_chars: wanted } = wanted else {
            return None;
        };
        let is_title = self.name == "title";
        let found = self
            .max_chars
            .and_then(|length| usize::try_from(length).ok());
        let found = found.unwrap_or(usize::MAX);
        let length = found.max(wanted);
        let is_in_order = !is_title || self.collation.as_deref() == Some("C");
        if length == found && is_in_order {
            return None;
        }
        let text = match length {
            usize::MAX => "TEXT".to_owned(),
            length => format!("VARCHAR({length})"),
        };
        Some(if is_title {
            text + r#" COLLATE "C""#
        } else {
            text
        })
    }
}
