//! Handlers: each takes its input, uses the store, and returns a response.

pub mod audit;
pub mod auth;
pub mod health;
pub mod hello;
pub mod me;
pub mod metrics;
mod pagination;
pub mod sessions;
pub mod static_files;
pub mod tasks;
pub mod users;

use crate::app::App;
use crate::error::Error;
use crate::http::json_body::JsonBody;
use crate::http::request::RequestContext;
use crate::http::response::{self, HandlerResult};
use crate::model::{Actor, User};
use crate::store::idempotency::{Fingerprint, StoredResponse};
use crate::store::{Connection, users as accounts};

/// Runs the attempt again, once, where another request changed the row between reading and writing.
fn retry_on_conflict<T>(attempt: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    match attempt() {
        Err(Error::WriteConflict) => attempt(),
        done => done,
    }
}

/// Checks inside the write transaction that the caller still has the rights that the router found. Without it
/// a change of role could come between check and act (OWASP ASVS 5.0, 15.4.2).
fn recheck_permissions(db: &Connection, caller: &User) -> Result<(), Error> {
    match accounts::by_username(db, &caller.username)? {
        Some(user) if user.has_rights_of(caller) => Ok(()),
        _ => Err(Error::InsufficientRole),
    }
}

/// The actor of this request, for the audit log.
fn actor<'a>(app: &App, context: &RequestContext, account: &'a User) -> Actor<'a> {
    Actor {
        account: Some(account),
        ..anonymous_actor(app, context)
    }
}

/// The actor of a request whose caller is not signed in.
fn anonymous_actor(app: &App, context: &RequestContext) -> Actor<'static> {
    Actor {
        account: None,
        address: Some(context.client.address),
        at: app.now(),
    }
}

/// The fingerprint by which a retry of this request is recognised; `None` without an `Idempotency-Key`.
/// `route` names the endpoint.
fn fingerprint(
    app: &App,
    context: &RequestContext,
    route: &str,
    caller: Option<&User>,
    body: &JsonBody,
) -> Result<Option<Fingerprint>, Error> {
    let key = context.idempotency_key()?;
    Ok(key.map(|key| app.fingerprints.of(key, route, caller, body.bytes())))
}

/// 201 with the account or task; a retry gets the first response, marked with `Idempotency-Replayed`.
fn created(stored: &StoredResponse) -> HandlerResult {
    let response = response::created(&stored.body)?;
    Ok(if stored.is_replay {
        response.with_additional_header("Idempotency-Replayed", "true")
    } else {
        response
    })
}
