//! The audit log: who did what to which account, when and from where.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::id::Id;
use super::json_fields::Fields;
use super::open_enum::{OpenEnum, must_be_one_of};
use super::page::PageSize;
use super::schema::{self, Schema};
use super::time::Timestamp;
use super::user::User;

/// What was done.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray, Serialize,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[strum(parse_err_ty = String, parse_err_fn = must_be_one_of::<Action>)]
#[allow(missing_docs)]
pub enum Action {
    SignUp,
    SignIn,
    SignInRefused,
    SignOut,
    SessionEnded,
    SessionsEnded,
    RefreshReused,
    EmailChanged,
    PasswordChanged,
    RoleChanged,
    Approved,
    ApprovalWithdrawn,
    AccountMade,
    AccountDeleted,
    TaskDeleted,
}

impl Action {
    /// The text in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl PartialSchema for Action {
    fn schema() -> Schema {
        schema::closed_enum::<Action>().into()
    }
}

/// Who does it, and when.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The account that is signed in. Nobody is at a sign-in, nor at the command line.
    pub account: Option<&'a User>,
    /// Where the request comes from; the command line has no address.
    pub address: Option<IpAddr>,
    /// Now.
    pub at: Timestamp,
}

impl Actor<'static> {
    /// The operator, at the command line or by a setting.
    pub fn operator(at: Timestamp) -> Actor<'static> {
        Actor {
            account: None,
            address: None,
            at,
        }
    }
}

/// A row of the record. Names are those of that time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditEntry {
    /// 1, 2, 3 and so on, without a gap.
    pub id: Id,
    /// When.
    #[schema(required)]
    pub at: Option<Timestamp>,
    /// What was done.
    #[schema(schema_with = stored_action)]
    pub action: OpenEnum<Action>,
    /// The id of the account that did it.
    #[schema(required)]
    pub actor_id: Option<i64>,
    /// Its name.
    #[schema(required)]
    pub actor: Option<String>,
    /// The id of the account that it was done to.
    #[schema(required)]
    pub subject_id: Option<i64>,
    /// Its name.
    #[schema(required)]
    pub subject: Option<String>,
    /// Where the request came from.
    #[schema(required)]
    pub address: Option<String>,
    /// What else there is to know, such as the role of before and that of behind.
    #[schema(schema_with = any_or_null, required)]
    pub detail: Option<Value>,
}

fn stored_action() -> Schema {
    schema::open_enum("What was done.", schema::closed_enum::<Action>())
}

/// Any JSON, `null` too, but it is always there.
fn any_or_null() -> Schema {
    Value::schema()
}

/// Which rows a list shows.
#[derive(Debug, Default)]
pub struct AuditFilter {
    /// Those of this kind.
    pub action: Option<Action>,
    /// Those that this account did.
    pub actor_id: Option<Id>,
    /// Those that were done to this account.
    pub subject_id: Option<Id>,
    /// Those of this moment and later.
    pub since: Option<Timestamp>,
    /// Those before this moment.
    pub before: Option<Timestamp>,
    /// How many at most.
    pub page_size: PageSize,
}

impl AuditFilter {
    /// Reads `action`, `actor_id`, `subject_id`, `since`, `before` and `limit`.
    pub fn from_query(query: &mut Fields<String>) -> AuditFilter {
        AuditFilter {
            action: query.parameter("action"),
            actor_id: query.parameter("actor_id"),
            subject_id: query.parameter("subject_id"),
            since: query.parameter("since"),
            before: query.parameter("before"),
            page_size: query.parameter("limit").unwrap_or_default(),
        }
    }
}
