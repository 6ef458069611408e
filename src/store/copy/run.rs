//! The copy: check, copy, compare, commit.

use std::mem;

use super::cell::{Cell, Fault, Fix};
use super::checksum::Checksum;
use super::database::{Source, Target, files, internal};
use super::key_files::KeyPlan;
use super::progress::{Observer, Step};
use super::row_reader::RowReader;
use crate::config::database::{DatabaseArgs, DatabaseFiles};
use crate::error::Error;
use crate::model::Timestamp;
use crate::store::audit::seal;
use crate::store::audit::verification::{Verification, verify_all};
use crate::store::declared::{self, Table};
use crate::store::engine::Connection;
use crate::store::files::PartialFile;
use crate::store::flask_takeover;
use crate::store::query_builder::quote;

/// Rows in one statement: with 13 columns at most, fewer parameters than either engine allows.
const BATCH: usize = 500;

/// What to copy, and how.
#[derive(Debug)]
pub struct CopyJob {
    /// The database to copy, and where its keys are.
    pub from: DatabaseArgs,
    /// The database to create, and where its keys go.
    pub to: DatabaseArgs,
    /// Changes what the target cannot hold.
    pub convert: bool,
    /// Copies an audit log that is not intact.
    pub allow_broken_audit_log: bool,
}

/// What was copied.
#[derive(Debug)]
pub struct Summary {
    /// The tables that the source has, and their rows.
    tables: Vec<(String, Checksum)>,
    /// The number of values that were changed.
    pub converted: usize,
}

impl Summary {
    /// The number of rows of a table.
    pub fn rows(&self, table: &str) -> u64 {
        let found = self.tables.iter().find(|(name, _)| name == table);
        found.map_or(0, |(_, checksum)| checksum.rows())
    }
}

impl CopyJob {
    /// Copies the database. Nothing has changed if this fails, unless the error says so.
    ///
    /// # Errors
    /// [`Error::Internal`], in one line for the operator.
    pub fn run(&self, observer: &Observer) -> Result<Summary, Error> {
        let (ready, keys) = self
            .prepare(observer)
            .map_err(|why| internal(format!("{why}; nothing was written")))?;
        ready.commit(&keys, observer)
    }

    /// Copies everything, and commits nothing.
    fn prepare(&self, observer: &Observer) -> Result<(Ready, KeyPlan), Error> {
        let all = declared::tables()?;
        let source_files = files(&self.from).map_err(of_source)?;
        let target_files = files(&self.to).map_err(of_target)?;
        let keys = KeyPlan::new(&source_files, &target_files).map_err(of_target)?;
        let (from, to) = (&self.from.database_url, &self.to.database_url);
        let source = Source::open(from, &source_files).map_err(of_source)?;
        let target = Target::open(to, &target_files, &all).map_err(of_target)?;
        let copy = Copy {
            job: self,
            observer,
            source,
            source_files,
            target,
        };
        Ok((copy.run(all)?, keys))
    }
}

/// A copy that was compared, and is not committed yet.
struct Ready {
    target: Target,
    summary: Summary,
}

impl Ready {
    fn commit(self, keys: &KeyPlan, observer: &Observer) -> Result<Summary, Error> {
        // Before the commit: a server that sees the copy finds its keys.
        let key_files = keys.write().map_err(of_target)?;
        let is_file = self.target.is_file();
        let committed = self.target.commit();
        if committed.is_ok() || !is_file {
            // If the connection was lost during the commit, it may have happened.
            key_files.into_iter().for_each(PartialFile::keep);
        }
        committed.map_err(|why| {
            internal(format!(
                "--to: {why}; if that was during the commit, it may be done: run the command again, which says that \
                 the target is not empty then"
            ))
        })?;
        // A signal at this point comes too late.
        let _ = observer.report(Step::Done(keys.describe()));
        Ok(self.summary)
    }
}

/// A copy with both databases open.
struct Copy<'a> {
    job: &'a CopyJob,
    observer: &'a Observer,
    source: Source,
    source_files: DatabaseFiles,
    target: Target,
}

/// A table, and its rows as the target will have them.
type Checked = (Table, Checksum);

impl Copy<'_> {
    fn run(self, all: Vec<Table>) -> Result<Ready, Error> {
        let (tables, converted) = self.check(all)?;
        let audit = self.check_audit_log()?;
        self.copy(&tables)?;
        self.compare(&tables, audit.as_ref())?;
        let copied = |(table, checksum): Checked| (table.name, checksum);
        let tables = tables.into_iter().map(copied).collect();
        let target = self.target;
        let summary = Summary { tables, converted };
        Ok(Ready { target, summary })
    }

    // ---- the check before the copy ------------------------------------------------------------

    /// Reads all rows, and reports what the target cannot hold. Returns the tables that the source has, and the number
    /// of values that are changed.
    fn check(&self, all: Vec<Table>) -> Result<(Vec<Checked>, usize), Error> {
        let mut tables = Vec::new();
        for table in all {
            // The Flask app's databases have the tutorial's tables alone.
            match self.source.has(&table).map_err(of_source)? {
                true => tables.push(table),
                false if self.source.is_flask => {}
                false => {
                    return Err(of_source(internal(format!(
                        "its table {} is missing",
                        table.name
                    ))));
                }
            }
        }
        self.begin("checking the source", &tables)?;
        let (mut checked, mut faults) = (Vec::new(), Faults::default());
        for table in tables {
            let checksum = self.check_table(&table, &mut faults)?;
            checked.push((table, checksum));
        }
        self.refuse_faults(&faults)?;
        let rows = total(&checked);
        self.done(format!("checked the source: {rows} rows to copy"))?;
        Ok((checked, faults.count))
    }

    fn check_table(&self, table: &Table, faults: &mut Faults) -> Result<Checksum, Error> {
        for column in self.source.unknown_columns(table)? {
            let fault = Fault {
                table: table.name.clone(),
                key: String::new(),
                column,
                what: "is a column that this program does not know",
                fix: Fix::LeaveColumnOut,
            };
            faults.add(&fault);
            self.observer.report(Step::Fault(&fault))?;
        }
        let mut checksum = Checksum::default();
        RowReader::new(table).for_each(&self.source.connection(), |row| {
            for fault in &row.faults {
                faults.add(fault);
                self.observer.report(Step::Fault(fault))?;
            }
            if let Some(cells) = &row.cells {
                checksum.add(cells);
            }
            self.observer.report(Step::Rows(1))
        })?;
        Ok(checksum)
    }

    /// Fails if values would be lost or changed without the operator's consent.
    fn refuse_faults(&self, faults: &Faults) -> Result<(), Error> {
        let Faults { count, impossible } = faults;
        match (self.job.convert, *count, *impossible) {
            (_, 0, _) | (true, _, 0) => Ok(()),
            (true, _, impossible) => Err(internal(format!(
                "{impossible} values cannot be converted, see the lines before: correct them in the source"
            ))),
            (false, count, _) => Err(internal(format!(
                "the target cannot hold {count} values, see the lines before: correct them in the source, or change \
                 them in the copy with --convert"
            ))),
        }
    }

    /// Verifies the audit log of the source with its own key. `None` if there is none yet: in a database of the Flask
    /// app, or in a copy of one that no server has used.
    fn check_audit_log(&self) -> Result<Option<Verification>, Error> {
        if self.source.is_flask || seal::is_new(&self.source.connection()).map_err(of_source)? {
            return Ok(None);
        }
        let found = verify_all(&self.source.connection(), &self.source_files).map_err(of_source)?;
        match found.fault() {
            Some(fault) if !self.job.allow_broken_audit_log => Err(internal(format!(
                "the audit log of the source {fault}; --allow-broken-audit-log copies it all the same"
            ))),
            _ => Ok(Some(found)),
        }
    }

    // ---- the copy -------------------------------------------------------------------------------

    fn copy(&self, tables: &[Checked]) -> Result<(), Error> {
        let db = self.target.connection();
        self.observer
            .report(Step::Begin("copying", total(tables)))?;
        for (table, _) in tables {
            // The schema has written rows of its own to some.
            db.execute(&format!("DELETE FROM {}", quote(&table.name)), &[])
                .map_err(Error::from)?;
            self.copy_table(table, &db)?;
        }
        if self.source.is_flask {
            flask_takeover::record(&db, Timestamp::now()).map_err(of_target)?;
        }
        self.done(format!("copied {} rows", total(tables)))
    }

    fn copy_table(&self, table: &Table, db: &Connection) -> Result<(), Error> {
        let mut batch = Vec::with_capacity(BATCH);
        RowReader::new(table).for_each(&self.source.connection(), |row| {
            batch.extend(row.cells);
            match batch.len() {
                BATCH => self.insert(table, db, &mem::take(&mut batch)),
                _ => Ok(()),
            }
        })?;
        self.insert(table, db, &batch)
    }

    fn insert(&self, table: &Table, db: &Connection, rows: &[Vec<Cell>]) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut values = Vec::with_capacity(rows.len() * table.columns.len());
        for row in rows {
            let cells = row.iter().zip(&table.columns);
            values.extend(cells.map(|(cell, column)| cell.to_value(column.kind)));
        }
        db.execute(&table.insert(rows.len()), &values)
            .map_err(|why| internal(format!("--to: table {}: {}", table.name, Error::from(why))))?;
        self.observer.report(Step::Rows(rows.len() as u64))
    }

    // ---- the comparison after the copy ----------------------------------------------------------

    /// Reads both sides again: the target has to be what was read, and the source has to be unchanged since.
    fn compare(&self, tables: &[Checked], audit: Option<&Verification>) -> Result<(), Error> {
        self.source.renew_snapshot().map_err(of_source)?;
        self.observer
            .report(Step::Begin("comparing", 2 * total(tables)))?;
        for (table, expected) in tables {
            if self.checksum(table, &self.target.connection())? != *expected {
                return Err(internal(format!(
                    "the copy of the table {} differs from the source",
                    table.name
                )));
            }
            if self.checksum(table, &self.source.connection())? != *expected {
                return Err(internal(format!(
                    "the table {} of the source was changed meanwhile: stop all servers and run the command again",
                    table.name
                )));
            }
            if expected.rows() > 0 {
                self.done(format!(
                    "{}: {expected}, the same on both sides",
                    table.name
                ))?;
            }
        }
        let empty = tables.iter().filter(|(_, rows)| rows.rows() == 0).count();
        self.done(format!("{empty} tables are empty"))?;
        self.compare_audit_log(audit)
    }

    fn checksum(&self, table: &Table, db: &Connection) -> Result<Checksum, Error> {
        let mut checksum = Checksum::default();
        RowReader::new(table).for_each(db, |row| {
            if let Some(cells) = &row.cells {
                checksum.add(cells);
            }
            self.observer.report(Step::Rows(1))
        })?;
        Ok(checksum)
    }

    fn compare_audit_log(&self, expected: Option<&Verification>) -> Result<(), Error> {
        let Some(expected) = expected else {
            return Ok(());
        };
        let found = verify_all(&self.target.connection(), &self.source_files).map_err(of_target)?;
        match (found == *expected, found.fault()) {
            (true, None) => self.done("the audit log is intact".to_owned()),
            (true, Some(fault)) => {
                self.done(format!("the audit log is copied, although it {fault}"))
            }
            (false, _) => Err(internal(
                "the audit log of the copy is not that of the source",
            )),
        }
    }

    // ---- progress -------------------------------------------------------------------------------

    fn begin(&self, what: &'static str, tables: &[Table]) -> Result<(), Error> {
        let mut rows = 0;
        for table in tables {
            let sql = format!("SELECT count(*) FROM {}", quote(&table.name));
            let count: i64 = self
                .source
                .connection()
                .query_one(&sql, &[], |row| row.get(0))
                .map_err(Error::from)?;
            rows += count.unsigned_abs();
        }
        self.observer.report(Step::Begin(what, rows))
    }

    fn done(&self, line: String) -> Result<(), Error> {
        self.observer.report(Step::Done(line))
    }
}

/// The values that the target cannot hold.
#[derive(Default)]
struct Faults {
    count: usize,
    /// How many of them no conversion changes.
    impossible: usize,
}

impl Faults {
    fn add(&mut self, fault: &Fault) {
        self.count += 1;
        self.impossible += usize::from(fault.fix == Fix::Impossible);
    }
}

fn total(tables: &[Checked]) -> u64 {
    tables.iter().map(|(_, checksum)| checksum.rows()).sum()
}

fn of_source(why: Error) -> Error {
    internal(format!("--from: {why}"))
}

fn of_target(why: Error) -> Error {
    internal(format!("--to: {why}"))
}
