//! The key files of a copy: the key that signs tokens, and the key of the audit log.

use super::database::internal;
use crate::config::database::DatabaseFiles;
use crate::error::Error;
use crate::store::files::key_files::{KeyFile, names, read_files, write_files};
use crate::store::files::{Owner, PartialFile, sync_folder};

/// The keys that the target needs, and those that it has already.
pub struct KeyPlan {
    missing: Vec<KeyFile>,
    present: Vec<KeyFile>,
    target: DatabaseFiles,
}

impl KeyPlan {
    /// Compares the key files of both sides.
    ///
    /// # Errors
    /// [`Error::Internal`] if the target has another key: it is not replaced, and with it no token would be valid, or
    /// the audit log not authentic.
    pub fn new(source: &DatabaseFiles, target: &DatabaseFiles) -> Result<KeyPlan, Error> {
        let (wanted, found) = (read_files(source)?, read_files(target)?);
        let (present, missing): (Vec<_>, Vec<_>) = wanted
            .into_iter()
            .partition(|key| found.iter().any(|found| found.name == key.name));
        if let Some(key) = present.iter().find(|key| !found.contains(key)) {
            let paths = target.keys();
            let path = paths.iter().find(|(name, _)| *name == key.name);
            let path = path
                .map(|(_, path)| path.display().to_string())
                .unwrap_or_default();
            return Err(internal(format!(
                "{path} has another {} than the source: move it away, or name another path",
                key.name
            )));
        }
        let target = target.clone();
        Ok(KeyPlan {
            missing,
            present,
            target,
        })
    }

    /// Writes the missing files with mode 600. They are removed with the returned values, unless these are kept.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self) -> Result<Vec<PartialFile>, Error> {
        let owner = Owner::of(&self.target).map_err(internal)?;
        let files = write_files(&self.missing, &self.target).map_err(internal)?;
        for file in &files {
            owner.give(file.path()).map_err(internal)?;
        }
        sync_folder(self.target.folder()).map_err(internal)?;
        Ok(files)
    }

    /// One line about the keys, for the operator.
    pub fn describe(&self) -> String {
        let target = self.target.database().display();
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!("copied the {} to {target}.*", names(&self.missing)));
        }
        if !self.present.is_empty() {
            let present = names(&self.present);
            parts.push(format!("the {present} at {target}.* is the same already"));
        }
        let mut keys = self.missing.iter().chain(&self.present);
        if !keys.any(|key| key.name == "signing key") {
            parts.push(NO_SIGNING_KEY.to_owned());
        }
        parts.join("; ")
    }
}

/// The Flask app has its key in a setting, and a server may have. On PostgreSQL a server makes no key of its own once
/// there are accounts.
const NO_SIGNING_KEY: &str =
    "the source has no signing key in a file: set JWT_SECRET_KEY to the key that it was used with";
