//! The backups of one database in a folder: names, the newest one, and which ones are removed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::config::database::DatabaseFiles;
use crate::model::Timestamp;

/// Backups with names such as `project-20261128T103106Z.db`. Each may have further files, whose names begin with
/// its name. Other files in the folder are never touched.
#[derive(Debug)]
pub struct BackupFolder {
    folder: PathBuf,
    /// The part of a name before the time.
    prefix: String,
}

/// The files of a backup, by what follows the time in their names: `.db`, `.db.sha256` and so on.
type BackupFiles = BTreeMap<String, PathBuf>;

/// The name of the backup itself after the time. It gets this name last.
const COMPLETE: &str = ".db";

/// The file with its checksum, which only a backup has that was made by this program.
const CHECKSUM: &str = ".db.sha256";

/// What follows the time in the names of a backup's files, besides those of a copy that is not complete.
const OWN_FILES: [&str; 4] = [COMPLETE, CHECKSUM, ".db.jwt_secret", ".db.audit_key"];

impl BackupFolder {
    /// The backups of this database whose names have `mark` before the time.
    pub fn new(folder: PathBuf, files: &DatabaseFiles, mark: &str) -> BackupFolder {
        let stem = files.database().file_stem().unwrap_or_default();
        let prefix = format!("{}{mark}-", stem.to_string_lossy());
        BackupFolder { folder, prefix }
    }

    /// The files of a backup that is made at this time.
    pub fn target(&self, at: Timestamp) -> io::Result<DatabaseFiles> {
        let name = format!("{}{}{COMPLETE}", self.prefix, at.to_file_name());
        DatabaseFiles::at(&self.folder.join(name))
    }

    /// When the newest complete backup was made, and its length in bytes.
    pub fn newest(&self) -> io::Result<Option<(Timestamp, u64)>> {
        let backups = self.list()?;
        let complete = |(at, files): (&Timestamp, &BackupFiles)| {
            files.get(CHECKSUM)?;
            Some((*at, files.get(COMPLETE)?.clone()))
        };
        match backups.iter().rev().find_map(complete) {
            Some((at, path)) => Ok(Some((at, path.metadata()?.len()))),
            None => Ok(None),
        }
    }

    /// Removes what a killed process has left: files of a backup that is not complete. No other process may be
    /// making one.
    pub fn remove_leftovers(&self) -> io::Result<()> {
        let backups = self.list()?.into_values();
        backups
            .filter(|files| !files.contains_key(COMPLETE))
            .try_for_each(remove)
    }

    /// Removes the oldest complete backups until `keep` are left. The one of `newest` stays, even if the clock was
    /// set back and others look newer.
    pub fn remove_older(&self, newest: Timestamp, keep: usize) -> io::Result<()> {
        let newest = newest.to_file_name();
        let mut older = self.list()?;
        older.retain(|at, files| at.to_file_name() != newest && files.contains_key(COMPLETE));
        let surplus = (older.len() + 1).saturating_sub(keep);
        older.into_values().take(surplus).try_for_each(remove)
    }

    /// All files whose names have this prefix and a time, in the order of time.
    fn list(&self) -> io::Result<BTreeMap<Timestamp, BackupFiles>> {
        let mut backups: BTreeMap<Timestamp, BackupFiles> = BTreeMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some((at, rest)) = name.to_str().and_then(|name| self.parse(name)) {
                let files = backups.entry(at).or_default();
                files.insert(rest.to_owned(), entry.path());
            }
        }
        Ok(backups)
    }

    /// The time in a name, and what follows it.
    fn parse<'a>(&self, name: &'a str) -> Option<(Timestamp, &'a str)> {
        let rest = name.strip_prefix(&self.prefix)?;
        let (time, rest) = rest.split_at_checked("20261128T103106Z".len())?;
        let is_own =
            OWN_FILES.contains(&rest) || (rest.starts_with(".db.") && rest.contains(".part"));
        is_own.then_some((Timestamp::from_file_name(time)?, rest))
    }
}

/// Removes the files of a backup, the backup itself first: what is left then is no backup.
fn remove(files: BackupFiles) -> io::Result<()> {
    files.into_values().try_for_each(fs::remove_file)
}
