//! What every request passes through, from the outside in.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rouille::{Request, Response, ResponseBody};

use crate::app::App;
use crate::call::Call;
use crate::config::{CorsArgs, CorsOrigins};
use crate::error::Error;
use crate::metrics::Requests;
use crate::reply::{self, Reply};
use crate::router;

/// The whole application: a request in, its answer out.
///
/// HEAD is answered with the body that GET would have; leaving it out is the server's part, which
/// needs to know its length.
pub fn handle(app: &App, request: &Request) -> Response {
    chain(app, request, router::route)
}

/// Answers a request that the server does not let in, with this error.
pub fn refuse(app: &App, request: &Request, error: Error) -> Response {
    chain(app, request, |_, _| Err(error))
}

/// The order of the lines is the order in which they run.
fn chain(app: &App, request: &Request, end: impl FnOnce(&App, &Call) -> Reply) -> Response {
    let call = Call::new(request, &app.config.trusted_proxies);
    record(&app.metrics.requests, &call, || {
        security_headers(&call, || {
            cors(&app.config.cors, &call, || {
                catch_panic(&call, || end(app, &call))
            })
        })
    })
}

/// One line a request in the log, one more in the metrics, and its id in the answer.
fn record(requests: &Requests, call: &Call, next: impl FnOnce() -> Response) -> Response {
    let start = Instant::now();
    let response = next();
    let duration = start.elapsed();
    requests.count(call.method(), call.route(), response.status_code, duration);
    let (response, bytes) = measure(response);
    log::info!(
        target: "access",
        "request_id={} method={} path={} status={} duration_ms={:.3} bytes={} user={} client={}",
        call.request_id,
        log_word(call.method()),
        log_word(call.path()),
        response.status_code,
        duration.as_secs_f64() * 1e3,
        bytes.map_or("-".to_owned(), |bytes| bytes.to_string()),
        call.user().map_or("-".to_owned(), log_word),
        call.client.address,
    );
    response.with_unique_header("X-Request-Id", call.request_id.clone())
}

/// The answer, and the length of its body in bytes.
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
fn security_headers(call: &Call, next: impl FnOnce() -> Response) -> Response {
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
    match call.client.https {
        true => response.with_unique_header("Strict-Transport-Security", "max-age=31536000"),
        false => response,
    }
}

/// The answer with this header, unless it has it with another value.
fn with_default(response: Response, (name, value): (&'static str, &'static str)) -> Response {
    match response.headers.iter().any(|(given, _)| given == name) {
        true => response,
        false => response.with_additional_header(name, value),
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
fn cors(config: &CorsArgs, call: &Call, next: impl FnOnce() -> Response) -> Response {
    let mut response = next();
    // A cache must keep the answers to different origins apart, the refused ones too.
    if config.cors_origins != CorsOrigins::Any {
        response = response.with_additional_header("Vary", "Origin");
    }
    let Some(origin) = allowed_origin(&config.cors_origins, call.header("Origin")) else {
        return response;
    };
    response = response.with_additional_header("Access-Control-Allow-Origin", origin);
    if config.cors_supports_credentials {
        response = response.with_additional_header("Access-Control-Allow-Credentials", "true");
    }
    if !is_preflight(call) {
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

fn is_preflight(call: &Call) -> bool {
    call.method() == "OPTIONS"
        && call.header("Origin").is_some()
        && call.header("Access-Control-Request-Method").is_some()
}

/// Turns errors into answers, and a panic into an error: it ends this request and nothing else.
fn catch_panic(call: &Call, next: impl FnOnce() -> Reply) -> Response {
    // What a panic leaves half done is behind a transaction, which rolls back, or a guard.
    let reply = catch_unwind(AssertUnwindSafe(next)).unwrap_or_else(|_| {
        Err(Error::Internal(
            "the handler panicked, see above".to_owned(),
        ))
    });
    reply.unwrap_or_else(|error| reply::error(call, &error))
}
