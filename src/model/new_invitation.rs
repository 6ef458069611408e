//! The body of a request for an invitation.

use super::email::Email;
use super::json_fields::{Fields, Scalar, string};
use super::role::Role;

/// The body of `POST /invitations`.
#[derive(Debug)]
pub struct NewInvitation {
    /// The role of the account that it creates. An invitation is made by an admin or the operator, so no role is above
    /// its maker's.
    pub role: Role,
    /// The only e-mail address that may use it; `None` for any address.
    pub email: Option<Email>,
}

impl NewInvitation {
    /// Reads `{role, email?}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<NewInvitation> {
        let (role, email) = (
            fields.required("role", string),
            fields.optional("email", string),
        );
        Some(NewInvitation { role: role?, email })
    }
}
