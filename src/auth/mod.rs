//! Authentication: password hashes, access and refresh tokens, the keys that sign them, the token for
//! `/metrics`, and the times at which sessions were last used. This folder does not use the database:
//! [`crate::router`] finds the account of a token.

pub(crate) mod claims;
pub(crate) mod device_token;
pub mod jwt;
pub mod metrics_token;
pub(crate) mod password_hash;
pub(crate) mod refresh_token_rotation;
pub(crate) mod session_activity;
pub mod signing_key;
mod stored_password_hash;
mod token_cache;
