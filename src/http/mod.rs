//! HTTP as handlers see it: the request, the response, and the mechanisms of the protocol.

pub mod client_address;
pub mod cursor;
pub mod error_response;
pub mod etag;
pub mod idempotency;
pub mod json_body;
pub mod rate_limit;
pub mod request;
pub mod response;
pub mod static_files;
