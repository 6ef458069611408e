//! Tokens for scripts (personal access tokens), and the forms in which they are shown.

use serde::Serialize;
use utoipa::ToSchema;

use super::api_token_secret::ApiTokenSecret;
use super::id::Id;
use super::time::Timestamp;
use super::token_scope::TokenScope;

/// A token for scripts, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiToken {
    /// The token's id, which no other token gets.
    pub id: Id,
    /// What its owner calls it.
    pub name: String,
    /// What it permits.
    pub scope: TokenScope,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires; null: never.
    #[schema(required)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, exact to the minute; null: not yet.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
}

/// A token that has just been created: the only response that contains its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedApiToken {
    /// The token without its secret.
    #[serde(flatten)]
    pub api_token: ApiToken,
    /// The secret, to send as `Authorization: Bearer <token>`.
    #[schema(value_type = String)]
    pub token: ApiTokenSecret,
}

/// The tokens for scripts of the caller's account.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnApiTokens {
    /// Every token that has not expired, the oldest first.
    pub items: Vec<ApiToken>,
}
