//! The statements for the table `pending_account`: the accounts that have signed up and await approval.
//!
//! A row belongs to the account of its id that was created at `since`. The Flask app may delete that account and give
//! its id to another one, and it approves accounts without deleting the row.

use super::engine::{Connection, values};
use super::users;
use crate::error::Error;
use crate::model::{Actor, Id, Timestamp, User};

/// Whether the account of a row still exists and awaits approval.
const IS_PENDING: &str = r#"EXISTS (SELECT 1 FROM "user" WHERE id = user_id AND created_at = since
    AND coalesce(is_approved, FALSE) = FALSE)"#;

/// Records that an account has signed up and awaits approval.
pub fn insert(db: &Connection, user: &User) -> Result<(), Error> {
    let since = user.created_at;
    db.execute(
        "INSERT INTO pending_account (user_id, since) VALUES (?1, ?2)",
        values![user.id, since],
    )?;
    Ok(())
}

/// Records that an account does not await its first approval any more.
pub fn remove(db: &Connection, id: Id) -> Result<(), Error> {
    db.execute(
        "DELETE FROM pending_account WHERE user_id = ?1",
        values![id],
    )?;
    Ok(())
}

/// The number of accounts that have signed up and await approval.
pub fn count(db: &Connection) -> Result<i64, Error> {
    Ok(
        db.query_one("SELECT count(*) FROM pending_account", &[], |row| {
            row.get(0)
        })?,
    )
}

/// Whether rows are left of accounts that another program has approved or deleted.
pub fn has_outdated(db: &Connection) -> Result<bool, Error> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM pending_account WHERE NOT {IS_PENDING})");
    Ok(db.query_one(&sql, &[], |row| row.get(0))?)
}

/// Deletes the rows of accounts that another program has approved or deleted.
pub fn delete_outdated(db: &Connection) -> Result<usize, Error> {
    let sql = format!("DELETE FROM pending_account WHERE NOT {IS_PENDING}");
    Ok(db.execute(&sql, &[])?)
}

/// Whether accounts have awaited approval since this time or longer.
pub fn has_expired(db: &Connection, until: Timestamp) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pending_account WHERE since <= ?1)";
    Ok(db.query_one(sql, values![until], |row| row.get(0))?)
}

/// Deletes the accounts that have awaited approval since this time or longer, at most `limit`, and returns them.
pub fn delete_expired(
    db: &Connection,
    until: Timestamp,
    limit: u32,
    actor: &Actor,
) -> Result<Vec<User>, Error> {
    delete_outdated(db)?;
    let sql = "SELECT user_id FROM pending_account WHERE since <= ?1 ORDER BY since LIMIT ?2";
    let ids: Vec<i64> = db.query_all(sql, values![until, limit], |row| row.get(0))?;
    let delete = |id| {
        let id = Id::try_from(id).map_err(Error::Internal)?;
        let user = users::by_id(db, id)?;
        users::delete(db, id, actor)?;
        Ok(user)
    };
    ids.into_iter().map(delete).collect()
}
