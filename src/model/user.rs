//! Accounts: what a client may say about one, and the proofs of what its owner may do.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::Serialize;
use utoipa::{PartialSchema, ToSchema};

use super::password::{Password, TriedPassword};
use super::value::{Id, Limit, Search, Stored, checked_text, is_control, must_be_one_of};
use super::{SignedIn, Timestamp};
use crate::error::Error;
use crate::fields::{Fields, Scalar, flag, text};
use crate::shape::{self, Shape};

/// What an account may do; each role may do all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees the tasks assigned to it and changes their status.
    #[default]
    Employee,
    /// Sees all accounts and tasks, makes and changes tasks.
    Manager,
    /// Changes accounts as well.
    Admin,
}

impl Role {
    /// Every one of them.
    pub const ALL: [Role; 3] = [Role::Employee, Role::Manager, Role::Admin];

    /// The word in the database, in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Employee => "employee",
            Role::Manager => "manager",
            Role::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        Role::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| must_be_one_of(Role::ALL.map(Role::as_str)))
    }
}

impl PartialSchema for Role {
    fn schema() -> Shape {
        shape::words(Role::ALL.map(Role::as_str)).into()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An account as clients see it. The password hash is not a part of it, so no answer can hold one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// The row's id. SQLite may give the id of a deleted account to a new one.
    pub id: Id,
    /// The name that tokens carry.
    pub username: String,
    /// The address to sign in with.
    pub email: String,
    /// The role as stored. Where it is none of the three, it permits what an employee may.
    #[schema(schema_with = stored_role)]
    pub role: Stored<Role>,
    /// Whether an admin let the account in.
    pub is_approved: bool,
    /// When it signed up, if that is known.
    #[schema(required)]
    pub created_at: Option<Timestamp>,
}

fn stored_role() -> Shape {
    shape::usually(
        "The role. An account that another program has made may have any text, or null; it may do what an employee may.",
        shape::words(Role::ALL.map(Role::as_str)),
    )
}

impl User {
    /// The role that permissions go by: a role that is none of ours permits the least.
    pub fn role(&self) -> Role {
        match self.role {
            Stored::Known(role) => role,
            Stored::Other(_) => Role::default(),
        }
    }

    /// Whether this account makes tasks, sees those of others and changes all of any task.
    pub fn manages_tasks(&self) -> bool {
        self.role() >= Role::Manager
    }

    /// Whether this is the same account, and not a later one with its name or its id.
    pub fn is_the_account(&self, other: &User) -> bool {
        let identity = |user: &User| (user.id, user.created_at, user.username.clone());
        identity(self) == identity(other)
    }

    /// Whether it may do just what the other may, too.
    pub fn has_rights_of(&self, other: &User) -> bool {
        let rights = |user: &User| (user.role(), user.is_approved);
        self.is_the_account(other) && rights(self) == rights(other)
    }

    /// Whether this account can administrate the others.
    pub fn is_approved_admin(&self) -> bool {
        self.is_approved && self.role() == Role::Admin
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

/// A name for an account: 1 to 80 characters, no control characters, no white space around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

impl Username {
    const MAX_CHARS: usize = 80;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = String;

    fn from_str(text: &str) -> Result<Username, String> {
        checked_text(text, Self::MAX_CHARS, is_control).map(Username)
    }
}

impl PartialSchema for Username {
    fn schema() -> Shape {
        shape::text(1, Self::MAX_CHARS)
            .pattern(Some(shape::LINE))
            .into()
    }
}

/// An e-mail address of at most 120 characters, in lower case: one mailbox is one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    const MAX_CHARS: usize = 120;

    /// For the description: no `format: email`, which knows neither `.a.@example.com` nor `é`.
    const PATTERN: &str = concat!(
        r"^[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]+",
        r"@[\p{L}\p{N}]([\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?",
        r"(\.[\p{L}\p{N}]([\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?)*$",
    );

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rule of HTML's `<input type="email">` (HTML Living Standard, 4.10.5.1.5), so that a browser's
/// form and this program agree, with letters and digits of every script.
impl FromStr for Email {
    type Err = String;

    fn from_str(text: &str) -> Result<Email, String> {
        let text = checked_text(text, Self::MAX_CHARS, is_control)?.to_lowercase();
        let is_atom = |c: char| c.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
        let is_label = |label: &str| {
            let inside = |c: char| c.is_alphanumeric() || c == '-';
            (1..=63).contains(&label.len())
                && label.chars().all(inside)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        match text.split_once('@') {
            Some((local, domain))
                if !local.is_empty()
                    && local.chars().all(is_atom)
                    && domain.split('.').all(is_label) =>
            {
                Ok(Email(text))
            }
            _ => Err("must be an e-mail address".to_owned()),
        }
    }
}

impl PartialSchema for Email {
    fn schema() -> Shape {
        shape::text(3, Self::MAX_CHARS)
            .pattern(Some(Self::PATTERN))
            .into()
    }
}

/// A sign-up.
#[derive(Debug)]
pub struct NewUser {
    /// The name to be known by.
    pub username: Username,
    /// The address to sign in with.
    pub email: Email,
    /// The password to sign in with.
    pub password: Password,
}

impl NewUser {
    /// Reads `{username, email, password}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<NewUser> {
        let username = fields.required("username", text);
        let email = fields.required("email", text);
        let names = [
            username.as_ref().map(Username::as_str),
            email.as_ref().map(Email::as_str),
        ];
        let password = fields.required("password", |value| {
            Password::for_account(&text::<String>(value)?, names.into_iter().flatten())
        });
        Some(NewUser {
            username: username?,
            email: email?,
            password: password?,
        })
    }
}

/// A sign-in. Any text will do: what cannot be an account's is answered as a wrong password is.
#[derive(Debug)]
pub struct Credentials {
    /// The address, in any case.
    pub email: String,
    /// The password.
    pub password: TriedPassword,
}

impl Credentials {
    /// Reads `{email, password}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<Credentials> {
        let (email, password) = (
            fields.required("email", text),
            fields.required("password", text),
        );
        Some(Credentials {
            email: email?,
            password: password?,
        })
    }
}

/// What somebody changes about their own account.
#[derive(Debug)]
pub struct ProfilePatch {
    /// Proof that it is the owner who asks, and not whoever found the browser open.
    pub current_password: TriedPassword,
    /// The new address, if it changes.
    pub email: Option<Email>,
    /// The new password, if it changes.
    pub password: Option<Password>,
}

impl ProfilePatch {
    /// Reads `{email?, password?, current_password}` for the account of `user`.
    pub fn from_fields(fields: &mut Fields<Scalar>, user: &User) -> Option<ProfilePatch> {
        let email = fields.optional("email", text);
        let names = [
            Some(user.username.as_str()),
            Some(user.email.as_str()),
            email.as_ref().map(Email::as_str),
        ];
        let password = fields.optional("password", |value| {
            Password::for_account(&text::<String>(value)?, names.into_iter().flatten())
        });
        Some(ProfilePatch {
            current_password: fields.required("current_password", text)?,
            email,
            password,
        })
    }
}

/// What an admin changes about an account.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserPatch {
    /// The new role, if it changes.
    pub role: Option<Role>,
    /// Whether the account is let in, if that changes.
    pub is_approved: Option<bool>,
}

impl UserPatch {
    /// Reads `{role?, is_approved?}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<UserPatch> {
        Some(UserPatch {
            role: fields.optional("role", text),
            is_approved: fields.optional("is_approved", flag),
        })
    }
}

/// Which accounts a list shows.
#[derive(Debug, Default)]
pub struct UserFilter {
    /// Those with this role.
    pub role: Option<Role>,
    /// Those that are, or are not, approved.
    pub approved: Option<bool>,
    /// Those whose name or e-mail contains this.
    pub q: Option<Search>,
    /// How many at most.
    pub limit: Limit,
}

impl UserFilter {
    /// Reads `role`, `approved`, `q` and `limit`.
    pub fn from_query(query: &mut Fields<String>) -> UserFilter {
        UserFilter {
            role: query.parameter("role"),
            approved: query.parameter("approved").map(|YesNo(approved)| approved),
            q: query.parameter("q"),
            limit: query.parameter("limit").unwrap_or_default(),
        }
    }
}

/// `true` or `false` in a query.
struct YesNo(bool);

impl PartialSchema for YesNo {
    fn schema() -> Shape {
        bool::schema()
    }
}

impl FromStr for YesNo {
    type Err = String;

    fn from_str(text: &str) -> Result<YesNo, String> {
        text.parse()
            .map(YesNo)
            .map_err(|_| "must be true or false".to_owned())
    }
}
