//! What is counted, for Prometheus: the names of all metrics.

use std::time::UNIX_EPOCH;

use crate::app::App;
use crate::call::Call;
use crate::error::Error;
use crate::gate::{Count, Gate};
use crate::limits::Limits;
use crate::metrics::text::{Family, Text};
use crate::metrics::{Connections, Metrics, Requests, process};
use crate::reply::{self, Reply};
use crate::store::Store;

/// Shows all of it to whoever may see it.
pub fn show(app: &App, call: &Call) -> Reply {
    admit(app, call)?;
    let mut text = Text::default();
    put_requests(&mut text, &app.metrics.requests);
    put_connections(&mut text, &app.metrics.connections);
    put_database(&mut text, &app.store);
    put_gates(&mut text, &app.gates());
    put_limits(&mut text, &app.limits);
    put_process(&mut text, &app.metrics);
    Ok(reply::metrics(text))
}

/// Whoever has the token, if there is one; else whoever is near. To the others it does not exist.
fn admit(app: &App, call: &Call) -> Result<(), Error> {
    match &app.metrics.token {
        Some(token) if token.is(call.bearer()?) => Ok(()),
        Some(_) => Err(Error::InvalidToken("Wrong token".to_owned())),
        None if call.is_local(&app.config.trusted_proxies) => Ok(()),
        None => Err(Error::NotFound),
    }
}

fn put_requests(text: &mut Text, requests: &Requests) {
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

fn put_connections(text: &mut Text, connections: &Connections) {
    text.gauge("http_connections_open", "Open connections.")
        .sample(&[], connections.open());
    text.counter("http_connections_accepted_total", "Connections so far.")
        .sample(&[], connections.accepted.get());
    let mut family = text.counter(
        "http_connections_ended_total",
        "Connections that were ended for a limit.",
    );
    for (setting, count) in connections.ended() {
        family.sample(&[("limit", setting)], count);
    }
}

fn put_database(text: &mut Text, store: &Store) {
    let mut family = text.histogram(
        "database_wait_seconds",
        "How long requests waited for a connection to the database.",
    );
    for (pool, waits) in store.waits() {
        family.durations(&[("pool", pool)], waits);
    }
}

fn put_gates(text: &mut Text, gates: &[&Gate]) {
    let put = |mut family: Family, number: fn(Count) -> u64| {
        for gate in gates {
            family.sample(&[("gate", gate.what())], number(gate.count()));
        }
    };
    let family = text.gauge(
        "gate_inside",
        "Requests that do what only some may at a time.",
    );
    put(family, |count| count.inside as u64);
    let family = text.gauge("gate_waiting", "Requests that wait until they may.");
    put(family, |count| count.waiting as u64);
    let family = text.counter("gate_turned_away_total", "How often one more was too many.");
    put(family, |count| count.turned_away);
    let mut family = text.histogram(
        "gate_wait_seconds",
        "How long requests waited that were let in.",
    );
    for gate in gates {
        family.durations(&[("gate", gate.what())], gate.waits());
    }
}

fn put_limits(text: &mut Text, limits: &Limits) {
    let mut family = text.counter("rate_limit_refusals_total", "Requests that were too many.");
    for (limit, count) in limits.refusals() {
        family.sample(&[("limit", limit)], count);
    }
}

/// Under the names that every client library gives them.
fn put_process(text: &mut Text, metrics: &Metrics) {
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
