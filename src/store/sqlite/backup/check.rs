//! What a copy holds, and the proof that it is intact.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;

use super::keys::KEY_TABLE;
use super::snapshot_copy::open_copy;
use super::watch::{Phase, Watch};
use crate::error::Error;
use crate::store::audit::verification::verify_chain;
use crate::store::query_builder::quote;
use crate::store::sqlite::migrate;

/// The number of rows of each table, and of the rows that refer to a row which does not exist: the Flask app does not
/// check references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    tables: BTreeMap<String, i64>,
    dangling: i64,
}

impl Contents {
    /// Counts the rows.
    pub fn read(db: &Connection) -> Result<Contents, Error> {
        let tables = table_names(db)?.into_iter().map(|name| {
            let sql = format!("SELECT count(*) FROM {}", quote(&name));
            Ok((name, db.query_row(&sql, [], |row| row.get(0))?))
        });
        let tables = tables.collect::<rusqlite::Result<_>>()?;
        let sql = "SELECT count(*) FROM pragma_foreign_key_check";
        let dangling = db.query_row(sql, [], |row| row.get(0))?;
        Ok(Contents { tables, dangling })
    }

    /// The number of rows of a table.
    pub fn rows(&self, table: &str) -> i64 {
        self.tables.get(table).copied().unwrap_or_default()
    }

    /// The number of rows that refer to a row which does not exist.
    pub fn dangling(&self) -> i64 {
        self.dangling
    }

    /// Checks that this is what a copy of `original` holds.
    ///
    /// # Errors
    /// [`Error::Internal`] with the first difference.
    pub fn check_copy_of(&self, original: &Contents) -> Result<(), Error> {
        for (table, rows) in &original.tables {
            let copied = self.tables.get(table).copied().unwrap_or_default();
            if copied != *rows {
                return Err(damaged(format!(
                    "the table {table} has {copied} rows in the copy and {rows} in the database"
                )));
            }
        }
        if self.dangling > original.dangling {
            return Err(damaged("rows of the copy refer to rows that are missing"));
        }
        Ok(())
    }
}

/// The tables of the schema, without SQLite's own, virtual ones and the one that only a backup has.
fn table_names(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = r"SELECT name FROM pragma_table_list
        WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name <> ?1";
    let mut statement = db.prepare(sql)?;
    statement
        .query_map([KEY_TABLE], |row| row.get(0))?
        .collect()
}

/// A copy that is intact.
#[derive(Debug)]
pub struct Checked {
    /// What it holds.
    pub contents: Contents,
    /// How the audit log is broken, if it is. The database that was copied has the same fault.
    pub audit_fault: Option<String>,
}

/// Checks the file of a copy: the structure of all pages and indexes, and the hash chain of the audit log.
///
/// # Errors
/// [`Error::Internal`] if the copy is damaged or is not this program's.
pub fn check_copy(path: &Path, watch: &Watch) -> Result<Checked, Error> {
    watch.report(Phase::Checking)?;
    let mut copy = open_copy(path)?;
    watch.interrupt(&copy)?;
    check_pages(&copy)?;
    migrate::check_is_ours(&copy)?;
    Ok(Checked {
        contents: Contents::read(&copy)?,
        audit_fault: audit_fault(&mut copy)?,
    })
}

/// SQLite's check of every page, every index and every NOT NULL.
fn check_pages(db: &Connection) -> Result<(), Error> {
    let found: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    match found.as_str() {
        "ok" => Ok(()),
        // Some findings have several lines.
        _ => Err(damaged(
            found.split_whitespace().collect::<Vec<_>>().join(" "),
        )),
    }
}

/// Verifies the audit log. The statements need the tables of the current version, so a copy of an earlier one gets
/// them in a transaction that is rolled back.
fn audit_fault(copy: &mut Connection) -> Result<Option<String>, Error> {
    let transaction = copy.transaction()?;
    migrate::upgrade(&transaction)?;
    let fault = verify_chain(&(&*transaction).into())?.fault();
    Ok(fault.map(|fault| format!("the audit log {fault}")))
}

/// The error of a damaged file.
pub fn damaged(how: impl std::fmt::Display) -> Error {
    Error::Internal(format!("it is damaged: {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(rows: &[(&str, i64)], dangling: i64) -> Contents {
        let tables = rows
            .iter()
            .map(|(table, rows)| ((*table).to_owned(), *rows));
        Contents {
            tables: tables.collect(),
            dangling,
        }
    }

    #[test]
    fn a_copy_with_fewer_rows_or_more_dangling_references_is_damaged() {
        let original = contents(&[("task", 3), ("user", 1)], 1);
        let check = |rows: &[_], dangling| contents(rows, dangling).check_copy_of(&original);
        assert!(check(&[("task", 3), ("user", 1)], 1).is_ok());
        assert!(check(&[("task", 2), ("user", 1)], 1).is_err());
        assert!(check(&[("task", 3)], 1).is_err());
        assert!(check(&[("task", 3), ("user", 1)], 2).is_err());
    }
}
