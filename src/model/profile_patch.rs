//! The body of a change to the caller's own account.

use super::email::Email;
use super::json_fields::{Fields, Scalar, string};
use super::password_attempt::PasswordAttempt;
use super::password_policy::{Password, new_password};
use super::user::User;

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
