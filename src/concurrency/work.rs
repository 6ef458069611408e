//! The kinds of work that a request can be.

use strum::{EnumIter, IntoStaticStr};

/// What a request mainly costs. Each kind has its own threads, so that none can take another's (bulkhead
/// pattern).
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Work {
    /// What is in memory: microseconds.
    Memory,
    /// A few indexed reads: microseconds in SQLite. With PostgreSQL they wait for the network.
    QuickRead,
    /// A list that may look at many rows to fill a page: up to about 20 ms.
    Search,
    /// A password hash: a tenth of a second of one core, on purpose.
    PasswordHash,
    /// A write transaction: waits for the disk.
    Write,
}

impl Work {
    /// The name in metrics and errors, such as `password_hash`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}
