//! The statements for the table `account_key`: the forms of names and e-mail addresses by which accounts are compared
//! and found.

use super::engine::{Column, Connection, DatabaseError, Row, values};
use crate::error::Error;
use crate::model::{Email, Id, NameKeys, Username, email_key};

/// Computes the keys of an account after its row was written.
pub fn write(db: &Connection, id: Id) -> Result<(), Error> {
    let sql = r#"SELECT id, username, email FROM "user" WHERE id = ?1"#;
    let names = db.query_one(sql, values![id], StoredNames::from_row)?;
    names.write_keys(db)
}

/// The names of an account as they are stored.
struct StoredNames {
    id: i64,
    username: String,
    email: String,
}

impl StoredNames {
    /// Decodes `id, username, email`. Another program may have stored bytes that are not UTF-8.
    fn from_row(row: &Row) -> Result<StoredNames, DatabaseError> {
        let text = |column| match row.column(column) {
            Column::Text(bytes) | Column::Bytes(bytes) => {
                String::from_utf8_lossy(bytes).into_owned()
            }
            _ => String::new(),
        };
        Ok(StoredNames {
            id: row.get(0)?,
            username: text(1),
            email: text(2),
        })
    }

    /// Copies the names as they are stored, so that the row counts as current until another program changes them.
    fn write_keys(&self, db: &Connection) -> Result<(), Error> {
        let sql = r#"INSERT INTO account_key (user_id, username, email, folded_name, written_name, email_key)
            SELECT id, username, email, ?2, ?3, ?4 FROM "user" WHERE id = ?1
            ON CONFLICT (user_id) DO UPDATE SET username = excluded.username, email = excluded.email,
                folded_name = excluded.folded_name, written_name = excluded.written_name,
                email_key = excluded.email_key"#;
        let NameKeys { folded, written } = NameKeys::of(&self.username);
        let email = email_key(&self.email);
        db.execute(sql, values![self.id, folded, written, email])?;
        Ok(())
    }
}

/// Whether an account has a name that looks like this one.
pub fn is_name_taken(db: &Connection, name: &Username) -> Result<bool, Error> {
    let sql = r#"SELECT EXISTS (SELECT 1 FROM account_key JOIN "user" ON id = user_id WHERE folded_name IN (?1, ?2))
        OR EXISTS (SELECT 1 FROM account_key JOIN "user" ON id = user_id WHERE written_name IN (?1, ?2))"#;
    let NameKeys { folded, written } = NameKeys::of(name.as_str());
    Ok(db.query_one(sql, values![folded, written], |row| row.get(0))?)
}

/// Whether an account other than `except` has this e-mail address.
pub fn is_email_taken(db: &Connection, email: &Email, except: Option<Id>) -> Result<bool, Error> {
    let sql = r#"SELECT EXISTS (SELECT 1 FROM account_key JOIN "user" ON id = user_id
        WHERE email_key = ?1 AND user_id <> ?2)"#;
    let except = except.map_or(0, Id::get);
    Ok(db.query_one(sql, values![email.as_str(), except], |row| row.get(0))?)
}

// ---- rows of another program --------------------------------------------------------------------

/// Accounts without keys, or whose names have changed since.
const OUTDATED: &str = r#"FROM "user" LEFT JOIN account_key AS key ON key.user_id = "user".id
    WHERE key.user_id IS NULL OR key.username IS DISTINCT FROM "user".username OR key.email IS DISTINCT FROM "user".email"#;

/// Keys of deleted accounts: the Flask app does not enforce foreign keys.
const DANGLING: &str = r#"FROM account_key WHERE user_id NOT IN (SELECT id FROM "user")"#;

/// Whether each account has its keys. Otherwise another program has written accounts.
pub fn are_current(db: &Connection) -> Result<bool, Error> {
    let sql = format!("SELECT NOT (EXISTS (SELECT 1 {OUTDATED}) OR EXISTS (SELECT 1 {DANGLING}))");
    Ok(db.query_one(&sql, &[], |row| row.get(0))?)
}

/// Computes the keys of accounts that another program has written, at most `limit`. Returns the number of changed
/// rows.
pub fn synchronise(db: &Connection, limit: u32) -> Result<usize, Error> {
    let removed = db.execute(&format!("DELETE {DANGLING}"), &[])?;
    let sql = format!(r#"SELECT "user".id, "user".username, "user".email {OUTDATED} LIMIT ?1"#);
    let outdated: Vec<StoredNames> = db.query_all(&sql, values![limit], StoredNames::from_row)?;
    outdated.iter().try_for_each(|names| names.write_keys(db))?;
    Ok(removed + outdated.len())
}
