//! Accounts: the JSON form, and which account is meant.

use serde::Serialize;
use utoipa::ToSchema;

use super::id::Id;
use super::json_schema::Schema;
use super::open_enum::{self, OpenEnum};
use super::role::Role;
use super::time::Timestamp;

/// An account.
//
// The password hash is not a field of this type, so no response can contain it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// The account's id. The id of a deleted account is not given to a new one.
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
    open_enum::schema::<Role>(
        "The role. An account that another program has written may have any text, or null; it has the \
         rights of an employee.",
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

    /// Whether `other` is the same account. Id and username alone do not identify it: after a deletion, the Flask app
    /// can give both to a new account.
    pub fn is_same_account(&self, other: &User) -> bool {
        self.id == other.id
            && self.created_at == other.created_at
            && self.username == other.username
    }
}
