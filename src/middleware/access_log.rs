//! Observability of requests: one line of access log and one count in the metrics for each. Text from clients
//! is escaped, so that it cannot forge a log entry (log injection).

use std::time::Instant;

use rouille::{Response, ResponseBody};

use crate::http::request::RequestContext;
use crate::metrics::RequestCounts;

/// Observability: writes one line to the access log, counts the request in the metrics, and adds the
/// request id to the response. The duration is counted from `arrival`, so it includes the time in a queue.
pub fn observe(
    requests: &RequestCounts,
    context: &RequestContext,
    pattern: Option<&'static str>,
    username: Option<&str>,
    arrival: Instant,
    next: impl FnOnce() -> Response,
) -> Response {
    let response = next();
    let duration = arrival.elapsed();
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
        username.map_or("-".to_owned(), log_word),
        context.client.address,
    );
    response.with_unique_header("X-Request-Id", context.request_id.clone())
}

/// Returns the response and the length of its body in bytes; `None` if the length is unknown. rouille reveals
/// the length only when the body is taken out of the response, so the body is put back.
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
