//! Backups: a proven copy of the database beside the running server ([`make`]), and the way back ([`restore`]).

mod check;
mod folder;
mod folder_lock;
mod keys;
pub mod make;
mod partial_file;
pub mod restore;
mod snapshot_copy;
mod summary;
mod watch;

pub use self::folder::BackupFolder;
pub use self::folder_lock::lock_folder;
pub(super) use self::keys::KEY_TABLE;
pub(super) use self::partial_file::PartialFile;
pub(super) use self::snapshot_copy::copy_snapshot;
pub use self::summary::Summary;
pub use self::watch::{Phase, Watch};
