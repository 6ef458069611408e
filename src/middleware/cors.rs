//! Cross-origin resource sharing (CORS): tells browsers which websites may call the API and read its
//! responses, and adds the headers of preflight responses. The settings are in `config/cors.rs`.

use rouille::Response;

use crate::config::cors::{CorsArgs, CorsOrigins};
use crate::http::request::RequestContext;

/// The methods in a preflight response: for every path the same, also those that the path does not have, because
/// otherwise the browser would not send the request, and the page could not read its 405 or 404.
const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
/// The request headers that CORS permits only after a preflight: those that the API reads, and those that HTTP clients
/// and tracing libraries add to each request (W3C Trace Context and Baggage, Sentry). A browser sends nothing of a
/// request with a header that is not listed.
const REQUEST_HEADERS: &str = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, \
                               baggage, sentry-trace, traceparent, tracestate, Cache-Control, Pragma, \
                               X-Requested-With";
/// The response headers that a script may read in addition to those that CORS always exposes.
const EXPOSED_HEADERS: &str =
    "ETag, Idempotency-Replayed, Location, Link, Retry-After, X-Request-Id";

/// CORS (Fetch Standard, 3.2): adds the headers by which a browser decides which websites may call the API.
/// It wraps everything that can fail, so that a website can read error responses too.
pub fn cors(
    config: &CorsArgs,
    context: &RequestContext,
    next: impl FnOnce() -> Response,
) -> Response {
    let mut response = next();
    // The response differs by origin, also for a rejected one, so a cache must store it per origin.
    if config.cors_origins != CorsOrigins::Any {
        response = response.with_additional_header("Vary", "Origin");
    }
    let Some(origin) = allowed_origin(&config.cors_origins, context.header("Origin")) else {
        return response;
    };
    response = response.with_additional_header("Access-Control-Allow-Origin", origin);
    if config.cors_supports_credentials {
        response = response.with_additional_header("Access-Control-Allow-Credentials", "true");
    }
    if !context.is_preflight() {
        // A page of the server's own origin can read every header, and each file of the board would carry the list. No
        // `Vary`: caches revalidate these responses or do not store them.
        return match context.header("Origin") {
            Some(origin) if context.is_own_origin(origin) => response,
            _ => response.with_additional_header("Access-Control-Expose-Headers", EXPOSED_HEADERS),
        };
    }
    response
        .with_additional_header("Access-Control-Allow-Methods", METHODS)
        .with_additional_header("Access-Control-Allow-Headers", allowed_headers(config))
        .with_additional_header("Access-Control-Max-Age", "600")
}

/// The value of `Access-Control-Allow-Headers`.
fn allowed_headers(config: &CorsArgs) -> String {
    match config.cors_allow_headers.as_str() {
        "" => REQUEST_HEADERS.to_owned(),
        more => format!("{REQUEST_HEADERS}, {more}"),
    }
}

/// The value of `Access-Control-Allow-Origin`; `None` if the origin may not call the API.
fn allowed_origin(origins: &CorsOrigins, origin: Option<&str>) -> Option<String> {
    match origins {
        CorsOrigins::Any => Some("*".to_owned()),
        CorsOrigins::List(list) => list
            .iter()
            .find(|listed| Some(listed.as_str()) == origin)
            .cloned(),
    }
}
