//! The panic guard around the router and the handlers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::Error;
use crate::http::response::HandlerResult;

/// Panic guard: converts a panic into a 500, so that it ends one request and not the server.
pub fn catch_panic(next: impl FnOnce() -> HandlerResult) -> HandlerResult {
    // Unwind safety: unwinding rolls the open transaction back and releases every lock, so no
    // shared state stays half changed.
    catch_unwind(AssertUnwindSafe(next)).unwrap_or_else(|_| {
        Err(Error::Internal(
            "the handler panicked; the panic is logged above".to_owned(),
        ))
    })
}
