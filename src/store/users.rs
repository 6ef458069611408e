//! Every statement about the table `user`.

use rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns;
use super::query_builder::{Query, SelectBuilder, like_pattern};
use super::sqlite_error::violates;
use crate::error::Error;
use crate::model::{
    Email, Id, Page, Position, Role, Timestamp, User, UserFilter, UserPatch, Username,
};

const COLUMNS: &str = "id, username, email, role, is_approved, created_at";

/// The same where another table has columns of these names.
pub(super) const QUALIFIED_COLUMNS: &str =
    r#""user".id, username, email, role, is_approved, "user".created_at"#;

pub(super) fn from_row(row: &Row) -> rusqlite::Result<User> {
    Ok(User {
        id: columns::id(row, 0)?,
        username: row.get(1)?,
        email: row.get(2)?,
        role: columns::text(row, 3)?.into(),
        is_approved: columns::read_or_null::<i64>(row, 4)? == Some(1),
        created_at: columns::timestamp(row, 5)?,
    })
}

/// A row to be made.
#[derive(Debug)]
pub struct NewRow<'a> {
    /// The name.
    pub username: &'a Username,
    /// The address.
    pub email: &'a Email,
    /// The password's hash, in Werkzeug's form.
    pub password_hash: &'a str,
    /// What the account may do.
    pub role: Role,
    /// Whether it is let in already.
    pub is_approved: bool,
    /// Now.
    pub created_at: Timestamp,
}

/// Makes an account.
///
/// # Errors
/// [`Error::AccountExists`] where the name is taken, or the e-mail in any case.
pub fn insert(db: &Connection, new: &NewRow) -> Result<User, Error> {
    refuse_taken_email(db, new.email, None)?;
    let sql = format!(
        r#"INSERT INTO "user" (username, email, password_hash, role, is_approved, created_at)
           VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING {COLUMNS}"#
    );
    let values = params![
        new.username.as_str(),
        new.email.as_str(),
        new.password_hash,
        new.role.as_str(),
        new.is_approved,
        new.created_at.to_stored(),
    ];
    let user = db
        .prepare_cached(&sql)?
        .query_row(values, from_row)
        .map_err(account_exists)?;
    // SQLite gives out the id of a deleted account again, and the Flask app deletes accounts without
    // looking after their tasks: those are not the new account's.
    unassign_tasks(db, user.id)?;
    Ok(user)
}

fn unassign_tasks(db: &Connection, id: Id) -> Result<(), Error> {
    let sql = "UPDATE task SET assigned_user_id = NULL WHERE assigned_user_id = ?1";
    db.prepare_cached(sql)?.execute([id.get()])?;
    Ok(())
}

/// The index on `lower(email)` cannot be UNIQUE (see schema.sql), so this looks first. Nobody can
/// come between: whoever writes holds the one write lock.
fn refuse_taken_email(db: &Connection, email: &Email, except: Option<Id>) -> Result<(), Error> {
    let sql = r#"SELECT EXISTS (SELECT 1 FROM "user" WHERE lower(email) = ?1 AND id <> ?2)"#;
    let except = except.map_or(0, Id::get);
    let taken = db
        .prepare_cached(sql)?
        .query_row(params![email.as_str(), except], |row| row.get(0))?;
    if taken {
        Err(Error::AccountExists)
    } else {
        Ok(())
    }
}

fn account_exists(why: rusqlite::Error) -> Error {
    match violates(&why, SQLITE_CONSTRAINT_UNIQUE) {
        true => Error::AccountExists,
        false => why.into(),
    }
}

/// The account with this id.
///
/// # Errors
/// [`Error::NotFound`].
pub fn by_id(db: &Connection, id: Id) -> Result<User, Error> {
    let sql = format!(r#"SELECT {COLUMNS} FROM "user" WHERE id = ?1"#);
    db.prepare_cached(&sql)?
        .query_row([id.get()], from_row)
        .optional()?
        .ok_or(Error::NotFound)
}

/// The account of this name, if there is one.
pub fn by_username(db: &Connection, username: &str) -> Result<Option<User>, Error> {
    let sql = format!(r#"SELECT {COLUMNS} FROM "user" WHERE username = ?1"#);
    Ok(db
        .prepare_cached(&sql)?
        .query_row([username], from_row)
        .optional()?)
}

/// The account with this e-mail in any case, and the hash of its password. Where the Flask app made
/// two accounts from two spellings, the one spelled as asked goes first.
pub fn by_email(db: &Connection, email: &str) -> Result<Option<(User, String)>, Error> {
    let sql = format!(
        r#"SELECT {COLUMNS}, password_hash FROM "user"
           WHERE email = ?1 OR lower(email) IN (lower(?1), ?2) ORDER BY email <> ?1, id LIMIT 1"#
    );
    let found = db
        .prepare_cached(&sql)?
        .query_row([email, &email.to_lowercase()], |row| {
            Ok((from_row(row)?, row.get(6)?))
        })
        .optional()?;
    Ok(found)
}

/// The hash of an account's password, if the account is still there.
pub fn password_hash(db: &Connection, id: Id) -> Result<Option<String>, Error> {
    let sql = r#"SELECT password_hash FROM "user" WHERE id = ?1"#;
    Ok(db
        .prepare_cached(sql)?
        .query_row([id.get()], |row| row.get(0))
        .optional()?)
}

/// A page of accounts, by id.
pub fn list(
    db: &Connection,
    filter: &UserFilter,
    after: Option<&Position>,
) -> Result<Page<User>, Error> {
    let query = select_page(filter, after, filter.page_size.get() + 1);
    query.page(db, filter.page_size, from_row, |user| user.id)
}

pub(super) fn select_page(filter: &UserFilter, after: Option<&Position>, limit: usize) -> Query {
    let mut select = SelectBuilder::new(COLUMNS, r#""user""#);
    select
        .filter_some("role = ?", filter.role.map(|role| role.as_str().to_owned()))
        .filter_some("coalesce(is_approved, FALSE) = ?", filter.approved)
        .filter_some(
            r"(casefold(username) LIKE ? ESCAPE '\' OR casefold(email) LIKE ? ESCAPE '\')",
            filter.q.as_ref().map(like_pattern),
        )
        .filter("id > ?", after.map_or(0, |position| position.id.get()));
    select.order_by("id", limit)
}

/// Changes an account's role, or whether it is let in.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::LastAdmin`] where no approved admin would be left.
pub fn update(db: &Connection, id: Id, patch: UserPatch) -> Result<User, Error> {
    let before = by_id(db, id)?;
    if let Some(role) = patch.role {
        let sql = r#"UPDATE "user" SET role = ?2 WHERE id = ?1"#;
        db.prepare_cached(sql)?
            .execute(params![id.get(), role.as_str()])?;
    }
    if let Some(is_approved) = patch.is_approved {
        let sql = r#"UPDATE "user" SET is_approved = ?2 WHERE id = ?1"#;
        db.prepare_cached(sql)?
            .execute(params![id.get(), is_approved])?;
    }
    keep_an_admin(db, &before)?;
    by_id(db, id)
}

/// Removes an account. Its tasks stay and are nobody's.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::LastAdmin`] where no approved admin would be left.
pub fn delete(db: &Connection, id: Id) -> Result<(), Error> {
    let before = by_id(db, id)?;
    unassign_tasks(db, id)?;
    db.prepare_cached(r#"DELETE FROM "user" WHERE id = ?1"#)?
        .execute([id.get()])?;
    keep_an_admin(db, &before)
}

/// Looks after the change: the transaction is rolled back if an approved admin was changed into
/// something else and no other is there.
fn keep_an_admin(db: &Connection, before: &User) -> Result<(), Error> {
    if !before.is_approved_admin() {
        return Ok(());
    }
    match has_approved_admin(db)? {
        true => Ok(()),
        false => Err(Error::LastAdmin),
    }
}

/// Whether anybody may approve accounts.
pub fn has_approved_admin(db: &Connection) -> Result<bool, Error> {
    let sql = r#"SELECT EXISTS (SELECT 1 FROM "user" WHERE role = ?1 AND coalesce(is_approved, FALSE) = TRUE)"#;
    Ok(db
        .prepare_cached(sql)?
        .query_row([Role::Admin.as_str()], |row| row.get(0))?)
}

/// Changes an account's e-mail, or its password's hash, if `verified` is still its hash: in the
/// meantime the password may have been changed, or the id have become another account's.
///
/// # Errors
/// [`Error::AccountExists`] where the e-mail is another account's, in any case;
/// [`Error::WriteConflict`] where the hash is another.
pub fn change_profile(
    db: &Connection,
    id: Id,
    verified: &str,
    email: Option<&Email>,
    hash: Option<&str>,
) -> Result<User, Error> {
    if let Some(email) = email {
        refuse_taken_email(db, email, Some(id))?;
    }
    let sql = r#"UPDATE "user"
        SET email = coalesce(?3, email), password_hash = coalesce(?4, password_hash)
        WHERE id = ?1 AND password_hash = ?2"#;
    let values = params![id.get(), verified, email.map(Email::as_str), hash];
    match db
        .prepare_cached(sql)?
        .execute(values)
        .map_err(account_exists)?
    {
        0 => Err(Error::WriteConflict),
        _ => by_id(db, id),
    }
}

/// Confirms that `verified` is still the hash of the account's password, and puts `renewed` in its place.
///
/// # Errors
/// [`Error::WriteConflict`] where the hash is another, or the account is gone.
pub fn confirm_password(
    db: &Connection,
    id: Id,
    verified: &str,
    renewed: Option<&str>,
) -> Result<(), Error> {
    let sql = r#"UPDATE "user" SET password_hash = coalesce(?3, password_hash)
        WHERE id = ?1 AND password_hash = ?2"#;
    match db
        .prepare_cached(sql)?
        .execute(params![id.get(), verified, renewed])?
    {
        0 => Err(Error::WriteConflict),
        _ => Ok(()),
    }
}

/// Changes an account's password.
pub fn set_password_hash(db: &Connection, id: Id, hash: &str) -> Result<(), Error> {
    db.prepare_cached(r#"UPDATE "user" SET password_hash = ?2 WHERE id = ?1"#)?
        .execute(params![id.get(), hash])?;
    Ok(())
}
