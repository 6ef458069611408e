//! The router: finds the route of a request, authenticates the caller, and calls the handler.

pub mod authenticate;
pub mod routes;

use std::str::FromStr;

use percent_encoding::percent_decode_str;
use rouille::Response;

use self::authenticate::{caller, refresh_caller};
pub use self::routes::{Access, Handler, ROUTES, Route};
use crate::app::App;
use crate::error::Error;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::openapi;

/// The OpenAPI document of the whole API, as JSON.
///
/// # Errors
/// [`Error::Internal`].
pub fn openapi_json() -> Result<String, Error> {
    openapi::to_json(ROUTES.iter().map(Route::endpoint))
}

/// What the router finds for the method and the path of a request.
#[derive(Debug)]
pub enum Match {
    /// A route, with its path parameters.
    Route(Matched),
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

/// A route, and the path parameters of the request.
#[derive(Debug)]
pub struct Matched {
    /// The line of the route table.
    pub route: &'static Route,
    /// The path parameters.
    pub params: PathParams,
}

/// The path parameters of a request. Handlers use only one: `{id}`.
#[derive(Debug, Default)]
pub struct PathParams {
    /// The segment in the place of `{id}`, decoded; `None` where the route has no `{id}`.
    id: Option<String>,
}

impl Match {
    /// The path in the route table, such as `/tasks/{id}`: a label for metrics that no client chooses.
    pub fn pattern(&self) -> Option<&'static str> {
        match self {
            Match::Route(matched) => Some(matched.route.path),
            Match::MethodNotAllowed { pattern, .. } => Some(pattern),
            Match::Options { pattern, .. } => *pattern,
            Match::NotFound => None,
        }
    }
}

/// Finds the route for a method and a path, both as sent. HEAD matches the routes of GET.
pub fn match_route(method: &str, path: &str) -> Match {
    if (method, path) == ("OPTIONS", "*") {
        let allow = allow(ROUTES);
        return Match::Options {
            pattern: None,
            allow,
        };
    }
    let Some(segments) = decode_segments(path) else {
        return Match::NotFound;
    };
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
        Some(route) => Match::Route(Matched {
            route,
            params: PathParams::read(route.path, &segments),
        }),
        None => Match::MethodNotAllowed {
            pattern,
            allow: allow(routes),
        },
    }
}

/// Authenticates the caller as the route demands, checks the rate limits, and calls the handler.
/// `username` receives the caller's name, for the access log.
///
/// # Errors
/// [`Error::NotFound`], [`Error::MethodNotAllowed`], those of [`authenticate`], [`Error::TooManyRequests`],
/// [`Error::AwaitingApproval`], [`Error::InsufficientRole`], and those of the handler.
pub fn dispatch(
    app: &App,
    context: &RequestContext,
    matched: Match,
    username: &mut Option<String>,
) -> HandlerResult {
    let Matched { route, params } = match matched {
        Match::Route(matched) => matched,
        Match::Options { allow, .. } => {
            return Ok(Response::empty_204().with_additional_header("Allow", allow));
        }
        Match::MethodNotAllowed { allow, .. } => return Err(Error::MethodNotAllowed(allow)),
        Match::NotFound => return Err(Error::NotFound),
    };
    let mut signed_in = || caller(app, context, username);
    match route.access {
        Access::Anyone(handler) => handler(app, context),
        Access::SignIn(handler) => {
            let (user, response) = handler(app, context)?;
            *username = Some(user.username);
            Ok(response)
        }
        Access::Refresh(handler) => handler(app, context, &refresh_caller(app, context, username)?),
        Access::SignedInOnly(handler) => handler.call(app, context, &signed_in()?, &params),
        Access::ApprovedOnly(handler) => {
            handler.call(app, context, &signed_in()?.try_into()?, &params)
        }
        Access::ManagerOrAdmin(handler) => {
            handler.call(app, context, &signed_in()?.try_into()?, &params)
        }
        Access::AdminOnly(handler) => {
            handler.call(app, context, &signed_in()?.try_into()?, &params)
        }
    }
}

impl PathParams {
    /// The `{id}`, parsed.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the segment is not an id, since no row can have it.
    fn id<T: FromStr>(&self) -> Result<T, Error> {
        let id = self.id.as_deref().and_then(|text| text.parse().ok());
        id.ok_or(Error::NotFound)
    }

    fn read(pattern: &str, segments: &[String]) -> PathParams {
        let position = pattern.split('/').skip(1).position(|part| part == "{id}");
        PathParams {
            id: position.and_then(|at| segments.get(at).cloned()),
        }
    }
}

/// The segments of a path, decoded one by one, so that `%2F` does not split a segment. `None` where one is
/// not UTF-8.
fn decode_segments(path: &str) -> Option<Vec<String>> {
    let decode = |segment| {
        let decoded = percent_decode_str(segment).decode_utf8();
        decoded.ok().map(Into::into)
    };
    path.strip_prefix('/')?.split('/').map(decode).collect()
}

fn is_literal(route: &&Route) -> bool {
    !route.path.contains('{')
}

fn matches(pattern: &str, segments: &[String]) -> bool {
    let mut parts = pattern.split('/').skip(1);
    let all = segments.iter().all(|segment| match parts.next() {
        Some(parameter) if parameter.starts_with('{') => !segment.is_empty(),
        literal => literal == Some(segment),
    });
    all && parts.next().is_none()
}

/// The value of `Allow` (RFC 9110, 10.2.1): the methods of these routes, HEAD with GET, and OPTIONS.
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
