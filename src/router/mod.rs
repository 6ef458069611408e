//! The router: finds the route of a request, authenticates the caller, and calls the handler.
//!
//! [`ROUTES`] is the table of all endpoints. [`match_route()`] finds a line of it, and [`dispatch()`]
//! authenticates the caller and calls the line's handler.

pub(crate) mod authenticate;
mod authenticate_refresh;
mod dispatch;
mod flow;
mod match_route;
mod path_params;
mod routes;

pub use self::dispatch::dispatch;
pub use self::flow::Flow;
pub use self::match_route::{Match, match_route};
pub use self::routes::{Access, Handler, ROUTES, Route, RouteWork, openapi_json};
