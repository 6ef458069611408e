//! The actor of a request, for the audit log: who did it, from which address, when, and in which request.

use crate::app::App;
use crate::http::request::RequestContext;
use crate::model::{Actor, User};

/// The actor of this request, for the audit log.
pub fn actor<'a>(app: &App, context: &'a RequestContext, account: &'a User) -> Actor<'a> {
    Actor {
        account: Some(account),
        ..anonymous_actor(app, context)
    }
}

/// The actor of a request whose caller is not signed in.
pub fn anonymous_actor<'a>(app: &App, context: &'a RequestContext) -> Actor<'a> {
    Actor {
        address: Some(context.client.address),
        request_id: Some(&context.request_id),
        ..Actor::server(app.now())
    }
}
