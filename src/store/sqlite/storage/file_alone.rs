//! Opens the database file alone, without its write-ahead log.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

/// Opens the file as one that never changes (`immutable`): SQLite takes no lock, reads no log, and creates no file.
/// What it reads is consistent only if no program writes to the file meanwhile.
///
/// # Errors
/// The file cannot be opened.
pub fn open_alone(path: &Path) -> rusqlite::Result<Connection> {
    /// All characters but those that a path usually has.
    const SPECIAL: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'.')
        .remove(b'-')
        .remove(b'_');
    let path = percent_encode(path.as_os_str().as_encoded_bytes(), SPECIAL);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)
}
