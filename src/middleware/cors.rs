//! Cross-origin resource sharing (CORS): tells browsers which websites may call the API and read its
//! responses, and adds the headers of preflight responses. The settings are in `config/cors.rs`.

use rouille::Response;

use crate::config::cors::{CorsArgs, CorsOrigins};
use crate::http::request::RequestContext;

/// The request headers that the API reads and that CORS permits only after a preflight.
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id";
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
    if !is_preflight(context) {
        return response.with_additional_header("Access-Control-Expose-Headers", EXPOSED_HEADERS);
    }
    // The router's response to OPTIONS has the methods of the path in `Allow`. It has no `Allow` if the path
    // is unknown.
    let allow = response
        .headers
        .iter()
        .find(|(name, _)| name == "Allow")
        .map(|(_, methods)| methods.clone());
    match allow {
        Some(methods) => response
            .with_additional_header("Access-Control-Allow-Methods", methods)
            .with_additional_header("Access-Control-Allow-Headers", REQUEST_HEADERS)
            .with_additional_header("Access-Control-Max-Age", "600"),
        None => response,
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

/// Whether the request is a preflight (Fetch Standard, 3.2.2): a browser asks before it sends the actual
/// request.
fn is_preflight(context: &RequestContext) -> bool {
    context.method() == "OPTIONS"
        && context.header("Origin").is_some()
        && context.header("Access-Control-Request-Method").is_some()
}
