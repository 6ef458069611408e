//! Backups: a proven copy of the database beside the running server ([`back_up`]), and the way back ([`Restore`]).

mod check;
mod folder;
mod folder_lock;
mod keys;
mod make;
pub(in crate::store) mod restore;
pub(in crate::store) mod snapshot_copy;
mod summary;
mod watch;

pub use self::folder::BackupFolder;
pub use self::folder_lock::FolderLock;
pub(super) use self::keys::KEY_TABLE;
pub use self::make::{Draft, back_up};
pub use self::restore::{Restore, Restored};
pub(super) use self::snapshot_copy::copy_snapshot;
pub use self::summary::Summary;
pub use self::watch::{Phase, Watch};
