//! Accounts: the JSON form, sign-up, sign-in, changes, and the filter of lists.

use std::str::FromStr;

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::closed_enum::{self, must_be_one_of};
use super::email::Email;
use super::id::Id;
use super::json_fields::{Fields, Scalar, boolean, string};
use super::json_schema::Schema;
use super::open_enum::{self, OpenEnum};
use super::page::PageSize;
use super::password_attempt::PasswordAttempt;
use super::password_policy::Password;
use super::search_text::SearchText;
use super::time::Timestamp;
use super::username::Username;

/// The role of an account. Each role includes the rights of the roles before it.
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
    /// May see the tasks assigned to the account and change their status.
    #[default]
    Employee,
    /// May see every account and every task, and create, change and delete tasks.
    Manager,
    /// May also change and delete accounts, and read the audit log.
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
        closed_enum::schema::<Role>().into()
    }
}

/// An account.
//
// The password hash is not a field of this type, so no response can contain it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// The account's id. The id of a deleted account may be given to a new one.
    pub id: Id,
    /// The unique name of the account.
    pub username: String,
    /// The e-mail address, with which the user signs in.
    pub email: String,
    /// The role as it is stored.
    #[schema(schema_with = stored_role)]
    pub role: OpenEnum<Role>,
    /// Whether an admin has approved the account.
    pub is_approved: bool,
    /// When the account was created; null if that is unknown.
    #[schema(required)]
    pub created_at: Option<Timestamp>,
}

fn stored_role() -> Schema {
    open_enum::schema(
        "The role. An account that another program has written may have any text, or null; it has the \
         rights of an employee.",
        closed_enum::schema::<Role>(),
    )
}

impl User {
    /// The role that permissions are based on. An unknown role counts as the one with the least rights.
    pub fn role(&self) -> Role {
        match self.role {
            OpenEnum::Known(role) => role,
            OpenEnum::Other(_) => Role::default(),
        }
    }

    /// Whether `other` is the same account. Id and username alone do not identify it: after a deletion, both can
    /// be given to a new account.
    pub fn is_same_account(&self, other: &User) -> bool {
        self.id == other.id
            && self.created_at == other.created_at
            && self.username == other.username
    }
}

/// The body of `POST /signup`.
#[derive(Debug)]
pub struct NewUser {
    /// Must be unique; the store checks that.
    pub username: Username,
    /// Must be unique; the store checks that.
    pub email: Email,
    /// Satisfies the password policy.
    pub password: Password,
}

impl NewUser {
    /// Reads `{username, email, password}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<NewUser> {
        let username = fields.required("username", string);
        let email = fields.required("email", string);
        let names = [
            username.as_ref().map(Username::as_str),
            email.as_ref().map(Email::as_str),
        ];
        let password = fields.required("password", |value| new_password(value, names));
        Some(NewUser {
            username: username?,
            email: email?,
            password: password?,
        })
    }
}

/// The body of `POST /login`. Any text is accepted: an e-mail address or password that no account can have
/// gets the same response as a wrong password.
#[derive(Debug)]
pub struct Credentials {
    /// The e-mail address as typed. The lookup ignores case.
    pub email: String,
    /// The password as typed.
    pub password: PasswordAttempt,
}

impl Credentials {
    /// Reads `{email, password}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<Credentials> {
        let (email, password) = (
            fields.required("email", string),
            fields.required("password", string),
        );
        Some(Credentials {
            email: email?,
            password: password?,
        })
    }
}

/// The body of `PATCH /me`. `None` keeps a stored value.
#[derive(Debug)]
pub struct ProfilePatch {
    /// Reauthentication (OWASP ASVS 5.0, 7.5.1): an open browser or a stolen token alone is not enough to
    /// take over the account.
    pub current_password: PasswordAttempt,
    /// Replaces the e-mail address.
    pub email: Option<Email>,
    /// Replaces the password.
    pub password: Option<Password>,
}

impl ProfilePatch {
    /// Reads `{email?, password?, current_password}`. The new password must differ from the names of `user`.
    pub fn from_fields(fields: &mut Fields<Scalar>, user: &User) -> Option<ProfilePatch> {
        let email = fields.optional("email", string);
        let names = [
            Some(user.username.as_str()),
            Some(user.email.as_str()),
            email.as_ref().map(Email::as_str),
        ];
        let password = fields.optional("password", |value| new_password(value, names));
        Some(ProfilePatch {
            current_password: fields.required("current_password", string)?,
            email,
            password,
        })
    }
}

/// Parses a new password and checks it by the policy. `names` are the account's username and e-mail address, as
/// far as they are valid.
fn new_password<'a>(
    value: Scalar,
    names: impl IntoIterator<Item = Option<&'a str>>,
) -> Result<Password, String> {
    let text: String = string(value)?;
    Password::for_account(&text, names.into_iter().flatten())
}

/// The body of `PATCH /users/{id}`. `None` keeps a stored value.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserPatch {
    /// Replaces the role.
    pub role: Option<Role>,
    /// Approves the account, or withdraws the approval.
    pub is_approved: Option<bool>,
}

impl UserPatch {
    /// Reads `{role?, is_approved?}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<UserPatch> {
        Some(UserPatch {
            role: fields.optional("role", string),
            is_approved: fields.optional("is_approved", boolean),
        })
    }
}

/// The filter and page size of a list of accounts. A filter that is `None` matches every account.
#[derive(Debug, Default)]
pub struct UserFilter {
    /// Accounts with this role.
    pub role: Option<Role>,
    /// Accounts that are approved, or those that are not.
    pub approved: Option<bool>,
    /// Accounts whose username or e-mail address contains this text.
    pub q: Option<SearchText>,
    /// The maximum number of accounts in a page.
    pub page_size: PageSize,
}

impl UserFilter {
    /// Reads `role`, `approved`, `q` and `limit`.
    pub fn from_query(query: &mut Fields<String>) -> UserFilter {
        UserFilter {
            role: query.parameter("role"),
            approved: query
                .parameter("approved")
                .map(|BooleanParameter(approved)| approved),
            q: query.parameter("q"),
            page_size: query.parameter("limit").unwrap_or_default(),
        }
    }
}

/// `true` or `false` as a query parameter. The parser of `bool` has another error text than the API.
struct BooleanParameter(bool);

impl PartialSchema for BooleanParameter {
    fn schema() -> Schema {
        bool::schema()
    }
}

impl FromStr for BooleanParameter {
    type Err = String;

    fn from_str(text: &str) -> Result<BooleanParameter, String> {
        text.parse()
            .map(BooleanParameter)
            .map_err(|_| "must be true or false".to_owned())
    }
}
