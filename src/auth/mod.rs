//! Authentication: password hashes, access and refresh tokens, the keys that sign them, and the token for
//! `/metrics`. Which account a token belongs to is decided in [`crate::router`], since that needs the database.

pub mod jwt;
pub mod metrics_token;
pub mod password_hash;
pub mod refresh_token;
pub mod session_activity;
pub mod signing_key;
