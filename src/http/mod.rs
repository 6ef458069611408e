//! HTTP as handlers see it: the request, the response, and the mechanisms of the protocol: entity tags,
//! cursors, idempotency keys, rate limits, the client's address. Bytes and sockets are in [`crate::server`].

pub mod client_address;
pub(crate) mod content_security_policy;
pub mod cursor;
pub mod embedded_files;
pub(crate) mod error_response;
pub(crate) mod etag;
mod foreign_website;
mod gcra;
pub mod idempotency_key;
pub(crate) mod json_body;
pub(crate) mod rate_limit;
pub(crate) mod rate_limit_key;
pub mod refresh_cookie;
pub(crate) mod refused_sign_ins;
pub(crate) mod request;
pub(crate) mod response;
