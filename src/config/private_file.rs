//! Key files: plain files that only their owner may read and write.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a key file with these options. A file that they create gets the mode 0600.
///
/// The checks are made on the open file, not on its name, so nothing can be exchanged between check and use.
///
/// # Errors
/// Those of the system. The file is refused if it is a symbolic link or not a plain file, if other users may read
/// or write it, or if it belongs to another user; root may read a file of any user.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    unix::set_flags(options);
    let file = options.open(path);
    #[cfg(unix)]
    let file = unix::check(file);
    file
}

#[cfg(unix)]
mod unix {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

    use rustix::fs::OFlags;
    use rustix::io::Errno;
    use rustix::process::geteuid;

    /// A symbolic link is an error, and a named pipe is opened without waiting for its other end.
    pub fn set_flags(options: &mut OpenOptions) {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits() as i32);
    }

    pub fn check(opened: io::Result<File>) -> io::Result<File> {
        let file = match opened {
            Err(why) if why.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
                return Err(io::Error::other(
                    "it is a symbolic link; put the file itself in its place",
                ));
            }
            result => result?,
        };
        let metadata = file.metadata()?;
        let (mode, owner, user) = (metadata.mode() & 0o777, metadata.uid(), geteuid());
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a plain file; move it away"));
        }
        if mode & 0o077 != 0 {
            let why = format!("other users may read or write it (mode {mode:04o}); chmod 600 it");
            return Err(io::Error::other(why));
        }
        if owner != user.as_raw() && !user.is_root() {
            let why = format!(
                "it belongs to another user (uid {owner}); chown it to the user of the server"
            );
            return Err(io::Error::other(why));
        }
        Ok(file)
    }
}
