//! Checks of the files and of the disk below them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::finding::{Outcome, not_checked, right};
use super::permissions::{
    check_folder, check_generated_key, check_link, check_private, check_writable,
};
use super::subject::Subject;
use crate::config::Config;
use crate::model::Timestamp;
use crate::store::sqlite::backup::BackupFolder;
use crate::store::sqlite::inspection;

/// No other user can read or replace the files with keys and passwords.
pub fn keys(subject: &Subject) -> Outcome {
    // With SQLite the folder is that of the database, see `database`.
    if !subject.files.has_database() {
        check_folder(subject.files.folder())?;
    }
    for (_, path) in subject.files.keys() {
        check_generated_key(&path)?;
    }
    for path in secret_files(subject.config) {
        // A file that cannot be found is a failure of `settings`.
        if let Ok(target) = fs::canonicalize(path) {
            check_link(path, &target)?;
            check_private(path)?;
        }
    }
    right("private")
}

/// The files that settings name.
fn secret_files(config: &Config) -> impl Iterator<Item = &Path> {
    let files = [
        &config.signing_key.jwt_secret_key_file,
        &config.signing_key.jwt_secret_key_previous_file,
        &config.admin.admin_password_file,
        &config.metrics.metrics_token_file,
    ];
    let passwords = config.database.password_files();
    let files = files.into_iter().flatten();
    files.map(PathBuf::as_path).chain(passwords)
}

/// This user, and no other one, can read, write and replace the database, which lies where its path says.
pub fn database(subject: &Subject) -> Outcome {
    let files = &subject.files;
    let path = files.database();
    if let Some(set) = subject.config.database.database_url.path() {
        check_link(set, path)?;
    }
    check_folder(files.folder())?;
    let logs = [files.write_ahead_log(), files.rollback_journal()];
    let parts = [path.to_owned(), files.shared_memory()]
        .into_iter()
        .chain(logs);
    for part in parts.filter(|part| part.exists()) {
        check_private(&part)?;
        check_writable(&part)?;
    }
    right(path.display().to_string())
}

/// The file system keeps what is written, and has the locks and the shared memory that SQLite needs.
pub fn file_system(subject: &Subject) -> Outcome {
    let folder = subject.files.folder();
    let Some(file_system) = inspection::file_system(folder) else {
        return not_checked(
            "its kind is unknown to this program; it must be a local one that lasts",
        );
    };
    match file_system.hazard {
        None => right(file_system.name),
        Some(hazard) => Err(format!(
            "{} is on {}: {hazard}",
            folder.display(),
            file_system.name
        )),
    }
}

/// The disk has room for a second copy of the database, which a backup or a migration needs.
pub fn disk(subject: &Subject) -> Outcome {
    /// Room for the write-ahead log.
    const LEAST: u64 = 64 << 20;
    let mib = |bytes: u64| bytes >> 20;
    let size = subject.files.database().metadata();
    let needed = size.map_or(0, |found| found.len()) + LEAST;
    match inspection::free_bytes(subject.files.folder()) {
        None => not_checked("the system does not tell the free bytes"),
        Some(free) if free < needed => Err(format!(
            "{} MiB are free, and a backup or a migration may need {} MiB: make room",
            mib(free),
            mib(needed) + 1
        )),
        Some(free) => right(format!("{} MiB free", mib(free))),
    }
}

/// There is a proven backup, and it is recent.
pub fn backups(subject: &Subject) -> Outcome {
    let settings = &subject.config.backups;
    let Some(folder) = &settings.backup_dir else {
        return Err(
            "BACKUP_DIR is not set, so the server makes no backups; if something else does, use --ignore backups"
                .to_owned(),
        );
    };
    if settings.check().is_err() {
        return not_checked("BACKUP_DIR cannot be used, see settings");
    }
    let named = |text: &str| format!("BACKUP_DIR {}: {text}", folder.display());
    let newest = BackupFolder::new(folder.clone(), &subject.files, "").newest();
    match newest.map_err(|why| named(&why.to_string()))? {
        None => Err(named(
            "there is no proven backup yet; start the server, which makes one",
        )),
        Some((at, _)) => check_age(at, settings.backup_every.duration()).map_err(|why| named(&why)),
    }
}

/// Checks the age of the newest backup.
fn check_age(made_at: Timestamp, every: Duration) -> Outcome {
    let age = Timestamp::now().unix_seconds() - made_at.unix_seconds();
    let Ok(age) = u64::try_from(age).map(Duration::from_secs) else {
        return Err(
            "the last proven backup is from the future, so the clock was set back; move that backup away"
                .to_owned(),
        );
    };
    let text = format!(
        "the last proven backup is {} old",
        humantime::format_duration(age)
    );
    match age > 2 * every {
        true => Err(format!(
            "{text}, more than twice BACKUP_EVERY; the server's log says why"
        )),
        false => right(text),
    }
}
