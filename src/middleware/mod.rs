//! The middleware chain that wraps every request: access log and metrics, security headers, CORS, panic
//! guard.
//!
//! A middleware is a function with a `next`: the rest of the chain as a closure. `chain.rs` nests them; each
//! other file is one middleware.

mod access_log;
mod catch_panic;
mod chain;
mod cors;
mod refresh_cookie;
mod security_headers;

pub use self::chain::{Handled, handle, path, reject, reject_queued};
