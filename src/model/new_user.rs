//! The body of a sign-up.

use super::email::Email;
use super::json_fields::{Fields, Scalar, string};
use super::one_time_link::LinkToken;
use super::password_policy::{Password, new_password};
use super::username::Username;

/// The body of `POST /signup`.
#[derive(Debug)]
pub struct NewUser {
    /// Must be unique; the store checks that.
    pub username: Username,
    /// Must be unique; the store checks that.
    pub email: Email,
    /// Satisfies the password policy.
    pub password: Password,
    /// The token of an invitation.
    pub invitation: Option<LinkToken>,
}

impl NewUser {
    /// Reads `{username, email, password, invitation?}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<NewUser> {
        let username = fields.required("username", string);
        let email = fields.required("email", string);
        let names = [
            username.as_ref().map(Username::as_str),
            email.as_ref().map(Email::as_str),
        ];
        let password = fields.required("password", |value| new_password(value, names));
        let invitation = fields.optional("invitation", string);
        Some(NewUser {
            username: username?,
            email: email?,
            password: password?,
            invitation,
        })
    }
}
