//! Makes a backup: copies one snapshot of the database beside the running server, and proves the copy.

use std::fs;
use std::io::{self, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::{Connection, Transaction};

use super::check::{Checked, Contents, check_copy};
use super::keys;
use super::snapshot_copy::{copy_snapshot, open_copy};
use super::summary::Summary;
use super::watch::{Watch, WatchedFile};
use crate::config::backups::KeyPlace;
use crate::config::database::DatabaseFiles;
use crate::crypto::copy_with_sha256;
use crate::error::Error;
use crate::store::files::PartialFile;
use crate::store::files::key_files::{self, KeyFile};
use crate::store::sqlite::migrate;

/// A complete copy under a temporary name. It is removed unless it is [published](Draft::publish).
pub struct Draft {
    partial: PartialFile,
    keys: Vec<KeyFile>,
    place: KeyPlace,
    summary: Summary,
}

/// Makes a backup in the file `target`, which must not exist. It is mode 0600, and `target.sha256` beside it has its
/// SHA-256.
///
/// # Errors
/// One line for the operator. Nothing has changed then.
pub fn back_up(
    files: &DatabaseFiles,
    target: &Path,
    place: KeyPlace,
    watch: &Watch,
) -> Result<Summary, String> {
    let explain = |why: String| format!("cannot back up to {}: {why}", target.display());
    let target = check_target(files, target).map_err(explain)?;
    let draft =
        Draft::make(files, &target, place, watch).map_err(|why| explain(why.to_string()))?;
    draft
        .publish(&target)
        .map_err(|why| explain(why.to_string()))
}

/// A name that is free, and not one that SQLite or this program uses for the database.
fn check_target(files: &DatabaseFiles, target: &Path) -> Result<DatabaseFiles, String> {
    let target = DatabaseFiles::at(target).map_err(|why| format!("its folder: {why}"))?;
    let path = target.database();
    if path.is_dir() {
        return Err("it is a folder".to_owned());
    }
    let mut paths = vec![path.to_owned(), target.checksum()];
    paths.extend(target.keys().map(|(_, path)| path));
    if let Some(existing) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(format!("{} exists already", existing.display()));
    }
    let is_taken = files.side_files().iter().any(|file| file == path);
    match is_taken {
        true => Err(format!(
            "this name belongs to the database {}",
            files.database().display()
        )),
        false => Ok(target),
    }
}

impl Draft {
    /// Makes a proven copy in the folder of `target`.
    ///
    /// # Errors
    /// [`Error::Internal`] if the database or the copy is damaged, or a file cannot be read or written.
    pub fn make(
        files: &DatabaseFiles,
        target: &DatabaseFiles,
        place: KeyPlace,
        watch: &Watch,
    ) -> Result<Draft, Error> {
        let partial = PartialFile::for_target(target.database()).map_err(internal)?;
        let (original, keys) = copy(files, &partial, watch)?;
        if place == KeyPlace::Inside {
            keys::insert(&open_copy(partial.path())?, &keys)?;
        }
        // Opened again: what is proven is what can be read from the file.
        let Checked {
            contents,
            audit_fault,
        } = check_copy(partial.path(), watch)?;
        contents.check_copy_of(&original)?;
        let (bytes, sha256) =
            copy_with_sha256(&mut partial.file(), &mut io::sink()).map_err(internal)?;
        let summary = Summary {
            bytes,
            sha256,
            audit_fault,
            contents,
            keys: describe_keys(place, &keys, files),
        };
        Ok(Draft {
            partial,
            keys,
            place,
            summary,
        })
    }

    /// What the copy contains.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Writes the files beside the backup and syncs them, then gives the backup its name.
    ///
    /// # Errors
    /// The files cannot be written, or exist. None of them stays.
    pub fn publish(self, target: &DatabaseFiles) -> io::Result<Summary> {
        let mut beside = match self.place {
            KeyPlace::Beside => key_files::write_files(&self.keys, target)?,
            KeyPlace::Inside | KeyPlace::None => Vec::new(),
        };
        beside.push(write_checksum(&self.summary.sha256, target)?);
        self.partial.publish(target.database())?;
        beside.into_iter().for_each(PartialFile::keep);
        Ok(self.summary)
    }

    /// Writes the bytes of the backup to `to`. Its file is removed before, since the reader of a pipe may make this
    /// wait for ever.
    ///
    /// # Errors
    /// The reader has closed the pipe, for example.
    pub fn write_to(self, to: &mut impl Write, watch: &Watch) -> io::Result<Summary> {
        let mut file = self.partial.remove()?;
        file.rewind()?;
        copy_with_sha256(&mut WatchedFile::new(file, self.summary.bytes, watch), to)?;
        to.flush()?;
        Ok(self.summary)
    }
}

// ---- steps --------------------------------------------------------------------------------------

/// Copies one snapshot of the database. Returns what it contains, and the keys that belong to it.
fn copy(
    files: &DatabaseFiles,
    to: &PartialFile,
    watch: &Watch,
) -> Result<(Contents, Vec<KeyFile>), Error> {
    let of_source = |why: Error| internal(format!("{}: {why}", files.database().display()));
    let source = open_source(files).map_err(of_source)?;
    watch.interrupt(&source)?;
    let (snapshot, keys) = begin(&source, files)?;
    check_room(&snapshot, files, to)?;
    copy_snapshot(&snapshot, to, watch)?;
    let contents = Contents::read(&snapshot).map_err(of_source)?;
    Ok((contents, keys))
}

fn open_source(files: &DatabaseFiles) -> Result<Connection, Error> {
    migrate::refuse_interrupted_restore(files)?;
    let source = migrate::open_compatible(files.database())?;
    migrate::check_is_ours(&source)?;
    Ok(source)
}

/// Begins a read transaction, which fixes the snapshot, and reads the keys that belong to it: a key that was replaced
/// in between would not fit.
fn begin<'a>(
    source: &'a Connection,
    files: &DatabaseFiles,
) -> Result<(Transaction<'a>, Vec<KeyFile>), Error> {
    loop {
        let found = key_files::read_files(files)?;
        let snapshot = source.unchecked_transaction()?;
        // The transaction begins with its first read.
        snapshot.query_row("PRAGMA user_version", [], |_| Ok(()))?;
        if key_files::read_files(files)? == found {
            return Ok((snapshot, found));
        }
    }
}

/// Checks that the disk has room for the copy. A copy that fills the disk of the database would stop the server's
/// writes before it fails itself.
fn check_room(snapshot: &Connection, files: &DatabaseFiles, to: &PartialFile) -> Result<(), Error> {
    /// Left for the write-ahead log, on the disk of the database.
    const RESERVE: u64 = 64 << 20;
    let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let size = snapshot
        .query_row(sql, [], |row| row.get::<_, i64>(0))?
        .unsigned_abs();
    let copy = to.file().metadata().map_err(internal)?;
    let folder = fs::metadata(files.folder()).map_err(internal)?;
    let is_shared = copy.dev() == folder.dev();
    let needed = if is_shared { size + RESERVE } else { size };
    let disk = rustix::fs::fstatvfs(to.file()).map_err(internal)?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < needed {
        return Err(internal(format!(
            "the disk has {free} bytes free, and the backup needs {needed}"
        )));
    }
    Ok(())
}

/// Says in the summary which keys the backup has.
fn describe_keys(place: KeyPlace, found: &[KeyFile], files: &DatabaseFiles) -> String {
    let place = match place {
        KeyPlace::None => return "without keys".to_owned(),
        KeyPlace::Inside => "inside",
        KeyPlace::Beside => "beside it",
    };
    let mut parts = Vec::new();
    if !found.is_empty() {
        parts.push(format!("{} {place}", key_files::names(found)));
    }
    let [(signing_key, path), _] = files.keys();
    if !found.iter().any(|key| key.name == signing_key) {
        // It comes from JWT_SECRET_KEY or JWT_SECRET_KEY_FILE.
        parts.push(format!(
            "without the signing key, as there is no {}",
            path.display()
        ));
    }
    parts.join(", ")
}

/// Writes the file that `sha256sum --check` reads.
fn write_checksum(sha256: &str, target: &DatabaseFiles) -> io::Result<PartialFile> {
    let name = target.database().file_name().unwrap_or_default();
    let line = [sha256.as_bytes(), b"  ", name.as_encoded_bytes(), b"\n"].concat();
    let file = PartialFile::create(target.checksum())?;
    file.file().write_all(&line)?;
    file.file().sync_all()?;
    Ok(file)
}

fn internal(why: impl ToString) -> Error {
    Error::Internal(why.to_string())
}
