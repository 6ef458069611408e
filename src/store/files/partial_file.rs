//! Files that are complete or absent: written under another name, synced, and renamed into place.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::crypto::random_bytes;

/// A new file that is removed when this value is dropped, unless it is kept.
#[derive(Debug)]
pub struct PartialFile {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl PartialFile {
    /// Creates the file, which must not exist. Only its owner may read it (mode 0600).
    pub fn create(path: PathBuf) -> io::Result<PartialFile> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        Ok(PartialFile {
            path,
            file,
            is_kept: false,
        })
    }

    /// Creates a file in the folder of `target` whose name is that of `target` with a random part and `.part`.
    pub fn for_target(target: &Path) -> io::Result<PartialFile> {
        let random: [u8; 4] = random_bytes().map_err(io::Error::other)?;
        let mut path = target.as_os_str().to_owned();
        path.push(format!(".{}.part", HEXLOWER.encode(&random)));
        PartialFile::create(path.into())
    }

    /// Its present path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Syncs the file and gives it its final name, which must be free.
    pub fn publish(mut self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        rename_to_free_name(&self.path, target)?;
        self.is_kept = true;
        sync_folder(target.parent().unwrap_or(Path::new("/")))
    }

    /// Removes the name of the file. Its content exists until the returned file is closed.
    pub fn remove(self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Keeps the file under its present name.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // This is the way back from another error, which the caller reports.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Syncs a folder: the names of its files are on the disk.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Renames a file. Fails if there is a file of that name.
pub fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;

        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // The file system or the kernel does not know the flag.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            result => return Ok(result?),
        }
    }
    if to.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}
