//! The value of a column as both engines can hold it, and what one of them cannot hold.

use std::borrow::Cow;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::model::Timestamp;
use crate::store::declared::{Column, ColumnType, OnDelete};
use crate::store::engine::{Column as Stored, Value};

/// A value that both engines hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Integer(i64),
    Boolean(bool),
    Text(String),
    Timestamp(Timestamp),
    Bytes(Vec<u8>),
}

/// A value of the source that the target cannot hold. [`fmt::Display`] names the row and the column, and not the value,
/// which may be secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub(super) table: String,
    pub(super) key: String,
    pub(super) column: String,
    pub(super) what: &'static str,
    /// What a conversion makes of it.
    pub fix: Fix,
}

/// What a conversion does with a value that the target cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fix {
    /// Replaces the characters that no text of PostgreSQL has by U+FFFD.
    Replace,
    /// Cuts the text.
    Cut,
    /// Sets the column to NULL.
    Null,
    /// Leaves the row out, as if it had been deleted together with its account.
    LeaveOut,
    /// Leaves the column out, which this program does not know.
    LeaveColumnOut,
    /// Nothing: the row cannot be copied.
    Impossible,
}

impl Fix {
    /// What `--convert` would do, and what it has done.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Fix::Replace => ("--convert replaces it by U+FFFD", "replaced by U+FFFD"),
            Fix::Cut => ("--convert cuts it", "cut"),
            Fix::Null => ("--convert sets it to NULL", "set to NULL"),
            Fix::LeaveOut => ("--convert leaves the row out", "the row is left out"),
            Fix::LeaveColumnOut => ("--convert leaves it out", "left out"),
            Fix::Impossible => (NOT_CONVERTED, NOT_CONVERTED),
        }
    }
}

const NOT_CONVERTED: &str = "--convert cannot change it: correct it in the source";

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault {
            table,
            key,
            column,
            what,
            ..
        } = self;
        let space = if key.is_empty() { "" } else { " " };
        write!(f, "{table}{space}{key}: {column} {what}")
    }
}

/// What is wrong with a value, what a conversion does, and the value after it.
pub type Wrong = (&'static str, Fix, Cell);

/// Reads a value. `flag` is that of its column, see [`Table::flags`](crate::store::declared::Table::flags).
///
/// # Errors
/// What is wrong with it.
pub fn read(column: &Column, stored: Stored, flag: bool) -> Result<Cell, Wrong> {
    match (column.kind, stored) {
        (_, Stored::Null) if column.kind == ColumnType::Timestamp && flag => {
            Err(unfit(column, "is outside the years 1 to 9999"))
        }
        (_, Stored::Null) if column.is_required => Err(unfit(column, "is NULL")),
        (_, Stored::Null) => Ok(Cell::Null),
        (ColumnType::Integer { max }, Stored::Integer(number)) => {
            read_integer(column, number, max, flag)
        }
        (ColumnType::Boolean, Stored::Integer(number @ 0..=1)) => Ok(Cell::Boolean(number == 1)),
        (ColumnType::Text { .. }, Stored::Text(text)) => read_text(column, text),
        (ColumnType::Timestamp, Stored::Timestamp(moment)) => Ok(Cell::Timestamp(moment)),
        (ColumnType::Timestamp, Stored::Text(text)) => {
            let moment = str::from_utf8(text).ok().and_then(exact_moment);
            moment
                .map(Cell::Timestamp)
                .ok_or_else(|| unfit(column, "is no timestamp"))
        }
        (ColumnType::Bytes, Stored::Bytes(bytes)) => Ok(Cell::Bytes(bytes.to_owned())),
        _ => Err(unfit(column, "has a value of another type")),
    }
}

fn read_integer(column: &Column, number: i64, max: i64, is_orphan: bool) -> Result<Cell, Wrong> {
    const NO_ACCOUNT: &str = "names an account that does not exist";
    match column.account {
        Some(OnDelete::Cascade) if is_orphan => Err((NO_ACCOUNT, Fix::LeaveOut, Cell::Null)),
        Some(OnDelete::Refuse) if is_orphan => Err(unfit(column, NO_ACCOUNT)),
        // The tutorial's integers, which have 32 bits, and whose sequences need one number more.
        _ if number > max || number < -max - 1 => {
            Err(unfit(column, "is too large for the integers of PostgreSQL"))
        }
        _ => Ok(Cell::Integer(number)),
    }
}

fn read_text(column: &Column, bytes: &[u8]) -> Result<Cell, Wrong> {
    let replaced = |text: &str| Cell::Text(text.replace('\0', "\u{fffd}"));
    match str::from_utf8(bytes) {
        Err(_) => {
            let text = String::from_utf8_lossy(bytes);
            Err(("is no valid UTF-8", Fix::Replace, replaced(&text)))
        }
        Ok(text) if text.contains('\0') => {
            Err(("has a character U+0000", Fix::Replace, replaced(text)))
        }
        Ok(text) => fit(column, text),
    }
}

/// Checks the length. A title is cut, since a task must have one; other texts mean something else when they are cut.
fn fit(column: &Column, text: &str) -> Result<Cell, Wrong> {
    const TOO_LONG: &str = "is too long";
    match column.kind {
        ColumnType::Text { max_chars } if text.chars().nth(max_chars).is_some() => {
            if column.name != "title" {
                return Err(unfit(column, TOO_LONG));
            }
            let cut = text.chars().take(max_chars).collect();
            Err((TOO_LONG, Fix::Cut, Cell::Text(cut)))
        }
        _ => Ok(Cell::Text(text.to_owned())),
    }
}

/// Checks a text whose characters were replaced: it may still be too long.
///
/// # Errors
/// It is too long.
pub fn check_length(column: &Column, cell: &Cell) -> Result<(), Wrong> {
    match cell {
        Cell::Text(text) => fit(column, text).map(drop),
        _ => Ok(()),
    }
}

fn unfit(column: &Column, what: &'static str) -> Wrong {
    match column.is_required {
        true => (what, Fix::Impossible, Cell::Null),
        false => (what, Fix::Null, Cell::Null),
    }
}

/// A moment with no more digits than microseconds have.
fn exact_moment(text: &str) -> Option<Timestamp> {
    let moment = Timestamp::from_stored(text)?;
    let digits = text.trim_end_matches('0');
    moment.to_stored().starts_with(digits).then_some(moment)
}

impl Cell {
    /// The parameter that writes it to a column of this kind.
    pub fn to_value(&self, kind: ColumnType) -> Value<'_> {
        match self {
            Cell::Integer(number) => Value::Integer(Some(*number)),
            Cell::Boolean(value) => Value::Boolean(Some(*value)),
            Cell::Text(text) => Value::Text(Some(Cow::Borrowed(text))),
            Cell::Timestamp(moment) => Value::Timestamp(Some(*moment)),
            Cell::Bytes(bytes) => Value::Bytes(bytes),
            // A statement is prepared for the types of its parameters, of NULL too.
            Cell::Null => match kind {
                ColumnType::Integer { .. } => Value::Integer(None),
                ColumnType::Boolean => Value::Boolean(None),
                ColumnType::Timestamp => Value::Timestamp(None),
                ColumnType::Text { .. } | ColumnType::Bytes => Value::Text(None),
            },
        }
    }

    /// Adds it to the hash of its row: its type, its length, and its bytes, which is unambiguous.
    pub fn hash(&self, row: &mut Sha256) {
        let mut add = |kind: u8, bytes: &[u8]| {
            row.update([kind]);
            row.update((bytes.len() as u64).to_be_bytes());
            row.update(bytes);
        };
        match self {
            Cell::Null => add(0, &[]),
            Cell::Integer(number) => add(1, &number.to_be_bytes()),
            Cell::Boolean(value) => add(2, &[u8::from(*value)]),
            Cell::Text(text) => add(3, text.as_bytes()),
            Cell::Timestamp(moment) => add(4, &moment.unix_micros().to_be_bytes()),
            Cell::Bytes(bytes) => add(5, bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, kind: ColumnType, is_required: bool) -> Column {
        let name = name.to_owned();
        Column {
            name,
            kind,
            is_required,
            account: None,
        }
    }

    #[test]
    fn a_moment_is_read_only_if_microseconds_hold_it() {
        let column = column("deadline", ColumnType::Timestamp, false);
        for (text, expected) in [
            ("2026-11-23 04:22:41.136817", true),
            ("2026-11-23 04:22:40", true),
            ("2026-11-23 04:22:41.5", true),
            ("2026-11-23 04:22:41.136817000", true),
            ("2026-11-23 04:22:41.1368171", false),
            ("2026-11-23T04:22:41", false),
            ("2026-11-23", false),
            ("", false),
        ] {
            let found = read(&column, Stored::Text(text.as_bytes()), true);
            assert_eq!(found.is_ok(), expected, "{text}: {found:?}");
        }
    }

    #[test]
    fn what_postgresql_cannot_hold_is_never_changed_silently() {
        let short = ColumnType::Text { max_chars: 3 };
        let title = column("title", short, true);
        let role = column("role", short, false);
        let hash = column("password_hash", short, true);
        let flag = column("is_approved", ColumnType::Boolean, false);
        let text = |text: &str| Cell::Text(text.to_owned());
        for (column, stored, expected) in [
            (
                &title,
                Stored::Text(b"abcd"),
                ("is too long", Fix::Cut, text("abc")),
            ),
            (
                &role,
                Stored::Text(b"abcd"),
                ("is too long", Fix::Null, Cell::Null),
            ),
            (
                &hash,
                Stored::Text(b"abcd"),
                ("is too long", Fix::Impossible, Cell::Null),
            ),
            (
                &title,
                Stored::Text(b"a\0"),
                ("has a character U+0000", Fix::Replace, text("a\u{fffd}")),
            ),
            (
                &title,
                Stored::Text(b"a\xff"),
                ("is no valid UTF-8", Fix::Replace, text("a\u{fffd}")),
            ),
            (
                &title,
                Stored::Null,
                ("is NULL", Fix::Impossible, Cell::Null),
            ),
            (
                &title,
                Stored::Integer(1),
                ("has a value of another type", Fix::Impossible, Cell::Null),
            ),
            (
                &flag,
                Stored::Integer(2),
                ("has a value of another type", Fix::Null, Cell::Null),
            ),
            (
                &flag,
                Stored::Real(1.0),
                ("has a value of another type", Fix::Null, Cell::Null),
            ),
        ] {
            assert_eq!(read(column, stored, false), Err(expected), "{stored:?}");
        }
        // Characters, not bytes.
        assert_eq!(
            read(&title, Stored::Text("äöü".as_bytes()), false),
            Ok(text("äöü"))
        );
    }
}
