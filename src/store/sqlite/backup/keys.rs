//! The key files that belong to a database, in a backup: in a table of the copy, or in files beside it.

use std::fs;
use std::io::{self, ErrorKind, Write};

use rusqlite::{Connection, params};

use super::partial_file::PartialFile;
use crate::config::database::DatabaseFiles;
use crate::error::Error;

/// The table of a backup that holds the key files. A database in use never has it.
pub const KEY_TABLE: &str = "backup_key";

/// The content of a key file.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// What the key is, such as `signing key`.
    pub name: String,
    content: Vec<u8>,
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

/// Writes the keys into the copy.
pub fn insert(copy: &Connection, keys: &[KeyFile]) -> rusqlite::Result<()> {
    copy.execute_batch(&format!(
        "CREATE TABLE {KEY_TABLE} (name VARCHAR(20) NOT NULL, content BLOB NOT NULL, PRIMARY KEY (name))"
    ))?;
    let sql = format!("INSERT INTO {KEY_TABLE} (name, content) VALUES (?1, ?2)");
    for key in keys {
        copy.execute(&sql, params![key.name, key.content])?;
    }
    Ok(())
}

/// Takes the keys out of the copy. None if the copy was made without them.
pub fn take(copy: &Connection) -> rusqlite::Result<Vec<KeyFile>> {
    if !copy.table_exists(None::<&str>, KEY_TABLE)? {
        return Ok(Vec::new());
    }
    let mut statement = copy.prepare(&format!("SELECT name, content FROM {KEY_TABLE}"))?;
    let keys = statement.query_map([], |row| {
        Ok(KeyFile {
            name: row.get(0)?,
            content: row.get(1)?,
        })
    })?;
    let keys = keys.collect::<rusqlite::Result<_>>()?;
    drop(statement);
    copy.execute_batch(&format!("DROP TABLE {KEY_TABLE}"))?;
    Ok(keys)
}
