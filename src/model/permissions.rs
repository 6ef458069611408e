//! Permissions: what an account may do, as pure functions and as proofs that handlers demand.
//!
//! The route table decides by role ([`Approved`], [`Manager`], [`Admin`]); the functions on [`Task`] and
//! [`TaskPatch`] decide about a single row.

use std::ops::Deref;

use super::session::SignedIn;
use super::task::{Task, TaskPatch};
use super::user::{Role, User};
use crate::error::Error;

impl User {
    /// Whether this account creates tasks, sees those of other accounts, and changes every field.
    pub fn manages_tasks(&self) -> bool {
        self.role() >= Role::Manager
    }

    /// Whether this is the same account with the same rights.
    pub fn has_rights_of(&self, other: &User) -> bool {
        let rights = |user: &User| (user.role(), user.is_approved);
        self.is_same_account(other) && rights(self) == rights(other)
    }

    /// Whether this account can administrate the others.
    pub fn is_approved_admin(&self) -> bool {
        self.is_approved && self.role() == Role::Admin
    }
}

impl Task {
    /// Whether the account may see this task: managers and admins see every task, an employee those assigned
    /// to them.
    pub fn visible_to(&self, user: &User) -> bool {
        user.manages_tasks() || self.assigned_user_id == Some(user.id)
    }
}

impl TaskPatch {
    /// Checks whether the account may make this change: managers and admins change every field, an employee
    /// only the status.
    ///
    /// # Errors
    /// [`Error::StatusOnly`].
    pub fn check_permitted(&self, user: &User) -> Result<(), Error> {
        let more_than_status = self.title.is_some()
            || self.description.is_some()
            || self.deadline.is_some()
            || self.assigned_user_id.is_some();
        if more_than_status && !user.manages_tasks() {
            Err(Error::StatusOnly)
        } else {
            Ok(())
        }
    }
}

/// Proof that an account is approved. The field is private: [`TryFrom`] is the only door.
#[derive(Debug)]
pub struct Approved(User);

/// Proof of an approved account that is a manager or an admin.
#[derive(Debug)]
pub struct Manager(Approved);

/// Proof of an approved account that is an admin.
#[derive(Debug)]
pub struct Admin(Approved);

impl TryFrom<SignedIn> for Approved {
    type Error = Error;

    fn try_from(SignedIn { user, .. }: SignedIn) -> Result<Approved, Error> {
        if user.is_approved {
            Ok(Approved(user))
        } else {
            Err(Error::AwaitingApproval)
        }
    }
}

impl TryFrom<SignedIn> for Manager {
    type Error = Error;

    fn try_from(caller: SignedIn) -> Result<Manager, Error> {
        let user = Approved::try_from(caller)?;
        if user.manages_tasks() {
            Ok(Manager(user))
        } else {
            Err(Error::InsufficientRole)
        }
    }
}

impl TryFrom<SignedIn> for Admin {
    type Error = Error;

    fn try_from(caller: SignedIn) -> Result<Admin, Error> {
        let user = Approved::try_from(caller)?;
        if user.role() == Role::Admin {
            Ok(Admin(user))
        } else {
            Err(Error::InsufficientRole)
        }
    }
}

impl Deref for Approved {
    type Target = User;

    fn deref(&self) -> &User {
        &self.0
    }
}

impl Deref for Manager {
    type Target = Approved;

    fn deref(&self) -> &Approved {
        &self.0
    }
}

impl Deref for Admin {
    type Target = Approved;

    fn deref(&self) -> &Approved {
        &self.0
    }
}
