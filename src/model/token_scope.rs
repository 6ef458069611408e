//! Scopes of tokens for scripts: read and full.

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::closed_enum::{self, must_be_one_of};
use super::json_schema::Schema;

/// What a token for scripts permits. It never permits more than its owner may do.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
    Serialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = String, parse_err_fn = must_be_one_of::<TokenScope>)]
pub enum TokenScope {
    /// Only requests that read: GET and HEAD.
    Read,
    /// Every request of the owner that needs no session.
    Full,
}

impl TokenScope {
    /// The text in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the scope permits requests with this method.
    pub fn permits(self, method: &str) -> bool {
        self == TokenScope::Full || matches!(method, "GET" | "HEAD")
    }
}

impl PartialSchema for TokenScope {
    fn schema() -> Schema {
        closed_enum::schema::<TokenScope>()
    }
}

impl ToSchema for TokenScope {}
