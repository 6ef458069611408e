//! The body of a request that creates a token for scripts.

use utoipa::PartialSchema;
use utoipa::openapi::{Object, Type};

use super::json_fields::{Fields, Scalar, integer, string};
use super::json_schema::Schema;
use super::password_attempt::PasswordAttempt;
use super::token_name::TokenName;
use super::token_scope::TokenScope;

/// The body of `POST /me/tokens`.
#[derive(Debug)]
pub struct NewApiToken {
    /// Reauthentication, as in [`ProfilePatch`](super::ProfilePatch): an open browser or a stolen access token alone is
    /// not enough to create a token that outlives the session.
    pub current_password: PasswordAttempt,
    /// What its owner calls it.
    pub name: TokenName,
    /// What it permits.
    pub scope: TokenScope,
    /// How long it is valid; `None`: until it is revoked.
    pub expires_in: Option<TokenLifetime>,
}

impl NewApiToken {
    /// Reads `{name, scope, expires_in?, current_password}`.
    pub fn from_fields(fields: &mut Fields<Scalar>) -> Option<NewApiToken> {
        let name = fields.required("name", string);
        let scope = fields.required("scope", string);
        let expires_in = fields.nullable("expires_in", integer);
        let current_password = fields.required("current_password", string);
        Some(NewApiToken {
            current_password: current_password?,
            name: name?,
            scope: scope?,
            expires_in: expires_in.flatten(),
        })
    }
}

/// How long a token for scripts is valid: 1 minute to 10 years, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenLifetime(i64);

impl TokenLifetime {
    const MIN_SECONDS: i64 = 60;
    const MAX_SECONDS: i64 = 10 * 366 * 24 * 3600;

    /// The lifetime in seconds.
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for TokenLifetime {
    type Error = String;

    fn try_from(seconds: i64) -> Result<TokenLifetime, String> {
        match seconds {
            Self::MIN_SECONDS..=Self::MAX_SECONDS => Ok(TokenLifetime(seconds)),
            _ => Err("must be from 60 seconds to 10 years, in seconds".to_owned()),
        }
    }
}

impl PartialSchema for TokenLifetime {
    fn schema() -> Schema {
        Object::builder()
            .schema_type(Type::Integer)
            .minimum(Some(Self::MIN_SECONDS as usize))
            .maximum(Some(Self::MAX_SECONDS as usize))
            .description(Some("In seconds; null or absent: until it is revoked."))
            .into()
    }
}
