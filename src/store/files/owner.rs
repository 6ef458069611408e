//! The owner of new files.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use rustix::process::geteuid;

use crate::config::database::DatabaseFiles;

/// The owner of new files. For root it is the owner of the database, or of the folder if there is none yet: the server may
/// run as another user.
pub struct Owner(Option<(u32, u32)>);

impl Owner {
    /// The owner for new files beside this database.
    pub fn of(files: &DatabaseFiles) -> io::Result<Owner> {
        if !geteuid().is_root() {
            return Ok(Owner(None));
        }
        let found = match fs::metadata(files.database()) {
            Err(why) if why.kind() == ErrorKind::NotFound => fs::metadata(files.folder()),
            found => found,
        };
        found.map(|found| Owner(Some((found.uid(), found.gid()))))
    }

    /// Gives a file to the owner.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        match self.0 {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }
}
