//! Authentication: password hashes and their costs, access and refresh tokens, the keys that sign them, tokens of the
//! Flask app, device tokens, the token for `/metrics`, and the times at which sessions and tokens for scripts were last
//! used. This folder does not use the database: [`crate::router`] finds the account of a token.

pub(crate) mod claims;
pub(crate) mod device_token;
pub(crate) mod flask_tokens;
mod hash_costs;
pub mod jwt;
pub(crate) mod last_used;
pub mod metrics_token;
pub(crate) mod password_hash;
pub(crate) mod refresh_token_rotation;
pub mod session_accounts;
pub mod signing_key;
mod stored_password_hash;
mod token_cache;
