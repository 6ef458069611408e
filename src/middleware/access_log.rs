//! Observability of requests: one line of access log and one count in the metrics for each.

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
        request_id = context.request_id,
        method = context.method(),
        path = context.path(),
        status = response.status_code,
        duration_ms = duration.as_micros() as f64 / 1e3,
        bytes,
        user = username,
        client:% = context.client.address;
        ""
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
