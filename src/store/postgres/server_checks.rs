//! Whether a server and its database can be used: checked at the start, so that an operator reads what to do and not
//! an error of the first statement.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use postgres::{Client, Error, Row};

use super::connect_error::explain;
use crate::error::{self, StorageError, StorageFault};
use crate::store::declared::tables;
use crate::store::engine::{Connection, values};
use crate::store::query_builder::quote;

/// The table that `schema.postgres.sql` does not have, since SQLite has a pragma for it.
const VERSION_TABLE: &str = "schema_version";

/// The oldest version that works, as `server_version_num` has it.
const MIN_VERSION: i32 = 13_00_00;

/// Everything that is asked of the server, in one statement. The functions exist in CockroachDB and YugabyteDB too.
const QUESTIONS: &str = r#"
    SELECT version(),
           current_setting('server_version_num')::int4,
           current_setting('server_encoding'),
           current_database()::text,
           current_user::text,
           current_schema()::text,
           pg_is_in_recovery(),
           current_setting('default_transaction_read_only') = 'on',
           coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
           to_regclass('task') IS NOT NULL AND to_regclass('"user"') IS NOT NULL,
           (SELECT coalesce(bool_and(has_table_privilege(to_regclass(quote_ident(current_schema()) || '.' || name), privilege)), true)
              FROM unnest($1::text[]) AS name,
                   unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege),
           (SELECT coalesce(bool_and(has_sequence_privilege(to_regclass(quote_ident(current_schema()) || '.' || name), privilege)), true)
              FROM unnest(ARRAY['task_id_seq', 'user_id_seq']) AS name,
                   unnest(ARRAY['USAGE', 'UPDATE']) AS privilege),
           (SELECT min(nspname::text) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
             WHERE pg_class.oid IN (to_regclass('task'), to_regclass('"user"'), to_regclass('schema_version'))
               AND nspname <> current_schema())
"#;

/// Whether each of the tables exists, and whether the role may use it.
const TABLES: &str = "
    SELECT bool_and(found IS NOT NULL), bool_and(has_table_privilege(found, privilege))
      FROM unnest(string_to_array(?1, ',')) AS name,
           to_regclass(quote_ident(current_schema()) || '.' || name) AS found,
           unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege";

/// The answers of the server.
struct Answers {
    version: String,
    version_number: i32,
    encoding: String,
    database: String,
    role: String,
    schema: Option<String>,
    is_in_recovery: bool,
    is_read_only: bool,
    may_create: bool,
    has_tables: bool,
    may_use_tables: bool,
    may_use_sequences: bool,
    /// Another schema of `search_path` that has a table with a name of this program's.
    other_schema: Option<String>,
}

/// Checks the version of the server, the encoding of the database and the rights of the role.
///
/// # Errors
/// One line for the operator, without the name of the setting, with what to do.
pub fn check_server(client: &mut Client) -> Result<(), String> {
    let mut names = names().map_err(|why| why.to_string())?;
    names.push(VERSION_TABLE.to_owned());
    let row = client.query_one(QUESTIONS, &[&names]);
    let answers = row.and_then(|row| Answers::read(&row));
    answers.map_err(|why| explain(&why))?.check()
}

/// Checks that the database still has each table, and that the role may use it.
///
/// # Errors
/// [`error::Error::StorageUnavailable`] if not, or if the database cannot be reached.
pub fn check_tables(db: &Connection) -> Result<(), error::Error> {
    let names = names()?.join(",");
    let answers = db.query_one(TABLES, values![names], |row| {
        Ok((row.get::<Option<bool>>(0)?, row.get::<Option<bool>>(1)?))
    })?;
    let (fault, cause) = match answers {
        (Some(true), Some(true)) => return Ok(()),
        (Some(true), _) => (StorageFault::ReadOnly, "the role may not use all tables"),
        _ => (StorageFault::Replaced, "a table is missing"),
    };
    Err(error::Error::StorageUnavailable(StorageError::new(
        fault, cause,
    )))
}

/// The names of the tables, as identifiers of SQL.
fn names() -> rusqlite::Result<Vec<String>> {
    let tables = tables()?;
    Ok(tables.iter().map(|table| quote(&table.name)).collect())
}

impl Answers {
    fn read(row: &Row) -> Result<Answers, Error> {
        Ok(Answers {
            version: row.try_get(0)?,
            version_number: row.try_get(1)?,
            encoding: row.try_get(2)?,
            database: row.try_get(3)?,
            role: row.try_get(4)?,
            schema: row.try_get(5)?,
            is_in_recovery: row.try_get(6)?,
            is_read_only: row.try_get(7)?,
            may_create: row.try_get(8)?,
            has_tables: row.try_get(9)?,
            may_use_tables: row.try_get(10)?,
            may_use_sequences: row.try_get(11)?,
            other_schema: row.try_get(12)?,
        })
    }

    fn check(&self) -> Result<(), String> {
        self.check_version()?;
        self.check_encoding()?;
        self.check_writable()?;
        self.check_rights()
    }

    /// CockroachDB and YugabyteDB have versions of their own, and report an older one of PostgreSQL.
    fn check_version(&self) -> Result<(), String> {
        let is_other = self.version.contains("CockroachDB") || self.version.contains("-YB-");
        if is_other || self.version_number >= MIN_VERSION {
            return Ok(());
        }
        let version = self.version.split(" on ").next().unwrap_or_default();
        Err(format!(
            "the server is {version}: it must be PostgreSQL 13 or newer"
        ))
    }

    fn check_encoding(&self) -> Result<(), String> {
        match self.encoding.as_str() {
            "UTF8" => Ok(()),
            other => Err(format!(
                "the database {} has the encoding {other}: create one with CREATE DATABASE name ENCODING 'UTF8' \
                 TEMPLATE template0",
                quote(&self.database)
            )),
        }
    }

    fn check_writable(&self) -> Result<(), String> {
        if self.is_in_recovery {
            return Err(
                "the server is a standby, which is read-only: let the URL name the primary too"
                    .to_owned(),
            );
        }
        if self.is_read_only {
            return Err(format!(
                "default_transaction_read_only is on: ALTER DATABASE {} SET default_transaction_read_only = off, or \
                 the same for the role {}",
                quote(&self.database),
                quote(&self.role)
            ));
        }
        Ok(())
    }

    fn check_rights(&self) -> Result<(), String> {
        let role = quote(&self.role);
        let Some(schema) = self.schema.as_deref().map(quote) else {
            return Err(format!(
                "no schema of search_path exists or may be used by the role {role}: CREATE SCHEMA AUTHORIZATION {role}"
            ));
        };
        if let Some(other) = self.other_schema.as_deref() {
            return Err(format!(
                "search_path leads to tables in the schema {}, and new tables would be in {schema}: name one schema, for \
                 example options=-csearch_path%3D{}",
                quote(other),
                in_options(other)
            ));
        }
        let (cannot, grant) = if !self.may_use_tables {
            let rights = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN";
            ("use the tables", rights)
        } else if !self.may_use_sequences {
            // The ids of tasks come from a sequence, and that of accounts is moved along (`setval`). A right to the
            // tables does not extend to sequences.
            ("use the sequences", "USAGE, UPDATE ON ALL SEQUENCES IN")
        } else if !self.may_create && !self.has_tables {
            ("create tables", "CREATE ON")
        } else {
            return Ok(());
        };
        Err(format!(
            "the role {role} may not {cannot} in the schema {schema}: GRANT {grant} SCHEMA {schema} TO {role}"
        ))
    }
}

/// The name of a schema as a value in the parameter `options` of a URL, in which a backslash escapes a space.
fn in_options(schema: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c == '_';
    if schema.chars().all(is_plain) {
        return schema.to_owned();
    }
    let escaped = quote(schema).replace('\\', "\\\\").replace(' ', "\\ ");
    utf8_percent_encode(&escaped, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_version(version: &str, version_number: i32) -> Result<(), String> {
        let answers = Answers {
            version: version.to_owned(),
            version_number,
            encoding: "UTF8".to_owned(),
            database: "d".to_owned(),
            role: "r".to_owned(),
            schema: Some("public".to_owned()),
            is_in_recovery: false,
            is_read_only: false,
            may_create: true,
            has_tables: false,
            may_use_tables: true,
            may_use_sequences: true,
            other_schema: None,
        };
        answers.check()
    }

    #[test]
    fn an_old_server_is_refused_unless_its_versions_are_its_own() {
        let old = "PostgreSQL 12.22 (Debian 12.22-1) on x86_64-pc-linux-gnu, compiled by gcc";
        assert_eq!(
            check_version(old, 12_00_22),
            Err(
                "the server is PostgreSQL 12.22 (Debian 12.22-1): it must be PostgreSQL 13 or newer"
                    .to_owned()
            )
        );
        for (version, number) in [
            (
                "PostgreSQL 13.0 on x86_64-pc-linux-gnu, compiled by gcc",
                13_00_00,
            ),
            ("CockroachDB CCL v23.1.0 (x86_64-pc-linux-gnu)", 13_00_00),
            (
                "PostgreSQL 11.2-YB-2.20.0.0-b0 on x86_64-pc-linux-gnu",
                11_00_02,
            ),
        ] {
            assert_eq!(check_version(version, number), Ok(()), "{version}");
        }
    }
}
