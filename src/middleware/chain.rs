//! The chain: nests the middleware functions around the router. The order in which they are written is the
//! order in which they run.

use std::time::Instant;

use rouille::{Request, Response};

use super::access_log::observe;
use super::catch_panic::catch_panic;
use super::cors::cors;
use super::refresh_cookie::refresh_cookie;
use super::security_headers::security_headers;
use crate::app::App;
use crate::error::Error;
use crate::http::error_response::error_response;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::router::{self, Match};

/// Handles a request: the whole application as one function.
///
/// The response to HEAD has the body of GET. The server computes `Content-Length` from it and does not send
/// it.
pub fn handle(app: &App, request: &Request) -> Response {
    let matched = router::match_route(request.method(), path(request));
    Handled::run(app, request, &matched, Instant::now()).respond(app, Ok(()))
}

/// Returns the response to a request that the server rejects before it reaches the router. The response
/// passes through the same chain, so it is logged and counted, and CORS permits websites to read it.
pub fn reject(app: &App, request: &Request, error: Error) -> Response {
    Handled::rejected(app, request, None, Instant::now(), error).respond(app, Ok(()))
}

/// Returns the response to a request that leaves the queue of its lane without being handled.
pub fn reject_queued(
    app: &App,
    request: &Request,
    matched: &Match,
    arrival: Instant,
    error: Error,
) -> Response {
    Handled::rejected(app, request, matched.pattern(), arrival, error).respond(app, Ok(()))
}

/// The path of a request, as sent: not decoded, without the query.
pub fn path(request: &Request) -> &str {
    request.raw_url().split('?').next().unwrap_or_default()
}

/// A request whose handler has run, and whose response is not made yet. In between, a group of writes is
/// committed.
#[derive(Debug)]
pub struct Handled<'a> {
    context: RequestContext<'a>,
    /// The path in the route table, such as `/tasks/{id}`.
    pattern: Option<&'static str>,
    /// The caller's name, for the access log.
    username: Option<String>,
    result: HandlerResult,
    arrival: Instant,
}

impl<'a> Handled<'a> {
    /// Runs the handler of a request. `matched` is the line of the route table, `arrival` the time at which the
    /// request had arrived completely.
    pub fn run(app: &App, request: &'a Request, matched: &Match, arrival: Instant) -> Handled<'a> {
        let context = RequestContext::new(request, &app.config);
        let mut username = None;
        let result = catch_panic(|| router::dispatch(app, &context, matched, &mut username));
        Handled {
            context,
            pattern: matched.pattern(),
            username,
            result,
            arrival,
        }
    }

    /// A request that the server rejects itself.
    fn rejected(
        app: &App,
        request: &'a Request,
        pattern: Option<&'static str>,
        arrival: Instant,
        error: Error,
    ) -> Handled<'a> {
        Handled {
            context: RequestContext::new(request, &app.config),
            pattern,
            username: None,
            result: Err(error),
            arrival,
        }
    }

    /// Makes the response, in the middleware chain; the outermost middleware comes first. It is an error
    /// response if the handler has failed, or if what the handler has written is not committed.
    pub fn respond(self, app: &App, committed: Result<(), Error>) -> Response {
        let Handled {
            context,
            pattern,
            username,
            result,
            arrival,
        } = self;
        let (context, result) = (&context, committed.and(result));
        let response = observe(
            &app.metrics.requests,
            context,
            pattern,
            username.as_deref(),
            arrival,
            || {
                security_headers(context, || {
                    cors(&app.config.cors, context, || {
                        refresh_cookie(app, context, pattern, || {
                            result.unwrap_or_else(|error| error_response(context, &error))
                        })
                    })
                })
            },
        );
        refund_rate_limits(app, context, response.status_code);
        response
    }
}

/// Gives a request that failed with a 5xx back to the rate limits that have counted it: a server that is busy or
/// broken must not use up what its clients may send.
fn refund_rate_limits(app: &App, context: &RequestContext, status: u16) {
    if status >= 500 {
        for charge in context.take_charges() {
            app.rate_limits.refund(charge);
        }
    }
}
