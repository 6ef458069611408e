//! The chain: nests the middleware functions around the router. The order in which they are written is the
//! order in which they run.

use rouille::{Request, Response};

use super::access_log::observe;
use super::catch_panic::catch_panic;
use super::cors::cors;
use super::security_headers::security_headers;
use crate::app::App;
use crate::error::Error;
use crate::http::request::RequestContext;
use crate::http::response::HandlerResult;
use crate::router;

/// Handles a request: the whole application as one function.
///
/// The response to HEAD has the body of GET. The server computes `Content-Length` from it and does not send
/// it.
pub fn handle(app: &App, request: &Request) -> Response {
    let context = RequestContext::new(request, &app.config);
    let matched = router::match_route(context.method(), context.path());
    let pattern = matched.pattern();
    run(app, &context, pattern, |username| {
        router::dispatch(app, &context, matched, username)
    })
}

/// Returns the response to a request that the server rejects before it reaches the router. The response
/// passes through the same chain, so it is logged and counted, and CORS permits websites to read it.
pub fn reject(app: &App, request: &Request, error: Error) -> Response {
    let context = RequestContext::new(request, &app.config);
    run(app, &context, None, |_| Err(error))
}

/// Runs the chain; the outermost middleware comes first. `pattern` is the path in the route table, such as
/// `/tasks/{id}`. `endpoint` stores the caller's username in its argument once it is known.
fn run(
    app: &App,
    context: &RequestContext,
    pattern: Option<&'static str>,
    endpoint: impl FnOnce(&mut Option<String>) -> HandlerResult,
) -> Response {
    let response = observe(&app.metrics.requests, context, pattern, |username| {
        security_headers(context, || {
            cors(&app.config.cors, context, || {
                catch_panic(context, || endpoint(username))
            })
        })
    });
    refund_rate_limits(app, context, response.status_code);
    response
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
