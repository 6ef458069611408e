//! Dispatch: from the match of a request to the call of its handler. The access level of the route decides
//! how the caller is authenticated and which proof type the handler gets.

use rouille::Response;

use super::authenticate::{Trust, caller};
use super::authenticate_refresh::{refresh_caller, sign_out_caller};
use super::match_route::Match;
use super::routes::Access;
use crate::app::App;
use crate::error::Error;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};

/// Authenticates the caller as the route demands, checks the rate limits, and calls the handler.
/// `username` receives the caller's name, for the access log.
///
/// # Errors
/// [`Error::NotFound`], [`Error::MethodNotAllowed`], those of [`caller`], [`Error::TooManyRequests`],
/// [`Error::InsufficientScope`], [`Error::AwaitingApproval`], [`Error::InsufficientRole`], and those of the handler.
pub fn dispatch(
    app: &App,
    context: &RequestContext,
    matched: &Match,
    username: &mut Option<String>,
) -> HandlerResult {
    app.store.reset_request_state();
    let result = dispatch_once(app, context, matched, username, Trust::LastRead);
    // The database has just failed: another query would wait for it again.
    if let Err(Error::Busy(_) | Error::StorageUnavailable(_)) = result {
        return result;
    }
    if app.store.confirm_assumption()? {
        return result;
    }
    // The account has changed since it was last read, or the session has ended. Only a request that reads begins with an
    // assumption, so running it again is harmless; the rate limit counts it twice. The second run assumes nothing: no
    // query would confirm it.
    dispatch_once(app, context, matched, username, Trust::Database)
}

fn dispatch_once(
    app: &App,
    context: &RequestContext,
    matched: &Match,
    username: &mut Option<String>,
    trust: Trust,
) -> HandlerResult {
    let (route, params) = match matched {
        Match::Route { route, params } => (route, params),
        Match::Options { allow, .. } => {
            return Ok(Response::empty_204().with_additional_header("Allow", allow.clone()));
        }
        Match::MethodNotAllowed { allow, .. } => {
            return Err(Error::MethodNotAllowed(allow.clone()));
        }
        // The browser then sends the actual request, and the page can read its 404.
        Match::NotFound if context.is_preflight() => return Ok(Response::empty_204()),
        Match::NotFound => return Err(Error::NotFound),
    };
    let limit = route.access.rate_limit();
    let mut signed_in =
        || caller(app, context, limit, username, trust)?.check_scope(context.method());
    match route.access {
        Access::Anyone(handler) => handler(app, context),
        Access::SignIn(handler) => {
            let (user, response) = handler(app, context)?;
            *username = Some(user.username);
            Ok(response)
        }
        Access::Refresh(handler) => match refresh_caller(app, context, username)? {
            Some(caller) => handler(app, context, &caller),
            None => Ok(response::no_content()),
        },
        Access::SignOut(handler) => {
            let caller = sign_out_caller(app, context, limit, username, trust)?;
            handler(
                app,
                context,
                &caller.check_scope(context.method())?.try_into()?,
            )
        }
        Access::SignedInOnly(handler) => handler.call(app, context, &signed_in()?, params),
        Access::InSessionOnly(handler) => {
            handler.call(app, context, &signed_in()?.try_into()?, params)
        }
        Access::ApprovedOnly(handler) => {
            handler.call(app, context, &signed_in()?.try_into()?, params)
        }
        Access::ManagerOrAdmin(handler) => {
            handler.call(app, context, &signed_in()?.try_into()?, params)
        }
        Access::AdminOnly(handler) => handler.call(app, context, &signed_in()?.try_into()?, params),
        Access::AdminInSessionOnly(handler) => {
            handler.call(app, context, &signed_in()?.try_into()?, params)
        }
    }
}
