//! The key files that belong to a database, in a table of its backup.

use rusqlite::{Connection, params};

use crate::store::files::key_files::KeyFile;

/// The table of a backup that holds the key files. A database in use never has it.
pub const KEY_TABLE: &str = "backup_key";

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
