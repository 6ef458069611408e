//! The domain model: accounts, sessions, tasks, permissions, the audit log. Plain types without I/O.
//!
//! "Parse, don't validate": text from a client is parsed once into a newtype such as [`Title`] or
//! [`Email`]. Its only constructor checks the text, so a value that exists is valid and no later code
//! checks it again.
//!
//! Each type also describes its JSON form as a JSON Schema ([`utoipa::PartialSchema`]), next to the parser
//! that the schema has to agree with.

mod audit;
mod closed_enum;
mod email;
mod id;
pub(crate) mod json_fields;
pub mod json_schema;
mod open_enum;
mod page;
mod password_attempt;
mod password_policy;
mod permissions;
mod search_text;
mod session;
mod task;
mod text_rules;
mod time;
mod user;
mod username;

pub use audit::{Action, Actor, AuditEntry, AuditFilter};
pub use email::Email;
pub use id::Id;
pub use open_enum::OpenEnum;
pub use page::{Page, PageSize, Position};
pub use password_attempt::PasswordAttempt;
pub use password_policy::Password;
pub use permissions::{Admin, Approved, Manager};
pub use search_text::SearchText;
pub use session::{
    Credential, OwnSession, OwnSessions, RefreshId, RefreshToken, Session, SessionId, SignedIn,
};
pub use task::{
    Deadlines, Description, NewTask, Sort, SortKey, Status, Task, TaskFilter, TaskPatch, Title,
};
pub use text_rules::{fold_case, is_control};
pub use time::Timestamp;
pub use user::{Credentials, NewUser, ProfilePatch, Role, User, UserFilter, UserPatch};
pub use username::Username;
