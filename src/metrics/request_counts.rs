//! Counts of requests by method, route and status, and their durations by route.

use std::iter;
use std::sync::OnceLock;
use std::time::Duration;

use super::counter::Counter;
use super::exposition::Exposition;
use super::histogram::Histogram;

/// The methods of the API.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"];

/// The label of every other method.
const OTHER_METHOD: &str = "other";

/// The label of a request that has no route: its path is not in the route table, or the server rejected it
/// before it reached the router.
const UNMATCHED: &str = "unmatched";

/// The requests that got a response, by method, route and status. No label comes from the client, so a client
/// cannot create series.
#[derive(Debug)]
pub struct RequestCounts {
    routes: Vec<&'static str>,
    /// One for each route, and the last one for [`UNMATCHED`].
    counts: Box<[RouteCounts]>,
}

/// The requests of one route. Aligned to 128 bytes against false sharing: threads that count for different
/// routes do not write to the same cache line. A line has 64 bytes, and processors prefetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct RouteCounts {
    durations: Histogram,
    by_status: OnceLock<Box<StatusCounts>>,
}

/// The requests of one route with one status: a node of a linked list that only grows.
///
/// The first response with a status appends its node, so no list of all statuses is needed. A route has few
/// statuses, which makes the search short.
#[derive(Debug)]
#[repr(align(128))]
struct StatusCounts {
    status: u16,
    /// One for each of [`METHODS`], and the last one for [`OTHER_METHOD`].
    by_method: [Counter; METHODS.len() + 1],
    next: OnceLock<Box<StatusCounts>>,
}

impl RequestCounts {
    /// Counts at zero. `paths` may repeat a path, as the route table does for each of its methods.
    pub fn new(paths: impl Iterator<Item = &'static str>) -> RequestCounts {
        let mut routes = Vec::new();
        for path in paths {
            if !routes.contains(&path) {
                routes.push(path);
            }
        }
        let counts = iter::repeat_with(RouteCounts::default);
        RequestCounts {
            counts: counts.take(routes.len() + 1).collect(),
            routes,
        }
    }

    /// Counts a request: its method, its route, the status of its response, and the time that it took.
    pub fn count(&self, method: &str, route: Option<&str>, status: u16, duration: Duration) {
        let route = &self.counts[index_of(&self.routes, route.unwrap_or(UNMATCHED))];
        route.of_status(status).by_method[index_of(&METHODS, method)].add(1);
        route.durations.observe(duration);
    }

    /// Writes the metrics of requests.
    pub fn write(&self, text: &mut Exposition) {
        let mut family = text.counter(
            "http_requests_total",
            "Requests that got a response, by method, route and status.",
        );
        for (method, route, status, count) in self.counts() {
            let status = status.to_string();
            let labels = [("method", method), ("route", route), ("status", &status)];
            family.sample(&labels, count);
        }
        let mut family = text.histogram(
            "http_request_duration_seconds",
            "Time from the complete request to the response.",
        );
        for (route, durations) in self.durations() {
            family.histogram(&[("route", route)], durations);
        }
    }

    /// Method, route, status and number of requests, for every combination that has occurred.
    fn counts(&self) -> Vec<(&'static str, &'static str, u16, u64)> {
        let mut all = Vec::new();
        for (route, counts) in self.by_route() {
            for StatusCounts {
                status, by_method, ..
            } in counts.sorted_by_status()
            {
                for (method, count) in METHODS.into_iter().chain([OTHER_METHOD]).zip(by_method) {
                    all.push((method, route, *status, count.get()));
                }
            }
        }
        all.retain(|(.., count)| *count > 0);
        all
    }

    /// The histogram of durations for each route.
    fn durations(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        let by_route = self.by_route();
        by_route.map(|(route, counts)| (route, &counts.durations))
    }

    fn by_route(&self) -> impl Iterator<Item = (&'static str, &RouteCounts)> {
        let routes = self.routes.iter().copied().chain([UNMATCHED]);
        routes.zip(&self.counts)
    }
}

impl RouteCounts {
    /// Finds the counts of a status, appending them if it is new.
    fn of_status(&self, status: u16) -> &StatusCounts {
        let mut link = &self.by_status;
        loop {
            let counts = link.get_or_init(|| Box::new(StatusCounts::new(status)));
            if counts.status == status {
                return counts;
            }
            link = &counts.next;
        }
    }

    fn sorted_by_status(&self) -> Vec<&StatusCounts> {
        let first = self.by_status.get();
        let list = iter::successors(first, |counts| counts.next.get());
        let mut sorted: Vec<_> = list.map(Box::as_ref).collect();
        sorted.sort_by_key(|counts| counts.status);
        sorted
    }
}

impl StatusCounts {
    fn new(status: u16) -> StatusCounts {
        StatusCounts {
            status,
            by_method: Default::default(),
            next: OnceLock::new(),
        }
    }
}

/// The index of an item in a list; the length of the list if the item is not in it.
fn index_of(list: &[&str], wanted: &str) -> usize {
    let found = list.iter().position(|item| *item == wanted);
    found.unwrap_or(list.len())
}
