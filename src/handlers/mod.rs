//! Handlers, one function for each endpoint: each takes its input, uses the store, and returns a response.
//! The private modules are the steps that several of them share.

pub(crate) mod api_tokens;
pub(crate) mod audit;
mod audit_actor;
pub(crate) mod auth;
mod concurrent_changes;
mod count_sign_in_attempt;
mod current_password;
pub(crate) mod health;
pub(crate) mod hello;
mod idempotency;
pub(crate) mod invitations;
pub(crate) mod me;
pub(crate) mod metrics;
mod pagination;
pub(crate) mod password_resets;
mod refused_sign_in;
mod revalidation;
pub(crate) mod sessions;
pub(crate) mod sign_up;
pub(crate) mod static_files;
pub(crate) mod task_history;
pub(crate) mod tasks;
pub(crate) mod users;
