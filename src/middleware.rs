//! What every request passes through, from the outside in.

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

/// The whole application: a request in, its response out.
///
/// HEAD gets the body that GET would get. The server leaves it out, after it has computed its length.
pub fn handle(app: &App, request: &Request) -> Response {
    let context = RequestContext::new(request, &app.config.trusted_proxies);
    let matched = router::match_route(context.method(), context.path());
    let pattern = matched.pattern();
    run(app, &context, pattern, |username| {
        router::dispatch(app, &context, matched, username)
    })
}

/// The response to a request that the server rejects before it reaches the router.
pub fn reject(app: &App, request: &Request, error: Error) -> Response {
    let context = RequestContext::new(request, &app.config.trusted_proxies);
    run(app, &context, None, |_| Err(error))
}

/// Runs the chain. The order of the lines is the order in which they run. `pattern` is the path in the route
/// table; `endpoint` stores the caller's name in its argument once it is known.
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

/// Observability: one line in the access log and one count in the metrics for each request, and its id in
/// the response.
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

/// The response, and the length of its body in bytes.
fn measure(response: Response) -> (Response, Option<usize>) {
    let (reader, size) = response.data.into_reader_and_size();
    let data = match size {
        Some(size) => ResponseBody::from_reader_and_size(reader, size),
        None => ResponseBody::from_reader(reader),
    };
    (Response { data, ..response }, size)
}

/// Text from a client as one word of a log line: with a space, a quote or a control character in it,
/// it is quoted and escaped, so a name with a line break cannot forge a line (OWASP ASVS 5.0, 16.4.1).
fn log_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '=');
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

/// Answers are somebody's data and nothing to look at: no cache keeps them, and a browser neither guesses
/// another type, nor runs or frames them, nor tells the next site their URL (OWASP ASVS 5.0, 3.4). A page
/// says itself what it needs instead.
/// Who came by TLS comes by TLS for the next year (RFC 6797); without TLS nobody is told so.
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

/// The answer with this header, unless it has it with another value.
fn with_default(response: Response, (name, value): (&'static str, &'static str)) -> Response {
    if response.headers.iter().any(|(given, _)| given == name) {
        response
    } else {
        response.with_additional_header(name, value)
    }
}

/// The request headers that the API reads and that a page must ask leave for.
const REQUEST_HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id";
/// The response headers that a page may read beyond the few that it always may.
const EXPOSED_HEADERS: &str =
    "ETag, Idempotency-Replayed, Location, Link, Retry-After, X-Request-Id";

/// Tells browsers which websites may call (Fetch Standard, 3.2). Outside everything that can fail,
/// so that a page can read errors too.
fn cors(config: &CorsArgs, context: &RequestContext, next: impl FnOnce() -> Response) -> Response {
    let mut response = next();
    // A cache must keep the answers to different origins apart, the refused ones too.
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
    // The router answered OPTIONS with the path's methods; an unknown path has none.
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

/// Turns errors into answers, and a panic into an error: it ends this request and nothing else.
fn catch_panic(context: &RequestContext, next: impl FnOnce() -> HandlerResult) -> Response {
    // What a panic leaves half done is behind a transaction, which rolls back, or a guard.
    let reply = catch_unwind(AssertUnwindSafe(next)).unwrap_or_else(|_| {
        Err(Error::Internal(
            "the handler panicked, see above".to_owned(),
        ))
    });
    reply.unwrap_or_else(|error| error_response(context, &error))
}
