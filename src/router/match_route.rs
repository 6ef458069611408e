//! Route matching: finds the line of the route table for the method and the path of a request. If no line
//! matches, [`Match`] holds the reason: the method is OPTIONS (204), the path has other methods (405), or the
//! path is unknown (404).

use super::path_params::PathParams;
use super::routes::{ROUTES, Route};
use crate::concurrency::Work;

/// What the router finds for the method and the path of a request.
#[derive(Debug)]
pub enum Match {
    /// A route of the table matches.
    Route {
        /// The line of the route table.
        route: &'static Route,
        /// The path parameters of the request.
        params: PathParams,
    },
    /// OPTIONS: `Allow` for a path, or for the server as a whole (`*`; RFC 9110, 9.3.7).
    Options {
        /// The path in the route table.
        pattern: Option<&'static str>,
        /// The methods, for `Allow`.
        allow: String,
    },
    /// The path exists, but not with this method.
    MethodNotAllowed {
        /// The path in the route table.
        pattern: &'static str,
        /// The methods, for `Allow`.
        allow: String,
    },
    /// No route has this path.
    NotFound,
}

impl Match {
    /// The kind of work of a request with this query string. A request that no route matches gets its error
    /// response at once.
    pub fn work(&self, query: &str) -> Work {
        match self {
            Match::Route { route, .. } => route.work.of_request(query),
            _ => Work::Memory,
        }
    }

    /// The path in the route table, such as `/tasks/{id}`. The metrics use it as a label, since a label from
    /// the client would let it create series without limit.
    pub fn pattern(&self) -> Option<&'static str> {
        match self {
            Match::Route { route, .. } => Some(route.path),
            Match::MethodNotAllowed { pattern, .. } => Some(pattern),
            Match::Options { pattern, .. } => *pattern,
            Match::NotFound => None,
        }
    }
}

/// Finds the route for a method and a path, both as sent by the client. HEAD matches the routes of GET.
///
/// The literal parts of a path have one spelling: `/%6detrics` is unknown, because a rule of a proxy for `/metrics`
/// would not see it. Only parameters are percent-decoded.
pub fn match_route(method: &str, path: &str) -> Match {
    if (method, path) == ("OPTIONS", "*") {
        let allow = allow(ROUTES);
        return Match::Options {
            pattern: None,
            allow,
        };
    }
    let Some(path) = path.strip_prefix('/') else {
        return Match::NotFound;
    };
    let segments: Vec<&str> = path.split('/').collect();
    let mut routes: Vec<&'static Route> = ROUTES
        .iter()
        .filter(|route| matches(route.path, &segments))
        .collect();
    // A literal path takes precedence over one with a parameter: in `/me/sessions/revoke-all`, `revoke-all`
    // is not a session id.
    if routes.iter().any(is_literal) {
        routes.retain(is_literal);
    }
    let Some(first) = routes.first() else {
        return Match::NotFound;
    };
    let pattern = first.path;
    if method == "OPTIONS" {
        return Match::Options {
            pattern: Some(pattern),
            allow: allow(routes),
        };
    }
    let method = if method == "HEAD" { "GET" } else { method };
    match routes.iter().find(|route| route.method == method) {
        Some(route) => Match::Route {
            route,
            params: PathParams::read(route.path, &segments),
        },
        None => Match::MethodNotAllowed {
            pattern,
            allow: allow(routes),
        },
    }
}

fn is_literal(route: &&Route) -> bool {
    !route.path.contains('{')
}

fn matches(pattern: &str, segments: &[&str]) -> bool {
    let mut parts = pattern.split('/').skip(1);
    let all = segments.iter().all(|segment| match parts.next() {
        Some(parameter) if parameter.starts_with('{') => !segment.is_empty(),
        literal => literal == Some(*segment),
    });
    all && parts.next().is_none()
}

/// The value of `Allow` (RFC 9110, 10.2.1): the methods of these routes, HEAD where GET is one, and OPTIONS.
fn allow<'a>(routes: impl IntoIterator<Item = &'a Route>) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for route in routes {
        let supported: &[&str] = match route.method {
            "GET" => &["GET", "HEAD"],
            _ => &[route.method],
        };
        for method in supported {
            if !methods.contains(method) {
                methods.push(method);
            }
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}
