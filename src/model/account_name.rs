//! The name of an account, where another resource refers to it.

use serde::Serialize;
use utoipa::ToSchema;

use super::id::Id;

/// An account by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AccountName {
    /// The account's id.
    pub id: Id,
    /// The unique name of the account.
    pub username: String,
}
