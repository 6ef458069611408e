//! Puts a backup in the place of the database, while no process uses it.
//!
//! The backup is copied first, and the copy is checked, before anything changes. While the files are replaced, a
//! marker file exists: the server refuses to open the database then, and another restore begins again.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;

use super::check::{Checked, check_copy, damaged};
use super::folder_lock::FolderLock;
use super::keys;
use super::snapshot_copy::open_copy;
use super::summary::Summary;
use super::watch::{Watch, WatchedFile};
use crate::config::database::DatabaseFiles;
use crate::crypto::copy_with_sha256;
use crate::error::Error;
use crate::model::Timestamp;
use crate::store::files::key_files::{self, KeyFile};
use crate::store::files::{Owner, PartialFile, rename_to_free_name, sync_folder};

/// What to restore, and how.
#[derive(Debug)]
pub struct Restore {
    /// The backup, and the files beside it.
    pub from: DatabaseFiles,
    /// The SHA-256 that the backup must have, in hex. The file beside the backup may have it too.
    pub sha256: Option<String>,
    /// Gives up the commits that are only in the write-ahead log or rollback journal of the present database.
    pub discard_wal: bool,
    /// Accepts a backup whose audit log is not intact.
    pub allow_broken_audit_log: bool,
}

/// The result of a restore.
#[derive(Debug)]
pub struct Restored {
    /// What the backup contains.
    pub summary: Summary,
    /// The path that the database before has now, if there was one. The paths of its other files begin with it.
    pub replaced: Option<PathBuf>,
}

impl Restore {
    /// Checks the backup and puts it in place.
    ///
    /// # Errors
    /// [`Error::Internal`]. Nothing has changed then, unless the text says so.
    pub fn run(&self, files: &DatabaseFiles, watch: &Watch) -> Result<Restored, Error> {
        let locked = FolderLock::try_lock(files.folder()).map_err(internal)?;
        let _only = locked.ok_or_else(|| internal("another restore or backup is running"))?;
        let _unused = lock_database(files.database())?;
        self.refuse_lost_commits(files)?;
        let copy = self.copy(files, watch)?;
        let old = files.renamed(&format!(
            ".{}.replaced",
            Timestamp::now().to_precise_file_name()
        ));
        write_marker(files, &self.from, &old).map_err(internal)?;
        copy.put_in_place(files, &old).map_err(|why| {
            internal(format!(
                "{why}. The database is not complete now: run the command again"
            ))
        })
    }

    /// The log has commits that are not in the database file. When the log is moved away, they are lost.
    fn refuse_lost_commits(&self, files: &DatabaseFiles) -> Result<(), Error> {
        for log in [files.write_ahead_log(), files.rollback_journal()] {
            let bytes = log.metadata().map_or(0, |log| log.len());
            if bytes > 0 && !self.discard_wal {
                return Err(internal(format!(
                    "{} has {bytes} bytes of changes that are not in the database file: start and stop the \
                     server, which moves them there, or give them up with --discard-wal",
                    log.display()
                )));
            }
        }
        Ok(())
    }

    /// Copies the backup beside the database, and checks the copy.
    fn copy(&self, files: &DatabaseFiles, watch: &Watch) -> Result<Copy, Error> {
        let mut backup = self.open(files, watch)?;
        let partial = create_copy(files).map_err(internal)?;
        let (bytes, sha256) =
            copy_with_sha256(&mut backup, &mut partial.file()).map_err(internal)?;
        self.check_sha256(&sha256)?;
        let Checked {
            contents,
            audit_fault,
        } = check_copy(partial.path(), watch)?;
        self.check_audit_log(audit_fault.as_deref())?;
        let keys = self.take_keys(partial.path())?;
        let summary = Summary {
            bytes,
            sha256,
            audit_fault,
            contents,
            keys: describe_keys(&keys),
        };
        Ok(Copy {
            partial,
            keys,
            summary,
        })
    }

    /// Opens the backup, and refuses what cannot be one.
    fn open<'a>(&self, files: &DatabaseFiles, watch: &'a Watch) -> Result<WatchedFile<'a>, Error> {
        let file = File::open(self.from.database()).map_err(internal)?;
        let length = file.metadata().map_err(internal)?.len();
        let has_log = |log: PathBuf| log.metadata().is_ok_and(|log| log.len() > 0);
        let reason = match () {
            () if self.from.database().is_dir() => "it is a folder",
            () if self.from == *files => "it is the database itself",
            () if length == 0 => "it is empty",
            () if has_log(self.from.write_ahead_log()) || has_log(self.from.rollback_journal()) => {
                "a part of it is in the log beside it, so it is a database in use and not a backup"
            }
            () => return Ok(WatchedFile::new(file, length, watch)),
        };
        Err(internal(reason))
    }

    /// Compares with the SHA-256 on the command line, and with that in the file beside the backup.
    fn check_sha256(&self, found: &str) -> Result<(), Error> {
        let path = self.from.checksum();
        let stored = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(why) if why.kind() == ErrorKind::NotFound => None,
            Err(why) => return Err(internal(format!("{}: {why}", path.display()))),
        };
        // A line of sha256sum: the hash, two spaces, the name.
        let stored = stored
            .as_deref()
            .map(|text| text.split(' ').next().unwrap_or_default());
        for expected in self.sha256.as_deref().into_iter().chain(stored) {
            if !expected.trim().eq_ignore_ascii_case(found) {
                return Err(damaged(format!(
                    "its SHA-256 is {found}, and not {}",
                    expected.trim()
                )));
            }
        }
        Ok(())
    }

    fn check_audit_log(&self, fault: Option<&str>) -> Result<(), Error> {
        match fault {
            Some(fault) if !self.allow_broken_audit_log => Err(internal(format!(
                "{fault}; --allow-broken-audit-log restores it all the same"
            ))),
            _ => Ok(()),
        }
    }

    /// Takes the keys out of the copy. If it has none, they may be in files beside the backup.
    fn take_keys(&self, copy: &Path) -> Result<Vec<KeyFile>, Error> {
        let inside = keys::take(&open_copy(copy)?)?;
        match inside.is_empty() {
            true => key_files::read_files(&self.from),
            false => Ok(inside),
        }
    }
}

fn describe_keys(keys: &[KeyFile]) -> String {
    match keys.is_empty() {
        true => "without keys".to_owned(),
        false => key_files::names(keys),
    }
}

/// Locks the whole file against SQLite, which locks parts of it with `fcntl` too: a process with an open connection
/// has a lock as long as the file has a write-ahead log. `None` if there is no file. Unlike a connection of SQLite,
/// this changes no byte, and it works on a damaged file.
pub fn lock_database(path: &Path) -> Result<Option<File>, Error> {
    let explain = |why: &dyn Display| internal(format!("{}: {why}", path.display()));
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(explain(&why)),
    };
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::AGAIN | Errno::ACCESS) => {
            Err(explain(&"a process uses it: stop the server first"))
        }
        Err(why) => Err(explain(&why)),
    }
}

/// Creates the file of the copy. One that a killed restore has left is removed: the lock on the folder tells that
/// no other restore is running.
fn create_copy(files: &DatabaseFiles) -> io::Result<PartialFile> {
    let path = files.beside(".restore.part");
    match fs::remove_file(&path) {
        Err(why) if why.kind() != ErrorKind::NotFound => Err(why),
        _ => PartialFile::create(path),
    }
}

// ---- the change ---------------------------------------------------------------------------------

/// A checked copy beside the database, without the keys, and the keys.
struct Copy {
    partial: PartialFile,
    keys: Vec<KeyFile>,
    summary: Summary,
}

impl Copy {
    /// Moves the present files away and the copy in. Each step is one rename, so nothing is lost if the process is
    /// killed, and the marker tells that the steps are not complete.
    fn put_in_place(self, files: &DatabaseFiles, old: &DatabaseFiles) -> io::Result<Restored> {
        let owner = Owner::of(files)?;
        let had_database = files.database().try_exists()?;
        self.move_away(files, old)?;
        owner.give(self.partial.path())?;
        self.partial.publish(files.database())?;
        for key in key_files::write_files(&self.keys, files)? {
            owner.give(key.path())?;
            key.keep();
        }
        sync_folder(files.folder())?;
        fs::remove_file(files.restore_marker())?;
        sync_folder(files.folder())?;
        Ok(Restored {
            summary: self.summary,
            replaced: had_database.then(|| old.database().to_owned()),
        })
    }

    /// Renames the present files that the copy replaces. A key of which the backup has none stays.
    fn move_away(&self, files: &DatabaseFiles, old: &DatabaseFiles) -> io::Result<()> {
        let mut moves = vec![
            (files.database().to_owned(), old.database().to_owned()),
            (files.write_ahead_log(), old.write_ahead_log()),
            (files.shared_memory(), old.shared_memory()),
            (files.rollback_journal(), old.rollback_journal()),
        ];
        for ((name, from), (_, to)) in files.keys().into_iter().zip(old.keys()) {
            if self.keys.iter().any(|key| key.name == name) {
                moves.push((from, to));
            }
        }
        for (from, to) in moves {
            match rename_to_free_name(&from, &to) {
                Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
                _ => {}
            }
        }
        sync_folder(files.folder())
    }
}

/// Writes the file that stops a start until the restore is complete. It tells where the files are.
fn write_marker(
    files: &DatabaseFiles,
    from: &DatabaseFiles,
    old: &DatabaseFiles,
) -> io::Result<()> {
    let mut marker = OpenOptions::new()
        .create(true)
        .append(true)
        .open(files.restore_marker())?;
    writeln!(
        marker,
        "A restore of {} began. It moves the files of the database to {}, {}-wal and so on.",
        from.database().display(),
        old.database().display(),
        old.database().display(),
    )?;
    marker.sync_all()?;
    sync_folder(files.folder())
}

fn internal(why: impl ToString) -> Error {
    Error::Internal(why.to_string())
}
