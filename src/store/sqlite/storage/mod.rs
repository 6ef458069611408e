//! The database file and its disk: outages, checkpoints of the write-ahead log, and the checks that the file is the
//! right one and not damaged.

pub mod checkpointer;
pub mod disk;
pub mod file_alone;
pub mod file_watch;
pub mod free_pages;
pub mod integrity;
pub mod mark;
pub mod open_files;
pub mod start_checks;
