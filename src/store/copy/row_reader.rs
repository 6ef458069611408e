//! Reads the rows of a table as [`Cell`]s, and finds what the target cannot hold.

use std::ops::ControlFlow;

use data_encoding::HEXLOWER;

use super::cell::{self, Cell, Fault, Fix, Wrong};
use crate::error::Error;
use crate::store::declared::Table;
use crate::store::engine::{Column as Stored, Connection, Row, Rows};

/// Reads the rows of one table.
pub struct RowReader<'a> {
    table: &'a Table,
    /// For each column, the position of its flag in a row, see [`Table::flags`].
    flags: Vec<Option<usize>>,
}

/// A row, converted, and what was wrong with it.
pub struct ReadRow {
    /// `None` if the row is left out.
    pub cells: Option<Vec<Cell>>,
    pub faults: Vec<Fault>,
}

impl<'a> RowReader<'a> {
    /// A reader for this table.
    pub fn new(table: &'a Table) -> RowReader<'a> {
        let width = table.columns.len();
        let mut flags = vec![None; width];
        for (position, (column, _)) in table.flags().enumerate() {
            flags[column] = Some(width + position);
        }
        RowReader { table, flags }
    }

    /// Reads all rows, in the order of the primary key.
    ///
    /// # Errors
    /// Those of the database and of `step`.
    pub fn for_each(
        &self,
        db: &Connection,
        mut step: impl FnMut(ReadRow) -> Result<(), Error>,
    ) -> Result<(), Error> {
        db.query_each(
            Rows::Many,
            &self.table.select(),
            &[],
            |row| -> Result<_, Error> {
                step(self.read(row))?;
                Ok(ControlFlow::Continue(()))
            },
        )
    }

    fn read(&self, row: &Row) -> ReadRow {
        let (mut cells, mut faults) = (Vec::new(), Vec::new());
        let mut is_left_out = false;
        for (at, column) in self.table.columns.iter().enumerate() {
            let flag = self.flags[at]
                .and_then(|at| row.or_null(at))
                .unwrap_or(false);
            let mut result = cell::read(column, row.column(at), flag);
            while let Err((what, fix, fixed)) = result {
                faults.push(self.fault(row, at, what, fix));
                is_left_out |= fix == Fix::LeaveOut;
                result = self.check_length(at, fix, fixed);
            }
            cells.extend(result);
        }
        let cells = (!is_left_out).then_some(cells);
        ReadRow { cells, faults }
    }

    /// A text whose characters were replaced may still be too long.
    fn check_length(&self, column: usize, fix: Fix, fixed: Cell) -> Result<Cell, Wrong> {
        if fix == Fix::Replace {
            cell::check_length(&self.table.columns[column], &fixed)?;
        }
        Ok(fixed)
    }

    fn fault(&self, row: &Row, column: usize, what: &'static str, fix: Fix) -> Fault {
        Fault {
            table: self.table.name.clone(),
            key: describe_key(row.column(self.table.key)),
            column: self.table.columns[column].name.clone(),
            what,
            fix,
        }
    }
}

fn describe_key(key: Stored) -> String {
    match key {
        Stored::Bytes(bytes) => HEXLOWER.encode(bytes),
        other => other.to_stored_text().unwrap_or_default(),
    }
}
