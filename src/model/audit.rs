//! What is recorded of accounts: who did what to whom, when and from where.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use utoipa::{PartialSchema, ToSchema};

use super::value::{Id, Limit, Stored, must_be_one_of};
use super::{Timestamp, User};
use crate::fields::Fields;
use crate::shape::{self, Shape};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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
    /// Every one of them.
    pub const ALL: [Action; 15] = [
        Action::SignUp,
        Action::SignIn,
        Action::SignInRefused,
        Action::SignOut,
        Action::SessionEnded,
        Action::SessionsEnded,
        Action::RefreshReused,
        Action::EmailChanged,
        Action::PasswordChanged,
        Action::RoleChanged,
        Action::Approved,
        Action::ApprovalWithdrawn,
        Action::AccountMade,
        Action::AccountDeleted,
        Action::TaskDeleted,
    ];

    /// The word in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::SignUp => "sign_up",
            Action::SignIn => "sign_in",
            Action::SignInRefused => "sign_in_refused",
            Action::SignOut => "sign_out",
            Action::SessionEnded => "session_ended",
            Action::SessionsEnded => "sessions_ended",
            Action::RefreshReused => "refresh_reused",
            Action::EmailChanged => "email_changed",
            Action::PasswordChanged => "password_changed",
            Action::RoleChanged => "role_changed",
            Action::Approved => "approved",
            Action::ApprovalWithdrawn => "approval_withdrawn",
            Action::AccountMade => "account_made",
            Action::AccountDeleted => "account_deleted",
            Action::TaskDeleted => "task_deleted",
        }
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Action, String> {
        Action::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| must_be_one_of(Action::ALL.map(Action::as_str)))
    }
}

impl PartialSchema for Action {
    fn schema() -> Shape {
        shape::words(Action::ALL.map(Action::as_str)).into()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who does it, and when.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// The account that is signed in. Nobody is at a sign-in, nor at the command line.
    pub account: Option<&'a User>,
    /// Where the request comes from; the command line has no address.
    pub address: Option<IpAddr>,
    /// Now.
    pub at: Timestamp,
}

impl By<'static> {
    /// The operator, at the command line or by a setting.
    pub fn operator(at: Timestamp) -> By<'static> {
        By {
            account: None,
            address: None,
            at,
        }
    }
}

/// A row of the record. Names are those of that time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AuditRow {
    /// 1, 2, 3 and so on, without a gap.
    pub id: Id,
    /// When.
    #[schema(required)]
    pub at: Option<Timestamp>,
    /// What was done.
    #[schema(schema_with = stored_action)]
    pub action: Stored<Action>,
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

fn stored_action() -> Shape {
    shape::usually(
        "What was done.",
        shape::words(Action::ALL.map(Action::as_str)),
    )
}

/// Any JSON, `null` too, but it is always there.
fn any_or_null() -> Shape {
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
    pub limit: Limit,
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
            limit: query.parameter("limit").unwrap_or_default(),
        }
    }
}
