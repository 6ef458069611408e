//! The audit log: security-relevant actions with their actor, subject, time and client address.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::Value;
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::{PartialSchema, ToSchema};

use super::closed_enum::{self, must_be_one_of};
use super::id::Id;
use super::json_schema::Schema;
use super::open_enum::{self, OpenEnum};
use super::time::Timestamp;
use super::user::User;

/// The action that an entry of the audit log records.
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
    AccountExpired,
    InvitationMade,
    InvitationWithdrawn,
    ResetLinkMade,
    PasswordReset,
    TokenMade,
    TokenRevoked,
    TaskDeleted,
    SignInsRefused,
    AuditPruned,
    AuditResealed,
}

impl Action {
    /// The text in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl PartialSchema for Action {
    fn schema() -> Schema {
        closed_enum::schema::<Action>()
    }
}

impl ToSchema for Action {}

/// Who acts, from which client address, and when. Each entry of the audit log has an actor.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The account that is signed in. `None` at sign-up and sign-in, and on the command line.
    pub account: Option<&'a User>,
    /// The client's address. `None` on the command line.
    pub address: Option<IpAddr>,
    /// The time of the action.
    pub at: Timestamp,
    /// The id of the request. `None` on the command line.
    pub request_id: Option<&'a str>,
    /// On the command line and at startup: the user of the operating system.
    pub os_user: Option<&'a str>,
}

impl<'a> Actor<'a> {
    /// The actor of an action that the server does by itself.
    pub fn server(at: Timestamp) -> Actor<'a> {
        Actor {
            account: None,
            address: None,
            at,
            request_id: None,
            os_user: None,
        }
    }

    /// The actor of an action on the command line or at startup.
    pub fn operator(os_user: &'a str, at: Timestamp) -> Actor<'a> {
        Actor {
            os_user: Some(os_user),
            ..Actor::server(at)
        }
    }
}

/// An entry of the audit log. Usernames and ids are stored as they were at the time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditEntry {
    /// The number of the entry: 1, 2, 3 and so on, without a gap.
    pub id: Id,
    /// The time of the action by the server's clock. Entries are in the order of their numbers, so a time
    /// is earlier than the one before it if the clock has been set back.
    #[schema(required)]
    pub at: Option<Timestamp>,
    /// The action.
    #[schema(schema_with = stored_action)]
    pub action: OpenEnum<Action>,
    /// The id of the account that acted; null if no account was signed in.
    #[schema(required)]
    pub actor_id: Option<i64>,
    /// The username of the account that acted.
    #[schema(required)]
    pub actor: Option<String>,
    /// The id of the account that the action was about; null if it was about none.
    #[schema(required)]
    pub subject_id: Option<i64>,
    /// The username of that account.
    #[schema(required)]
    pub subject: Option<String>,
    /// The client's IP address; null for an action on the command line.
    #[schema(required)]
    pub address: Option<String>,
    /// Details of the action, such as the role before and after a change.
    #[schema(schema_with = any_or_null, required)]
    pub detail: Option<Value>,
    /// The id of the request (`X-Request-Id`), as in the log; null for an action on the command line.
    #[schema(required)]
    pub request_id: Option<String>,
    /// The user of the operating system who ran the command; null for a request.
    #[schema(required)]
    pub os_user: Option<String>,
}

fn stored_action() -> Schema {
    open_enum::schema::<Action>(
        "The action. An entry that another program has written may have any text, or null.",
    )
}

/// Any JSON value, `null` included. The member itself is always present.
fn any_or_null() -> Schema {
    Value::schema()
}
