//! The innermost middleware: converts errors and panics into error responses.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rouille::Response;

use crate::error::Error;
use crate::http::error_response::error_response;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;

/// Panic guard: converts a panic into a 500, so that it ends one request and not the server. Also converts
/// the errors of the router and the handlers into error responses.
pub fn catch_panic(context: &RequestContext, next: impl FnOnce() -> HandlerResult) -> Response {
    // Unwind safety: unwinding rolls the open transaction back and releases every lock and permit, so no
    // shared state stays half changed.
    let result = catch_unwind(AssertUnwindSafe(next)).unwrap_or_else(|_| {
        Err(Error::Internal(
            "the handler panicked; the panic is logged above".to_owned(),
        ))
    });
    result.unwrap_or_else(|error| error_response(context, &error))
}
