//! The body of a sign-in.

use super::json_fields::{Fields, Scalar, string};
use super::password_attempt::PasswordAttempt;

/// The body of `POST /login`. Any text is accepted: an e-mail address or password that no account can have
/// gets the same response as a wrong password.
#[derive(Debug)]
pub struct Credentials {
    /// The e-mail address as typed. The lookup ignores case.
    pub email: String,
    /// The password as typed.
    pub password: PasswordAttempt,
    /// The device token of an earlier sign-in, if the client has kept one.
    pub device_token: Option<String>,
}

impl Credentials {
    /// Reads `{email, password, device_token?}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<Credentials> {
        let (email, password) = (
            fields.required("email", string),
            fields.required("password", string),
        );
        let device_token = fields.nullable("device_token", string).flatten();
        Some(Credentials {
            email: email?,
            password: password?,
            device_token,
        })
    }
}
