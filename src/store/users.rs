//! The statements for the table `user`.
//!
//! Two rules live here because each needs the state of the whole table: names and e-mail addresses are unique by
//! their keys, and one approved admin always remains.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::engine::{Connection, DatabaseError, Row, Rows, Value, values};
use super::id_sequence::{self, Sequence};
use super::one_time_links;
use super::page_reader::PageReader;
use super::query_builder::{Query, SelectBuilder};
use super::{account_keys, pending_accounts, tasks};
use crate::error::Error;
use crate::model::{
    AccountName, Actor, Email, Id, NameKeys, Page, Position, Role, Timestamp, User, UserPatch,
    UserQuery, Username, email_key, nfc,
};

const COLUMNS: &str = "id, username, email, role, is_approved, created_at";

/// [`COLUMNS`] for a JOIN with the table `session`, which has columns `id` and `created_at` too.
pub(super) const QUALIFIED_COLUMNS: &str =
    r#""user".id, username, email, role, is_approved, "user".created_at"#;

/// The condition that an account is an approved admin, see [`User::is_approved_admin`].
pub(super) const IS_APPROVED_ADMIN: &str = "role = 'admin' AND coalesce(is_approved, FALSE) = TRUE";

/// Decodes a row of [`COLUMNS`].
pub(super) fn from_row(row: &Row) -> Result<User, DatabaseError> {
    Ok(User {
        id: row.id(0)?,
        username: row.get(1)?,
        email: row.get(2)?,
        role: row.or_null::<&str>(3).into(),
        is_approved: row.or_null::<i64>(4) == Some(1),
        created_at: row.or_null::<Timestamp>(5),
    })
}

/// The values of a new row.
#[derive(Debug)]
pub struct NewRow<'a> {
    /// No account has a name that looks like it.
    pub username: &'a Username,
    /// Unique.
    pub email: &'a Email,
    /// In Werkzeug's format, see [`crate::auth::password_hash`].
    pub password_hash: &'a str,
    /// [`Role::Employee`] for an account that signs up itself.
    pub role: Role,
    /// `false` for an account that signs up itself: an admin approves it later.
    pub is_approved: bool,
    /// The present time. Together with the id it identifies the account, since the Flask app reuses ids.
    pub created_at: Timestamp,
}

/// Creates an account. Its id is greater than each that an account had before.
///
/// # Errors
/// [`Error::AccountExists`] if another account has this e-mail address, or a username that looks like this one.
pub fn insert(db: &Connection, new: &NewRow) -> Result<User, Error> {
    check_is_free(account_keys::is_name_taken(db, new.username)?)?;
    check_is_free(account_keys::is_email_taken(db, new.email, None)?)?;
    let sql = format!(
        r#"INSERT INTO "user" (id, username, email, password_hash, role, is_approved, created_at)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING {COLUMNS}"#
    );
    let values = values![
        next_id(db)?,
        new.username.as_str(),
        new.email.as_str(),
        new.password_hash,
        new.role.as_str(),
        new.is_approved,
        new.created_at,
    ];
    let user = db
        .query_one(&sql, values, from_row)
        .map_err(account_exists)?;
    id_sequence::skip_to(db, r#""user""#, user.id)?;
    account_keys::write(db, user.id)?;
    // The Flask app deletes accounts without unassigning their tasks. Such tasks must not become the new account's.
    tasks::unassign(db, user.id, &Actor::server(new.created_at))?;
    Ok(user)
}

fn next_id(db: &Connection) -> Result<Id, Error> {
    let sql = r#"SELECT coalesce(max(id), 0) FROM "user""#;
    let highest = db.query_one(sql, &[], |row| row.get(0))?;
    id_sequence::next_id(db, Sequence::User, highest)
}

/// Uniqueness is checked before a write, since the keys cannot be UNIQUE (see `schema.sql`). There is no race:
/// SQLite has one writer at a time, and in PostgreSQL the transaction is serializable.
fn check_is_free(is_taken: bool) -> Result<(), Error> {
    if is_taken {
        Err(Error::AccountExists)
    } else {
        Ok(())
    }
}

/// The table has two UNIQUE columns, `username` and `email`.
fn account_exists(why: DatabaseError) -> Error {
    match why {
        DatabaseError::NotUnique(_) => Error::AccountExists,
        other => other.into(),
    }
}

/// The methods of all stored password hashes, such as `scrypt:32768:8:1`. Reads the whole table.
///
/// # Errors
/// Those of the database.
pub fn hash_methods(db: &Connection) -> Result<BTreeSet<String>, Error> {
    let sql = r#"SELECT password_hash FROM "user""#;
    let mut methods = BTreeSet::new();
    db.query_each(Rows::Many, sql, &[], |row| -> Result<_, DatabaseError> {
        let hash = row.or_null::<&str>(0).unwrap_or_default();
        let method = hash.split('$').next().unwrap_or_default();
        if !methods.contains(method) {
            methods.insert(method.to_owned());
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(methods)
}

/// Reads the account with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(db: &Connection, id: Id) -> Result<User, Error> {
    let sql = format!(r#"SELECT {COLUMNS} FROM "user" WHERE id = ?1"#);
    db.query_optional(&sql, values![id], from_row)?
        .ok_or(Error::NotFound)
}

/// Reads the names of accounts, by id. An id without an account is not in the result.
pub fn names(db: &Connection, ids: &BTreeSet<Id>) -> Result<BTreeMap<Id, AccountName>, Error> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let parameters: Vec<String> = (1..=ids.len()).map(|number| format!("?{number}")).collect();
    let sql = format!(
        r#"SELECT id, username FROM "user" WHERE id IN ({})"#,
        parameters.join(", ")
    );
    let values: Vec<Value> = ids.iter().map(|id| Value::from(*id)).collect();
    let names = db.query_all(&sql, &values, |row| {
        Ok(AccountName {
            id: row.id(0)?,
            username: row.get(1)?,
        })
    })?;
    Ok(names.into_iter().map(|name| (name.id, name)).collect())
}

/// Reads the account with exactly this username.
pub fn by_username(db: &Connection, username: &str) -> Result<Option<User>, Error> {
    let sql = format!(r#"SELECT {COLUMNS} FROM "user" WHERE username = ?1"#);
    Ok(db.query_optional(&sql, values![username], from_row)?)
}

/// Reads the account with this username, as an operator types it: an exact match is preferred, then a name that differs
/// only in Unicode normalisation, since the Flask app stores names as they come.
pub fn by_typed_name(db: &Connection, username: &str) -> Result<Option<User>, Error> {
    if let Some(user) = by_username(db, username)? {
        return Ok(Some(user));
    }
    let sql = format!(
        r#"SELECT {COLUMNS} FROM "user"
           WHERE id IN (SELECT user_id FROM account_key WHERE folded_name = ?1) ORDER BY id"#
    );
    let similar = db.query_all(&sql, values![NameKeys::of(username).folded], from_row)?;
    for user in similar {
        if nfc(&user.username) == nfc(username) {
            return Ok(Some(user));
        }
    }
    Ok(None)
}

/// Reads the account with this e-mail address, and its password hash. The Flask app may have created several accounts
/// whose addresses have one canonical form; then the one that is stored exactly so is preferred, and after that the
/// oldest.
pub fn by_email(db: &Connection, email: &str) -> Result<Option<(User, String)>, Error> {
    let with_hash = |row: &Row| Ok((from_row(row)?, row.get(6)?));
    let exact = format!(r#"SELECT {COLUMNS}, password_hash FROM "user" WHERE email = ?1"#);
    let found = db.query_optional(&exact, values![email.trim()], with_hash)?;
    if found.is_some() {
        return Ok(found);
    }
    // A key counts only while its account has the address that it was computed from.
    let by_key = format!(
        r#"SELECT {COLUMNS}, password_hash FROM "user"
           WHERE id IN (SELECT user_id FROM account_key WHERE email_key = ?1)
           AND email = (SELECT email FROM account_key WHERE user_id = "user".id)
           ORDER BY id LIMIT 1"#
    );
    Ok(db.query_optional(&by_key, values![email_key(email)], with_hash)?)
}

/// Reads the password hash of an account, if it still exists.
pub fn password_hash(db: &Connection, id: Id) -> Result<Option<String>, Error> {
    let sql = r#"SELECT password_hash FROM "user" WHERE id = ?1"#;
    Ok(db.query_optional(sql, values![id], |row| row.get(0))?)
}

/// Reads a page of accounts in the order of `id`; `after` is the last row of the page before.
pub fn list(
    db: &Connection,
    filter: &UserQuery,
    after: Option<&Position>,
) -> Result<Page<User>, Error> {
    let reader = PageReader {
        size: filter.page_size,
        decode: from_row,
        q: filter.q.as_ref(),
        searched: &[1, 2],
        order: "id",
    };
    reader.read(db, [select_page(filter, after)])
}

pub(super) fn select_page(filter: &UserQuery, after: Option<&Position>) -> Query {
    let mut select = SelectBuilder::new(COLUMNS, "NULL", r#""user""#);
    select
        .filter_some("role = ?", filter.role.map(Role::as_str))
        .filter_some("coalesce(is_approved, FALSE) = ?", filter.approved)
        .filter("id > ?", after.map_or(0, |position| position.id.get()));
    select.order_by("id")
}

/// Changes an account's role and its approval. The links that an admin has made end with these rights.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::LastAdmin`] if no approved admin would remain.
pub fn update(db: &Connection, id: Id, patch: UserPatch) -> Result<User, Error> {
    let before = by_id(db, id)?;
    if let Some(role) = patch.role {
        let sql = r#"UPDATE "user" SET role = ?2 WHERE id = ?1"#;
        db.execute(sql, values![id, role.as_str()])?;
    }
    if let Some(is_approved) = patch.is_approved {
        let sql = r#"UPDATE "user" SET is_approved = ?2 WHERE id = ?1"#;
        db.execute(sql, values![id, is_approved])?;
        if is_approved {
            pending_accounts::remove(db, id)?;
        }
    }
    check_admin_remains(db, &before)?;
    let after = by_id(db, id)?;
    if !after.is_approved_admin() {
        one_time_links::end_made_by(db, id)?;
    }
    Ok(after)
}

/// Deletes an account. Its tasks remain and are unassigned.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::LastAdmin`] if no approved admin would remain.
pub fn delete(db: &Connection, id: Id, actor: &Actor) -> Result<(), Error> {
    let before = by_id(db, id)?;
    tasks::unassign(db, id, actor)?;
    db.execute(r#"DELETE FROM "user" WHERE id = ?1"#, values![id])?;
    check_admin_remains(db, &before)
}

/// Runs after the change of an account: if it was the last approved admin, the error rolls the transaction
/// back.
fn check_admin_remains(db: &Connection, before: &User) -> Result<(), Error> {
    if before.is_approved_admin() && !has_approved_admin(db)? {
        Err(Error::LastAdmin)
    } else {
        Ok(())
    }
}

/// Whether an approved admin exists. Without one, no account can approve others.
pub fn has_approved_admin(db: &Connection) -> Result<bool, Error> {
    Ok(count_approved_admins(db)? > 0)
}

/// The number of approved admins.
pub fn count_approved_admins(db: &Connection) -> Result<i64, Error> {
    let sql = format!(r#"SELECT count(*) FROM "user" WHERE {IS_APPROVED_ADMIN}"#);
    Ok(db.query_one(&sql, &[], |row| row.get(0))?)
}

/// Changes an account's e-mail address, its password hash, or both.
///
/// Optimistic concurrency: a password is verified before the transaction, since hashing is slow. `verified` is
/// the hash that was verified; if the row has another one now, the password has been changed in the meantime,
/// or the id belongs to another account.
///
/// # Errors
/// [`Error::AccountExists`] if another account has the e-mail address;
/// [`Error::WriteConflict`] if the hash has changed.
pub fn change_profile(
    db: &Connection,
    id: Id,
    verified: &str,
    email: Option<&Email>,
    hash: Option<&str>,
) -> Result<User, Error> {
    if let Some(email) = email {
        check_is_free(account_keys::is_email_taken(db, email, Some(id))?)?;
    }
    let sql = r#"UPDATE "user"
        SET email = coalesce(?3, email), password_hash = coalesce(?4, password_hash)
        WHERE id = ?1 AND password_hash = ?2"#;
    let values = values![id, verified, email.map(Email::as_str), hash];
    if db.execute(sql, values).map_err(account_exists)? == 0 {
        return Err(Error::WriteConflict);
    }
    account_keys::write(db, id)?;
    by_id(db, id)
}

/// Checks that `verified` is still the account's password hash (see [`change_profile`]), and replaces it with
/// `renewed` if there is one.
///
/// # Errors
/// [`Error::WriteConflict`] if the hash has changed or the account has been deleted.
pub fn confirm_password(
    db: &Connection,
    id: Id,
    verified: &str,
    renewed: Option<&str>,
) -> Result<(), Error> {
    let sql = r#"UPDATE "user" SET password_hash = coalesce(?3, password_hash)
        WHERE id = ?1 AND password_hash = ?2"#;
    match db.execute(sql, values![id, verified, renewed])? {
        0 => Err(Error::WriteConflict),
        _ => Ok(()),
    }
}

/// Replaces the password hash without a check of the old one; see [`super::credentials::replace_password`].
pub fn set_password_hash(db: &Connection, id: Id, hash: &str) -> Result<(), Error> {
    db.execute(
        r#"UPDATE "user" SET password_hash = ?2 WHERE id = ?1"#,
        values![id, hash],
    )?;
    Ok(())
}
