//! What is counted, for Prometheus: the names of all metrics.

use std::time::UNIX_EPOCH;

use rouille::Response;

use crate::app::App;
use crate::concurrency::{Bulkhead, Usage};
use crate::error::Error;
use crate::http::rate_limit::RateLimits;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::metrics::exposition::{Exposition, Family, MEDIA_TYPE};
use crate::metrics::{ConnectionCounts, Metrics, RequestCounts, process};
use crate::store::Store;

/// Shows all of it to whoever may see it.
pub fn show(app: &App, context: &RequestContext) -> HandlerResult {
    admit(app, context)?;
    let mut text = Exposition::default();
    put_requests(&mut text, &app.metrics.requests);
    put_connections(&mut text, &app.metrics.connections);
    put_database(&mut text, &app.store);
    put_bulkheads(&mut text, &app.bulkheads());
    put_limits(&mut text, &app.rate_limits);
    put_process(&mut text, &app.metrics);
    Ok(Response::from_data(MEDIA_TYPE, text.into_string()))
}

/// Whoever has the token, if there is one; else whoever is near. To the others it does not exist.
fn admit(app: &App, context: &RequestContext) -> Result<(), Error> {
    match &app.metrics_token {
        Some(token) if token.matches(context.bearer_token()?) => Ok(()),
        Some(_) => Err(Error::InvalidToken("Wrong token".to_owned())),
        None if context.is_local(&app.config.trusted_proxies) => Ok(()),
        None => Err(Error::NotFound),
    }
}

fn put_requests(text: &mut Exposition, requests: &RequestCounts) {
    let mut family = text.counter("http_requests_total", "Requests that were answered.");
    for (method, route, status, count) in requests.counts() {
        let labels = [("method", method), ("route", route), ("status", &status)];
        family.sample(&labels, count);
    }
    let mut family = text.histogram(
        "http_request_duration_seconds",
        "How long it took to answer a request that had arrived whole.",
    );
    for (route, durations) in requests.durations() {
        family.durations(&[("route", route)], durations);
    }
}

fn put_connections(text: &mut Exposition, connections: &ConnectionCounts) {
    text.gauge("http_connections_open", "Open connections.")
        .sample(&[], connections.open());
    text.counter("http_connections_accepted_total", "Connections so far.")
        .sample(&[], connections.accepted.get());
    let mut family = text.counter(
        "http_connections_ended_total",
        "Connections that were ended for a limit.",
    );
    for (setting, count) in connections.closed() {
        family.sample(&[("limit", setting)], count);
    }
}

fn put_database(text: &mut Exposition, store: &Store) {
    let mut family = text.histogram(
        "database_wait_seconds",
        "How long requests waited for a connection to the database.",
    );
    for (pool, waits) in store.waits() {
        family.durations(&[("pool", pool)], waits);
    }
}

fn put_bulkheads(text: &mut Exposition, bulkheads: &[&Bulkhead]) {
    let put = |mut family: Family, number: fn(Usage) -> u64| {
        for bulkhead in bulkheads {
            family.sample(&[("bulkhead", bulkhead.name())], number(bulkhead.usage()));
        }
    };
    let family = text.gauge(
        "bulkhead_in_use",
        "Requests that hold a permit of the bulkhead.",
    );
    put(family, |usage| usage.in_use as u64);
    let family = text.gauge(
        "bulkhead_queued",
        "Requests in the wait queue of the bulkhead.",
    );
    put(family, |usage| usage.queued as u64);
    let family = text.counter(
        "bulkhead_rejected_total",
        "Requests rejected because the wait queue was full or the wait timed out.",
    );
    put(family, |usage| usage.rejected);
    let mut family = text.histogram(
        "bulkhead_wait_seconds",
        "How long requests waited for a permit that they got.",
    );
    for bulkhead in bulkheads {
        family.durations(&[("bulkhead", bulkhead.name())], bulkhead.waits());
    }
}

fn put_limits(text: &mut Exposition, limits: &RateLimits) {
    let mut family = text.counter("rate_limit_refusals_total", "Requests that were too many.");
    for (limit, count) in limits.rejections() {
        family.sample(&[("limit", limit)], count);
    }
}

/// Under the names that every client library gives them.
fn put_process(text: &mut Exposition, metrics: &Metrics) {
    let start = metrics.start.duration_since(UNIX_EPOCH).unwrap_or_default();
    text.gauge(
        "process_start_time_seconds",
        "When the process began, in Unix time.",
    )
    .sample(&[], start.as_secs_f64());
    if let Some(bytes) = process::resident_memory() {
        text.gauge("process_resident_memory_bytes", "Resident memory.")
            .sample(&[], bytes);
    }
    if let Some(count) = process::open_descriptors() {
        text.gauge("process_open_fds", "Open descriptors.")
            .sample(&[], count);
    }
}
