//! The domain: accounts, sessions, tasks, and who may do what. Plain types that know no socket and no SQL.
//!
//! A value that exists is valid: the only constructor of each type checks its input ("parse, don't
//! validate").

mod audit;
mod email;
mod id;
pub mod json_fields;
mod open_enum;
mod page;
mod password_policy;
mod permissions;
pub mod schema;
mod session;
mod task;
mod text;
mod time;
mod user;
mod username;

pub use audit::{Action, Actor, AuditEntry, AuditFilter};
pub use email::Email;
pub use id::Id;
pub use open_enum::OpenEnum;
pub use page::{Page, PageSize, Position};
pub use password_policy::{Password, PasswordAttempt};
pub use permissions::{Admin, Approved, Manager};
pub use session::{Credential, RefreshId, RefreshToken, Session, SessionId, SignedIn};
pub use task::{
    Deadlines, Description, NewTask, Sort, SortKey, Status, Task, TaskFilter, TaskPatch, Title,
};
pub use text::{SearchText, fold_case, is_control};
pub use time::Timestamp;
pub use user::{Credentials, NewUser, ProfilePatch, Role, User, UserFilter, UserPatch};
pub use username::Username;
