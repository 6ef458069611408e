//! Password resets: one-time links that set a new password.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use utoipa::{PartialSchema, ToSchema};

use super::id::Id;
use super::json_fields::{Fields, Scalar, string};
use super::json_schema::Schema;
use super::one_time_link::LinkToken;
use super::password_policy::Password;
use super::time::Timestamp;
use super::user::User;
use crate::error::Error;

/// A new link with which the owner of an account sets a new password, and its token, which no later response shows.
#[derive(Serialize, ToSchema)]
pub struct MadePasswordReset {
    /// The id of the account.
    pub user_id: Id,
    /// The username of the account.
    pub username: String,
    /// When the link was made.
    pub created_at: Timestamp,
    /// From then on it is no longer valid.
    pub expires_at: Timestamp,
    /// The secret token of the link.
    pub token: LinkToken,
}

impl MadePasswordReset {
    /// The link of this account.
    pub fn new(
        user: &User,
        created_at: Timestamp,
        expires_at: Timestamp,
        token: LinkToken,
    ) -> MadePasswordReset {
        MadePasswordReset {
            user_id: user.id,
            username: user.username.clone(),
            created_at,
            expires_at,
            token,
        }
    }
}

/// The body of `POST /password-reset`.
#[derive(Debug)]
pub struct PasswordReset {
    /// The token of the link.
    pub token: LinkToken,
    /// The new password.
    pub password: ProposedPassword,
}

impl PasswordReset {
    /// Reads `{token, password}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<PasswordReset> {
        let (token, password) = (
            fields.required("token", string),
            fields.required("password", string),
        );
        Some(PasswordReset {
            token: token?,
            password: password?,
        })
    }
}

/// A new password before the password policy is applied, which needs the names of the account. Its `Debug` form does
/// not contain it.
pub struct ProposedPassword(String);

impl ProposedPassword {
    /// Applies the password policy.
    ///
    /// # Errors
    /// A 422 for the field `password`.
    pub fn for_account(&self, user: &User) -> Result<Password, Error> {
        Password::for_account(&self.0, [user.username.as_str(), user.email.as_str()])
            .map_err(|why| Error::invalid("password", why))
    }
}

impl FromStr for ProposedPassword {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<ProposedPassword, Infallible> {
        Ok(ProposedPassword(text.to_owned()))
    }
}

impl PartialSchema for ProposedPassword {
    fn schema() -> Schema {
        Password::schema()
    }
}

impl fmt::Debug for ProposedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProposedPassword")
    }
}
