//! Files that backups, restores and copies write: complete or absent, with the owner of the files beside them.

pub mod key_files;
mod owner;
mod partial_file;

pub use self::owner::Owner;
pub use self::partial_file::{PartialFile, rename_to_free_name, sync_folder};
