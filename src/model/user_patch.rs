//! The body of an admin's change to an account.

use super::json_fields::{Fields, Scalar, boolean, string};
use super::role::Role;

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
