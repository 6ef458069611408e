//! Who may read, write and replace a file.

use std::fs::{self, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::config::private_file;

/// Checks a key file beside the database, as a start does. One that does not exist is no fault.
pub fn check_generated_key(path: &Path) -> Result<(), String> {
    match private_file::open(path, OpenOptions::new().read(true)) {
        Ok(_) => check_owner(path), // a start as root takes a key of any user
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(()),
        Err(why) => Err(format!("{}: {why}", path.display())),
    }
}

/// Checks a file that the operator has made. Its group may read it: container platforms give secrets that mode.
pub fn check_private(path: &Path) -> Result<(), String> {
    check_not_world_readable(path)?;
    check_owner(path)
}

/// Checks that a symbolic link leads to a file in the same folder or below it: elsewhere another user may be able to
/// replace it. `target` is where the link leads.
pub fn check_link(path: &Path, target: &Path) -> Result<(), String> {
    let is_link = path
        .symlink_metadata()
        .is_ok_and(|found| found.is_symlink());
    if !is_link {
        return Ok(());
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let folder = fs::canonicalize(folder).map_err(|why| format!("{}: {why}", path.display()))?;
    match target.starts_with(folder) {
        true => Ok(()),
        false => Err(format!(
            "{} is a symbolic link that leads to {}; let the setting name that path",
            path.display(),
            target.display()
        )),
    }
}

/// Checks that this process may read, write and replace files in the folder, and that not every user may.
pub fn check_folder(folder: &Path) -> Result<(), String> {
    check_access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?;
    match is_world_writable(folder)? {
        false => Ok(()),
        true => Err(format!(
            "every user of the machine may replace the files in {}; chmod o-w",
            folder.display()
        )),
    }
}

/// Checks that this process may read and write the file.
pub fn check_writable(path: &Path) -> Result<(), String> {
    check_access(path, Access::READ_OK | Access::WRITE_OK)
}

fn check_access(path: &Path, needed: Access) -> Result<(), String> {
    access(path, needed).map_err(|why| {
        format!(
            "this user cannot read and write {}: {why}; run the check as the user of the server, or change the mode \
             or the owner",
            path.display()
        )
    })
}

#[cfg(unix)]
fn check_not_world_readable(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata(path)?.permissions().mode();
    match mode & 0o007 {
        0 => Ok(()),
        _ => Err(format!(
            "every user of the machine may read or write {} (mode {:04o}); chmod 600",
            path.display(),
            mode & 0o777
        )),
    }
}

/// Checks that the file belongs to the user of this process, or to root.
#[cfg(unix)]
fn check_owner(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt;
    let (owner, user) = (metadata(path)?.uid(), rustix::process::geteuid().as_raw());
    match owner == user || owner == 0 {
        true => Ok(()),
        false => Err(format!(
            "{} belongs to the user {owner}, and this process runs as {user}: run the check as the user of the \
             server, or chown the file",
            path.display()
        )),
    }
}

/// Whether every user may replace files in the folder. With the sticky bit, as `/tmp` has it, only their owners may.
#[cfg(unix)]
fn is_world_writable(folder: &Path) -> Result<bool, String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata(folder)?.permissions().mode();
    Ok(mode & 0o1002 == 0o002)
}

#[cfg(not(unix))]
fn check_not_world_readable(path: &Path) -> Result<(), String> {
    metadata(path).map(drop)
}

#[cfg(not(unix))]
fn check_owner(path: &Path) -> Result<(), String> {
    metadata(path).map(drop)
}

#[cfg(not(unix))]
fn is_world_writable(folder: &Path) -> Result<bool, String> {
    metadata(folder).map(|_| false)
}

fn metadata(path: &Path) -> Result<Metadata, String> {
    path.metadata()
        .map_err(|why| format!("{}: {why}", path.display()))
}
