//! Metrics in Prometheus' format. The names of all metrics are here.

use std::time::UNIX_EPOCH;

use rouille::Response;

use crate::app::App;
use crate::concurrency::{Bulkhead, Usage};
use crate::error::Error;
use crate::http::rate_limit::RateLimits;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::metrics::exposition::{Exposition, MEDIA_TYPE, MetricFamily};
use crate::metrics::{ConnectionCounts, Metrics, RequestCounts, process};
use crate::store::Store;

/// Shows all metrics, to a client that may see them.
pub fn show(app: &App, context: &RequestContext) -> HandlerResult {
    authorize(app, context)?;
    let mut text = Exposition::default();
    write_requests(&mut text, &app.metrics.requests);
    write_connections(&mut text, &app.metrics.connections);
    write_database(&mut text, &app.store);
    write_bulkheads(&mut text, &app.bulkheads());
    write_rate_limits(&mut text, &app.rate_limits);
    write_process(&mut text, &app.metrics);
    Ok(Response::from_data(MEDIA_TYPE, text.into_string()))
}

/// With METRICS_TOKEN, the client must send it. Without, the request must come from this machine or a trusted
/// proxy; for any other client the route does not exist.
fn authorize(app: &App, context: &RequestContext) -> Result<(), Error> {
    match &app.metrics_token {
        Some(token) if token.matches(context.bearer_token()?) => Ok(()),
        Some(_) => Err(Error::InvalidToken("Wrong token".to_owned())),
        None if context.is_local(&app.config.trusted_proxies) => Ok(()),
        None => Err(Error::NotFound),
    }
}

fn write_requests(text: &mut Exposition, requests: &RequestCounts) {
    let mut family = text.counter(
        "http_requests_total",
        "Requests that got a response, by method, route and status.",
    );
    for (method, route, status, count) in requests.counts() {
        let status = status.to_string();
        let labels = [("method", method), ("route", route), ("status", &status)];
        family.sample(&labels, count);
    }
    let mut family = text.histogram(
        "http_request_duration_seconds",
        "Time from the complete request to the response.",
    );
    for (route, durations) in requests.durations() {
        family.histogram(&[("route", route)], durations);
    }
}

fn write_connections(text: &mut Exposition, connections: &ConnectionCounts) {
    text.gauge("http_connections_open", "Open connections.")
        .sample(&[], connections.open());
    text.counter(
        "http_connections_accepted_total",
        "Connections accepted since the start.",
    )
    .sample(&[], connections.accepted.get());
    let mut family = text.counter(
        "http_connections_ended_total",
        "Connections closed because of a limit, by the name of its setting.",
    );
    for (setting, count) in connections.closed() {
        family.sample(&[("limit", setting)], count);
    }
}

fn write_database(text: &mut Exposition, store: &Store) {
    let mut family = text.histogram(
        "database_wait_seconds",
        "Time that requests waited for a database connection.",
    );
    for (pool, waits) in store.waits() {
        family.histogram(&[("pool", pool)], waits);
    }
}

fn write_bulkheads(text: &mut Exposition, bulkheads: &[&Bulkhead]) {
    let write = |mut family: MetricFamily, number: fn(Usage) -> u64| {
        for bulkhead in bulkheads {
            family.sample(&[("bulkhead", bulkhead.name())], number(bulkhead.usage()));
        }
    };
    let family = text.gauge(
        "bulkhead_in_use",
        "Requests that hold a permit of the bulkhead.",
    );
    write(family, |usage| usage.in_use as u64);
    let family = text.gauge(
        "bulkhead_queued",
        "Requests in the wait queue of the bulkhead.",
    );
    write(family, |usage| usage.queued as u64);
    let family = text.counter(
        "bulkhead_rejected_total",
        "Requests rejected because the wait queue was full or the wait timed out.",
    );
    write(family, |usage| usage.rejected);
    let mut family = text.histogram(
        "bulkhead_wait_seconds",
        "Time that requests waited for the permit that they got.",
    );
    for bulkhead in bulkheads {
        family.histogram(&[("bulkhead", bulkhead.name())], bulkhead.waits());
    }
}

fn write_rate_limits(text: &mut Exposition, limits: &RateLimits) {
    let mut family = text.counter(
        "rate_limit_refusals_total",
        "Requests rejected by a rate limit.",
    );
    for (limit, count) in limits.rejections() {
        family.sample(&[("limit", limit)], count);
    }
}

/// Metrics of the process, under the names that all Prometheus client libraries use.
fn write_process(text: &mut Exposition, metrics: &Metrics) {
    let start = metrics.start.duration_since(UNIX_EPOCH).unwrap_or_default();
    text.gauge(
        "process_start_time_seconds",
        "Start of the process, in Unix time.",
    )
    .sample(&[], start.as_secs_f64());
    if let Some(bytes) = process::resident_memory() {
        text.gauge(
            "process_resident_memory_bytes",
            "Resident set size of the process.",
        )
        .sample(&[], bytes);
    }
    if let Some(count) = process::open_descriptors() {
        text.gauge("process_open_fds", "Open file descriptors.")
            .sample(&[], count);
    }
}
