//! An incremental, strict HTTP/1.1 request parser (RFC 9112).
//!
//! [`RequestParser`] is given bytes and returns requests, however the bytes are split into reads. It knows
//! neither sockets nor time, so that tests and the fuzzer drive it directly.
//!
//! It is strict because of request smuggling (RFC 9112, 11.2): where a proxy and this server read the same
//! bytes differently, an attacker can hide a second request from the proxy. Input that is not exactly
//! HTTP/1.1 is therefore rejected, and the connection is closed.

mod body_decoder;
mod buffer;
mod head;
mod request_parser;

pub use self::head::{Head, Version};
pub use self::request_parser::{ParseFailure, ParsedRequest, ParserState, RequestParser};
