//! Checks of the files and of the disk below them.

use std::fs::{self, Metadata, OpenOptions};
use std::path::Path;
use std::time::Duration;

use super::command::Outcome;
use super::subject::Subject;
use crate::config::database::DatabaseUrl;
use crate::config::private_file;
use crate::model::Timestamp;
use crate::store::backup::BackupFolder;
use crate::store::inspection;

/// No other user can read the generated keys, and no key file is open to every user.
pub fn keys(subject: &Subject) -> Outcome {
    let generated = [subject.files.signing_key(), subject.files.audit_key()];
    for path in generated
        .iter()
        .filter(|path| path.symlink_metadata().is_ok())
    {
        private_file::open(path, OpenOptions::new().read(true))
            .map_err(|why| format!("{}: {why}", path.display()))?;
    }
    let keys = &subject.config.signing_key;
    let configured = [
        &keys.jwt_secret_key_file,
        &keys.jwt_secret_key_previous_file,
    ];
    for path in configured.into_iter().flatten() {
        check_not_world_readable(path)?;
    }
    Ok("no key file is open to every user".to_owned())
}

/// The database file belongs to the user of this process, and lies where its path says.
pub fn database(subject: &Subject) -> Outcome {
    let path = subject.files.database();
    check_link(&subject.config.database.database_url, path)?;
    if !path.exists() {
        return Ok(format!("{}: the first start creates it", path.display()));
    }
    check_not_world_readable(path)?;
    check_owner(path)?;
    Ok(path.display().to_string())
}

/// A symbolic link leads to a file in the same folder only: elsewhere another person may be able to replace it.
fn check_link(url: &DatabaseUrl, resolved: &Path) -> Result<(), String> {
    let set = url.path();
    let is_link = set
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_symlink());
    let folder = set
        .parent()
        .and_then(|folder| match folder.as_os_str().is_empty() {
            true => fs::canonicalize(".").ok(),
            false => fs::canonicalize(folder).ok(),
        });
    match is_link && folder.as_deref() != resolved.parent() {
        true => Err(format!(
            "{} is a symbolic link that leads to {}; name that path in DATABASE_URL",
            set.display(),
            resolved.display()
        )),
        false => Ok(()),
    }
}

/// The file system keeps what is written, and has the locks and the shared memory that SQLite needs.
pub fn file_system(subject: &Subject) -> Outcome {
    let folder = subject.files.folder();
    match inspection::file_system(folder) {
        Some(file_system) => match file_system.hazard {
            Some(hazard) => Err(format!(
                "{}: {}: {hazard}",
                folder.display(),
                file_system.name
            )),
            None => Ok(file_system.name.to_owned()),
        },
        None => Ok("unknown to this program".to_owned()),
    }
}

/// The disk has room for a second copy of the database, which a backup or a migration needs.
pub fn disk(subject: &Subject) -> Outcome {
    /// Room for the write-ahead log.
    const LEAST: u64 = 64 << 20;
    let size = subject
        .files
        .database()
        .metadata()
        .map_or(0, |metadata| metadata.len());
    let Some(free) = inspection::free_bytes(subject.files.folder()) else {
        return Ok("the system does not tell the free bytes".to_owned());
    };
    let mib = |bytes: u64| bytes >> 20;
    match free < size + LEAST {
        true => Err(format!(
            "{} MiB are free; a backup or a migration needs up to {} MiB",
            mib(free),
            mib(size + LEAST)
        )),
        false => Ok(format!("{} MiB free", mib(free))),
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
    settings.check()?;
    let newest = BackupFolder::new(folder.clone(), &subject.files, "").newest();
    let newest = newest.map_err(|why| format!("BACKUP_DIR {}: {why}", folder.display()))?;
    let Some((at, _)) = newest else {
        return Err(format!(
            "BACKUP_DIR {} has no proven backup yet",
            folder.display()
        ));
    };
    let age = Timestamp::now().unix_seconds() - at.unix_seconds();
    let age = Duration::from_secs(u64::try_from(age).unwrap_or(0));
    let text = format!(
        "the last proven backup is {} old",
        humantime::format_duration(age)
    );
    match age > 2 * settings.backup_every.duration() {
        true => Err(format!("{text}, more than twice BACKUP_EVERY")),
        false => Ok(text),
    }
}

#[cfg(unix)]
fn check_not_world_readable(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata(path)?.permissions().mode();
    match mode & 0o007 {
        0 => Ok(()),
        _ => Err(format!(
            "{} may be read or written by every user of the machine (mode {:o}); chmod 600",
            path.display(),
            mode & 0o777
        )),
    }
}

#[cfg(unix)]
fn check_owner(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let (owner, user) = (metadata(path)?.uid(), rustix::process::geteuid().as_raw());
    match owner == user {
        true => Ok(()),
        false => Err(format!(
            "{} belongs to the user {owner}, and this process runs as {user}",
            path.display()
        )),
    }
}

#[cfg(not(unix))]
fn check_not_world_readable(path: &Path) -> Result<(), String> {
    metadata(path).map(drop)
}

#[cfg(not(unix))]
fn check_owner(path: &Path) -> Result<(), String> {
    metadata(path).map(drop)
}

fn metadata(path: &Path) -> Result<Metadata, String> {
    path.metadata()
        .map_err(|why| format!("{}: {why}", path.display()))
}
