//! An incremental, strict HTTP/1.1 request parser (RFC 9112).
//!
//! [`RequestParser`] takes bytes in pieces of any size and returns complete requests. It knows neither sockets
//! nor time, so tests and the fuzzer call it directly.
//!
//! It is strict because of request smuggling (RFC 9112, 11.2): if a proxy and this server read the same bytes
//! differently, an attacker can hide a second request from the proxy. So input that is not exactly HTTP/1.0 or
//! HTTP/1.1 is rejected, and the connection is closed.

mod body_decoder;
mod buffer;
mod head;
mod request_parser;

pub use self::head::{Head, Version};
pub use self::request_parser::{ParseFailure, ParsedRequest, ParserState, RequestParser};
