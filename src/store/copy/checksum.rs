//! The number of rows of a table, and a checksum of them.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::cell::Cell;

/// The rows of a table. The checksum is the sum of the SHA-256 of each row, so that it does not depend on the order: the
/// engines order texts differently.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checksum {
    rows: u64,
    sum: [u64; 4],
}

impl Checksum {
    /// Adds a row.
    pub fn add(&mut self, row: &[Cell]) {
        let mut hash = Sha256::new();
        for cell in row {
            cell.hash(&mut hash);
        }
        self.rows += 1;
        for (sum, part) in self.sum.iter_mut().zip(hash.finalize().chunks_exact(8)) {
            let part = part
                .iter()
                .fold(0, |part, byte| part << 8 | u64::from(*byte));
            *sum = sum.wrapping_add(part);
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.sum.map(u64::to_be_bytes).concat();
        write!(
            f,
            "{} rows, checksum {}",
            self.rows,
            HEXLOWER.encode(&bytes)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(rows: &[&[Cell]]) -> Checksum {
        let mut sum = Checksum::default();
        rows.iter().for_each(|row| sum.add(row));
        sum
    }

    #[test]
    fn it_depends_on_each_value_and_not_on_the_order_of_rows() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let (one, two) = ([text("ab"), text("c")], [text("a"), text("bc")]);
        assert_eq!(checksum(&[&one, &two]), checksum(&[&two, &one]));
        assert_ne!(checksum(&[&one]), checksum(&[&two]));
        assert_ne!(checksum(&[&[Cell::Null]]), checksum(&[&[text("")]]));
        assert_ne!(
            checksum(&[&[Cell::Integer(1)]]),
            checksum(&[&[Cell::Boolean(true)]])
        );
        assert_ne!(checksum(&[&one, &one]), checksum(&[&one]));
    }
}
