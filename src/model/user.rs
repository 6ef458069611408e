//! Accounts: the row as clients see it, sign-up, sign-in, changes, and the filter of lists.

use std::str::FromStr;

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::email::Email;
use super::id::Id;
use super::json_fields::{Fields, Scalar, flag, text};
use super::open_enum::{OpenEnum, must_be_one_of};
use super::page::PageSize;
use super::password_policy::{Password, PasswordAttempt};
use super::schema::{self, Schema};
use super::text::SearchText;
use super::time::Timestamp;
use super::username::Username;

/// What an account may do. Each role includes the rights of the ones before it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Serialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = String, parse_err_fn = must_be_one_of::<Role>)]
pub enum Role {
    /// Sees the tasks assigned to it and changes their status.
    #[default]
    Employee,
    /// Sees all accounts and tasks, creates and changes tasks.
    Manager,
    /// Changes accounts as well.
    Admin,
}

impl Role {
    /// The text in the database, in JSON and on the command line.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl PartialSchema for Role {
    fn schema() -> Schema {
        schema::closed_enum::<Role>().into()
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
    pub role: OpenEnum<Role>,
    /// Whether an admin let the account in.
    pub is_approved: bool,
    /// When it signed up, if that is known.
    #[schema(required)]
    pub created_at: Option<Timestamp>,
}

fn stored_role() -> Schema {
    schema::open_enum(
        "The role. An account that another program has made may have any text, or null; it may do what an employee may.",
        schema::closed_enum::<Role>(),
    )
}

impl User {
    /// The role that permissions go by: an unknown role has the least rights.
    pub fn role(&self) -> Role {
        match self.role {
            OpenEnum::Known(role) => role,
            OpenEnum::Other(_) => Role::default(),
        }
    }

    /// Whether this is the same account, and not a later one with its name or its id.
    pub fn is_same_account(&self, other: &User) -> bool {
        let identity = |user: &User| (user.id, user.created_at, user.username.clone());
        identity(self) == identity(other)
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
    pub password: PasswordAttempt,
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
    pub current_password: PasswordAttempt,
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
    pub q: Option<SearchText>,
    /// How many at most.
    pub page_size: PageSize,
}

impl UserFilter {
    /// Reads `role`, `approved`, `q` and `limit`.
    pub fn from_query(query: &mut Fields<String>) -> UserFilter {
        UserFilter {
            role: query.parameter("role"),
            approved: query.parameter("approved").map(|YesNo(approved)| approved),
            q: query.parameter("q"),
            page_size: query.parameter("limit").unwrap_or_default(),
        }
    }
}

/// `true` or `false` in a query.
struct YesNo(bool);

impl PartialSchema for YesNo {
    fn schema() -> Schema {
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
