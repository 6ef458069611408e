//! Authentication: password hashes, access and refresh tokens, the keys that sign them, and the token for
//! `/metrics`. Which account a token belongs to is decided in [`crate::router`], since that needs the database.

pub mod jwt;
pub mod metrics_token;
pub(crate) mod password_hash;
pub(crate) mod refresh_token;
pub(crate) mod session_activity;
pub mod signing_key;
