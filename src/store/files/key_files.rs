//! The key files that belong to a database: the key that signs tokens, and the key that seals the audit log.

use std::fs;
use std::io::{self, ErrorKind, Write};

use super::PartialFile;
use crate::config::database::DatabaseFiles;
use crate::error::Error;

/// The content of a key file.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// What the key is, such as `signing key`.
    pub name: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// The names of these keys, such as `signing key and audit key`.
pub fn names(keys: &[KeyFile]) -> String {
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    names.join(" and ")
}

/// Reads the key files beside the database, or beside a backup. One that does not exist is left out.
pub fn read_files(files: &DatabaseFiles) -> Result<Vec<KeyFile>, Error> {
    let mut keys = Vec::new();
    for (name, path) in files.keys() {
        match fs::read(&path) {
            Ok(content) => keys.push(KeyFile {
                name: name.to_owned(),
                content,
            }),
            Err(why) if why.kind() == ErrorKind::NotFound => {}
            Err(why) => return Err(Error::Internal(format!("{}: {why}", path.display()))),
        }
    }
    Ok(keys)
}

/// Writes the keys to files beside the database, or beside a backup, and syncs them. The files must not exist. They
/// are removed with the returned values, unless these are kept.
pub fn write_files(keys: &[KeyFile], files: &DatabaseFiles) -> io::Result<Vec<PartialFile>> {
    let write = |key: &KeyFile| {
        let (_, path) = files
            .keys()
            .into_iter()
            .find(|(name, _)| *name == key.name)?;
        Some(PartialFile::create(path).and_then(|file| {
            file.file().write_all(&key.content)?;
            file.file().sync_all()?;
            Ok(file)
        }))
    };
    keys.iter().filter_map(write).collect()
}
