//! Invitations: one-time links that create an approved account.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::email::Email;
use super::id::Id;
use super::one_time_link::LinkToken;
use super::role::Role;
use super::time::Timestamp;
use crate::error::Error;

/// An invitation that has been neither used nor withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Invitation {
    /// The invitation's id.
    pub id: Id,
    /// The role of the account that it creates.
    pub role: Role,
    /// The only e-mail address that may use it; null for any address.
    #[schema(required)]
    pub email: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From then on it is no longer valid.
    pub expires_at: Timestamp,
    /// The id of the admin who made it; null if the operator made it.
    #[schema(required)]
    pub made_by: Option<Id>,
}

impl Invitation {
    /// Checks that an account with this e-mail address may be created with the invitation.
    ///
    /// # Errors
    /// A 422 for the field `email`.
    pub fn check_email(&self, email: &Email) -> Result<(), Error> {
        match &self.email {
            Some(only) if only != email.as_str() => Err(Error::invalid(
                "email",
                "is not the address that the invitation is for",
            )),
            _ => Ok(()),
        }
    }

    /// The detail of its entries in the audit log.
    pub fn audit_detail(&self) -> Value {
        json!({ "invitation": self.id, "role": self.role, "email": self.email })
    }
}

/// The open invitations.
#[derive(Serialize, ToSchema)]
pub struct Invitations {
    /// Every invitation that can still be used, in the order in which they were made.
    pub items: Vec<Invitation>,
}

/// A new invitation with its token, which no later response shows.
#[derive(Serialize, ToSchema)]
pub struct MadeInvitation {
    /// The invitation itself.
    #[serde(flatten)]
    pub invitation: Invitation,
    /// The secret token of the link.
    pub token: LinkToken,
}
