//! The domain model: accounts, sessions, tasks, permissions, the audit log. Plain types without I/O.
//!
//! "Parse, don't validate": text from a client is parsed once into a newtype such as [`Title`] or
//! [`Email`]. Its only constructor checks the text, so a value that exists is valid and no later code
//! checks it again.
//!
//! Each type also describes its JSON form as a JSON Schema ([`utoipa::PartialSchema`]), next to the parser
//! that the schema has to agree with.

mod account_name;
mod api_token;
mod api_token_secret;
mod audit;
mod audit_query;
pub mod closed_enum;
mod context_words;
mod credentials;
mod description;
mod email;
mod id;
mod invitation;
pub(crate) mod json_fields;
pub mod json_schema;
mod new_api_token;
mod new_invitation;
mod new_task;
mod new_user;
mod one_time_link;
mod open_enum;
mod page;
mod password_attempt;
mod password_policy;
mod password_reset;
mod permissions;
mod profile_patch;
mod role;
mod search_text;
mod session;
mod status;
mod task;
mod task_history;
mod task_patch;
mod task_query;
mod task_sort;
mod task_summary;
mod text_rules;
mod time;
mod title;
mod token_name;
mod token_scope;
mod user;
mod user_patch;
mod user_query;
mod username;

pub use account_name::AccountName;
pub use api_token::{ApiToken, CreatedApiToken, OwnApiTokens};
pub use api_token_secret::ApiTokenSecret;
pub use audit::{Action, Actor, AuditEntry};
pub use audit_query::AuditQuery;
pub use credentials::Credentials;
pub use description::Description;
pub use email::{Email, email_key};
pub use id::Id;
pub use invitation::{Invitation, Invitations, MadeInvitation};
pub use new_api_token::{NewApiToken, TokenLifetime};
pub use new_invitation::NewInvitation;
pub use new_task::NewTask;
pub use new_user::NewUser;
pub use one_time_link::{LinkKind, LinkToken};
pub use open_enum::OpenEnum;
pub use page::{Page, PageSize, Position};
pub use password_attempt::PasswordAttempt;
pub use password_policy::Password;
pub use password_reset::{MadePasswordReset, PasswordReset};
pub use permissions::{Admin, AdminInSession, Approved, InSession, Manager};
pub use profile_patch::ProfilePatch;
pub use role::Role;
pub use search_text::SearchText;
pub use session::{
    Credential, LEEWAY_SECONDS, OwnSession, OwnSessions, RefreshId, RefreshToken, RotationTimes,
    Session, SessionId, SignInToken, SignedIn, Successors,
};
pub use status::Status;
pub use task::Task;
pub use task_history::{HistoryEntry, HistoryQuery, TaskAction, TaskField};
pub use task_patch::TaskPatch;
pub use task_query::{Deadlines, Expand, StatusFilter, TaskQuery};
pub use task_sort::{Sort, SortKey};
pub use task_summary::{StatusCounts, TaskSummary};
pub use text_rules::{is_control, nfc};
pub use time::Timestamp;
pub use title::Title;
pub use token_name::TokenName;
pub use token_scope::TokenScope;
pub use user::User;
pub use user_patch::UserPatch;
pub use user_query::UserQuery;
pub use username::{NameKeys, Username};
