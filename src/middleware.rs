//! The middleware chain that wraps every request: access log and metrics, security headers, CORS, panic
//! guard.
//!
//! A middleware is a function with a `next`. The order in which [`run`] nests them is the order in which
//! they run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rouille::{Request, Response, ResponseBody};

use crate::app::App;
use crate::config::cors::{CorsArgs, CorsOrigins};
use crate::error::Error;
use crate::http::error_response::error_response;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::metrics::RequestCounts;
use crate::router;

/// Handles a request: the whole application as one function.
///
/// The response to HEAD has the body of GET. The server computes `Content-Length` from it and does not send
/// it.
pub fn handle(app: &App, request: &Request) -> Response {
    let context = RequestContext::new(request, &app.config);
    let matched = router::match_route(context.method(), context.path());
    let pattern = matched.pattern();
    run(app, &context, pattern, |username| {
        router::dispatch(app, &context, matched, username)
    })
}

/// Returns the response to a request that the server rejects before it reaches the router. The response passes
/// through the same chain, so it is logged and counted, and CORS permits websites to read it.
pub fn reject(app: &App, request: &Request, error: Error) -> Response {
    let context = RequestContext::new(request, &app.config);
    run(app, &context, None, |_| Err(error))
}

/// Runs the chain; the outermost middleware comes first. `pattern` is the path in the route table, such as
/// `/tasks/{id}`. `endpoint` stores the caller's username in its argument once it is known.
fn run(
    app: &App,
    context: &RequestContext,
    pattern: Option<&'static str>,
    endpoint: impl FnOnce(&mut Option<String>) -> HandlerResult,
) -> Response {
    observe(&app.metrics.requests, context, pattern, |username| {
        security_headers(context, || {
            cors(&app.config.cors, context, || {
                catch_panic(context, || endpoint(username))
            })
        })
    })
}

/// Observability: writes one line to the access log, counts the request in the metrics, and adds the
/// request id to the response.
fn observe(
    requests: &RequestCounts,
    context: &RequestContext,
    pattern: Option<&'static str>,
    next: impl FnOnce(&mut Option<String>) -> Response,
) -> Response {
    let mut username = None;
    let start = Instant::now();
    let response = next(&mut username);
    let duration = start.elapsed();
    requests.count(context.method(), pattern, response.status_code, duration);
    let (response, bytes) = measure(response);
    log::info!(
        target: "access",
        "request_id={} method={} path={} status={} duration_ms={:.3} bytes={} user={} client={}",
        context.request_id,
        log_word(context.method()),
        log_word(context.path()),
        response.status_code,
        duration.as_secs_f64() * 1e3,
        bytes.map_or("-".to_owned(), |bytes| bytes.to_string()),
        username.as_deref().map_or("-".to_owned(), log_word),
        context.client.address,
    );
    response.with_unique_header("X-Request-Id", context.request_id.clone())
}

/// Returns the response and the length of its body in bytes; `None` where the length is unknown.
/// rouille reveals the length only by taking the body out of the response, so the body is put back.
fn measure(response: Response) -> (Response, Option<usize>) {
    let (reader, size) = response.data.into_reader_and_size();
    let data = match size {
        Some(size) => ResponseBody::from_reader_and_size(reader, size),
        None => ResponseBody::from_reader(reader),
    };
    (Response { data, ..response }, size)
}

/// Writes text from a client as one word of a log line, against log injection: text with a space, a quote
/// or a control character is quoted and escaped, so that a line break in it cannot forge a line (OWASP ASVS
/// 5.0, 16.4.1).
fn log_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=');
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

/// Adds security headers for browsers (OWASP ASVS 5.0, 3.4): responses hold personal data and are not pages to
/// display.
///
/// - `Cache-Control: no-store`: no cache stores them.
/// - `X-Content-Type-Options: nosniff`: a browser does not guess another media type.
/// - `Content-Security-Policy`: a browser neither loads anything for them nor shows them in a frame.
/// - `Referrer-Policy`: no other website learns their URL.
/// - `Strict-Transport-Security`: a browser that has used TLS uses only TLS for the next year. The header is
///   sent only over TLS: without TLS RFC 6797 forbids it (7.2), and browsers ignore it (8.1).
///
/// A response that already has one of the first four headers keeps its own value: HTML pages need a wider
/// policy.
fn security_headers(context: &RequestContext, next: impl FnOnce() -> Response) -> Response {
    let response = [
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        (
            "Content-Security-Policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("Referrer-Policy", "no-referrer"),
    ]
    .into_iter()
    .fold(next(), with_default);
    if context.client.https {
        response.with_unique_header("Strict-Transport-Security", "max-age=31536000")
    } else {
        response
    }
}

/// Adds the header, unless the response already has one of this name.
fn with_default(response: Response, (name, value): (&'static str, &'static str)) -> Response {
    if response.headers.iter().any(|(given, _)| given == name) {
        response
    } else {
        response.with_additional_header(name, value)
    }
}

/// The request headers that the API reads and that CORS permits only after a preflight.
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id";
/// The response headers that a script may read in addition to those that CORS always exposes.
const EXPOSED_HEADERS: &str =
    "ETag, Idempotency-Replayed, Location, Link, Retry-After, X-Request-Id";

/// CORS (Fetch Standard, 3.2): adds the headers by which a browser decides which websites may call the API. It
/// wraps everything that can fail, so that a website can read error responses too.
fn cors(config: &CorsArgs, context: &RequestContext, next: impl FnOnce() -> Response) -> Response {
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
    // The router's response to OPTIONS has the methods of the path in `Allow`. It has no `Allow` if the path is
    // unknown.
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

fn is_preflight(context: &RequestContext) -> bool {
    context.method() == "OPTIONS"
        && context.header("Origin").is_some()
        && context.header("Access-Control-Request-Method").is_some()
}

/// Panic guard: converts a panic into a 500, so that it ends one request and not the server. Also converts the
/// errors of the router and the handlers into error responses.
fn catch_panic(context: &RequestContext, next: impl FnOnce() -> HandlerResult) -> Response {
    // Unwind safety: unwinding rolls the open transaction back and releases every lock and permit, so no shared
    // state stays half changed.
    let result = catch_unwind(AssertUnwindSafe(next)).unwrap_or_else(|_| {
        Err(Error::Internal(
            "the handler panicked; the panic is logged above".to_owned(),
        ))
    });
    result.unwrap_or_else(|error| error_response(context, &error))
}
