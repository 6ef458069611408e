//! Permissions: every rule about what an account may do, as pure functions and proof types.
//!
//! Role-based access: [`Approved`], [`Manager`] and [`Admin`] are proof types. [`InSession`] and [`AdminInSession`] also
//! exclude tokens for scripts. Only a check of the account creates a value of such a type, so a handler that takes one
//! as its argument cannot run without the check. The route table is built from these types.
//!
//! Access to a single row: the functions on [`User`], [`Task`], [`HistoryEntry`] and [`TaskPatch`]. Handlers call them
//! in the transaction that reads or changes the row.

use std::ops::Deref;

use super::account_name::AccountName;
use super::id::Id;
use super::role::Role;
use super::session::{Credential, SessionId, SignInToken, SignedIn};
use super::task::Task;
use super::task_history::HistoryEntry;
use super::task_patch::TaskPatch;
use super::user::User;
use crate::error::Error;

impl User {
    /// Whether the account may create and delete tasks, see the tasks of every account, and change every field
    /// of a task. Managers and admins may.
    pub fn manages_tasks(&self) -> bool {
        self.role() >= Role::Manager
    }

    /// The assignee whose tasks the account may see. An employee may see only the tasks assigned to the
    /// employee's own account; `None` means every task.
    pub fn task_visibility(&self) -> Option<Id> {
        (!self.manages_tasks()).then_some(self.id)
    }

    /// Whether `other` is the same account with the same role and approval.
    pub fn has_rights_of(&self, other: &User) -> bool {
        let rights = |user: &User| (user.role(), user.is_approved);
        self.is_same_account(other) && rights(self) == rights(other)
    }

    /// Whether the account may administer other accounts.
    pub fn is_approved_admin(&self) -> bool {
        self.is_approved && self.role() == Role::Admin
    }
}

impl Task {
    /// Whether the account may see this task: the same rule as [`User::task_visibility`].
    pub fn visible_to(&self, user: &User) -> bool {
        let assignee = user.task_visibility();
        assignee.is_none() || assignee == self.assigned_user_id
    }
}

impl HistoryEntry {
    /// The entry as the account may see it. An employee learns no more than the task says: no other employee who had the
    /// task before. Managers and admins are named, since they act for the whole team.
    pub fn shown_to(self, user: &User) -> HistoryEntry {
        if user.manages_tasks() {
            return self;
        }
        // The Flask app gives the id of a deleted account to a new one.
        let is_self =
            |account: &AccountName| account.id == user.id && account.username == user.username;
        let is_employee = self.actor_role == Some(Role::Employee);
        HistoryEntry {
            assignee: self.assignee.filter(is_self),
            actor: self.actor.filter(|actor| !is_employee || is_self(actor)),
            ..self
        }
    }
}

impl TaskPatch {
    /// Checks whether the account may make this change: managers and admins may change every field, an
    /// employee only the status.
    ///
    /// # Errors
    /// [`Error::StatusOnly`] if the account may change only the status and the change has more fields.
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

/// Proof type: an account that an admin has approved. The field is private, so [`TryFrom`] is the only
/// constructor.
#[derive(Debug)]
pub struct Approved(User);

/// Proof type: an approved account that is a manager or an admin.
#[derive(Debug)]
pub struct Manager(Approved);

/// Proof type: an approved account that is an admin.
#[derive(Debug)]
pub struct Admin(Approved);

/// Proof type: a caller who has signed in by password, approved or not. A token for scripts is not enough: a leaked
/// one must not be able to make further tokens, or to lock its owner out.
#[derive(Debug)]
pub struct InSession {
    user: User,
    token: SignInToken,
}

/// Proof type: an approved admin who has signed in by password.
#[derive(Debug)]
pub struct AdminInSession(Admin);

impl SignedIn {
    /// Returns the caller if the scope of a token for scripts permits the method of the request.
    ///
    /// # Errors
    /// [`Error::InsufficientScope`].
    pub fn check_scope(self, method: &str) -> Result<SignedIn, Error> {
        match self.credential {
            Credential::ApiToken { scope, .. } if !scope.permits(method) => {
                Err(Error::InsufficientScope)
            }
            _ => Ok(self),
        }
    }
}

impl InSession {
    /// The account.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The access token of the request.
    pub fn token(&self) -> &SignInToken {
        &self.token
    }

    /// The session of the token. A token of the Flask app has none.
    pub fn session(&self) -> Option<SessionId> {
        self.token.session()
    }
}

impl TryFrom<SignedIn> for InSession {
    type Error = Error;

    fn try_from(SignedIn { user, credential }: SignedIn) -> Result<InSession, Error> {
        match credential {
            Credential::SignIn(token) => Ok(InSession { user, token }),
            Credential::ApiToken { .. } => Err(Error::InsufficientScope),
        }
    }
}

impl TryFrom<SignedIn> for AdminInSession {
    type Error = Error;

    fn try_from(caller: SignedIn) -> Result<AdminInSession, Error> {
        let InSession { user, token } = InSession::try_from(caller)?;
        let credential = Credential::SignIn(token);
        Admin::try_from(SignedIn { user, credential }).map(AdminInSession)
    }
}

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
        if user.is_approved_admin() {
            Ok(Admin(user))
        } else {
            Err(Error::InsufficientRole)
        }
    }
}

impl Deref for InSession {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}

impl Deref for AdminInSession {
    type Target = Admin;

    fn deref(&self) -> &Admin {
        &self.0
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
