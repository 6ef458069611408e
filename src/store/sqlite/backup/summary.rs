//! What a backup contains, for the operator.

use std::fmt;

use super::check::Contents;

/// What a backup contains; [`fmt::Display`] is one line about it.
#[derive(Debug)]
pub struct Summary {
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The SHA-256 of the file, in hex.
    pub sha256: String,
    /// Why the backup is not proven although it is a complete copy: the audit log of the database is not intact.
    pub audit_fault: Option<String>,
    /// The rows.
    pub(super) contents: Contents,
    /// Which keys it has.
    pub(super) keys: String,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = |table| self.contents.rows(table);
        let (accounts, tasks, audit) = (rows("user"), rows("task"), rows("audit"));
        let bytes = self.bytes;
        write!(
            f,
            "{bytes} bytes, {accounts} accounts, {tasks} tasks, {audit} audit rows, "
        )?;
        if self.contents.dangling() > 0 {
            let count = self.contents.dangling();
            write!(f, "{count} references to rows that do not exist, ")?;
        }
        write!(f, "{}, sha256 {}", self.keys, self.sha256)
    }
}
