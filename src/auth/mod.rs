//! Authentication: password hashes, tokens, and the keys that sign them.

pub mod jwt;
pub mod metrics_token;
pub mod password_hash;
pub mod refresh_token;
pub mod session_activity;
pub mod signing_key;
