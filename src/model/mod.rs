//! What the program is about, in plain types: accounts, tasks, who may do what.
//!
//! A value that exists is valid: each type's only door checks what comes in. Nothing here knows
//! HTTP or SQL.

mod audit;
mod page;
mod password;
mod session;
mod task;
mod time;
mod user;
mod value;

pub use audit::{Action, AuditFilter, AuditRow, By};
pub use page::{Page, Position};
pub use password::{Password, TriedPassword};
pub use session::{Credential, RefreshId, RefreshToken, Session, SessionId, SignedIn};
pub use task::{
    Deadlines, Description, NewTask, Sort, SortKey, Status, Task, TaskFilter, TaskPatch, Title,
};
pub use time::Timestamp;
pub use user::{
    Admin, Approved, Credentials, Manager, NewUser, ProfilePatch, Role, User, UserFilter, UserPatch,
};
pub use user::{Email, Username};
pub use value::{Id, Limit, Search, Stored, fold_case, is_control, random_bytes};
